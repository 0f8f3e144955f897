/* What has become of a run that was started: what Flink's list says of it, or, where Flink doesn't
 * say, what its submitter and the JobManager's pods tell, and for how long. */
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/life_internal.h"
#include "common/model/names.h"

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

bool life_has_passed(const struct view *v, struct life *l, int64_t since_ms, int64_t grace_ms)
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
    return life_has_passed(v, l, later(begun, v->unreachable_since_ms), DOWN_GRACE_MS);
}

/* No JobManager runs, and what one had is forgotten: nobody has the job. */
static bool is_flink_down(const struct view *v, struct life *l)
{
    return !v->ha && life_no_jobmanager(v, l);
}

static bool is_lost(const struct view *v, struct life *l, int64_t since_ms)
{
    if (v->jobs_known)
        return life_has_passed(v, l, later(since_ms, v->jobs_since_ms),
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

/* Pods have a watch of their own: that none is known says nothing when its StatefulSet has one. */
static bool may_have_jobmanager(const struct view *v)
{
    char name[CHILD_NAME_MAX];

    child_name(name, NAME_JOBMANAGER, v->name);
    return v->jobmanager_pod ||
           (!v->submitter.end_seen &&
            json_int(view_child(v, "StatefulSet", name, NULL), "status.replicas", 0) > 0);
}

/* Nobody could have the job, though nobody can be asked. */
static bool is_nobody_left(const struct view *v, struct life *l)
{
    return !v->ha && (!may_have_jobmanager(v) || life_no_jobmanager(v, l));
}

/* Flink lists no such run, and won't. Of a submitter that was killed that says nothing of the
 * program: it is as if it never was. */
static enum job_state never_arrived(const struct view *v, const struct life *l)
{
    const struct submitter *s = &v->submitter;

    if (!s->killed || !s->by_flinkd || !s->job_id)
        return JOB_FAILED;
    return l->cancel_wanted ? JOB_CANCELLED : JOB_PENDING;
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
        return life_has_passed(v, l, later(s->finished_ms, v->jobs_since_ms),
                               arrival_grace_ms(v, l))
                   ? never_arrived(v, l)
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
        life_set_time(l->job, "completionTime", v->now_ms);
    since = later(time_parse_rfc3339(json_str(l->job, "completionTime")), v->jobs_since_ms);
    if (v->jobs_known ? !life_has_passed(v, l, since, arrival_grace_ms(v, l))
                      : !is_flink_down(v, l)) {
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

enum job_state life_run_state(const struct view *v, struct life *l)
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
