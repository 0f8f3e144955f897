/* The reconciler: the real plan(), and requests that are late or lost. */
#include "tests/unit/model/world.h"

enum { LATEST_SLACK_MS = 20 * 1000 }; /* a checkpoint that is as good as another */

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
                 ? kube_version(live) < w->writes[i].version
                 : live && str_eq(json_str(live, "metadata.uid"), w->writes[i].uid))) {
            happen_once(w, WRITE_SEEN_MS, EVENT_PLAN, "unseen");
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

/* With LatestState a run goes on from what was done last, as far as that is known. */
static void check_latest(struct world *w, const cJSON *args)
{
    int64_t from = flink_progress_at(w, json_str(args, "fromSavepoint"));

    if (!w->latest || w->ever_named)
        return;
    json_foreach (seen, w->journal.observations) {
        const char *path = json_str(seen, "completed.path");

        if (path && str_starts(seen->string, "checkpoints/") &&
            flink_progress_at(w, path) > from + LATEST_SLACK_MS)
            violate(w, "a run is to start from %s, though %s is newer",
                    json_str_or(args, "fromSavepoint", "nothing"), path);
    }
}

static void add_command(struct world *w, const struct action *a)
{
    cJSON *command;

    json_foreach (old, w->journal.commands)
        if (str_eq(json_str(old, "key"), a->name))
            return;
    command = json_copy(a->manifest);
    if (str_eq(json_str(command, "kind"), "submit"))
        check_latest(w, json_member(command, "args"));
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
        *version = kube_version(object);
        if (is_cluster && json_has(object, "metadata.deletionTimestamp"))
            kube_delete_cluster(w);
        return true;
    case ACTION_COMMAND:
    case ACTION_DROP_COMMAND:
        break;
    }
    *version = kube_version(kube_find(w, kind, name));
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

void reconciler_event(struct world *w, struct happening *e)
{
    switch (e->type) {
    case EVENT_PLAN:
        on_plan(w);
        break;
    case EVENT_REQUEST:
        on_request(w, e);
        break;
    default:
        break;
    }
}
