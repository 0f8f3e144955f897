#include "common/model/life.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/flink/exception.h"
#include "common/model/life_internal.h"
#include "common/model/names.h"
#include "common/model/rollback.h"
#include "common/model/run_revision.h"

enum { CHANGE_RESTART = CHANGE_JOB | CHANGE_PODS | CHANGE_MODE };

void life_wake(struct life *l, int64_t at_ms)
{
    if (!l->wake_ms || at_ms < l->wake_ms)
        l->wake_ms = at_ms;
}

void life_set_time(cJSON *object, const char *path, int64_t ms)
{
    char text[32];

    time_rfc3339(ms, text);
    json_set_str(object, path, text);
}

void life_say(struct life *l, const char *reason, const char *fmt, ...)
{
    va_list args;

    if (l->reason[0])
        return;
    str_copy(l->reason, sizeof l->reason, reason);
    va_start(args, fmt);
    (void)vsnprintf(l->message, sizeof l->message, fmt, args);
    va_end(args);
}

const char *life_job_id(const struct life *life)
{
    return json_str_or(life->job, "id", "");
}

/* ---- state to go on from ---- */

bool life_is_drained(const struct life *life)
{
    const char *location = json_str(life->job, "savepointLocation");

    json_foreach (entry, life->savepoints) {
        if (str_eq(json_str(entry, "location"), location))
            return str_eq(json_str(entry, "triggerReason"), REASON_DRAINED);
    }
    return false;
}

bool life_state_is_fresh(const struct view *v, const struct life *life, int64_t at_ms)
{
    int64_t max_age_s = json_int(v->job, "maxStateAgeToRestoreSeconds", -1);
    int64_t taken = time_parse_rfc3339(json_str(life->job, "savepointTime"));

    if (str_empty(json_str(life->job, "savepointLocation")) || life_is_drained(life))
        return false;
    if (json_bool(life->job, "finalSavepoint", false))
        return true;
    return at_ms && taken && max_age_s >= 0 && at_ms <= taken + max_age_s * 1000;
}

/* A run of an update that isn't over has gone on from it and left a savepoint, from which the next
 * one has gone on: those are newer. */
static bool was_gone_on_from(const struct view *v)
{
    const cJSON *newest = cJSON_GetArrayItem(json_member(v->status, "savepoints"), 0);
    const char *id = json_str(v->rec_job, "id"), *name;

    if (!id || !str_eq(id, v->job_id) ||
        (!str_eq(id, json_str(newest, "jobID")) &&
         savepoint_is_same(json_str(v->rec_job, "fromSavepoint"), v->from_savepoint)))
        return false;
    name = run_revision(v);
    return name && str_eq(json_str(view_child(v, "ControllerRevision", name, NULL),
                                   "data.spec.job.fromSavepoint"),
                          v->from_savepoint);
}

bool life_from_savepoint_changed(const struct view *v)
{
    const char *current = json_str(v->revision.current_spec, "job.fromSavepoint");

    return v->revision.update_triggered && !v->rolled_back && v->from_savepoint &&
           !str_eq(v->from_savepoint, current) && !was_gone_on_from(v);
}

static bool may_use_checkpoint(const struct view *v, const struct life *life)
{
    return str_eq(json_str(v->job, "restoreFrom"), "LatestState") && v->job_id &&
           !str_eq(life_stop_state(v, life), "Succeeded");
}

/* What is known of the checkpoints of the run; NULL: nothing. */
static const cJSON *checkpoints(const struct view *v)
{
    char key[64];

    (void)snprintf(key, sizeof key, "checkpoints/%s", v->job_id ? v->job_id : "");
    return json_member(v->snapshot->observations, key);
}

/* Flink counts the checkpoints and savepoints of a run together. The status has the time at which a
 * savepoint was known, which may be much later than it was taken. */
static bool is_newer_than_savepoint(const struct life *life, const cJSON *seen)
{
    const cJSON *completed = json_member(seen, "completed");
    const cJSON *savepoint = json_member(seen, "savepoint");

    if (savepoint_is_same(json_str(savepoint, "path"), json_str(life->job, "savepointLocation")))
        return json_int(completed, "id", 0) > json_int(savepoint, "id", 0);
    return json_int(completed, "time", 0) >
           time_parse_rfc3339(json_str(life->job, "savepointTime"));
}

