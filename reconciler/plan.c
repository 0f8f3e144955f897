#include "reconciler/plan.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/names.h"
#include "common/model/rollback.h"
#include "reconciler/plan_internal.h"

static const char *const action_names[] = {
    [ACTION_APPLY] = "apply", [ACTION_CREATE] = "create",   [ACTION_DELETE] = "delete",
    [ACTION_PATCH] = "patch", [ACTION_COMMAND] = "command", [ACTION_DROP_COMMAND] = "drop-command",
};

struct action *plan_add(struct planner *p, enum action_kind kind, const char *object_kind,
                        const char *name)
{
    struct plan *plan = p->plan;
    struct action *action;

    if (plan->n == PLAN_ACTIONS_MAX) {
        plan_wake(p, p->v->now_ms); /* the rest comes with the next plan */
        return NULL;
    }
    action = &plan->actions[plan->n++];
    *action = (struct action){.kind = kind, .object_kind = object_kind};
    str_copy(action->name, sizeof action->name, name);
    return action;
}

void plan_why(struct action *action, const char *fmt, ...)
{
    va_list args;

    if (!action)
        return;
    va_start(args, fmt);
    (void)vsnprintf(action->why, sizeof action->why, fmt, args);
    va_end(args);
}

void plan_wake(struct planner *p, int64_t at_ms)
{
    if (!p->plan->wake_ms || at_ms < p->plan->wake_ms)
        p->plan->wake_ms = at_ms;
}

void plan_block(struct planner *p, const char *reason, const char *fmt, ...)
{
    va_list args;

    if (p->plan->blocked[0])
        return;
    str_copy(p->plan->blocked, sizeof p->plan->blocked, reason);
    va_start(args, fmt);
    (void)vsnprintf(p->plan->blocked_text, sizeof p->plan->blocked_text, fmt, args);
    va_end(args);
}

void plan_delete(struct planner *p, const cJSON *object, const char *why)
{
    struct action *action;

    if (!object || json_has(object, "metadata.deletionTimestamp"))
        return;
    action = plan_add(p, ACTION_DELETE, json_str_or(object, "kind", ""),
                      json_str_or(object, "metadata.name", ""));
    if (!action)
        return;
    str_copy(action->uid, sizeof action->uid, json_str_or(object, "metadata.uid", ""));
    plan_why(action, "%s", why);
}

void plan_command(struct planner *p, const char *kind, const char *key, cJSON *args,
                  const char *why)
{
    struct action *action = NULL;

    if (!view_command(p->v, key))
        action = plan_add(p, ACTION_COMMAND, "Command", key);
    if (!action) {
        cJSON_Delete(args);
        return;
    }
    action->manifest = cJSON_CreateObject();
    json_set_str(action->manifest, "kind", kind);
    json_set_str(action->manifest, "key", key);
    json_set(action->manifest, "args", args);
    plan_why(action, "%s", why);
}

bool plan_is_recorded(const struct planner *p)
{
    return p->v->rec_state == p->l->state;
}

bool plan_may_trigger(const struct planner *p)
{
    const cJSON *now = p->l->savepoint, *recorded = p->v->rec_savepoint;

    return !p->l->control_ends && !str_eq(json_str(now, "state"), "InProgress") &&
           str_eq(json_str(now, "state"), json_str(recorded, "state")) &&
           str_eq(json_str(now, "triggerID"), json_str(recorded, "triggerID"));
}

void plan_revisions(struct planner *p)
{
    const struct revision_sync *sync = &p->v->revision;
    struct action *action;

    if (sync->create) {
        action = plan_add(p, ACTION_CREATE, "ControllerRevision",
                          json_str_or(sync->create, "metadata.name", ""));
        if (action)
            action->manifest = json_copy(sync->create);
        plan_why(action, "the spec is a new revision");
    }
    if (sync->renumber) {
        action = plan_add(p, ACTION_PATCH, "ControllerRevision", sync->renumber);
        if (action) {
            action->manifest = cJSON_CreateObject();
            json_set_int(action->manifest, "revision", sync->renumber_to);
        }
        plan_why(action, "the spec is that of an earlier revision");
    }
    for (int i = 0; i < sync->n_remove; i++)
        plan_delete(p, snapshot_object(p->v->snapshot, "ControllerRevision", sync->remove[i]),
                    "over spec.revisionHistoryLimit");
}

