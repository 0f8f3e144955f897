#include "webhook/ca_sync.h"

#include <string.h>

#include "common/base/base64.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "webhook/cert.h"

enum {
    CHECK_MS = 60 * 1000, /* somebody may have applied the configuration without the CA */
    RETRY_MIN_MS = 1000,
    RETRY_MAX_MS = 30 * 1000,
};

enum { HTTP_OK = 200, HTTP_FORBIDDEN = 403, HTTP_NOT_FOUND = 404, HTTP_CONFLICT = 409 };

static const struct kube_resource resources[2] = {
    {.kind = "MutatingWebhookConfiguration",
     .api_version = "admissionregistration.k8s.io/v1",
     .plural = "mutatingwebhookconfigurations"},
    {.kind = "ValidatingWebhookConfiguration",
     .api_version = "admissionregistration.k8s.io/v1",
     .plural = "validatingwebhookconfigurations"},
};

enum outcome { OPEN, KNOWN, IMPOSSIBLE };

struct target {
    struct ca_sync *sync;
    const struct kube_resource *resource;
    const char *name;
    struct kube_call *call;
    enum outcome outcome;
    int last_status; /* logged when it changes */
};

struct ca_sync {
    struct ca_sync_config config;
    struct target targets[2];
    struct loop_timer *timer;
    char *ca_pem;
    int64_t retry_ms;
};

/* ---- the patch ---- */

/* The entry's caBundle, decoded; NULL: none, or no base64. */
static char *decode_bundle(const cJSON *webhook)
{
    const char *text = json_str(webhook, "clientConfig.caBundle");
    char *pem = NULL;
    size_t len;

    return text && base64_decode(text, &pem, &len) == 0 ? pem : NULL;
}

static int patch_entry(cJSON *webhook, const char *ca_pem, int64_t now_ms, bool *changed,
                       struct error *err)
{
    _cleanup_(freep) char *before = decode_bundle(webhook);
    _cleanup_(freep) char *after = NULL, *text = NULL;
    int r;

    r = cert_bundle(before, ca_pem, now_ms, &after, err);
    if (r || !after)
        return r;
    text = base64_encode(after, strlen(after));
    if (!text)
        return error_set(err, ENOMEM, "no memory for a bundle");
    *changed = true;
    return json_set_str(webhook, "clientConfig.caBundle", text);
}

int ca_sync_patch(const cJSON *configuration, const char *ca_pem, int64_t now_ms, cJSON **ret,
                  struct error *err)
{
    _cleanup_(json_freep) cJSON *patch = cJSON_CreateObject();
    cJSON *webhooks = json_copy(json_member(configuration, "webhooks"));
    bool changed = false;

    *ret = NULL;
    if (!webhooks)
        return 0;
    if (!patch || json_set(patch, "webhooks", webhooks))
        return error_set(err, ENOMEM, "no memory for a patch");
    json_foreach (webhook, json_member(patch, "webhooks")) {
        int r = patch_entry(webhook, ca_pem, now_ms, &changed, err);

        if (r)
            return r;
    }
    /* Another replica that writes at the same time: one of the two has to look again. */
    json_set_str(patch, "metadata.resourceVersion",
                 json_str(configuration, "metadata.resourceVersion"));
    *ret = changed ? TAKE(patch) : NULL;
    return 0;
}

/* ---- one configuration ---- */

static void again(struct ca_sync *sync)
{
    loop_timer_arm(sync->timer, sync->retry_ms);
    sync->retry_ms = sync->retry_ms * 2 < RETRY_MAX_MS ? sync->retry_ms * 2 : RETRY_MAX_MS;
}

static void settle(struct target *t, enum outcome outcome)
{
    struct ca_sync *sync = t->sync;
    bool known = true;

    t->outcome = outcome;
    for (size_t i = 0; i < ARRAY_SIZE(sync->targets); i++) {
        if (sync->targets[i].outcome == OPEN)
            return;
        known = known && sync->targets[i].outcome == KNOWN;
    }
    if (known) {
        sync->retry_ms = RETRY_MIN_MS;
        loop_timer_arm(sync->timer, CHECK_MS);
    } else {
        again(sync);
    }
    sync->config.on_settled(known, sync->config.userdata);
}

