/* The daemons: the real plan() and life, between a watcher, a jobsubmitter and a statusreporter
 * that are late, die, and forget as theirs do. */
#include <stdio.h>

#include "tests/unit/model/world.h"

enum {
    LEASE_MS = 30 * 1000,
    WRITE_SEEN_MS = 10 * 1000,
    UNKNOWN_MS = 1000,
    TRIES_MAX = 9,
    STATUS_BYTES_MAX = 64 * 1024,
};

/* ---- the journal ---- */

void journal_changed(struct world *w, bool watcher_too)
{
    w->journal.row++;
    happen_once(w, misfortune(w, 20) ? between(w, 500, 5000) : between(w, 1, 120), EVENT_PLAN,
                NULL);
    happen_once(w, misfortune(w, 20) ? between(w, 500, 5000) : between(w, 1, 120), EVENT_STATUS,
                NULL);
    if (watcher_too)
        happen_once(w, between(w, 5, 500), EVENT_POLL, NULL);
}

static void observe(struct world *w, const char *prefix, const char *id, cJSON *take_json)
{
    char key[128];

    (void)snprintf(key, sizeof key, "%s%s", prefix, id);
    if (w->tracing) {
        char *text = json_text(take_json);

        trace(w, "watcher: %s %s", key, text);
        free(text);
    }
    json_set_int(take_json, "since", w->now_ms);
    json_set_member(w->journal.observations, key, take_json);
    journal_changed(w, false);
}

void journal_lose(struct world *w)
{
    trace(w, "the journal is lost");
    w->epoch++;
    snapshot_done(&w->journal);
    w->journal = (struct snapshot){.row = 1,
                                   .cluster = json_copy(w->cluster),
                                   .objects = json_copy(w->objects),
                                   .observations = cJSON_CreateObject(),
                                   .commands = cJSON_CreateArray()};
    json_foreach (stream, w->streams)
        while (stream->child)
            cJSON_DeleteItemFromArray(stream, 0);
    w->n_asked = 0;
    flink_lose(w);
    journal_changed(w, true);
}

/* ---- the watcher ---- */

static const cJSON *known_jobmanager(const struct world *w)
{
    json_foreach (object, w->journal.objects)
        if (str_eq(json_str(object, "kind"), "Pod") &&
            str_eq(kube_label(object, LABEL_COMPONENT), "jobmanager") && kube_is_running(object))
            return object;
    return NULL;
}

static int64_t restarts_of(const cJSON *pod)
{
    return json_int(cJSON_GetArrayItem(json_get(pod, "status.containerStatuses"), 0),
                    "restartCount", 0);
}

static bool is_same_list(const cJSON *a, const cJSON *b)
{
    if (!a || json_bool(a, "reachable", false) != json_bool(b, "reachable", false))
        return false;
    return !json_bool(b, "reachable", false) ||
           (json_equal(json_member(a, "jobs"), json_member(b, "jobs")) &&
            str_eq(json_str(a, "jm"), json_str(b, "jm")) &&
            json_int(a, "jmRestarts", 0) == json_int(b, "jmRestarts", 0));
}

static void learn(struct world *w, cJSON *take_overview)
{
    if (is_same_list(json_member(w->journal.observations, "overview"), take_overview))
        cJSON_Delete(take_overview);
    else
        observe(w, "overview", "", take_overview);
}

static cJSON *unreachable(void)
{
    cJSON *overview = cJSON_CreateObject();

    json_set_bool(overview, "reachable", false);
    return overview;
}

static void check_jobmanager(struct world *w)
{
    const cJSON *pod = known_jobmanager(w);
    const cJSON *last = json_member(w->journal.observations, "overview");

    if (json_bool(last, "reachable", false) &&
        (!str_eq(json_str(pod, "metadata.uid"), json_str(last, "jm")) ||
         restarts_of(pod) != json_int(last, "jmRestarts", 0)))
        learn(w, unreachable());
}

