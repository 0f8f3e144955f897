/* The job: start it, stop it, clean up after it. An act that can't be done twice is a command whose
 * name is made of what is recorded, so deciding it again after a crash is deciding the same act. */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/names.h"
#include "reconciler/desired.h"
#include "reconciler/plan_internal.h"

enum {
    SUBMIT_RETRY_MS = 15 * 1000, /* after a refused submitter (quota, admission); doubles */
    SUBMIT_RETRY_MAX_MS = 5 * 60 * 1000,
    SUBMIT_AGAIN_MS = 5 * 1000, /* how long the watcher may take to see a created submitter */
    CANCEL_AGAIN_MS = 60 * 1000, /* a cancellation that a dying JobManager lost is told again */
    TRIES_MAX = 1000,
};

static bool is_open(const cJSON *command)
{
    const char *state = json_str(command, "state");

    return str_eq(state, "wanted") || str_eq(state, "claimed");
}

/* Drop submissions that nobody wants any more, before they are done. */
static void drop_submissions(struct planner *p, const char *why)
{
    json_foreach (command, p->v->snapshot->commands) {
        struct action *action;

        if (!str_eq(json_str(command, "kind"), "submit") || !is_open(command))
            continue;
        action = plan_add(p, ACTION_DROP_COMMAND, "Command", json_str_or(command, "key", ""));
        if (!action)
            return;
        action->command_id = json_int(command, "id", 0);
        plan_why(action, "%s", why);
    }
}

static bool has_open_submission(const struct planner *p)
{
    json_foreach (command, p->v->snapshot->commands) {
        if (str_eq(json_str(command, "kind"), "submit") && is_open(command))
            return true;
    }
    return false;
}

/* ---- start ---- */

static bool was_never_seen(const struct planner *p)
{
    const char *id = json_str(p->l->job, "id");

    return p->l->state != JOB_UPDATING && !str_empty(id) && is_hex32(id) &&
           str_empty(json_str(p->l->job, "startTime")) && !view_flink_job(p->v, id);
}

/* Each run's id follows from the one before. A run that Flink never had is submitted again under
 * its own id: should it have arrived after all, Flink refuses the second. */
static void next_job_id(const struct planner *p, char out[33])
{
    const char *previous = json_str_or(p->l->job, "id", "");

    if (was_never_seen(p))
        str_copy(out, 33, previous);
    else
        md5_hex(out, p->v->uid, previous, p->v->revision.next_name, NULL);
}

/* Is it time for try @n under @prefix? Fills @key. Earlier tries that are open or young hold it up.
 */
static bool is_try_due(struct planner *p, const char *prefix, char *key, size_t size)
{
    int64_t delay = SUBMIT_RETRY_MS;

    for (int n = 0; n < TRIES_MAX; n++) {
        const cJSON *command;
        int64_t again;

        (void)snprintf(key, size, "%s/%d", prefix, n);
        command = view_command(p->v, key);
        if (!command)
            return true;
        if (is_open(command))
            return false;
        again = json_int(command, "changedAt", 0) +
                (str_eq(json_str(command, "state"), "failed") ? delay : SUBMIT_AGAIN_MS);
        if (again > p->v->now_ms) {
            if (str_eq(json_str(command, "state"), "failed"))
                plan_block(p, "SubmitterRefused", "the submitter can't be created: %s",
                           json_str_or(command, "result.error", "?"));
            plan_wake(p, again);
            return false;
        }
        delay = delay * 2 < SUBMIT_RETRY_MAX_MS ? delay * 2 : SUBMIT_RETRY_MAX_MS;
    }
    return false;
}