/* The newest retained checkpoint of the run, when it is newer than the last savepoint. */
static const char *newer_checkpoint(const struct view *v, const struct life *life)
{
    const cJSON *seen = checkpoints(v);

    return may_use_checkpoint(v, life) && is_newer_than_savepoint(life, seen)
               ? json_str(seen, "completed.path")
               : NULL;
}

void life_record_checkpoint(const struct view *v, struct life *l)
{
    const char *path = newer_checkpoint(v, l);
    char when[32];

    if (!path)
        return;
    time_rfc3339(json_int(checkpoints(v), "completed.time", 0), when);
    json_set_str(l->job, "savepointLocation", path);
    json_set_str(l->job, "savepointTime", when);
    json_remove(l->job, "finalSavepoint"); /* of the run before, which this one went on from */
}

const char *life_retained_checkpoint(const struct view *v, const struct life *l)
{
    const cJSON *retention =
        json_member(json_member(v->spec, "flinkProperties"),
                    "execution.checkpointing.externalized-checkpoint-retention");

    return str_eq(cJSON_GetStringValue(retention), "RETAIN_ON_CANCELLATION")
               ? newer_checkpoint(v, l)
               : NULL;
}

int64_t life_checkpoint_due_ms(const struct view *v, const struct life *life)
{
    const char *state = json_str(view_flink_job(v, v->job_id), "state");
    int64_t due = time_parse_rfc3339(json_str(life->job, "completionTime")) + CHECKPOINT_SETTLE_MS;

    if (!may_use_checkpoint(v, life) || life_from_savepoint_changed(v) ||
        json_bool(checkpoints(v), "last", false) || due <= v->now_ms ||
        !job_state_is_stopped(job_state_of_flink(state)))
        return 0;
    return due;
}

const char *life_missing_state(const struct life *life)
{
    const char *from = json_str(life->job, "fromSavepoint");

    if (str_empty(from))
        return NULL;
    json_foreach (reason, json_member(life->job, "failureReasons")) {
        const char *text = cJSON_GetStringValue(reason);

        if (savepoint_is_said_missing(text) && savepoint_is_named_in(text, from))
            return from;
    }
    return NULL;
}

/* Flink deletes its older checkpoints: the one that was known may be gone by the time it is needed.
 * The last savepoint isn't. */
static const char *instead_of_checkpoint(const struct view *v, const struct life *life)
{
    const char *missing = life_missing_state(life);
    const char *newest = json_str(cJSON_GetArrayItem(life->savepoints, 0), "location");
    int64_t ended = time_parse_rfc3339(json_str(life->job, "completionTime"));

    if (!missing || !newest || savepoint_is_same(missing, v->from_savepoint) ||
        !str_eq(json_str(v->job, "restoreFrom"), "LatestState") ||
        !life_state_is_fresh(v, life, ended))
        return NULL;
    json_foreach (entry, life->savepoints) {
        if (savepoint_is_same(json_str(entry, "location"), missing))
            return NULL;
    }
    return newest;
}

static const char *not_empty(const char *text)
{
    return str_empty(text) ? NULL : text;
}

const char *life_restore_point(const struct view *v, const struct life *life)
{
    const char *found = NULL;

    if (life_from_savepoint_changed(v))
        return v->from_savepoint;
    found = newer_checkpoint(v, life);
    if (!found)
        found = instead_of_checkpoint(v, life);
    if (!found)
        found = not_empty(json_str(life->job, "savepointLocation"));
    if (!found)
        found = not_empty(json_str(life->job, "fromSavepoint"));
    return found ? found : v->from_savepoint;
}

/* ---- update (spec 05-lifecycle 4) ---- */

static bool is_restart(const struct view *v)
{
    return v->job && (v->change & CHANGE_RESTART);
}

static bool is_update_ready(const struct view *v, struct life *l)
{
    int64_t ended = time_parse_rfc3339(json_str(l->job, "completionTime"));

    if (job_state_is_active(l->state) || l->state == JOB_UNKNOWN)
        return view_submits_next(v);
    if (l->state == JOB_PENDING || l->state == JOB_UPDATING)
        return true;
    if (life_from_savepoint_changed(v) || str_empty(json_str(l->job, "startTime")))
        return true;
    if (v->rolled_back)
        return true; /* what is gone back from never came up: from where it started */
    if (life_state_is_fresh(v, l, ended ? ended : v->now_ms) ||
        str_eq(life_cancel_reason(v), REASON_UPDATE))
        return true;
    if (l->state == JOB_CANCELLED ? life_retained_checkpoint(v, l) : newer_checkpoint(v, l))
        return true;
    if (life_is_drained(l))
        life_say(l, "UpdateNeedsState",
                 "the update waits: the job was drained when it was cancelled, so it can't go on "
                 "from its last "
                 "savepoint; set spec.job.fromSavepoint");
    life_say(l, "UpdateNeedsState",
             "the update waits: the job has ended without a final savepoint and its last one isn't "
             "within "
             "maxStateAgeToRestoreSeconds; set spec.job.fromSavepoint");
    return false;
}

