/* Savepoint, stop-with-savepoint and disposal: a POST with a trigger id chosen before. The same id
 * again is the same request, so one without an answer is simply repeated. (Flink before 1.15 makes
 * up the ids; what is repeated there may be done twice.) How it ends is observed by the watcher. */
#include "common/base/failpoint.h"
#include "common/base/json.h"
#include "jobsubmitter/work.h"

static cJSON *result_of(const struct work *work, const cJSON *answer)
{
    cJSON *result = cJSON_CreateObject();

    (void)json_set_str(result, "triggerId",
                       json_str_or(answer, "triggerId", work->order.trigger_id));
    return result;
}

static void on_triggered(struct flink_response *response, void *userdata)
{
    struct work *work = userdata;

    work->flink_call = NULL;
    if (work->order.kind == ORDER_SAVEPOINT)
        failpoint("savepoint.after");
    if (work->order.kind == ORDER_STOP)
        failpoint("stop.after");
    if (response->json)
        outcome_done(work, result_of(work, response->json));
    else if (response->transient)
        outcome_transient(work, response->error, ORDER_TRIES_MAX);
    else
        outcome_failed(work, NULL, response->error);
}

static int start(struct work *work, struct error *err)
{
    const struct order *o = &work->order;
    struct flink_client *flink = work->js->flink;
    const char *id = o->flink_names ? NULL : o->trigger_id;

    if (o->kind == ORDER_DISPOSE)
        return flink_savepoint_dispose(flink, work->base, o->path, id, on_triggered, work,
                                       &work->flink_call, err);
    if (o->kind == ORDER_STOP) {
        failpoint("stop.before");
        return flink_job_stop(flink, work->base, o->job_id, o->directory, o->drain, o->format, id,
                              on_triggered, work, &work->flink_call, err);
    }
    failpoint("savepoint.before");
    return flink_savepoint_trigger(flink, work->base, o->job_id, o->directory, o->format, id,
                                   on_triggered, work, &work->flink_call, err);
}

void savepoint_start(struct work *work)
{
    struct error err = {0};

    if (start(work, &err))
        outcome_failed(work, NULL, err.text);
}