/* ---- an update that is taken back ---- */

static void mark(struct planner *p, const cJSON *revision, const char *cause)
{
    struct action *action =
        plan_add(p, ACTION_PATCH, "ControllerRevision", json_str_or(revision, "metadata.name", ""));
    cJSON *annotations = cJSON_CreateObject();
    char text[512];

    str_copy(text, sizeof text, cause ? cause : "");
    json_set_member(annotations, ANNOTATION_ROLLED_BACK,
                    cause ? cJSON_CreateString(text) : cJSON_CreateNull());
    if (!action) {
        cJSON_Delete(annotations);
        return;
    }
    action->manifest = cJSON_CreateObject();
    json_set(action->manifest, "metadata.annotations", annotations);
    if (cause)
        plan_why(action, "the update is taken back: %.200s", cause);
    else
        plan_why(action, "the spec has changed");
}

static void plan_rollback(struct planner *p)
{
    const struct view *v = p->v;
    int64_t wake_ms;
    const char *cause = rollback_cause(v, p->l, &wake_ms);

    if (wake_ms)
        plan_wake(p, wake_ms);
    if (cause)
        mark(p, view_child(v, "ControllerRevision", v->revision.next_name, NULL), cause);
    json_foreach (object, v->snapshot->objects) {
        if (str_eq(json_str(object, "kind"), "ControllerRevision") && rollback_mark(object) &&
            object != v->rolled_back)
            mark(p, object, NULL);
    }
}

/* ---- deletion with a savepoint ---- */

static void set_finalizer(struct planner *p, bool wanted)
{
    const cJSON *cluster = p->v->snapshot->cluster;
    cJSON *list = cJSON_CreateArray();
    bool present = false;
    struct action *action = NULL;

    json_foreach (item, json_get(cluster, "metadata.finalizers")) {
        bool ours = str_eq(cJSON_GetStringValue(item), FINALIZER_SAVEPOINT);

        present |= ours;
        if (!ours)
            json_add_item(list, json_copy(item));
    }
    if (wanted)
        json_add_item(list, cJSON_CreateString(FINALIZER_SAVEPOINT));
    if (present != wanted)
        action = plan_add(p, ACTION_PATCH, "FlinkCluster", p->v->name);
    if (!action) {
        cJSON_Delete(list);
        return;
    }
    action->manifest = cJSON_CreateObject();
    json_set(action->manifest, "metadata.finalizers", list);
    /* Others' finalizers are in this list: refused when somebody changed it meanwhile. */
    json_set_str(action->manifest, "metadata.resourceVersion",
                 json_str(cluster, "metadata.resourceVersion"));
    plan_why(action, wanted ? "spec.job.savepointOnDeletion"
                            : "the job is down, or no savepoint is wanted");
}

/* A FlinkCluster isn't held for ever by a JobManager that doesn't answer, or by a job that restarts
 * in a circle. */
static bool is_deletion_overdue(struct planner *p)
{
    int64_t since =
        time_parse_rfc3339(json_str(p->v->snapshot->cluster, "metadata.deletionTimestamp"));
    bool under_way = str_eq(json_str(p->l->savepoint, "state"), "InProgress");
    int64_t end = since + life_savepoint_timeout_ms(p->v) * (under_way ? 3 : 1);

    if (p->v->now_ms >= end)
        return true;
    plan_wake(p, end);
    return false;
}

