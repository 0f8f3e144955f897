/* The watcher: it records what Kubernetes and Flink say, late and in pieces. */
#include <stdio.h>

#include "tests/unit/model/world.h"

enum { UNKNOWN_MS = 1000, CHECKPOINTS_MS = 10 * 1000 };

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

/* This Flink has done it when it is told. */
static void ask_disposal(struct world *w, const char *id)
{
    char key[64];
    cJSON *seen;

    (void)snprintf(key, sizeof key, "dispose/%s", id);
    if (w->unreachable || !flink_service(w) || json_member(w->journal.observations, key))
        return;
    seen = cJSON_CreateObject();
    json_set_bool(seen, "completed", true);
    observe(w, "dispose/", id, seen);
}

static void ask_triggers(struct world *w)
{
    json_foreach (command, w->journal.commands) {
        const char *kind = json_str(command, "kind");

        if (str_eq(json_str(command, "state"), "done") &&
            (str_eq(kind, "stop") || str_eq(kind, "savepoint")))
            ask_trigger(w, json_str(command, "args.triggerId"));
        else if (str_eq(json_str(command, "state"), "done") && str_eq(kind, "dispose"))
            ask_disposal(w, json_str_or(command, "args.triggerId", ""));
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

/* The newest one of the run. */
static void add_savepoint(cJSON *seen, const struct jm *jm, const char *job)
{
    for (int i = 0; i < jm->n_triggers; i++) {
        const struct ftrigger *t = &jm->triggers[i];

        if (!str_eq(t->job, job) || !t->done || t->failure)
            continue;
        json_set_int(seen, "savepoint.id", t->made_ms);
        json_set_str(seen, "savepoint.path", t->location);
    }
}

/* Asked for after the list, when it says something new, and now and then. */
static void ask_checkpoints(struct world *w)
{
    const char *id = json_str_or(w->journal.cluster, "status.components.job.id", "");
    const struct jm *jm = w->unreachable ? NULL : flink_service(w);
    const struct run *r = NULL;
    char key[64], path[64];
    int64_t made_ms;
    cJSON *seen;

    (void)snprintf(key, sizeof key, "checkpoints/%s", id);
    seen = json_member(w->journal.observations, key);
    for (int i = 0; jm && i < jm->n_runs; i++)
        if (str_eq(jm->runs[i].id, id))
            r = &jm->runs[i];
    if (!w->latest || !r || json_bool(seen, "last", false) || misfortune(w, 20) ||
        (run_is_live(r) && seen && w->now_ms - json_int(seen, "since", 0) < CHECKPOINTS_MS))
        return;
    made_ms = flink_checkpoint(w, r, path);
    seen = cJSON_CreateObject();
    if (path[0]) {
        json_set_str(seen, "completed.path", path);
        json_set_int(seen, "completed.time", made_ms);
        json_set_int(seen, "completed.id", made_ms);
    }
    add_savepoint(seen, jm, id);
    if (!run_is_live(r))
        json_set_bool(seen, "last", true);
    observe(w, "checkpoints/", id, seen);
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
    ask_checkpoints(w);
}

void watcher_event(struct world *w, struct happening *e)
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
    default:
        break;
    }
}
