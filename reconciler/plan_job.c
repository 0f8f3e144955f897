/* The job: start it, stop it, clean up after it. An act that can't be done twice is a command whose
 * name is made of what is recorded, so deciding it again after a crash is deciding the same act. */
#include <stdio.h>
#include <string.h>

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
};

/* ---- start ---- */

bool plan_was_never_seen(const struct planner *p)
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

    if (plan_was_never_seen(p))
        str_copy(out, 33, previous);
    else
        run_id(out, p->v->uid, previous, p->v->revision.next_name);
}

/* What follows @prefix and a slash in @key; -1: something else. */
static int64_t try_number(const char *key, const char *prefix)
{
    size_t n = strlen(prefix);
    int64_t number;

    if (!key || !str_starts(key, prefix))
        return -1;
    if (!key[n])
        return 0;
    return key[n] == '/' && !str_to_i64(key + n + 1, &number) ? number : -1;
}

const cJSON *plan_last_try(const struct planner *p, const char *prefix, int64_t *number)
{
    const cJSON *last = NULL;

    *number = -1;
    json_foreach (command, p->v->snapshot->commands) {
        int64_t n = try_number(json_str(command, "key"), prefix);

        if (n <= *number)
            continue;
        *number = n;
        last = command;
    }
    return last;
}

static int64_t submit_delay_ms(int64_t number)
{
    int64_t delay = SUBMIT_RETRY_MS;

    for (int64_t n = 0; n < number && delay < SUBMIT_RETRY_MAX_MS; n++)
        delay *= 2;
    return delay < SUBMIT_RETRY_MAX_MS ? delay : SUBMIT_RETRY_MAX_MS;
}

/* Is it time for the next try under @prefix? Fills @key. One that is open or young holds it up. */
static bool is_try_due(struct planner *p, const char *prefix, char *key, size_t size)
{
    int64_t number, again;
    const cJSON *last = plan_last_try(p, prefix, &number);
    bool failed = str_eq(json_str(last, "state"), "failed");

    (void)snprintf(key, size, "%s/%lld", prefix, (long long)number + 1);
    if (!last)
        return true;
    if (view_command_is_open(last))
        return false;
    again = json_int(last, "changedAt", 0) + (failed ? submit_delay_ms(number) : SUBMIT_AGAIN_MS);
    if (again <= p->v->now_ms)
        return true;
    if (failed)
        plan_block(p, "SubmitterRefused", "the submitter can't be created: %s",
                   json_str_or(last, "result.error", "?"));
    plan_wake(p, again);
    return false;
}

static void submit(struct planner *p)
{
    char id[33], prefix[64], key[96];
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
    json_set_str(args, "state", json_str(p->v->rec_job, "savepointLocation"));
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
    if (p->v->jobmanager_running && !p->v->jobs_known && !p->v->unreachable_since_ms)
        return; /* the journal is new: what runs there will be known in a moment */
    if (s->json) {
        /* Of the last run. Its job id is recorded (else this would be a new run). */
        plan_delete(p, s->json, "the submitter of an earlier run");
        return;
    }
    if (s->pods_left || p->children_settling || p->v->other_running > 0 || !plan_ha_is_clear(p))
        return;
    submit(p);
}

/* ---- stop ---- */

static const char *stop_reason(struct planner *p)
{
    const struct life *l = p->l;

    if (l->clear_control || job_state_is_stopped(l->state))
        return NULL;
    if (l->cancel_wanted)
        return REASON_CANCEL;
    if (p->v->suspend)
        return REASON_SUSPEND;
    return l->update == UPDATE_PREPARING && !plan_awaits_run(p) ? REASON_UPDATE : NULL;
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
        plan_cancel(p, REASON_CANCEL); /* a submission that was given up has arrived */
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

/* A request that the status doesn't tell of yet. */
static bool is_savepoint_asked_for(const struct planner *p)
{
    return str_eq(json_str(p->l->control, "name"), "savepoint") &&
           str_eq(json_str(p->l->control, "state"), "Requested");
}

/* A savepoint that was asked for comes before a stop that the job is to go on after: the request is
 * older, or as old, and may only have been forgotten with the journal. */
static bool is_savepoint_first(const struct planner *p, const char *reason)
{
    return (p->l->savepoint_wanted || is_savepoint_asked_for(p)) && p->l->state == JOB_RUNNING &&
           !p->l->stop_forgotten &&
           (str_eq(reason, REASON_UPDATE) || str_eq(reason, REASON_SUSPEND)) &&
           str_eq(json_str(view_flink_job(p->v, p->v->job_id), "state"), "RUNNING");
}

/* What was to end the job is wanted no more. */
static void go_on(struct planner *p)
{
    plan_drop(p, "cancel", "the job is to go on");
    plan_savepoints(p);
}

void plan_job(struct planner *p)
{
    const char *reason = stop_reason(p);

    remove_other_mode(p);
    if (!reason && p->l->stop_forgotten)
        reason = REASON_SUSPEND; /* for what isn't wanted any more: the job goes on */
    if (is_savepoint_first(p, reason))
        reason = NULL;
    if (reason)
        plan_stop(p, reason);
    else if (job_state_is_pending(p->l->state) && !p->l->suspended)
        start(p);
    else if (p->l->state == JOB_RUNNING)
        go_on(p);
    else if (job_state_is_stopped(p->l->state))
        clean_up(p);
    if (job_state_is_stopped(p->l->state))
        plan_drop(p, "submit", "the job has ended");
}