static bool carries(const struct view *v, const char *kind, const char *format, bool may_lack)
{
    char name[CHILD_NAME_MAX];
    const cJSON *child, *labels;

    child_name(name, format, v->name);
    child = view_child(v, kind, name, NULL);
    if (!child)
        return may_lack;
    labels = json_get(child, "metadata.labels");
    return str_eq(cJSON_GetStringValue(json_member(labels, LABEL_REVISION)), v->revision.next_name);
}

/* Until its tasks run: the revision before has to be known so long. INITIALIZING and CREATED, which
 * count as running, may be all that becomes of it. */
static bool may_be_taken_back(const struct view *v)
{
    return is_restart(v) && json_bool(v->spec, "updateStrategy.rollback", false);
}

/* Every component that the update has to reach has the new revision's label (spec
 * 05-lifecycle 4.1). */
static bool is_everywhere(const struct view *v, const struct life *l)
{
    bool down = l->suspended;
    const char *workload = json_str_or(v->spec, "taskManager.deploymentType", "StatefulSet");

    return !v->revision.create && carries(v, "ConfigMap", NAME_CONFIGMAP, false) &&
           carries(v, "Service", NAME_JOBMANAGER, false) &&
           carries(v, "Service", NAME_TASKMANAGER, false) &&
           (v->mode == MODE_APPLICATION || carries(v, "StatefulSet", NAME_JOBMANAGER, down)) &&
           carries(v, workload, NAME_TASKMANAGER, down) &&
           (!json_has(v->spec, "podDisruptionBudget") ||
            carries(v, "PodDisruptionBudget", NAME_SHARED, false)) &&
           (!json_has(v->spec, "taskManager.horizontalPodAutoscaler") ||
            carries(v, "HorizontalPodAutoscaler", NAME_SHARED, down)) &&
           (!is_restart(v) || view_submits_next(v) || down) &&
           (!may_be_taken_back(v) || (l->state == JOB_RUNNING && view_is_up(v)) || down);
}

/* No run is to follow: the job was cancelled while the update waited for it, or has ended and the
 * update is none that starts it again. Components that are kept are changed nevertheless. */
static bool is_for_nobody(const struct view *v, const struct life *l)
{
    bool ends_now = !job_state_is_stopped(v->rec_state);

    if (!v->job || !job_state_is_stopped(l->state))
        return false;
    if (l->cancel_wanted && (ends_now || json_bool(v->job, "cancelRequested", false)))
        return true;
    return !is_restart(v) && !(job_state_is_failed(l->state) && v->restart_on_failure);
}

void life_update(const struct view *v, struct life *l)
{
    l->update_pending = v->revision.update_triggered;
    l->update = UPDATE_NONE;
    if (!l->update_pending)
        return;
    if (is_for_nobody(v, l))
        l->update = UPDATE_FINISHED;
    else if (is_restart(v) && !is_update_ready(v, l))
        l->update = UPDATE_PREPARING;
    else
        l->update = is_everywhere(v, l) ? UPDATE_FINISHED : UPDATE_IN_PROGRESS;
    l->mends = l->update == UPDATE_PREPARING && v->ha && v->mode != MODE_APPLICATION &&
               job_state_is_active(l->state) &&
               (carries(v, "StatefulSet", NAME_JOBMANAGER, false) || life_no_jobmanager(v, l));
}

static void update_flags(const struct view *v, struct life *l)
{
    bool active = job_state_is_active(l->state);

    l->job_must_update = l->update == UPDATE_IN_PROGRESS && is_restart(v);
    l->cluster_must_update = l->update == UPDATE_IN_PROGRESS && (!is_restart(v) || !active);
}

/* ---- clean-up (spec 03-children 12) ---- */

