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

static void set_time(cJSON *object, const char *path, int64_t ms)
{
    char text[32];

    time_rfc3339(ms, text);
    json_set_str(object, path, text);
}

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

static void begin_run(const struct view *v, struct life *l, const struct submitter *s)
{
    _cleanup_(freep) char *from = s->from_savepoint ? strdup(s->from_savepoint) : NULL;
    bool had_savepoint = !str_empty(json_str(l->job, "savepointLocation"));

    json_remove(l->job, "startTime");
    json_remove(l->job, "completionTime");
    json_remove(l->job, "failureReasons");
    json_remove(l->job, "name");
    json_remove(l->job, "fromSavepoint");
    set_time(l->job, "deployTime", s->created_ms ? s->created_ms : v->now_ms);
    json_set_str(l->job, "id", s->job_id);
    json_set_str(l->job, "fromSavepoint", from);
    if (had_savepoint && from)
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

/* What Flink says of the run, seen in its list. */
static enum job_state seen_state(const struct view *v, struct life *l, const cJSON *job)
{
    const struct submitter *s = &v->submitter;
    enum job_state flink = job_state_of_flink(json_str(job, "state"));

    if (flink == JOB_UNKNOWN)
        return l->state; /* a state of a newer Flink: nothing to conclude */
    if (flink != JOB_SUCCEEDED)
        return flink;
    l->stop_forgotten = life_stop_is_forgotten(v, l);
    if (l->stop_forgotten)
        return JOB_RUNNING;
    if (v->mode == MODE_DETACHED || !s->json || s->deleting || life_stop_state(v, l))
        return life_finished_state(v, l);
    /* Blocking and Application: the program may still have something to do (spec 04-status 3.2,
     * rule 5b). */
    if (s->active)
        return JOB_RUNNING;
    return s->succeeded ? JOB_SUCCEEDED : JOB_FAILED;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The run isn't in a list that the JobManager gave: true once that is no matter of timing. */
static bool is_missing(const struct view *v, struct life *l, int64_t since_ms, int64_t grace_ms)
{
    if (v->now_ms - since_ms >= grace_ms)
        return true;
    life_wake(l, since_ms + grace_ms);
    return false;
}

bool life_no_jobmanager(const struct view *v, struct life *l)
{
    /* That none ran before the run says nothing. In a new journal there is no other time. */
    int64_t begun = later(time_parse_rfc3339(json_str(l->job, "deployTime")),
                          time_parse_rfc3339(json_str(l->job, "startTime")));

    if (v->jobs_known || v->jobmanager_running)
        return false;
    return is_missing(v, l, later(begun, v->unreachable_since_ms), DOWN_GRACE_MS);
}

/* No JobManager runs, and what one had is forgotten: nobody has the job. */
static bool is_flink_down(const struct view *v, struct life *l)
{
    return !v->ha && life_no_jobmanager(v, l);
}

static bool is_lost(const struct view *v, struct life *l, int64_t since_ms)
{
    if (v->jobs_known)
        return is_missing(v, l, later(since_ms, v->jobs_since_ms),
                          v->ha ? LOST_GRACE_HA_MS : LOST_GRACE_MS);
    return is_flink_down(v, l);
}

static void say_unreachable(const struct view *v, struct life *l)
{
    if (v->unreachable_since_ms && v->now_ms - v->unreachable_since_ms > LOST_GRACE_MS)
        life_say(l, "JobManagerUnreachable",
                 "the JobManager doesn't answer; the job is taken to be running until it does");
}

/* An Application Job is the JobManager: its end is the job's. So is that of an attached client,
 * when it ended well. */
static enum job_state program_ended(const struct view *v, const struct life *l)
{
    const struct submitter *s = &v->submitter;
    enum job_state state = life_finished_state(v, l);

    if (s->failed)
        return l->cancel_wanted ? JOB_CANCELLED : JOB_FAILED;
    /* Flink's exit status of a cancelled application is 0, too. */
    if (v->mode == MODE_APPLICATION && state == JOB_SUCCEEDED && life_is_cancelled_by_us(v, l))
        return JOB_CANCELLED;
    return state;
}

/* How long a list may lack a run whose submitter has ended: longer when the JobManager isn't the
 * one that the run was submitted to, and high availability may bring it back. */
static int64_t arrival_grace_ms(const struct view *v, const struct life *l)
{
    const cJSON *overview = json_member(v->snapshot->observations, "overview");
    int64_t submitted = time_parse_rfc3339(json_str(l->job, "deployTime"));
    const char *uid = json_str(overview, "jm");
    bool another = json_int(overview, "jmRestarts", 0) > 0;

    json_foreach (object, v->snapshot->objects) {
        if (uid && str_eq(json_str(object, "metadata.uid"), uid))
            another |= time_parse_rfc3339(json_str(object, "metadata.creationTimestamp")) >
                       submitted + SAME_TIME_MS;
    }
    return v->ha && another ? LOST_GRACE_HA_MS : SUBMIT_SETTLE_MS;
}

/* It gave up waiting for the JobManager (see submit-job.sh). */
static bool has_never_submitted(const struct view *v)
{
    return str_starts(v->submitter.message, "Aborted: no answer of the JobManager");
}

/* Nobody could have the job, though nobody can be asked. */
static bool is_nobody_left(const struct view *v, struct life *l)
{
    return !v->ha && (!v->jobmanager_pod || life_no_jobmanager(v, l));
}

/* Not in Flink's list (or no list): the submitter finished. */
static enum job_state submitter_ended(const struct view *v, struct life *l)
{
    const struct submitter *s = &v->submitter;

    /* A client that was started again ends well at once: "it had been submitted before". */
    if (v->mode == MODE_APPLICATION ||
        (s->succeeded && v->mode == MODE_BLOCKING && (v->jobs_known || !v->jobmanager_running)))
        return program_ended(v, l);
    if (l->state == JOB_RUNNING)
        return JOB_RUNNING; /* the job outlives its submitter */
    if (!s->failed)
        return is_lost(v, l, s->finished_ms) ? JOB_LOST : l->state;
    if (v->jobs_known)
        return is_missing(v, l, later(s->finished_ms, v->jobs_since_ms), arrival_grace_ms(v, l))
                   ? JOB_FAILED
                   : l->state;
    if (has_never_submitted(v) || is_nobody_left(v, l))
        return JOB_FAILED;
    life_say(l, "SubmissionUnknown",
             "the submitter failed (%.300s), and the JobManager doesn't answer whether it has the "
             "job: nothing is submitted again until it does",
             s->message[0] ? s->message : "its pod says no more");
    return l->state;
}

/* Deploying, and the submitter is gone: once Flink can't have the job any more, it is as if it
 * never was. */
static enum job_state submitter_vanished(const struct view *v, struct life *l)
{
    int64_t since;

    if (str_eq(life_stop_state(v, l), "Succeeded"))
        return JOB_CANCELLED; /* it came up, and down again, unseen */
    if (v->submitter.json || v->submitter.pods_left)
        return l->state; /* it may submit yet */
    if (v->mode == MODE_APPLICATION) /* it was the JobManager */
        return l->cancel_wanted ? JOB_CANCELLED : JOB_PENDING;
    if (!json_has(l->job, "completionTime"))
        set_time(l->job, "completionTime", v->now_ms);
    since = later(time_parse_rfc3339(json_str(l->job, "completionTime")), v->jobs_since_ms);
    if (v->jobs_known ? !is_missing(v, l, since, arrival_grace_ms(v, l)) : !is_flink_down(v, l)) {
        if (!v->jobs_known)
            say_unreachable(v, l);
        return l->state;
    }
    json_remove(l->job, "completionTime");
    return l->cancel_wanted ? JOB_CANCELLED : JOB_PENDING;
}

static enum job_state running_unseen(const struct view *v, struct life *l)
{
    if (str_eq(life_stop_state(v, l), "Succeeded"))
        return JOB_CANCELLED; /* stopped, and forgotten since */
    if (v->mode == MODE_APPLICATION && !v->jobs_known && !v->submitter.json &&
        !v->submitter.pods_left)
        return l->cancel_wanted ? JOB_CANCELLED : JOB_LOST;
    if (is_lost(v, l, 0)) {
        return l->cancel_wanted ? JOB_CANCELLED : JOB_LOST;
    }
    if (!v->jobs_known)
        say_unreachable(v, l);
    return l->state;
}

static enum job_state active_state(const struct view *v, struct life *l)
{
    const struct submitter *s = &v->submitter;
    const cJSON *job = view_flink_job(v, v->job_id);

    if (job) {
        const char *name = json_str(job, "name");

        json_set_str(l->job, "id", v->job_id);
        if (!str_empty(name))
            json_set_str(l->job, "name", name);
        return seen_state(v, l, job);
    }
    if (s->json && !s->deleting && !s->active) {
        enum job_state state = submitter_ended(v, l);

        if (state != l->state)
            return state;
    }
    if (l->state == JOB_DEPLOYING)
        return !s->json || s->deleting ? submitter_vanished(v, l) : l->state;
    return running_unseen(v, l);
}

/* ---- what a change of state writes (spec 04-status 3.3) ---- */

static void add_reason(cJSON *reasons, const char *text)
{
    char bounded[FAILURE_REASON_BYTES + 1];

    if (str_blank(text) || cJSON_GetArraySize(reasons) >= FAILURE_REASONS_MAX)
        return;
    str_copy(bounded, sizeof bounded, text);
    json_add_item(reasons, cJSON_CreateString(bounded));
}

static void failure_reasons(const struct view *v, struct life *l)
{
    char key[64];
    const cJSON *seen;
    cJSON *reasons;

    if (json_has(l->job, "failureReasons"))
        return;
    reasons = cJSON_CreateArray();
    (void)snprintf(key, sizeof key, "exceptions/%s", v->job_id ? v->job_id : "");
    seen = json_member(v->snapshot->observations, key);
    json_foreach (text, json_member(seen, "exceptions")) {
        add_reason(reasons, cJSON_GetStringValue(text));
    }
    if (!reasons->child && l->state == JOB_LOST)
        add_reason(reasons, v->jobs_known ? "the JobManager was restarted and no longer has the job"
                                          : "the JobManager is gone, and with it the job");
    if (!reasons->child)
        add_reason(reasons, v->submitter.message);
    if (reasons->child)
        json_set(l->job, "failureReasons", reasons);
    else
        cJSON_Delete(reasons);
}

static void stopped_effects(const struct view *v, struct life *l)
{
    if (!json_has(l->job, "completionTime") || str_empty(json_str(l->job, "completionTime")))
        set_time(l->job, "completionTime", v->now_ms);
    if (l->state == JOB_LOST)
        json_remove(l->job, "finalSavepoint");
    if (job_state_is_failed(l->state))
        failure_reasons(v, l);
}

static void running_effects(const struct view *v, struct life *l)
{
    set_time(l->job, "startTime", v->now_ms);
    json_remove(l->job, "completionTime");
    json_remove(l->job, "failureReasons");
}

/* From here on the job has state that the savepoint lacks which it was started from. One that Flink
 * couldn't make (INITIALIZING counts as running, spec 06-flink-rest) never had any. */
static void outdate_savepoint(const struct view *v, struct life *l)
{
    const char *state = json_str(view_flink_job(v, v->job_id), "state");

    if (l->state == JOB_RUNNING && state && !str_eq(state, "INITIALIZING") &&
        !life_stop_state(v, l))
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
    const struct submitter *s = &v->submitter;

    return s->json && !s->deleting && s->by_flinkd && str_eq(s->revision, v->revision.next_name);
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
        if (str_eq(state, "done") && !is_missing(v, l, changed, VIEW_SUBMIT_SEEN_MS))
            return true;
    }
    return false;
}

/* Flink tells why a run failed a moment after it tells that. */
static void restarting(const struct view *v, struct life *l)
{
    failure_reasons(v, l);
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
        l->state = active_state(v, l);
    else if (job_state_is_pending(l->state))
        pending_state(v, l);
    else if (job_state_is_failed(l->state) && is_running_at_flink(v))
        l->state = JOB_RUNNING; /* given up too early */
    if (v->stale_id && job_state_is_active(before) && job_state_is_failed(l->state))
        json_remove(l->job, "id"); /* the next run must not have it again */
    if (l->state == JOB_RUNNING && before != JOB_RUNNING)
        running_effects(v, l);
    outdate_savepoint(v, l);
    life_update(v, l);
    if (job_state_is_stopped(l->state)) {
        stopped_effects(v, l);
        after_end(v, l);
    } else if (l->state == JOB_RESTARTING && is_update_due(v, l)) {
        go_on_with_update(l); /* what the user changed isn't held up by the failures before */
    }
    if (!job_state_is_active(l->state) && l->state != JOB_UNKNOWN)
        life_record_checkpoint(v, l);
    json_set_str(l->job, "state", job_state_name(l->state));
}
