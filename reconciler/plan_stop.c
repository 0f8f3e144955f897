/* Ending a run: with a savepoint where that is wanted and possible, else without; or before Flink
 * has it. */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "reconciler/plan_internal.h"

enum {
    CANCEL_AGAIN_MS = 60 * 1000, /* a cancellation that a dying JobManager lost is told again */
    STOP_SEEN_MS = 60 * 1000, /* how long Flink's list may be older than the end of a stop */
};

void plan_drop(struct planner *p, const char *kind, const char *why)
{
    json_foreach (command, p->v->snapshot->commands) {
        struct action *action;

        if (!str_eq(json_str(command, "kind"), kind) || !view_command_is_open(command))
            continue;
        action = plan_add(p, ACTION_DROP_COMMAND, "Command", json_str_or(command, "key", ""));
        if (!action)
            return;
        action->command_id = json_int(command, "id", 0);
        plan_why(action, "%s", why);
    }
}

bool plan_has_open(const struct planner *p, const char *kind)
{
    json_foreach (command, p->v->snapshot->commands) {
        if (str_eq(json_str(command, "kind"), kind) && view_command_is_open(command))
            return true;
    }
    return false;
}

/* ---- with a savepoint ---- */

void plan_trigger_id(const struct planner *p, const char *reason, char out[33])
{
    md5_hex(out, p->v->uid, p->v->job_id, reason, json_str_or(p->v->rec_savepoint, "triggerID", ""),
            NULL);
}

void plan_name_trigger(const struct planner *p, cJSON *args, const char *trigger_id)
{
    json_set_str(args, "triggerId", trigger_id);
    if (!life_names_triggers(p->v))
        json_set_bool(args, "flinkNames", true);
}

cJSON *plan_savepoint_args(const struct planner *p, const char *reason, const char *trigger_id)
{
    cJSON *args = cJSON_CreateObject();
    const char *format = json_str(p->v->job, "savepointFormatType");

    json_set_str(args, "jobId", p->v->job_id);
    json_set_str(args, "directory", p->v->savepoints_dir);
    if (format && flink_version_at_least(&p->v->version, 1, 15))
        json_set_str(args, "format", format);
    plan_name_trigger(p, args, trigger_id);
    json_set_str(args, "reason", reason);
    return args;
}

/* The last try for this reason failed a moment ago. */
static bool is_too_soon(struct planner *p, const char *reason)
{
    int64_t again = plan_savepoint_retry_at(p, reason);

    if (again <= p->v->now_ms)
        return false;
    plan_wake(p, again);
    return true;
}

/* Flink's list is only older than that. A run that is still there after a while was recovered by a
 * JobManager that died at the last moment, and runs on. */
bool plan_is_stopped(struct planner *p)
{
    int64_t known_ms = time_parse_rfc3339(json_str(p->l->job, "savepointTime")) + STOP_SEEN_MS;

    if (!str_eq(life_stop_state(p->v, p->l), "Succeeded") || known_ms <= p->v->now_ms)
        return false;
    plan_wake(p, known_ms);
    return true;
}

/* Whatever it is for, the stop that comes after a savepoint has one id: also when what was wanted
 * has changed since the journal was lost, it is the same stop. */
static void tell_to_stop(struct planner *p, const char *reason, bool again)
{
    char id[33], key[64];
    cJSON *args;

    plan_trigger_id(p, "stop", id);
    (void)snprintf(key, sizeof key, "stop/%s", id);
    args = plan_savepoint_args(p, reason, id);
    if (str_eq(reason, REASON_CANCEL) && json_bool(p->v->job, "drainOnCancel", false))
        json_set_bool(args, "drain", true);
    if (again)
        json_set_bool(args, "again", true);
    plan_command(p, "stop", key, args, again ? "was the job stopped with a savepoint?" : reason);
}

void plan_cancel(struct planner *p, const char *reason)
{
    const cJSON *last;
    int64_t number;
    char key[80];
    cJSON *args;

    if (!view_flink_job(p->v, p->v->job_id))
        return;
    (void)snprintf(key, sizeof key, "cancel/%s", p->v->job_id);
    last = plan_last_try(p, key, &number);
    if (view_command_is_open(last))
        return;
    if (last && !str_eq(json_str(last, "state"), "dropped") &&
        json_int(last, "changedAt", 0) + CANCEL_AGAIN_MS > p->v->now_ms) {
        plan_wake(p, json_int(last, "changedAt", 0) + CANCEL_AGAIN_MS);
        return;
    }
    if (last)
        (void)snprintf(key, sizeof key, "cancel/%s/%lld", p->v->job_id, (long long)number + 1);
    args = cJSON_CreateObject();
    json_set_str(args, "jobId", p->v->job_id);
    json_set_str(args, "reason", reason);
    plan_command(p, "cancel", key, args, reason);
}

/* When Flink had time enough to get the job running, so that it could take a savepoint. */
static int64_t patience_end(const struct planner *p, const char *reason)
{
    int64_t since = p->v->jobs_since_ms, asked = 0;

    if (str_eq(reason, REASON_DELETION))
        asked = time_parse_rfc3339(json_str(p->v->snapshot->cluster, "metadata.deletionTimestamp"));
    else if (str_eq(reason, REASON_CANCEL))
        asked = time_parse_rfc3339(json_str(p->l->control, "updateTime"));
    return (asked ? asked : since) + life_savepoint_timeout_ms(p->v);
}