static void record(struct world *w, const cJSON *event)
{
    const cJSON *object = json_member(event, "object");
    bool gone = json_bool(event, "gone", false);

    if (str_eq(json_str(object, "kind"), "FlinkCluster")) {
        cJSON_Delete(w->journal.cluster);
        w->journal.cluster = gone ? NULL : json_copy(object);
        return;
    }
    json_foreach (old, w->journal.objects) {
        if (!str_eq(json_str(old, "kind"), json_str(object, "kind")) ||
            !str_eq(json_str(old, "metadata.name"), json_str(object, "metadata.name")))
            continue;
        if (gone && !str_eq(json_str(old, "metadata.uid"), json_str(object, "metadata.uid")))
            return;
        cJSON_Delete(cJSON_DetachItemViaPointer(w->journal.objects, old));
        break;
    }
    if (!gone)
        json_add_item(w->journal.objects, json_copy(object));
}

static void on_watch(struct world *w, const char *kind)
{
    cJSON *stream = json_member(w->streams, kind);

    while (stream && stream->child) {
        record(w, stream->child);
        cJSON_DeleteItemFromArray(stream, 0);
        if (misfortune(w, 50) && stream->child) {
            happen_once(w, between(w, 10, 2000), EVENT_WATCH, kind);
            break;
        }
    }
    check_jobmanager(w);
    journal_changed(w, str_eq(kind, "Pod") || str_eq(kind, "FlinkCluster"));
}

static cJSON *list_of(const struct jm *jm)
{
    cJSON *jobs = cJSON_CreateArray();

    for (int i = 0; i < jm->n_runs; i++) {
        cJSON *job = cJSON_CreateObject();

        json_set_str(job, "jid", jm->runs[i].id);
        json_set_str(job, "state", run_state_name(&jm->runs[i]));
        json_set_str(job, "name", "job");
        json_add_item(jobs, job);
    }
    return jobs;
}

static int asked(struct world *w, const char *id)
{
    for (int i = 0; i < w->n_asked; i++)
        if (str_eq(w->asked[i].id, id))
            return i;
    if (w->n_asked == TRIGGERS_MAX)
        w->n_asked = 0;
    str_copy(w->asked[w->n_asked].id, sizeof w->asked[0].id, id);
    w->asked[w->n_asked].done = w->asked[w->n_asked].seen = false;
    w->asked[w->n_asked].unknown = 0;
    return w->n_asked++;
}

/* Until it was sent, that Flink doesn't know it says nothing. */
static bool is_open(const struct world *w, const char *trigger_id)
{
    json_foreach (command, w->journal.commands)
        if (str_eq(json_str(command, "args.triggerId"), trigger_id) &&
            (str_eq(json_str(command, "state"), "wanted") ||
             str_eq(json_str(command, "state"), "claimed")))
            return true;
    return false;
}

static void ask_trigger(struct world *w, const char *id)
{
    int i = asked(w, id);
    struct jm *jm = w->unreachable ? NULL : flink_service(w);
    struct ftrigger *t = NULL;
    cJSON *seen;

    if (w->asked[i].done || !jm)
        return;
    for (int k = 0; k < jm->n_triggers; k++)
        if (str_eq(jm->triggers[k].id, id))
            t = &jm->triggers[k];
    if (t && !t->done && !w->asked[i].seen) {
        w->asked[i].seen = true;
        seen = cJSON_CreateObject();
        json_set_bool(seen, "completed", false);
        observe(w, "trigger/", id, seen);
    }
    if (t ? !t->done : is_open(w, id))
        return;
    if (!t && (w->asked[i].unknown == 0 || w->now_ms - w->asked[i].unknown_ms < UNKNOWN_MS)) {
        if (w->asked[i].unknown++ == 0)
            w->asked[i].unknown_ms = w->now_ms;
        happen_once(w, UNKNOWN_MS, EVENT_POLL, NULL);
        return;
    }
    w->asked[i].done = true;
    seen = cJSON_CreateObject();
    json_set_bool(seen, "completed", t != NULL);
    if (!t) {
        json_set_bool(seen, "unknown", true);
    } else {
        t->read = true;
        json_set_str(seen, "failure", t->failure);
        json_set_str(seen, t->failure ? "nothing" : "location", t->location);
    }
    observe(w, "trigger/", id, seen);
}