static void cleanup_of(const struct view *v, struct life *l)
{
    const char *key = l->state == JOB_SUCCEEDED   ? "cleanupPolicy.afterJobSucceeds"
                      : l->state == JOB_CANCELLED ? "cleanupPolicy.afterJobCancelled"
                                                  : "cleanupPolicy.afterJobFails";
    const char *fallback = job_state_is_failed(l->state) ? "KeepCluster" : "DeleteCluster";

    if (!job_state_is_stopped(l->state) || l->update == UPDATE_IN_PROGRESS || l->will_restart ||
        v->deleting)
        return;
    l->cleanup = true;
    l->cleanup_policy = json_str_or(v->job, key, fallback);
}

/* Also while it is tried again: until Flink has made a run from it, nothing is resolved. */
static void say_missing_state(const struct view *v, struct life *l)
{
    const char *missing = life_missing_state(l);
    bool waits = job_state_is_pending(l->state) && !l->suspended;

    if (!missing || !(waits || job_state_is_active(l->state) || job_state_is_failed(l->state)) ||
        !savepoint_is_same(life_restore_point(v, l), missing))
        return;
    life_say(l, "StateMissing",
             "the job can't start from %.600s, which isn't there: bring it back, or set "
             "spec.job.fromSavepoint to a savepoint that is",
             missing);
}

static void say_why(const struct view *v, struct life *l)
{
    const char *savepoint = json_str(l->savepoint, "state");
    bool savepoint_failed = savepoint_has_failed(savepoint);

    if (v->invalid)
        life_say(l, "InvalidSpec", "%s", v->invalid_text);
    if (l->update == UPDATE_PREPARING && savepoint_failed)
        life_say(l, "UpdateNeedsSavepoint",
                 "the update waits for a savepoint of the running job; the last try: %s",
                 json_str_or(l->savepoint, "message", "failed"));
    say_missing_state(v, l);
    if (v->suspend && l->state == JOB_RUNNING && savepoint_failed &&
        str_eq(json_str(l->savepoint, "triggerReason"), REASON_SUSPEND))
        life_say(l, "StopNeedsSavepoint",
                 "the suspension waits for a savepoint of the running job; the last try: %s",
                 json_str_or(l->savepoint, "message", "failed"));
    if (job_state_is_failed(l->state)) {
        const cJSON *first = cJSON_GetArrayItem(json_member(l->job, "failureReasons"), 0);
        const char *text = cJSON_GetStringValue(first);
        char said[901];

        exception_copy(said, sizeof said, text ? text : "the job failed");
        life_say(l, l->state == JOB_LOST ? "JobLost" : "JobFailed", "%s", said);
    }
    if (l->state == JOB_RESTARTING && l->restart_at_ms > v->now_ms) {
        char when[32];

        time_rfc3339(l->restart_at_ms, when);
        life_say(l, "RestartBackoff",
                 "the job failed %lld times in a row; the next restart is due at %s",
                 (long long)json_int(l->job, "restartCount", 0) + 1, when);
    }
    if (v->rolled_back)
        life_say(l, "RolledBack",
                 "the update to revision %s was taken back: %.600s; it is tried again when the "
                 "spec changes",
                 json_str_or(v->rolled_back, "metadata.name", ""), rollback_mark(v->rolled_back));
    if (job_state_is_pending(l->state) && v->other_running > 0)
        life_say(l, "UnexpectedJob",
                 "the JobManager runs job %s, which isn't this cluster's: cancel it, then the job "
                 "is submitted",
                 v->other_running_id);
    if (l->suspended)
        life_say(l, "Suspended", "spec.job.suspend is true");
}

void life_derive(const struct view *v, struct life *l)
{
    *l = (struct life){0};
    if (v->mode != MODE_SESSION) {
        l->job = v->rec_job ? json_copy(v->rec_job) : cJSON_CreateObject();
        l->cancel_wanted = str_eq(v->control_request, "job-cancel") ||
                           json_bool(v->job, "cancelRequested", false) ||
                           (str_eq(json_str(v->rec_control, "name"), "job-cancel") &&
                            str_eq(json_str(v->rec_control, "state"), "InProgress"));
    }
    life_savepoint(v, l);
    if (v->mode != MODE_SESSION)
        life_job(v, l);
    else
        life_update(v, l);
    update_flags(v, l);
    life_control(v, l);
    cleanup_of(v, l);
    say_why(v, l);
}

void life_done(struct life *l)
{
    cJSON_Delete(l->job);
    cJSON_Delete(l->savepoint);
    cJSON_Delete(l->control);
    cJSON_Delete(l->savepoints);
    *l = (struct life){0};
}