static void submit(struct planner *p)
{
    char id[33], prefix[64], key[80];
    bool restart = p->l->state == JOB_RESTARTING;
    struct desired_job job = {
        .view = p->v,
        .revision = p->v->revision.next_name,
        .job_id = id,
        .from_savepoint = life_restore_point(p->v, p->l),
        .restart_count = p->l->state == JOB_UPDATING
                             ? 0
                             : json_int(p->l->job, "restartCount", 0) + (restart ? 1 : 0),
    };
    cJSON *args;

    next_job_id(p, id);
    (void)snprintf(prefix, sizeof prefix, "submit/%s/%lld", id, (long long)job.restart_count);
    if (!is_try_due(p, prefix, key, sizeof key))
        return;
    args = cJSON_CreateObject();
    json_set_str(args, "jobId", id);
    json_set_str(args, "fromSavepoint", job.from_savepoint);
    json_set(args, "manifest", desired_submitter(&job));
    plan_command(p, "submit", key, args, restart ? "restart after a failure" : "the job is to run");
}

static void start(struct planner *p)
{
    const struct submitter *s = &p->v->submitter;
    int64_t checkpoint_due = life_checkpoint_due_ms(p->v, p->l);

    if (p->l->state == JOB_RESTARTING && p->l->restart_at_ms > p->v->now_ms)
        return; /* life's wake-up time */
    if (p->v->rec_job && !plan_is_recorded(p))
        return; /* the end of the last run has to be recorded first */
    if (checkpoint_due) {
        plan_wake(p, checkpoint_due);
        return;
    }
    if (s->json) {
        /* Of the last run. Its job id is recorded (else this would be a new run). */
        plan_delete(p, s->json, "the submitter of an earlier run");
        return;
    }
    if (s->pods_left || p->children_settling || p->v->other_running > 0)
        return;
    if (p->v->jobmanager_running && !p->v->jobs_known && !p->v->unreachable_since_ms)
        return; /* the journal is new: what runs there will be known in a moment */
    submit(p);
}

/* ---- stop ---- */

void plan_trigger_id(const struct planner *p, const char *reason, char out[33])
{
    md5_hex(out, p->v->uid, p->v->job_id, reason, json_str_or(p->v->rec_savepoint, "triggerID", ""),
            NULL);
}