void plan_deletion(struct planner *p)
{
    const struct life *l = p->l;
    const char *state = json_str(l->savepoint, "state");
    bool wanted = json_bool(p->v->job, "savepointOnDeletion", false) && p->v->savepoints_dir;
    bool taken = str_eq(json_str(l->savepoint, "triggerReason"), REASON_DELETION) &&
                 str_eq(state, "Succeeded");

    if (!p->v->deleting) {
        set_finalizer(p, wanted);
    } else if (wanted && job_state_is_active(l->state) && !taken && !is_deletion_overdue(p)) {
        plan_stop(p, REASON_DELETION);
        plan_block(p, "SavepointOnDeletion", "the deletion waits for the job's last savepoint");
    } else {
        set_finalizer(p, false);
    }
}

/* ---- the whole ---- */

/* Pods that another scheduler should have placed aren't given to the default one (spec
 * 03-children 9). */
static bool is_scheduler_unknown(struct planner *p)
{
    const char *name = cluster_batch_scheduler(p->v->spec);

    if (str_empty(name) || str_eq(name, "volcano"))
        return false;
    plan_block(p, "UnknownBatchScheduler",
               "spec.batchScheduler.name \"%.100s\" is not known: set volcano, or take "
               "batchScheduler (and batchSchedulerName) out of the spec",
               name);
    return true;
}

static void make(struct planner *p)
{
    if (p->v->deleting) {
        plan_deletion(p);
        return;
    }
    if (p->v->invalid) {
        plan_block(p, "InvalidSpec", "%s", p->v->invalid_text);
        return;
    }
    plan_deletion(p);
    plan_revisions(p);
    plan_rollback(p);
    if (is_scheduler_unknown(p))
        return;
    plan_children(p);
    if (p->v->job)
        plan_job(p);
}

/* Without its actions: plan_add() begins each with nothing in it. */
static void clear(struct plan *plan)
{
    plan->n = 0;
    plan->wake_ms = 0;
    plan->blocked[0] = plan->blocked_text[0] = '\0';
    plan->blocked_by_plan = false;
}

void plan_make(const struct snapshot *snapshot, int64_t now_ms, struct plan *ret)
{
    struct view v;
    struct life l;
    struct planner p = {.v = &v, .l = &l, .plan = ret};

    clear(ret);
    if (!snapshot->cluster)
        return;
    view_init(&v, snapshot, now_ms);
    life_derive(&v, &l);
    if (l.wake_ms)
        plan_wake(&p, l.wake_ms);
    make(&p);
    ret->blocked_by_plan = ret->blocked[0] != '\0';
    if (l.reason[0])
        plan_block(&p, l.reason, "%s", l.message);
    life_done(&l);
    view_done(&v);
}

void plan_done(struct plan *plan)
{
    for (int i = 0; i < plan->n; i++)
        cJSON_Delete(plan->actions[i].manifest);
    clear(plan);
}

static cJSON *to_json(const struct plan *plan, bool manifests)
{
    cJSON *json = cJSON_CreateObject(), *actions = cJSON_CreateArray();

    for (int i = 0; i < plan->n; i++) {
        const struct action *a = &plan->actions[i];
        cJSON *item = cJSON_CreateObject();

        json_set_str(item, "action", action_names[a->kind]);
        json_set_str(item, "kind", a->object_kind);
        json_set_str(item, "name", a->name);
        json_set_str(item, "why", a->why);
        if (a->manifest && manifests)
            json_set(item, "manifest", json_copy(a->manifest));
        json_add_item(actions, item);
    }
    json_set(json, "actions", actions);
    if (plan->blocked[0]) {
        json_set_str(json, "blocked", plan->blocked);
        json_set_str(json, "message", plan->blocked_text);
    }
    if (plan->wake_ms)
        json_set_int(json, "wakeAt", plan->wake_ms);
    return json;
}

cJSON *plan_json(const struct plan *plan)
{
    return to_json(plan, true);
}

cJSON *plan_summary(const struct plan *plan)
{
    return to_json(plan, false);
}