static void on_trouble(struct target *t, const struct kube_response *response)
{
    if (response->status == HTTP_CONFLICT) { /* another replica wrote at the same time */
        again(t->sync);
        return;
    }
    if (response->status != t->last_status)
        log_warn("%s %s: its caBundle can't be kept up to date (%d %s), trying again",
                 t->resource->kind, t->name, response->status, response->message);
    t->last_status = response->status;
    if (response->status == HTTP_NOT_FOUND || response->status == HTTP_FORBIDDEN)
        settle(t, IMPOSSIBLE);
    else
        again(t->sync);
}

static void on_patched(struct kube_response *response, void *userdata)
{
    struct target *t = userdata;

    t->call = NULL;
    if (response->status / 100 != 2) {
        on_trouble(t, response);
        return;
    }
    log_info("%s %s: its caBundle has the CA of this webhook now", t->resource->kind, t->name);
    t->last_status = HTTP_OK;
    settle(t, KNOWN);
}

static int start(struct target *t, enum kube_verb verb, const cJSON *body, kube_done_fn on_done,
                 struct error *err)
{
    struct kube_request request = {
        .verb = verb, .resource = t->resource, .name = t->name, .body = body, .max_attempts = 1};

    return kube_start(t->sync->config.kube, &request, on_done, t, &t->call, err);
}

static void on_read(struct kube_response *response, void *userdata)
{
    _cleanup_(json_freep) cJSON *patch = NULL;
    struct target *t = userdata;
    struct error err = {0};
    int r;

    t->call = NULL;
    if (response->status / 100 != 2) {
        on_trouble(t, response);
        return;
    }
    r = ca_sync_patch(response->object, t->sync->ca_pem, time_now_ms(), &patch, &err);
    if (!r && !patch) {
        t->last_status = HTTP_OK;
        settle(t, KNOWN);
        return;
    }
    if (!r)
        r = start(t, KUBE_MERGE_PATCH, patch, on_patched, &err);
    if (r) {
        log_warn("%s %s: %s, trying again", t->resource->kind, t->name, err.text);
        again(t->sync);
    }
}

/* ---- both ---- */

static void check(void *userdata)
{
    struct ca_sync *sync = userdata;

    for (size_t i = 0; i < ARRAY_SIZE(sync->targets); i++) {
        struct target *t = &sync->targets[i];
        struct error err = {0};

        if (str_empty(t->name)) {
            t->outcome = KNOWN;
            continue;
        }
        if (t->call)
            continue;
        t->outcome = OPEN;
        if (start(t, KUBE_GET, NULL, on_read, &err)) {
            log_warn("%s %s: %s, trying again", t->resource->kind, t->name, err.text);
            again(sync);
        }
    }
}

static void cancel_calls(struct ca_sync *sync)
{
    for (size_t i = 0; i < ARRAY_SIZE(sync->targets); i++) {
        kube_cancel(sync->targets[i].call);
        sync->targets[i].call = NULL;
    }
}

int ca_sync_new(const struct ca_sync_config *config, struct ca_sync **ret, struct error *err)
{
    struct ca_sync *sync = calloc(1, sizeof(*sync));

    if (!sync)
        return error_set(err, ENOMEM, "no memory for the CA's upkeep");
    sync->config = *config;
    sync->retry_ms = RETRY_MIN_MS;
    for (size_t i = 0; i < ARRAY_SIZE(sync->targets); i++)
        sync->targets[i] = (struct target){.sync = sync, .resource = &resources[i]};
    sync->targets[0].name = config->mutating;
    sync->targets[1].name = config->validating;
    sync->timer = loop_timer_new(config->loop, check, sync);
    if (!sync->timer) {
        ca_sync_free(sync);
        return error_set(err, ENOMEM, "no memory for the CA's upkeep");
    }
    *ret = sync;
    return 0;
}

struct ca_sync *ca_sync_free(struct ca_sync *sync)
{
    if (!sync)
        return NULL;
    cancel_calls(sync);
    loop_timer_free(sync->timer);
    free(sync->ca_pem);
    free(sync);
    return NULL;
}

void ca_sync_set(struct ca_sync *sync, const char *ca_pem)
{
    cancel_calls(sync);
    free(sync->ca_pem);
    sync->ca_pem = ca_pem ? strdup(ca_pem) : NULL;
    sync->retry_ms = RETRY_MIN_MS;
    loop_timer_arm(sync->timer, sync->ca_pem ? 0 : -1);
}
