/* savepoint and cancel: what a user would do with kubectl annotate, and then watch the status for.
 */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/resource.h"
#include "common/model/names.h"
#include "flinkctl/flinkctl.h"

enum { LOOK_EVERY_MS = 500 };

struct request {
    char ns[64], name[256];
    const char *control; /* "savepoint", "job-cancel" */
    char before[64]; /* updateTime of the control that was recorded before */
};

static int get(struct flinkctl *ctl, const struct request *q, cJSON **ret, struct error *err)
{
    struct kube_request request = {
        .verb = KUBE_GET,
        .resource = resource_get(RESOURCE_FLINKCLUSTER),
        .ns = q->ns,
        .name = q->name,
    };

    return kube_call_sync(ctl->kube, ctl->loop, &request, ret, err);
}

static const char *annotation(const cJSON *cluster)
{
    return cJSON_GetStringValue(
        json_member(json_get(cluster, "metadata.annotations"), ANNOTATION_USER_CONTROL));
}

static int check(const cJSON *cluster, struct error *err)
{
    const char *state = json_str(cluster, "status.control.state");

    if (!str_empty(annotation(cluster)))
        return error_set(err, EBUSY, "the request %s waits to be served", annotation(cluster));
    if (str_eq(state, "InProgress") || str_eq(state, "Requested"))
        return error_set(err, EBUSY, "the request %s is %s",
                         json_str_or(cluster, "status.control.name", ""), state);
    if (!json_has(cluster, "spec.job"))
        return error_set(err, EINVAL, "a session cluster has no job to act on");
    return 0;
}

/* With the resourceVersion that was checked: of two users one is told. */
static int annotate(struct flinkctl *ctl, const struct request *q, const cJSON *cluster,
                    struct error *err)
{
    _cleanup_(json_freep) cJSON *patch = cJSON_CreateObject();
    struct kube_request request = {
        .verb = KUBE_MERGE_PATCH,
        .resource = resource_get(RESOURCE_FLINKCLUSTER),
        .ns = q->ns,
        .name = q->name,
        .body = patch,
    };

    json_set_str(patch, "metadata.resourceVersion", json_str(cluster, "metadata.resourceVersion"));
    json_set(patch, "metadata.annotations", cJSON_CreateObject());
    json_set_member_str(json_get(patch, "metadata.annotations"), ANNOTATION_USER_CONTROL,
                        q->control);
    return kube_call_sync(ctl->kube, ctl->loop, &request, NULL, err);
}

static void on_pause(void *userdata)
{
    *(bool *)userdata = true;
}

static int pause_loop(struct loop *loop, struct error *err)
{
    bool over = false;
    struct loop_timer *timer = loop_timer_new(loop, on_pause, &over);
    int r = timer ? 0 : error_set(err, ENOMEM, "no memory");

    if (timer)
        loop_timer_arm(timer, LOOK_EVERY_MS);
    while (!r && !over && !loop_stopping(loop))
        r = loop_step(loop, LOOK_EVERY_MS, err);
    loop_timer_free(timer);
    return !r && loop_stopping(loop) ? error_set(err, EINTR, "interrupted; the request goes on")
                                     : r;
}

/* It is served when the annotation is gone and an end is recorded that wasn't before. */
static bool is_over(const struct request *q, const cJSON *cluster)
{
    const char *state = json_str(cluster, "status.control.state");

    return str_empty(annotation(cluster)) &&
           str_eq(json_str(cluster, "status.control.name"), q->control) &&
           (str_eq(state, "Succeeded") || str_eq(state, "Failed")) &&
           !str_eq(json_str(cluster, "status.control.updateTime"), q->before);
}

static int print_end(const cJSON *cluster)
{
    bool fine = str_eq(json_str(cluster, "status.control.state"), "Succeeded");

    (void)printf("%s: %s %s\n", json_str_or(cluster, "status.control.name", ""),
                 json_str_or(cluster, "status.control.state", ""),
                 json_str_or(cluster, "status.control.message", ""));
    if (fine && json_has(cluster, "status.components.job.savepointLocation"))
        (void)printf("savepoint at %s\n",
                     json_str(cluster, "status.components.job.savepointLocation"));
    return fine ? 0 : 1;
}

static int wait_for_end(struct flinkctl *ctl, const struct request *q, struct error *err)
{
    int64_t deadline = time_monotonic_ms() + ctl->config->timeout_s * 1000;

    while (time_monotonic_ms() < deadline) {
        _cleanup_(json_freep) cJSON *cluster = NULL;
        int r = pause_loop(ctl->loop, err);

        if (!r)
            r = get(ctl, q, &cluster, err);
        if (r)
            return r;
        if (is_over(q, cluster))
            return print_end(cluster);
    }
    return error_set(err, ETIMEDOUT, "not over after %lld s; it goes on, see flinkctl why %s/%s",
                     (long long)ctl->config->timeout_s, q->ns, q->name);
}

static int control_run(struct flinkctl *ctl, const char *control, struct error *err)
{
    _cleanup_(json_freep) cJSON *cluster = NULL;
    struct request q = {.control = control};
    const char *ns = ctl->config->common.ns;
    int r = flinkctl_open_kube(ctl, err);

    if (r)
        return r;
    if (str_empty(ns))
        ns = kube_client_namespace(ctl->kube);
    str_copy(q.ns, sizeof q.ns, str_empty(ns) ? "default" : ns);
    r = flinkctl_split_name(ctl->config->argument, q.ns, q.name, err);
    if (!r)
        r = get(ctl, &q, &cluster, err);
    if (!r)
        r = check(cluster, err);
    if (r)
        return r;
    str_copy(q.before, sizeof q.before, json_str_or(cluster, "status.control.updateTime", ""));
    r = annotate(ctl, &q, cluster, err);
    if (r)
        return r;
    (void)printf("%s/%s: %s requested\n", q.ns, q.name, control);
    (void)fflush(stdout);
    return ctl->config->timeout_s ? wait_for_end(ctl, &q, err) : 0;
}

int savepoint_run(struct flinkctl *ctl, struct error *err)
{
    return control_run(ctl, "savepoint", err);
}

int cancel_run(struct flinkctl *ctl, struct error *err)
{
    return control_run(ctl, "job-cancel", err);
}