/* Whoever cancels or deletes wants the job gone. Who suspends or updates wants it to go on. */
static bool may_end_without(const struct planner *p, const char *reason)
{
    return str_eq(reason, REASON_CANCEL) || str_eq(reason, REASON_DELETION) ||
           life_state_is_fresh(p->v, p->l, p->v->now_ms) || life_retained_checkpoint(p->v, p->l);
}

/* Flink takes no savepoint of a job that is starting or restarting. */
static void wait_for_running(struct planner *p, const char *reason, const char *flink_state)
{
    int64_t end = patience_end(p, reason);
    char until[32];

    time_rfc3339(end, until);
    if (!may_end_without(p, reason)) {
        plan_block(p, "StopNeedsSavepoint",
                   "Flink takes no savepoint of a job that is %s, and there is none within "
                   "maxStateAgeToRestoreSeconds to go on from: the job is stopped (%s) when it "
                   "runs. To stop it without its state, cancel it",
                   flink_state, reason);
    } else if (p->v->now_ms < end) {
        plan_wake(p, end);
        plan_block(p, "StopNeedsSavepoint",
                   "Flink takes no savepoint of a job that is %s: it is waited for until %s, then "
                   "the job is stopped without one (%s)",
                   flink_state, until, reason);
    } else {
        plan_cancel(p, reason);
    }
}

static void stop_with_savepoint(struct planner *p, const char *reason)
{
    const char *state = json_str(view_flink_job(p->v, p->v->job_id), "state");

    if (!plan_may_trigger(p) || is_too_soon(p, reason) || !state || plan_is_stopped(p))
        return;
    if (str_eq(state, "RUNNING") && plan_has_open(p, "cancel"))
        plan_drop(p, "cancel", "the job is to be stopped with a savepoint");
    else if (str_eq(state, "RUNNING"))
        tell_to_stop(p, reason, false);
    else if (job_state_of_flink(state) == JOB_RUNNING)
        wait_for_running(p, reason, state);
}

static void stop_for_update(struct planner *p)
{
    bool take = json_bool(p->v->job, "takeSavepointOnUpdate", true);

    /* The user named the state to go on from; or the run made no state, and its update is taken
     * back. */
    if (life_from_savepoint_changed(p->v) || (p->v->rolled_back && !view_is_up(p->v))) {
        plan_cancel(p, REASON_UPDATE);
    } else if (!take && life_state_is_fresh(p->v, p->l, p->v->now_ms)) {
        if (plan_may_trigger(p)) /* one that is being taken is better */
            plan_cancel(p, REASON_UPDATE);
    } else if (take && p->v->savepoints_dir) {
        stop_with_savepoint(p, REASON_UPDATE);
    } else if (take) {
        plan_block(p, "UpdateNeedsSavepointsDir",
                   "the update waits: spec.job.savepointsDir is not set, so the job's state can't "
                   "be kept; set it, "
                   "or spec.job.fromSavepoint");
    } else {
        plan_block(
            p, "UpdateNeedsSavepoint",
            "the update waits: takeSavepointOnUpdate is false and there is no savepoint within "
            "maxStateAgeToRestoreSeconds");
        plan_savepoints(p);
    }
}

/* High availability brings the job of a JobManager that has ended back with the Job's next pod. */
static bool may_be_recovered(struct planner *p)
{
    const struct view *v = p->v;
    int64_t end_ms = v->submitter.created_ms;
    char until[32];

    if (v->unreachable_since_ms > end_ms)
        end_ms = v->unreachable_since_ms;
    end_ms += LOST_GRACE_HA_MS;
    if (!plan_has_ha_metadata(p) || end_ms <= v->now_ms)
        return false;
    plan_wake(p, end_ms);
    time_rfc3339(end_ms, until);
    plan_block(p, "JobManagerUnreachable",
               "the JobManager is gone, and high availability may bring back a job that it had: it "
               "is waited for until %s",
               until);
    return true;
}

/* An Application Job that is about to be the JobManager, or already is: the job may run in it. */
static bool may_run_job(struct planner *p)
{
    const struct view *v = p->v;
    int64_t pod_due = v->submitter.created_ms + VIEW_SUBMIT_SEEN_MS;

    if (v->mode != MODE_APPLICATION || v->jobmanager_running || v->jobmanager_starting)
        return v->mode == MODE_APPLICATION;
    if (v->jobmanager_pod || pod_due <= v->now_ms)
        return may_be_recovered(p);
    plan_wake(p, pod_due); /* its pod isn't to be seen yet */
    return true;
}

/* Flink doesn't have the run (yet): without a submitter it won't get it. One that has ended may
 * have submitted it: that will show. A run that isn't recorded yet wouldn't be known again. */
static void remove_submitter(struct planner *p, const char *reason)
{
    const struct view *v = p->v;
    bool recorded =
        plan_is_recorded(p) && str_eq(json_str(v->rec_job, "id"), json_str(p->l->job, "id"));

    plan_drop(p, "submit", reason);
    if (!v->submitter.json || plan_has_open(p, "submit"))
        return;
    if (p->l->state == JOB_DEPLOYING && (!recorded || !v->submitter.active || may_run_job(p)))
        return;
    plan_delete(p, v->submitter.json, reason);
}

void plan_stop(struct planner *p, const char *reason)
{
    if (p->l->state != JOB_RUNNING) {
        remove_submitter(p, reason);
        return;
    }
    if (!p->v->job_id)
        return;
    if (p->l->stop_forgotten)
        tell_to_stop(p, reason, true);
    else if (str_eq(reason, REASON_UPDATE))
        stop_for_update(p);
    else if (p->v->savepoints_dir)
        stop_with_savepoint(p, reason);
    else
        plan_cancel(p, reason);
}
