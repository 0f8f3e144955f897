/* What Flink is asked to do to a job: savepoints and stops by trigger id, cancellations, disposals.
 */
#include <stdio.h>

#include "tests/unit/model/world.h"

enum {
    HTTP_REFUSED = 400,
    HTTP_NOT_FOUND = 404,
    HTTP_CONFLICT = 409,
    CANCEL_LOST_MS = 60 * 1000,
    DISPOSAL_LOST_MS = 10 * 60 * 1000,
};

static struct ftrigger *trigger_of(struct jm *jm, const char *id)
{
    for (int i = 0; i < jm->n_triggers; i++)
        if (str_eq(jm->triggers[i].id, id))
            return &jm->triggers[i];
    return NULL;
}

/* The one that is due was taken already. By the seconds any savepoint counts, by the clock only one
 * that was due. */
static bool is_too_early(const struct world *w, const struct ftrigger *last)
{
    int64_t now_ms = w->now_ms;

    if (json_has(w->cluster, "spec.job.autoSavepointSeconds"))
        return now_ms - last->made_ms < AUTO_SAVEPOINT_MS - 1000; /* a status has whole seconds */
    return str_eq(last->reason, "scheduled") &&
           now_ms / AUTO_SAVEPOINT_MS == last->begun_ms / AUTO_SAVEPOINT_MS;
}

/* A job is stopped once, and nothing is begun beside that. */
static void check_trigger(struct world *w, const struct jm *jm, const cJSON *args, bool stop)
{
    const char *job = json_str(args, "jobId");
    bool scheduled = str_eq(json_str(args, "reason"), "scheduled");

    for (int i = 0; i < jm->n_triggers; i++) {
        const struct ftrigger *t = &jm->triggers[i];

        if (!str_eq(t->job, job) || t->failure)
            continue;
        if (scheduled && t->done && is_too_early(w, t))
            violate(w, "a scheduled savepoint of job %.6s is taken twice", job);
        if (t->stop && stop)
            violate(w, "job %.6s is stopped twice", job);
        else if (!t->done)
            violate(w, "a %s of job %.6s begins beside another", stop ? "stop" : "savepoint", job);
    }
}

/* For a request to cancel, one job ends. One that arrives later ends, too, until the spec changes.
 */
static void check_given_up(struct world *w, struct run *r, const cJSON *args)
{
    if (!str_eq(json_str(args, "reason"), "job cancel") || r->given_up || w->cancelled)
        return;
    r->given_up = true;
    if (++w->given_up > w->cancel_requests)
        violate(w, "%d jobs are cancelled for %d requests", w->given_up, w->cancel_requests);
}

int flink_trigger(struct world *w, const cJSON *args, bool stop)
{
    struct jm *jm = flink_service(w);
    const char *id = json_str_or(args, "triggerId", ""), *job = json_str_or(args, "jobId", "");
    struct run *r = NULL;
    struct ftrigger *t;
    int64_t takes = misfortune(w, 10) ? between(w, 300000, 590000) : between(w, 300, 20000);

    if (!jm)
        return 0;
    for (int i = 0; i < jm->n_runs; i++)
        if (str_eq(jm->runs[i].id, job))
            r = &jm->runs[i];
    if (!r)
        return HTTP_NOT_FOUND;
    if (trigger_of(jm, id))
        return 202;
    if (run_is_live(r))
        check_trigger(w, jm, args, stop);
    if (stop && run_is_live(r))
        check_given_up(w, r, args);
    if (jm->n_triggers == TRIGGERS_MAX)
        return HTTP_REFUSED;
    t = &jm->triggers[jm->n_triggers++];
    *t = (struct ftrigger){.stop = stop, .begun_ms = w->now_ms};
    str_copy(t->id, sizeof t->id, id);
    str_copy(t->job, sizeof t->job, job);
    str_copy(t->reason, sizeof t->reason, json_str_or(args, "reason", ""));
    trace(w, "flink: %s of %.6s begins (%s)", stop ? "stop" : "savepoint", job, t->reason);
    happen(w, takes, EVENT_TRIGGER, misfortune(w, w->bad_luck ? 60 : 0) ? 1 : 0, id, NULL);
    return 202;
}

