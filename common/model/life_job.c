/* The state of the job. A run is named by its Flink job id, chosen before it is submitted: what
 * Flink's list says of that id is the truth; what the submitter says counts only where Flink can't
 * know it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/life_internal.h"

/* The reference operator's submitter has told the id of a run that the status doesn't tell of. */
static bool is_untold_run(const struct view *v)
{
    const struct submitter *s = &v->submitter;

    return s->job_id && !str_eq(s->job_id, json_str(v->rec_job, "id")) &&
           json_has(v->rec_job, "deployTime") && str_empty(json_str(v->rec_job, "startTime"));
}

/* A Job that starts a run which the status doesn't know of yet. */
static bool is_new_run(const struct view *v)
{
    const struct submitter *s = &v->submitter;
    const char *recorded = json_str_or(v->rec_job, "id", "");

    if (!s->json || s->deleting)
        return false;
    if (s->by_flinkd && s->job_id &&
        (!str_eq(s->job_id, recorded) ||
         s->restart_count > json_int(v->rec_job, "restartCount", 0)))
        return true;
    if (!v->rec_job)
        return true;
    /* The same run once more: its submitter vanished before Flink had the job. One that failed with
     * another revision is what is gone back from. */
    if (v->rec_state == JOB_PENDING && str_empty(json_str(v->rec_job, "startTime")))
        return !s->failed || str_eq(s->revision, v->revision.next_name);
    /* The reference operator's: it writes deployTime, then creates the Job (spec 04-status 3.2,
     * rules 3 and 4). */
    if (s->by_flinkd)
        return false;
    if (is_untold_run(v))
        return job_state_is_pending(v->rec_state) || job_state_is_stopped(v->rec_state);
    if (job_state_is_pending(v->rec_state))
        return json_has(v->rec_job, "deployTime") && s->active;
    return job_state_is_stopped(v->rec_state) && s->active &&
           s->created_ms > time_parse_rfc3339(json_str(v->rec_job, "completionTime"));
}

/* What its submitter would tell. */
static struct submitter unseen_submitter(const struct view *v, const struct life *l)
{
    int64_t count = json_int(l->job, "restartCount", 0);

    return (struct submitter){
        .job_id = v->job_id,
        .from_savepoint = life_restore_point(v, l),
        .restart_count = l->state == JOB_UPDATING ? 0 : count + (l->state == JOB_RESTARTING),
    };
}

/* When the status is late, a run may have been stopped before it is begun here. */
static bool has_savepoint_of(const struct life *l, const char *job_id)
{
    return str_eq(json_str(l->savepoint, "state"), "Succeeded") &&
           str_eq(json_str(l->savepoint, "jobID"), job_id);
}

static void begin_run(const struct view *v, struct life *l, const struct submitter *s)
{
    _cleanup_(freep) char *from = s->from_savepoint ? strdup(s->from_savepoint) : NULL;
    bool had_savepoint = !str_empty(json_str(l->job, "savepointLocation"));

    json_remove(l->job, "startTime");
    json_remove(l->job, "completionTime");
    if (!savepoint_is_same(life_missing_state(l), from)) /* else it may be in vain again */
        json_remove(l->job, "failureReasons");
    json_remove(l->job, "name");
    json_remove(l->job, "fromSavepoint");
    life_set_time(l->job, "deployTime", s->created_ms ? s->created_ms : v->now_ms);
    json_set_str(l->job, "id", s->job_id);
    json_set_str(l->job, "fromSavepoint", from);
    if (had_savepoint && from && !has_savepoint_of(l, s->job_id))
        json_set_str(l->job, "savepointLocation", from);
    json_remove(l->job, "restartCount");
    if (s->restart_count > 0)
        json_set_int(l->job, "restartCount", s->restart_count);
    l->state = JOB_DEPLOYING;
}

static void submitter_fields(const struct view *v, struct life *l)
{
    const struct submitter *s = &v->submitter;
    int64_t code = json_int(l->job, "submitterExitCode", 0);

    if (s->json && !s->deleting) {
        json_set_str(l->job, "submitterName", s->name);
        code = s->exit_code;
    } else if (code == -1) {
        code = 0;
    }
    json_remove(l->job, "submitterExitCode");
    if (code != 0)
        json_set_int(l->job, "submitterExitCode", code);
}

/* ---- what a change of state writes (spec 04-status 3.3) ---- */

