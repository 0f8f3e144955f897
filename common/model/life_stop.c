/* How a run ends by our own doing. A stop with a savepoint is known by its trigger id, which
 * follows from what is recorded: also one that was forgotten with the journal can be asked for
 * again, and Flink answers with what became of it. */
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/life_internal.h"

const char *life_stop_state(const struct view *v, const struct life *l)
{
    if (!savepoint_is_stop(json_str(l->savepoint, "triggerReason")) ||
        !str_eq(json_str(l->savepoint, "jobID"), v->job_id))
        return NULL;
    return json_str(l->savepoint, "state");
}

/* The journal is as old as the run: had it been stopped, that would be in there. */
static bool knows_its_begin(const struct view *v)
{
    json_foreach (command, v->snapshot->commands) {
        if (str_eq(json_str(command, "kind"), "submit") &&
            str_eq(json_str(command, "args.jobId"), v->job_id))
            return true;
    }
    return false;
}

static const cJSON *asked_again(const struct view *v)
{
    const cJSON *newest = NULL;

    json_foreach (command, v->snapshot->commands) {
        if (json_bool(command, "args.again", false) &&
            str_eq(json_str(command, "args.jobId"), v->job_id))
            newest = command;
    }
    return newest;
}

/* Flink hasn't said yet what became of it. */
static bool is_unanswered(const struct view *v, struct life *l, const cJSON *command)
{
    const char *state = json_str(command, "state");
    struct trigger seen = view_trigger(v, json_str(command, "args.triggerId"));
    int64_t deadline = json_int(command, "changedAt", 0) + life_savepoint_timeout_ms(v);

    if (view_command_is_open(command))
        return true;
    if (!str_eq(state, "done") || seen.completed || seen.unknown || v->now_ms >= deadline)
        return false;
    life_wake(l, deadline);
    return true;
}

/* The reference operator submitted it, and nobody here wants it stopped. */
static bool is_left_alone(const struct view *v, const struct life *l)
{
    return v->submitter.json && !v->submitter.by_flinkd && !l->cancel_wanted && !v->suspend &&
           !v->revision.update_triggered && !v->deleting;
}

bool life_stop_is_forgotten(const struct view *v, struct life *l)
{
    const char *stop = life_stop_state(v, l);
    const cJSON *command = asked_again(v);

    if (!v->job_id || !v->savepoints_dir || !life_names_triggers(v) || str_eq(stop, "InProgress") ||
        str_eq(stop, "Succeeded") || knows_its_begin(v) || is_left_alone(v, l))
        return false;
    return !command || is_unanswered(v, l, command);
}

enum job_state life_finished_state(const struct view *v, const struct life *l)
{
    const char *stop = life_stop_state(v, l);

    if (str_eq(stop, "InProgress"))
        return JOB_RUNNING;
    return str_eq(stop, "Succeeded") ? JOB_CANCELLED : JOB_SUCCEEDED;
}

const char *life_cancel_reason(const struct view *v)
{
    const char *reason = NULL;

    json_foreach (command, v->snapshot->commands) {
        if (str_eq(json_str(command, "kind"), "cancel") &&
            str_eq(json_str(command, "args.jobId"), v->job_id) &&
            !str_eq(json_str(command, "state"), "dropped"))
            reason = json_str_or(command, "args.reason", "");
    }
    return reason;
}

bool life_is_cancelled_by_us(const struct view *v, const struct life *l)
{
    return l->cancel_wanted || v->suspend || life_cancel_reason(v);
}

bool life_is_pause(const struct view *v, const struct life *l)
{
    const char *reason = json_str(l->savepoint, "triggerReason");

    if (l->state != JOB_CANCELLED || v->rec_state == JOB_CANCELLED || l->cancel_wanted)
        return false;
    if (!str_eq(life_stop_state(v, l), "Succeeded"))
        reason = life_cancel_reason(v);
    return v->suspend || str_eq(reason, REASON_SUSPEND) || str_eq(reason, REASON_UPDATE);
}
