/* Create the Job that submits (or, in Application mode, is) a run. Its name is the guard against a
 * second one, its job id tells whether the one that is there is ours. */
#include "common/base/failpoint.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/kube/resource.h"
#include "common/model/names.h"
#include "jobsubmitter/work.h"

enum { TIMEOUT_MS = 10000, HTTP_UNAUTHORIZED = 401 };

static const char *job_name(const struct work *work)
{
    return json_str(work->order.manifest, "metadata.name");
}

static bool is_transient(const struct kube_response *response)
{
    return response->transient || response->status == HTTP_UNAUTHORIZED;
}

static const char *value_of(const cJSON *job, const char *map)
{
    return cJSON_GetStringValue(
        json_member(json_member(json_member(job, "metadata"), map), LABEL_JOB_ID));
}

static bool is_ours(const cJSON *job, const char *job_id)
{
    return str_eq(value_of(job, "annotations"), job_id) || str_eq(value_of(job, "labels"), job_id);
}

static cJSON *result_of(const cJSON *job, bool existed)
{
    cJSON *result = cJSON_CreateObject();

    (void)json_set_str(result, "name", json_str(job, "metadata.name"));
    (void)json_set_str(result, "uid", json_str(job, "metadata.uid"));
    if (existed)
        (void)json_set_bool(result, "existed", true);
    return result;
}

static void on_read(struct kube_response *response, void *userdata)
{
    struct work *work = userdata;
    const cJSON *job = response->object;
    cJSON *result;

    work->kube_call = NULL;
    if (response->status != 200 || !job) { /* 404: it went in between, so create again */
        outcome_transient(work, response->message, 0);
    } else if (json_has(job, "metadata.deletionTimestamp")) {
        outcome_transient(work, "a Job of that name is still being deleted", 0);
    } else if (is_ours(job, work->order.job_id)) {
        outcome_done(work, result_of(job, true));
    } else {
        result = cJSON_CreateObject();
        (void)json_set_bool(result, "conflict", true);
        outcome_failed(work, result, "a Job of that name is there with another job id");
    }
}

static int start(struct work *work, enum kube_verb verb, kube_done_fn fn, struct error *err)
{
    const struct kube_request request = {
        .verb = verb,
        .resource = resource_get(RESOURCE_JOB),
        .ns = work->command.ns,
        .name = job_name(work),
        .body = verb == KUBE_CREATE ? work->order.manifest : NULL,
        .timeout_ms = TIMEOUT_MS,
        .max_attempts = 1, /* the command itself is tried again */
    };

    return kube_start(work->js->kube, &request, fn, work, &work->kube_call, err);
}

static void on_created(struct kube_response *response, void *userdata)
{
    struct work *work = userdata;
    struct error err = {0};

    work->kube_call = NULL;
    failpoint("submit.after");
    if (response->status / 100 == 2)
        outcome_done(work, result_of(response->object, false));
    else if (is_transient(response))
        outcome_transient(work, response->message, 0);
    else if (!str_eq(response->reason, "AlreadyExists"))
        outcome_failed(work, NULL, response->message);
    else if (start(work, KUBE_GET, on_read, &err))
        outcome_transient(work, err.text, 0);
}

void submit_start(struct work *work)
{
    struct error err = {0};

    failpoint("submit.before");
    if (start(work, KUBE_CREATE, on_created, &err))
        outcome_failed(work, NULL, err.text);
}
