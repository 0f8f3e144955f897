#include "common/kube/client.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/kube/call.h"

#ifndef FLINKD_VERSION
#define FLINKD_VERSION "unknown"
#endif

enum {
    TIMEOUT_MS = 15000,
    /* More at once only wait in the API server, where the deadline of each already runs, and each
     * costs curl a look whenever something arrives on the connection that they share. */
    SENDING_MAX = 12,
};

static void on_auth(const struct error *err, void *userdata)
{
    calls_resume(userdata, err);
}

struct kube_client *kube_client_free(struct kube_client *client)
{
    if (!client)
        return NULL;
    while (client->calls)
        kube_cancel(client->calls);
    auth_free(client->auth);
    kubeconfig_free(client->config);
    free(client->user_agent);
    free(client->field_manager);
    free(client);
    return NULL;
}

static int client_init(struct kube_client *c, const struct kube_options *options, struct error *err)
{
    c->timeout_ms = options->timeout_ms ?: TIMEOUT_MS;
    c->sending_max = options->sending_max ?: SENDING_MAX;
    c->user_agent = str_printf("User-Agent: %s/" FLINKD_VERSION, options->user_agent ?: "flinkd");
    c->field_manager = strdup(options->field_manager ?: "flinkd");
    if (!c->user_agent || !c->field_manager)
        return error_no_memory(err);
    return auth_new(c->loop, c->config, on_auth, c, &c->auth, err);
}

int kube_client_new(struct http *http, struct loop *loop, const struct kube_options *options,
                    struct kube_client **ret, struct error *err)
{
    struct kube_client *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return error_no_memory(err);
    c->http = http;
    c->loop = loop;
    r = kubeconfig_load(options->kubeconfig, options->context, &c->config, err);
    if (!r)
        r = client_init(c, options, err);
    if (r) {
        kube_client_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

const char *kube_client_server(const struct kube_client *client)
{
    return client->config->server;
}

const char *kube_client_namespace(const struct kube_client *client)
{
    return client->config->ns;
}

struct loop *kube_client_loop(const struct kube_client *client)
{
    return client->loop;
}

int kube_active(const struct kube_client *client)
{
    return client->active;
}

cJSON *kube_delete_options(const char *propagation, const char *uid, const char *resource_version)
{
    cJSON *options = cJSON_CreateObject();

    json_set_str(options, "kind", "DeleteOptions");
    json_set_str(options, "apiVersion", "v1");
    json_set_str(options, "propagationPolicy", propagation);
    json_set_str(options, "preconditions.uid", uid);
    json_set_str(options, "preconditions.resourceVersion", resource_version);
    return options;
}

/* ---- blocking ---- */

struct sync {
    bool done;
    int result;
    cJSON *object;
    struct error *err;
};

static int errno_of(const struct kube_response *r)
{
    switch (r->status) {
    case 401:
    case 403:
        return EACCES;
    case 404:
        return ENOENT;
    case 409:
        return str_eq(r->reason, "AlreadyExists") ? EEXIST : EAGAIN;
    case 429:
        return EIO;
    default:
        return r->status >= 400 && r->status < 500 ? EINVAL : EIO;
    }
}

static void on_sync(struct kube_response *response, void *userdata)
{
    struct sync *s = userdata;

    s->done = true;
    if (response->status >= 200 && response->status < 300 && !*response->message)
        s->object = TAKE(response->object);
    else
        s->result = error_set(s->err, errno_of(response), "%s", response->message);
}

static int wait_for(struct loop *loop, struct sync *s, struct error *err)
{
    while (!s->done) {
        int r = loop_step(loop, -1, err);

        if (r)
            return r;
        if (!s->done && loop_stopping(loop))
            return error_set(err, ECANCELED, "interrupted");
    }
    return s->result;
}

int kube_call_sync(struct kube_client *client, struct loop *loop,
                   const struct kube_request *request, cJSON **ret_object, struct error *err)
{
    struct sync s = {.err = err};
    struct kube_call *call;
    int r;

    r = kube_start(client, request, on_sync, &s, &call, err);
    if (r)
        return r;
    r = wait_for(loop, &s, err);
    if (!s.done)
        kube_cancel(call);
    if (r)
        return error_wrap(err, "%s %s %s", kube_verb_name(request->verb), request->resource->kind,
                          request->name ?: "");
    if (ret_object)
        *ret_object = TAKE(s.object);
    cJSON_Delete(s.object);
    return 0;
}