static void stopped_effects(const struct view *v, struct life *l, bool ended_now)
{
    if (!json_has(l->job, "completionTime") || str_empty(json_str(l->job, "completionTime")))
        life_set_time(l->job, "completionTime", v->now_ms);
    if (l->state == JOB_LOST)
        json_remove(l->job, "finalSavepoint");
    if (job_state_is_failed(l->state))
        life_failure_reasons(v, l, ended_now);
}

static void running_effects(const struct view *v, struct life *l)
{
    life_set_time(l->job, "startTime", v->now_ms);
    json_remove(l->job, "completionTime");
}

/* It has state that the savepoint lacks which it was started from. CREATED counts as running (spec
 * 06-flink-rest), RUNNING is said of a job that waits for slots, too. */
static bool has_begun(const struct view *v)
{
    const cJSON *job = view_flink_job(v, v->job_id);

    return !str_eq(json_str(job, "state"), "CREATED") && !json_bool(job, "waits", false);
}

/* Flink has made the job from what it was to start from (INITIALIZING counts as running, too). */
static void made_effects(const struct view *v, struct life *l)
{
    const char *state = json_str(view_flink_job(v, v->job_id), "state");

    if (l->state != JOB_RUNNING || !state || str_eq(state, "INITIALIZING"))
        return;
    json_remove(l->job, "failureReasons");
    if (has_begun(v) && !life_stop_state(v, l))
        json_remove(l->job, "finalSavepoint");
}

/* ---- after the end of a run: update, suspension, restart ---- */

static int64_t restart_delay(const struct life *l)
{
    int64_t count = json_int(l->job, "restartCount", 0);
    int64_t started = time_parse_rfc3339(json_str(l->job, "startTime"));
    int64_t ended = time_parse_rfc3339(json_str(l->job, "completionTime"));
    int64_t delay = RESTART_BACKOFF_MS;

    if (count == 0 || (started && ended - started > RESTART_STABLE_MS))
        return 0;
    for (int64_t i = 1; i < count && delay < RESTART_BACKOFF_MAX_MS; i++)
        delay *= 2;
    return delay < RESTART_BACKOFF_MAX_MS ? delay : RESTART_BACKOFF_MAX_MS;
}

/* State that a restart may go on from, or none was ever made (spec 05-lifecycle 5, weakness). */
static bool may_restart(const struct view *v, struct life *l)
{
    int64_t ended = time_parse_rfc3339(json_str(l->job, "completionTime"));
    const char *location = json_str(l->job, "savepointLocation");

    if (str_empty(json_str(l->job, "startTime")))
        return true; /* never ran: the next try starts where this one would have */
    if (str_eq(json_str(v->job, "restoreFrom"), "LatestState") && life_restore_point(v, l))
        return true;
    if (!str_empty(location) && life_state_is_fresh(v, l, ended))
        return true;
    if (str_empty(location))
        life_say(l, "NoSavepoint",
                 "the job failed and has no savepoint to restart from; set spec.job.fromSavepoint, "
                 "or take "
                 "savepoints (spec.job.autoSavepointSeconds)");
    else
        life_say(l, "SavepointTooOld",
                 "the job failed and its last savepoint %s is older than "
                 "maxStateAgeToRestoreSeconds; set "
                 "spec.job.fromSavepoint to restart from it",
                 location);
    return false;
}

static void schedule_restart(const struct view *v, struct life *l)
{
    int64_t ended = time_parse_rfc3339(json_str(l->job, "completionTime"));

    l->will_restart = true;
    l->restart_at_ms = ended + restart_delay(l);
    if (l->restart_at_ms > v->now_ms)
        life_wake(l, l->restart_at_ms);
}

/* Does a job that ended while it was to be suspended go on when it isn't any more? */
static bool is_suspension(const struct view *v, struct life *l)
{
    return v->suspend && job_state_is_failed(l->state) && !l->cancel_wanted &&
           v->restart_on_failure && may_restart(v, l);
}

/* The run that ended was the new revision's already. */
static bool was_tried(const struct view *v)
{
    return v->submitter.by_flinkd && view_submits_next(v);
}

/* An update that starts the job again, from state that is at hand. */
static bool is_update_due(const struct view *v, const struct life *l)
{
    return l->update == UPDATE_IN_PROGRESS && !l->cancel_wanted && !was_tried(v) &&
           (v->change & (CHANGE_JOB | CHANGE_PODS | CHANGE_MODE));
}

