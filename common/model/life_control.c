/* What a user asked for by annotation (spec 04-status 5). A request ends in this order: its outcome
 * is known, the annotation is removed, the outcome is recorded. So a recorded end with an
 * annotation present is a new request. */
#include <stdarg.h>
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/life_internal.h"

struct verdict {
    const char *state; /* "Succeeded", "Failed"; NULL: not decided yet */
    char message[512];
};

static void decide(struct verdict *verdict, const char *state, const char *fmt, ...) _printf_(3, 4);
static void decide(struct verdict *verdict, const char *state, const char *fmt, ...)
{
    va_list args;

    verdict->state = state;
    va_start(args, fmt);
    (void)vsnprintf(verdict->message, sizeof verdict->message, fmt, args);
    va_end(args);
}

/* The savepoint that this request led to. */
static const char *own_savepoint(const struct life *l, const char *reason)
{
    int64_t requested = time_parse_rfc3339(json_str(l->control, "updateTime"));

    if (!str_eq(json_str(l->savepoint, "triggerReason"), reason) ||
        time_parse_rfc3339(json_str(l->savepoint, "triggerTime")) < requested)
        return NULL;
    return json_str(l->savepoint, "state");
}

static bool is_open(const cJSON *control)
{
    const char *state = json_str(control, "state");

    return str_eq(state, "Requested") || str_eq(state, "InProgress");
}

/* Flink takes none of a job that is starting or restarting: so long that is waited for. */
static bool is_waited_for(const struct view *v, struct life *l)
{
    int64_t end =
        time_parse_rfc3339(json_str(l->control, "updateTime")) + life_savepoint_timeout_ms(v);

    if (v->now_ms >= end)
        return false;
    life_wake(l, end);
    return true;
}

static void judge_savepoint(const struct view *v, struct life *l, struct verdict *verdict)
{
    const char *state = own_savepoint(l, REASON_USER);
    const char *message = json_str_or(l->savepoint, "message", "");

    if (!v->savepoints_dir)
        decide(verdict, "Failed",
               "spec.job.savepointsDir is not set: there is nowhere to put a savepoint");
    else if (str_eq(state, "Succeeded"))
        decide(verdict, "Succeeded", "%s", "");
    else if (savepoint_has_failed(state))
        decide(verdict, "Failed", "%s", message);
    else if (!state && (job_state_is_stopped(l->state) || l->suspended))
        decide(verdict, "Failed", "the job isn't running (%s)",
               l->suspended ? "suspended" : job_state_name(l->state));
    else if (!state && !is_waited_for(v, l))
        decide(verdict, "Failed", "the job isn't running (%s), and didn't come up in time",
               json_str_or(view_flink_job(v, v->job_id), "state", "Flink doesn't have it"));
    else
        l->savepoint_wanted =
            !state && is_open(v->rec_control); /* else it couldn't be told whose it was */
}

/* Without a savepoint, although there is a place for it: Flink couldn't take one in time. */
static void decide_cancelled(const struct view *v, const struct life *l, struct verdict *verdict)
{
    const char *last = life_restore_point(v, l);
    bool ran = !str_empty(json_str(l->job, "startTime"));

    if (!v->savepoints_dir || !ran || str_eq(life_stop_state(v, l), "Succeeded"))
        decide(verdict, "Succeeded", "%s", "");
    else
        decide(verdict, "Succeeded",
               "cancelled without a savepoint: the job wasn't running, so Flink couldn't take one; "
               "the last state is %.300s",
               last ? last : "none");
}

static void judge_cancel(const struct view *v, struct life *l, struct verdict *verdict)
{
    const char *state = own_savepoint(l, REASON_CANCEL);
    bool was_over = job_state_is_stopped(v->rec_state) &&
                    !str_eq(json_str(v->rec_control, "state"), "InProgress");

    if (l->state == JOB_CANCELLED && !was_over)
        decide_cancelled(v, l, verdict);
    else if (job_state_is_stopped(l->state))
        decide(verdict, "Failed", "aborted: the job had already stopped (%s)",
               job_state_name(l->state));
    else if (savepoint_has_failed(state))
        decide(verdict, "Failed", "aborted: the savepoint could not be taken: %s",
               json_str_or(l->savepoint, "message", ""));
}

static void judge(const struct view *v, struct life *l, struct verdict *verdict)
{
    const char *name = json_str(l->control, "name");

    if (!str_eq(name, "savepoint") && !str_eq(name, "job-cancel"))
        decide(verdict, "Failed", "unknown request: use savepoint or job-cancel");
    else if (!v->job)
        decide(verdict, "Failed", "a session cluster has no job to act on");
    else if (str_eq(name, "savepoint"))
        judge_savepoint(v, l, verdict);
    else
        judge_cancel(v, l, verdict);
}

static void set_now(const struct view *v, cJSON *control)
{
    char now[32];

    time_rfc3339(v->now_ms, now);
    json_set_str(control, "updateTime", now);
}

static cJSON *requested(const struct view *v)
{
    cJSON *control = cJSON_CreateObject();

    json_set_str(control, "name", v->control_request);
    json_set_str(control, "state", "Requested");
    set_now(v, control);
    return control;
}

static void end(const struct view *v, struct life *l, const struct verdict *verdict)
{
    l->control_ends = true;
    l->cancel_wanted = l->cancel_wanted && json_bool(v->job, "cancelRequested", false);
    if (v->control_request) {
        /* Only a recorded request is cleared: its end must not get lost with the annotation. */
        l->clear_control = str_eq(json_str(v->rec_control, "name"), json_str(l->control, "name")) &&
                           str_eq(json_str(v->rec_control, "state"), "InProgress");
        json_set_str(l->control, "state", "InProgress");
        return;
    }
    json_set_str(l->control, "state", verdict->state);
    if (verdict->message[0])
        json_set_str(l->control, "message", verdict->message);
    set_now(v, l->control);
}

/* A savepoint waits until there is a job to take it of. */
static bool is_acted_on(const struct life *l)
{
    return !str_eq(json_str(l->control, "name"), "savepoint") || l->state == JOB_RUNNING;
}

void life_control(const struct view *v, struct life *l)
{
    struct verdict verdict = {0};
    bool same = str_eq(json_str(v->rec_control, "name"), v->control_request);

    if (v->control_request && !(same && is_open(v->rec_control)))
        l->control = requested(v);
    else
        l->control = json_copy(v->rec_control);
    if (!is_open(l->control))
        return;
    judge(v, l, &verdict);
    if (verdict.state)
        end(v, l, &verdict);
    else if (is_open(v->rec_control) && is_acted_on(l))
        json_set_str(l->control, "state", "InProgress");
}