static void ask_triggers(struct world *w)
{
    json_foreach (command, w->journal.commands) {
        const char *kind = json_str(command, "kind");

        if (str_eq(json_str(command, "state"), "done") &&
            (str_eq(kind, "stop") || str_eq(kind, "savepoint")))
            ask_trigger(w, json_str(command, "args.triggerId"));
    }
    if (str_eq(json_str(w->journal.cluster, "status.savepoint.state"), "InProgress"))
        ask_trigger(w, json_str_or(w->journal.cluster, "status.savepoint.triggerID", ""));
}

static void on_poll(struct world *w)
{
    const cJSON *pod = known_jobmanager(w);
    const struct jm *jm = w->unreachable ? NULL : flink_service(w);
    cJSON *answer;

    if (!pod)
        return;
    if (w->asking) {
        w->ask_again = true;
        return;
    }
    w->asking = true;
    answer = jm ? cJSON_CreateObject() : unreachable();
    if (jm) {
        json_set_bool(answer, "reachable", true);
        json_set(answer, "jobs", list_of(jm));
    }
    json_set_str(answer, "jm", json_str(pod, "metadata.uid"));
    json_set_int(answer, "jmRestarts", restarts_of(pod));
    happen(w, misfortune(w, 20) ? between(w, 500, 5000) : between(w, 2, 100), EVENT_ANSWER,
           w->epoch, NULL, answer);
    if (!jm)
        happen_once(w, 2000, EVENT_POLL, NULL);
    ask_triggers(w);
}

static void on_answer(struct world *w, struct happening *e)
{
    const cJSON *pod = known_jobmanager(w);

    w->asking = false;
    if (w->ask_again)
        happen_once(w, 50, EVENT_POLL, NULL);
    w->ask_again = false;
    if (e->number == w->epoch && str_eq(json_str(pod, "metadata.uid"), json_str(e->json, "jm")) &&
        restarts_of(pod) == json_int(e->json, "jmRestarts", 0))
        learn(w, TAKE(e->json));
}

/* ---- the reconciler ---- */

static int64_t version_of(const cJSON *object)
{
    int64_t version = 0;

    (void)str_to_i64(json_str_or(object, "metadata.resourceVersion", "0"), &version);
    return version;
}

static bool is_unseen(struct world *w, const struct action *a)
{
    const cJSON *live = snapshot_object(&w->journal, a->object_kind, a->name);

    if (str_eq(a->object_kind, "FlinkCluster"))
        live = w->journal.cluster;
    for (size_t i = 0; i < ARRAY_SIZE(w->writes); i++) {
        if (!str_eq(w->writes[i].kind, a->object_kind) || !str_eq(w->writes[i].name, a->name))
            continue;
        if (w->writes[i].until_ms > w->now_ms &&
            (w->writes[i].version
                 ? version_of(live) < w->writes[i].version
                 : live && str_eq(json_str(live, "metadata.uid"), w->writes[i].uid))) {
            happen(w, WRITE_SEEN_MS, EVENT_PLAN, 0, NULL, NULL);
            return true;
        }
        w->writes[i].kind[0] = '\0';
    }
    return false;
}