static void store(struct world *w, struct ftrigger *t, const struct run *r)
{
    struct stored *stored = &w->stored[w->n_stored];

    if (w->n_stored == STORED_MAX) {
        violate(w, "too many savepoints");
        return;
    }
    (void)snprintf(t->location, sizeof t->location, "s/%d", ++w->n_stored);
    *stored = (struct stored){.progress = r->progress, .final = t->stop};
    str_copy(stored->location, sizeof stored->location, t->location);
    w->user_savepoints += str_eq(t->reason, "user requested");
}

/* @outcome: 0: well, else it fails. */
void flink_trigger_ends(struct world *w, const char *id, int outcome)
{
    for (int i = 0; i < JMS_MAX; i++) {
        struct jm *jm = &w->jms[i];
        struct ftrigger *t = jm->up ? trigger_of(jm, id) : NULL;
        struct run *r = t ? flink_find(w, t->job, NULL) : NULL;

        if (!t || t->done)
            continue;
        t->done = true;
        if (outcome || !r || r->state != RUN_RUNNING) {
            t->failure = "checkpoint declined";
        } else {
            run_settle(r, w);
            store(w, t, r);
            t->made_ms = w->now_ms;
            if (t->stop)
                flink_job_ends(w, t->job, RUN_FINISHED);
        }
        trace(w, "flink: trigger %.6s of %.6s %s", id, t->job, t->failure ? "failed" : t->location);
        flink_changed(w);
    }
}

static const cJSON *command_of(const struct world *w, int64_t id)
{
    json_foreach (command, w->journal.commands)
        if (json_int(command, "id", 0) == id)
            return command;
    return NULL;
}

/* Not by a second command, unless the first was lost, or forgotten; nor while its savepoint is
 * being taken, unless the user has named the state to go on from. */
static void check_cancel(struct world *w, const struct jm *jm, struct run *r, const cJSON *command)
{
    int64_t id = json_int(command, "id", 0);

    if (r->cancel_id != id && command_of(w, r->cancel_id) &&
        w->now_ms - r->cancel_ms < CANCEL_LOST_MS)
        violate(w, "job %.6s is cancelled twice", r->id);
    for (int i = 0; i < jm->n_triggers && !w->named_state; i++)
        if (!jm->triggers[i].done && str_eq(jm->triggers[i].job, r->id))
            violate(w, "job %.6s is cancelled beside its savepoint", r->id);
    r->cancel_id = id;
    r->cancel_ms = w->now_ms;
    check_given_up(w, r, json_member(command, "args"));
}

int flink_cancel_job(struct world *w, const cJSON *command)
{
    struct jm *jm = flink_service(w);
    const char *id = json_str(command, "args.jobId");

    if (!jm)
        return 0;
    for (int i = 0; i < jm->n_runs; i++) {
        if (!str_eq(jm->runs[i].id, id))
            continue;
        if (!run_is_live(&jm->runs[i]))
            return HTTP_CONFLICT;
        check_cancel(w, jm, &jm->runs[i], command);
        happen(w, between(w, 50, 5000), EVENT_JOB_END, RUN_CANCELED, id, NULL);
        return 202;
    }
    return HTTP_NOT_FOUND;
}

/* No other has more in it; where the user went back to an earlier one, none was taken later. */
static bool is_newest(const struct world *w, const struct stored *stored)
{
    const struct stored *last = stored;

    for (int i = 0; i < w->n_stored; i++)
        if (!w->stored[i].lost && &w->stored[i] > last)
            last = &w->stored[i];
    return w->ever_named ? last == stored : stored->progress >= flink_newest_state(w);
}

/* By another command, though the journal has that it was done, or soon will. */
static void check_disposal(struct world *w, const struct stored *stored, const cJSON *command)
{
    const char *first = json_str(command_of(w, stored->disposal_id), "state");

    if (stored->disposal_id != json_int(command, "id", 0) && first && !str_eq(first, "failed") &&
        w->now_ms - stored->disposed_ms < DISPOSAL_LOST_MS)
        violate(w, "savepoint %s is disposed of twice", stored->location);
}

void flink_dispose(struct world *w, const cJSON *command)
{
    const char *location = json_str_or(command, "args.path", "");
    struct stored *stored = flink_stored_at(w, location);

    if (!stored)
        return;
    if (stored->disposed)
        check_disposal(w, stored, command);
    stored->disposed = true;
    stored->disposal_id = json_int(command, "id", 0);
    stored->disposed_ms = w->now_ms;
    if (is_newest(w, stored))
        violate(w, "the newest savepoint %s is disposed of", location);
}