static void go_on_with_update(struct life *l)
{
    l->state = JOB_UPDATING;
    l->will_restart = false;
    l->restart_at_ms = 0;
    json_remove(l->job, "deployTime");
}

static void after_end(const struct view *v, struct life *l)
{
    if (is_suspension(v, l) ||
        (life_is_pause(v, l) && (v->suspend || l->update != UPDATE_IN_PROGRESS))) {
        l->state = JOB_PENDING;
        l->suspended = v->suspend;
        return;
    }
    if (job_state_is_stopped(l->state) && is_update_due(v, l)) {
        go_on_with_update(l);
        return;
    }
    if (job_state_is_failed(l->state) && v->restart_on_failure && !l->cancel_wanted &&
        !l->update_pending && may_restart(v, l)) {
        schedule_restart(v, l);
        l->state = JOB_RESTARTING;
        json_remove(l->job, "deployTime");
    }
}

static bool is_running_at_flink(const struct view *v)
{
    return job_state_of_flink(json_str(view_flink_job(v, v->job_id), "state")) == JOB_RUNNING;
}

/* A submission was decided whose Job isn't to be seen yet. */
static bool is_submitting(const struct view *v, struct life *l)
{
    bool ran = !str_empty(json_str(l->job, "startTime"));

    json_foreach (command, v->snapshot->commands) {
        const char *state = json_str(command, "state");
        int64_t changed = json_int(command, "changedAt", 0);

        if (!str_eq(json_str(command, "kind"), "submit") ||
            (ran && str_eq(json_str(command, "args.jobId"), json_str(l->job, "id"))))
            continue;
        if (view_command_is_open(command))
            return true;
        if (str_eq(state, "done") && !life_has_passed(v, l, changed, VIEW_SUBMIT_SEEN_MS))
            return true;
    }
    return false;
}

/* Flink tells why a run failed a moment after it tells that. */
static void restarting(const struct view *v, struct life *l)
{
    life_failure_reasons(v, l, false);
    schedule_restart(v, l);
}

static void pending_state(const struct view *v, struct life *l)
{
    bool submits = v->submitter.json || v->submitter.pods_left || is_submitting(v, l);

    if (is_running_at_flink(v))
        l->state = JOB_RUNNING; /* a submission that was given up has arrived */
    else if (l->cancel_wanted && !submits)
        l->state = JOB_CANCELLED;
    else if ((v->suspend && !submits) ||
             (l->state == JOB_UPDATING && !v->revision.update_triggered))
        l->state = JOB_PENDING; /* an update reverted or finished: the job goes on from its state */
    else if (l->state == JOB_RESTARTING)
        restarting(v, l);
    l->suspended = v->suspend && !submits && job_state_is_pending(l->state);
}

void life_job(const struct view *v, struct life *l)
{
    enum job_state before;

    l->state = v->rec_job ? v->rec_state : JOB_PENDING;
    if (is_new_run(v)) {
        begin_run(v, l, &v->submitter);
    } else if (v->unseen_run) {
        const struct submitter unseen = unseen_submitter(v, l);

        begin_run(v, l, &unseen);
    }
    before = l->state;
    submitter_fields(v, l);
    if (job_state_is_active(l->state) || l->state == JOB_UNKNOWN)
        l->state = life_run_state(v, l);
    else if (job_state_is_pending(l->state))
        pending_state(v, l);
    else if (job_state_is_failed(l->state) && is_running_at_flink(v))
        l->state = JOB_RUNNING; /* given up too early */
    if (v->stale_id && job_state_is_active(before) && job_state_is_failed(l->state))
        json_remove(l->job, "id"); /* the next run must not have it again */
    if (l->state == JOB_RUNNING && before != JOB_RUNNING)
        running_effects(v, l);
    made_effects(v, l);
    life_update(v, l);
    if (job_state_is_stopped(l->state)) {
        stopped_effects(v, l, job_state_is_active(before));
        after_end(v, l);
    } else if (l->state == JOB_RESTARTING && is_update_due(v, l)) {
        go_on_with_update(l); /* what the user changed isn't held up by the failures before */
    }
    if (!job_state_is_active(l->state) && l->state != JOB_UNKNOWN)
        life_record_checkpoint(v, l);
    json_set_str(l->job, "state", job_state_name(l->state));
}