static void remember_write(struct world *w, const cJSON *request, int64_t version)
{
    const char *kind = json_str_or(request, "kind", ""), *name = json_str_or(request, "name", "");

    for (size_t i = 0; i < ARRAY_SIZE(w->writes); i++) {
        if (w->writes[i].kind[0] && w->writes[i].until_ms > w->now_ms &&
            !(str_eq(w->writes[i].kind, kind) && str_eq(w->writes[i].name, name)))
            continue;
        str_copy(w->writes[i].kind, sizeof w->writes[i].kind, kind);
        str_copy(w->writes[i].name, sizeof w->writes[i].name, name);
        str_copy(w->writes[i].uid, sizeof w->writes[i].uid, json_str_or(request, "uid", ""));
        w->writes[i].version = version;
        w->writes[i].until_ms = w->now_ms + WRITE_SEEN_MS;
        return;
    }
}

static void add_command(struct world *w, const struct action *a)
{
    cJSON *command;

    json_foreach (old, w->journal.commands)
        if (str_eq(json_str(old, "key"), a->name))
            return;
    command = json_copy(a->manifest);
    json_set_int(command, "id", ++w->command_id);
    json_set_str(command, "state", "wanted");
    json_set_int(command, "attempts", 0);
    json_set_int(command, "createdAt", w->now_ms);
    json_set_int(command, "changedAt", w->now_ms);
    json_add_item(w->journal.commands, command);
    journal_changed(w, false);
    happen_once(w, between(w, 1, 200), EVENT_CLAIM, NULL);
}

static void drop_command(struct world *w, int64_t id)
{
    json_foreach (command, w->journal.commands) {
        const char *state = json_str(command, "state");

        if (json_int(command, "id", 0) != id || str_eq(state, "done") || str_eq(state, "failed") ||
            (str_eq(state, "claimed") && json_int(command, "until", 0) > w->now_ms))
            continue;
        json_set_str(command, "state", "dropped");
        json_set_int(command, "changedAt", w->now_ms);
        journal_changed(w, false);
    }
}

static void act_out(struct world *w, struct action *a)
{
    cJSON *request;

    if (w->tracing)
        trace(w, "plan: %d %s %s (%s)", a->kind, a->object_kind, a->name, a->why);
    if (a->kind == ACTION_COMMAND) {
        add_command(w, a);
        return;
    }
    if (a->kind == ACTION_DROP_COMMAND) {
        drop_command(w, a->command_id);
        return;
    }
    request = cJSON_CreateObject();
    json_set_int(request, "action", a->kind);
    json_set_str(request, "kind", a->object_kind);
    json_set_str(request, "name", a->name);
    json_set_str(request, "uid", a->uid);
    if (a->manifest)
        json_set(request, "manifest", json_copy(a->manifest));
    w->in_flight++;
    happen(w, misfortune(w, 20) ? between(w, 100, 8000) : between(w, 1, 30), EVENT_REQUEST,
           w->life_of_reconciler, NULL, request);
}

static void on_plan(struct world *w)
{
    struct plan plan;

    if (w->in_flight || !w->journal.cluster)
        return; /* the last answer plans again */
    plan_make(&w->journal, w->now_ms, &plan);
    str_copy(w->blocked, sizeof w->blocked, plan.blocked);
    w->plan_at_ms = plan.wake_ms;
    for (int i = 0; i < plan.n; i++)
        if (!is_unseen(w, &plan.actions[i]))
            act_out(w, &plan.actions[i]);
    plan_done(&plan);
}

