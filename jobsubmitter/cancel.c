/* Cancel a job. One that isn't there or has ended is as cancelled as it can be. */
#include "common/base/failpoint.h"
#include "common/base/json.h"
#include "jobsubmitter/work.h"

enum { HTTP_NOT_FOUND = 404, HTTP_CONFLICT = 409 };

static cJSON *flag(const char *name)
{
    cJSON *result = cJSON_CreateObject();

    (void)json_set_bool(result, name, true);
    return result;
}

static void on_cancelled(struct flink_response *response, void *userdata)
{
    struct work *work = userdata;

    work->flink_call = NULL;
    failpoint("cancel.after");
    if (response->status / 100 == 2)
        outcome_done(work, NULL);
    else if (response->status == HTTP_NOT_FOUND)
        outcome_done(work, flag("gone"));
    else if (response->status == HTTP_CONFLICT)
        outcome_done(work, flag("ended"));
    else if (response->transient)
        outcome_transient(work, response->error, ORDER_TRIES_MAX);
    else
        outcome_failed(work, NULL, response->error);
}

void cancel_start(struct work *work)
{
    struct error err = {0};

    failpoint("cancel.before");
    if (flink_job_cancel(work->js->flink, work->base, work->order.job_id, on_cancelled, work,
                         &work->flink_call, &err))
        outcome_failed(work, NULL, err.text);
}