cJSON *plan_savepoint_args(const struct planner *p, const char *reason, const char *trigger_id)
{
    cJSON *args = cJSON_CreateObject();
    const char *format = json_str(p->v->job, "savepointFormatType");

    json_set_str(args, "jobId", p->v->job_id);
    json_set_str(args, "directory", p->v->savepoints_dir);
    if (format && flink_version_at_least(&p->v->version, 1, 15))
        json_set_str(args, "format", format);
    json_set_str(args, "triggerId", trigger_id);
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

static bool is_flink_running(const struct planner *p)
{
    return str_eq(json_str(view_flink_job(p->v, p->v->job_id), "state"), "RUNNING");
}

/* The run has its final savepoint: Flink's list is only older than that. */
static bool is_stopped(const struct planner *p)
{
    const cJSON *savepoint = p->l->savepoint;

    return savepoint_is_stop(json_str(savepoint, "triggerReason")) &&
           str_eq(json_str(savepoint, "state"), "Succeeded") &&
           str_eq(json_str(savepoint, "jobID"), p->v->job_id);
}

static void stop_with_savepoint(struct planner *p, const char *reason)
{
    char id[33], key[64];
    cJSON *args;

    /* A job that restarts can't take a savepoint; one that was stopped needn't. */
    if (!plan_may_trigger(p) || is_too_soon(p, reason) || !is_flink_running(p) || is_stopped(p))
        return;
    plan_trigger_id(p, reason, id);
    (void)snprintf(key, sizeof key, "stop/%s", id);
    args = plan_savepoint_args(p, reason, id);
    if (str_eq(reason, REASON_CANCEL) && json_bool(p->v->job, "drainOnCancel", false))
        json_set_bool(args, "drain", true);
    plan_command(p, "stop", key, args, reason);
}

static void cancel(struct planner *p, const char *reason)
{
    char key[80];
    cJSON *args;

    if (!view_flink_job(p->v, p->v->job_id))
        return;
    for (int n = 0; n < TRIES_MAX; n++) {
        const cJSON *command;

        if (n == 0)
            (void)snprintf(key, sizeof key, "cancel/%s", p->v->job_id);
        else
            (void)snprintf(key, sizeof key, "cancel/%s/%d", p->v->job_id, n);
        command = view_command(p->v, key);
        if (!command)
            break;
        if (is_open(command))
            return;
        if (json_int(command, "changedAt", 0) + CANCEL_AGAIN_MS > p->v->now_ms) {
            plan_wake(p, json_int(command, "changedAt", 0) + CANCEL_AGAIN_MS);
            return;
        }
    }
    args = cJSON_CreateObject();
    json_set_str(args, "jobId", p->v->job_id);
    json_set_str(args, "reason", reason);
    plan_command(p, "cancel", key, args, reason);
}

static void stop_for_update(struct planner *p)
{
    bool take = json_bool(p->v->job, "takeSavepointOnUpdate", true);

    /* The user named the state to go on from, or the last savepoint is good enough. */
    if (life_from_savepoint_changed(p->v) ||
        (!take && life_state_is_fresh(p->v, p->l, p->v->now_ms))) {
        cancel(p, REASON_UPDATE);
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

/* An Application Job that is about to be the JobManager, or already is: the job may run in it. */
static bool may_run_job(struct planner *p)
{
    const struct view *v = p->v;
    int64_t pod_due = v->submitter.created_ms + SUBMIT_SEEN_MS;

    if (v->mode != MODE_APPLICATION || v->jobmanager_running || v->jobmanager_starting)
        return v->mode == MODE_APPLICATION;
    if (v->jobmanager_pod || pod_due <= v->now_ms)
        return false;
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

    drop_submissions(p, reason);
    if (!v->submitter.json || has_open_submission(p))
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
    if (str_eq(reason, REASON_UPDATE))
        stop_for_update(p);
    else if (p->v->savepoints_dir)
        stop_with_savepoint(p, reason);
    else
        cancel(p, reason);
}

static const char *stop_reason(const struct planner *p)
{
    const struct life *l = p->l;

    if (l->clear_control || job_state_is_stopped(l->state))
        return NULL;
    if (l->cancel_wanted)
        return REASON_CANCEL;
    if (p->v->suspend)
        return REASON_SUSPEND;
    return l->update == UPDATE_PREPARING ? REASON_UPDATE : NULL;
}

/* ---- after the end ---- */

static bool is_at_flink(const struct planner *p)
{
    const cJSON *job = view_flink_job(p->v, p->v->job_id);

    return job_state_of_flink(json_str(job, "state")) == JOB_RUNNING;
}

static void clean_up(struct planner *p)
{
    const struct submitter *s = &p->v->submitter;

    if (!plan_is_recorded(p))
        return;
    if (p->l->state == JOB_CANCELLED && is_at_flink(p)) {
        cancel(p, REASON_CANCEL); /* a submission that was given up has arrived */
        return;
    }
    if (!s->json)
        return;
    if (p->l->state == JOB_CANCELLED ||
        (p->l->cleanup && str_eq(p->l->cleanup_policy, "DeleteCluster") && s->exit_code != -1))
        plan_delete(p, s->json, "the job has ended");
}

/* Of a mode that the spec no longer has (spec 05-lifecycle 4.3, weakness). */
static void remove_other_mode(struct planner *p)
{
    char name[CHILD_NAME_MAX];

    if (p->l->update == UPDATE_PREPARING)
        return;
    child_name(name, p->v->mode == MODE_APPLICATION ? NAME_SUBMITTER : NAME_JOBMANAGER, p->v->name);
    plan_delete(p, view_child(p->v, "Job", name, NULL), "the job's mode has changed");
}

void plan_job(struct planner *p)
{
    const char *reason = stop_reason(p);

    remove_other_mode(p);
    if (reason)
        plan_stop(p, reason);
    else if (job_state_is_pending(p->l->state) && !p->l->suspended)
        start(p);
    else if (p->l->state == JOB_RUNNING)
        plan_savepoints(p);
    else if (job_state_is_stopped(p->l->state))
        clean_up(p);
    if (job_state_is_stopped(p->l->state))
        drop_submissions(p, "the job has ended");
}