/* false: refused */
static bool carry_out(struct world *w, const cJSON *request, int64_t *version)
{
    const char *kind = json_str_or(request, "kind", ""), *name = json_str_or(request, "name", "");
    const cJSON *manifest = json_member(request, "manifest");
    bool is_cluster = str_eq(kind, "FlinkCluster");
    cJSON *object = is_cluster ? w->cluster : kube_find(w, kind, name);
    const char *asked_version = json_str(manifest, "metadata.resourceVersion");

    *version = 0;
    switch ((enum action_kind)json_int(request, "action", 0)) {
    case ACTION_APPLY:
        kube_apply(w, manifest);
        break;
    case ACTION_CREATE:
        (void)kube_create(w, manifest);
        break;
    case ACTION_DELETE:
        if (object && str_eq(json_str(object, "metadata.uid"), json_str(request, "uid")))
            kube_delete(w, object);
        return true;
    case ACTION_PATCH:
        if (!object ||
            (asked_version && !str_eq(asked_version, json_str(object, "metadata.resourceVersion"))))
            return false;
        json_apply_merge(object, manifest);
        kube_touch(w, object);
        *version = version_of(object);
        if (is_cluster && json_has(object, "metadata.deletionTimestamp"))
            kube_delete_cluster(w);
        return true;
    case ACTION_COMMAND:
    case ACTION_DROP_COMMAND:
        break;
    }
    *version = version_of(kube_find(w, kind, name));
    return true;
}

static void on_request(struct world *w, struct happening *e)
{
    bool ours = e->number == w->life_of_reconciler;
    bool lost = misfortune(w, 15);
    int64_t version = 0;
    bool fine = !lost && carry_out(w, e->json, &version);

    if (!ours)
        return; /* it arrived, but who sent it is dead */
    if (fine && !misfortune(w, 10))
        remember_write(w, e->json, version);
    if (--w->in_flight == 0)
        happen_once(w, fine ? between(w, 1, 40) : 1000, EVENT_PLAN, NULL);
}

void reconciler_dies(struct world *w)
{
    trace(w, "the reconciler dies");
    w->life_of_reconciler++;
    w->in_flight = 0;
    memset(w->writes, 0, sizeof w->writes);
    happen_once(w, between(w, 100, 5000), EVENT_PLAN, NULL);
}

/* ---- the jobsubmitter ---- */

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

static enum outcome act(struct world *w, const cJSON *command)
{
    const char *kind = json_str(command, "kind");
    const cJSON *args = json_member(command, "args");
    int status = 0;

