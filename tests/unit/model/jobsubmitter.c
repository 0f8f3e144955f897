/* The jobsubmitter: it claims commands, acts, and reports, or dies between. */
#include "tests/unit/model/world.h"

enum { LEASE_MS = 30 * 1000, TRIES_MAX = 9 };

static cJSON *command_of(const struct world *w, int64_t id)
{
    json_foreach (command, w->journal.commands)
        if (json_int(command, "id", 0) == id)
            return command;
    return NULL;
}

static bool is_claimable(const struct world *w, const cJSON *command)
{
    const char *state = json_str(command, "state");

    return (str_eq(state, "wanted") && json_int(command, "notBefore", 0) <= w->now_ms) ||
           (str_eq(state, "claimed") && json_int(command, "until", 0) <= w->now_ms);
}

static void on_claim(struct world *w)
{
    int64_t next = 0;

    json_foreach (command, w->journal.commands) {
        const char *state;
        int64_t due;

        if (is_claimable(w, command)) {
            json_set_str(command, "state", "claimed");
            json_set_int(command, "until", w->now_ms + LEASE_MS);
            json_set_int(command, "changedAt", w->now_ms);
            json_set_int(command, "attempts", json_int(command, "attempts", 0) + 1);
            happen(w, between(w, 1, 100), EVENT_ACT, w->life_of_submitter, NULL,
                   json_copy(command));
        }
        state = json_str(command, "state");
        due = json_int(command, str_eq(state, "claimed") ? "until" : "notBefore", 0);
        if ((str_eq(state, "claimed") || str_eq(state, "wanted")) && (!next || due < next))
            next = due;
    }
    if (next)
        happen_once(w, next > w->now_ms ? next - w->now_ms : 1, EVENT_CLAIM, NULL);
}

enum outcome { OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_AGAIN };

static enum outcome create_submitter(struct world *w, const cJSON *command)
{
    const cJSON *manifest = json_get(command, "args.manifest"), *there, *live;
    const char *id = json_str(command, "args.jobId");
    const char *state = json_str(w->journal.cluster, "status.components.job.savepointLocation");

    if (!str_empty(state) && !str_eq(state, json_str(command, "args.state")) &&
        !str_eq(state, json_str(command, "args.fromSavepoint")))
        return OUTCOME_FAILED; /* outdated */
    if (w->cluster && kube_create(w, manifest))
        return OUTCOME_DONE;
    there = kube_find(w, "Job", json_str_or(manifest, "metadata.name", ""));
    live = json_get(there, "metadata.annotations");
    if (!there)
        return OUTCOME_AGAIN;
    return str_eq(cJSON_GetStringValue(json_member(live, LABEL_JOB_ID)), id) ||
                   str_eq(kube_label(there, LABEL_JOB_ID), id)
               ? OUTCOME_DONE
               : OUTCOME_FAILED;
}

/* How it ended is known: the report got lost. */
static bool is_settled(const struct world *w, const cJSON *command)
{
    const cJSON *savepoint = json_get(w->journal.cluster, "status.savepoint");

    return json_has(command, "args.triggerId") &&
           str_eq(json_str(savepoint, "triggerID"), json_str(command, "args.triggerId")) &&
           !str_eq(json_str(savepoint, "state"), "InProgress");
}

static enum outcome act(struct world *w, const cJSON *command)
{
    const char *kind = json_str(command, "kind");
    const cJSON *args = json_member(command, "args");
    int status = 0;

    if (str_eq(kind, "submit"))
        return create_submitter(w, command);
    if (is_settled(w, command))
        return OUTCOME_DONE;
    if (w->unreachable)
        return OUTCOME_AGAIN;
    if (str_eq(kind, "cancel")) {
        status = flink_cancel_job(w, command);
        return status ? OUTCOME_DONE : OUTCOME_AGAIN;
    }
    if (str_eq(kind, "dispose")) {
        flink_dispose(w, command);
        return OUTCOME_DONE;
    }
    status = flink_trigger(w, args, str_eq(kind, "stop"));
    return status == 202 ? OUTCOME_DONE : status ? OUTCOME_FAILED : OUTCOME_AGAIN;
}

static void on_act(struct world *w, struct happening *e)
{
    const cJSON *command = e->json;
    enum outcome outcome = OUTCOME_AGAIN;
    cJSON *report;

    if (!misfortune(w, 20))
        outcome = act(w, command);
    if (misfortune(w, 20))
        outcome = OUTCOME_AGAIN; /* the answer was lost */
    trace(w, "jobsubmitter: %s -> %s", json_str(command, "key"),
          outcome == OUTCOME_DONE     ? "done"
          : outcome == OUTCOME_FAILED ? "failed"
                                      : "again");
    if (e->number != w->life_of_submitter)
        return; /* acted, then died */
    report = cJSON_CreateObject();
    json_set_int(report, "id", json_int(command, "id", 0));
    json_set_int(report, "attempts", json_int(command, "attempts", 0));
    json_set_bool(report, "submit", str_eq(json_str(command, "kind"), "submit"));
    json_set_int(report, "outcome", outcome);
    json_set_int(report, "epoch", w->epoch);
    happen(w, misfortune(w, 20) ? between(w, 100, 40000) : between(w, 1, 50), EVENT_REPORT,
           w->life_of_submitter, NULL, report);
}

static void on_report(struct world *w, struct happening *e)
{
    int64_t attempts = json_int(e->json, "attempts", 0), outcome = json_int(e->json, "outcome", 0);
    cJSON *command = command_of(w, json_int(e->json, "id", 0));

    if (e->number != w->life_of_submitter || json_int(e->json, "epoch", 0) != w->epoch ||
        !str_eq(json_str(command, "state"), "claimed") ||
        json_int(command, "attempts", 0) != attempts)
        return;
    if (outcome == OUTCOME_AGAIN && attempts >= TRIES_MAX && !json_bool(e->json, "submit", false))
        outcome = OUTCOME_FAILED;
    json_set_str(command, "state",
                 outcome == OUTCOME_DONE     ? "done"
                 : outcome == OUTCOME_FAILED ? "failed"
                                             : "wanted");
    json_set_int(command, "changedAt", w->now_ms);
    json_set_int(command, "notBefore", w->now_ms + 500 * attempts);
    if (outcome == OUTCOME_FAILED)
        json_set_str(command, "result.error", "refused");
    journal_changed(w, true);
    happen_once(w, 1, EVENT_CLAIM, NULL);
}

void submitter_dies(struct world *w)
{
    trace(w, "the jobsubmitter dies");
    w->life_of_submitter++;
    happen_once(w, between(w, 100, 5000), EVENT_CLAIM, NULL);
}

void jobsubmitter_event(struct world *w, struct happening *e)
{
    switch (e->type) {
    case EVENT_CLAIM:
        on_claim(w);
        break;
    case EVENT_ACT:
        on_act(w, e);
        break;
    case EVENT_REPORT:
        on_report(w, e);
        break;
    default:
        break;
    }
}