    if (str_eq(kind, "submit"))
        return create_submitter(w, command);
    if (w->unreachable)
        return OUTCOME_AGAIN;
    if (str_eq(kind, "cancel")) {
        status = flink_cancel_job(w, json_str(args, "jobId"));
        return status ? OUTCOME_DONE : OUTCOME_AGAIN;
    }
    if (str_eq(kind, "dispose")) {
        flink_dispose(w, json_str(args, "path"));
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

/* ---- the statusreporter ---- */

static void set_or_remove(cJSON *status, const char *key, const cJSON *value)
{
    json_remove(status, key);
    if (value)
        json_set(status, key, json_copy(value));
}

static cJSON *derived_status(const struct world *w, const struct view *v, const struct life *l)
{
    cJSON *status = w->journal.cluster && json_has(w->journal.cluster, "status")
                        ? json_copy(json_member(w->journal.cluster, "status"))
                        : cJSON_CreateObject();
    bool there = l->update == UPDATE_FINISHED || !v->revision.update_triggered;

    set_or_remove(status, "components.job", l->job);
    set_or_remove(status, "savepoint", l->savepoint);
    set_or_remove(status, "control", l->control);
    set_or_remove(status, "savepoints", l->savepoints);
    json_set_str(status, "revision.nextRevision", v->revision.next);
    json_set_str(status, "revision.currentRevision",
                 there ? v->revision.next : v->revision.current);
    return status;
}

static void on_status(struct world *w)
{
    const cJSON *cluster = w->journal.cluster;
    cJSON *write, *status;
    struct view v;
    struct life l;

    if (!cluster || w->status_in_flight)
        return;
    if (w->status_version && version_of(cluster) < w->status_version &&
        w->now_ms - w->status_written_ms < WRITE_SEEN_MS) {
        happen_once(w, 1000, EVENT_STATUS, NULL);
        return;
    }
    view_init(&v, &w->journal, w->now_ms);
    life_derive(&v, &l);
    status = derived_status(w, &v, &l);
    str_copy(w->said, sizeof w->said, l.reason);
    if (l.wake_ms)
        happen_once(w, l.wake_ms > w->now_ms ? l.wake_ms - w->now_ms : 1000, EVENT_STATUS, NULL);
    if (!json_equal(status, json_member(cluster, "status")) || l.clear_control) {
        bool clear = json_equal(status, json_member(cluster, "status"));

        write = cJSON_CreateObject();
        json_set_str(write, "version", json_str(cluster, "metadata.resourceVersion"));
        if (!clear)
            json_set(write, "status", json_copy(status));
        w->status_in_flight = true;
        happen(w, misfortune(w, 20) ? between(w, 100, 8000) : between(w, 1, 30), EVENT_STATUS_WRITE,
               0, NULL, write);
    }
    cJSON_Delete(status);
    life_done(&l);
    view_done(&v);
}

static void write_status(struct world *w, cJSON *write)
{
    const cJSON *status = json_member(write, "status");
    const char *before = json_str_or(w->cluster, "status.components.job.state", "");
    char *text;

    if (!status) {
        trace(w, "statusreporter: the annotation is removed");
        json_remove(w->cluster, "metadata.annotations");
        kube_touch(w, w->cluster);
        return;
    }
    if (!str_eq(before, json_str_or(status, "components.job.state", "")))
        trace(w, "status: job %s -> %s", before, json_str_or(status, "components.job.state", ""));
    if (!json_equal(json_member(status, "savepoint"), json_get(w->cluster, "status.savepoint")))
        trace(w, "status: savepoint %.6s %s %s", json_str_or(status, "savepoint.triggerID", ""),
              json_str_or(status, "savepoint.state", ""),
              json_str_or(status, "savepoint.message", ""));
    if (!str_eq(json_str(status, "components.job.savepointLocation"),
                json_str(w->cluster, "status.components.job.savepointLocation")))
        trace(w, "status: location %s, from %s",
              json_str_or(status, "components.job.savepointLocation", ""),
              json_str_or(status, "components.job.fromSavepoint", ""));
    w->had_state |= str_eq(json_str(status, "components.job.state"), "Running");
    w->cancelled |= str_eq(json_str(status, "components.job.state"), "Cancelled") &&
                    !str_eq(before, "Cancelled");
    json_set(w->cluster, "status", json_copy(status));
    kube_touch(w, w->cluster);
    text = json_text(status);
    if (text && strlen(text) > STATUS_BYTES_MAX)
        violate(w, "the status has %zu bytes", strlen(text));
    free(text);
}

static void on_status_write(struct world *w, struct happening *e)
{
    w->status_in_flight = false;
    happen_once(w, misfortune(w, 10) ? 1000 : between(w, 1, 50), EVENT_STATUS, NULL);
    if (!w->cluster || misfortune(w, 15) ||
        !str_eq(json_str(e->json, "version"), json_str(w->cluster, "metadata.resourceVersion")))
        return;
    write_status(w, e->json);
    if (misfortune(w, 15)) /* its answer was lost, or it died */
        return;
    w->status_version = version_of(w->cluster);
    w->status_written_ms = w->now_ms;
}

void daemons_event(struct world *w, struct happening *e)
{
    switch (e->type) {
    case EVENT_WATCH:
        on_watch(w, e->id);
        break;
    case EVENT_POLL:
        on_poll(w);
        break;
    case EVENT_ANSWER:
        on_answer(w, e);
        break;
    case EVENT_PLAN:
        on_plan(w);
        break;
    case EVENT_REQUEST:
        on_request(w, e);
        break;
    case EVENT_CLAIM:
        on_claim(w);
        break;
    case EVENT_ACT:
        on_act(w, e);
        break;
    case EVENT_REPORT:
        on_report(w, e);
        break;
    case EVENT_STATUS:
        on_status(w);
        break;
    case EVENT_STATUS_WRITE:
        on_status_write(w, e);
        break;
    default:
        break;
    }
}
