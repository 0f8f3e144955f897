/* An update that comes while the job is being deployed: the run comes up first and is then stopped
 * with a savepoint (spec 05-lifecycle 4.2), unless it can't. */
#include "common/base/json.h"
#include "common/base/str.h"
#include "reconciler/plan_internal.h"

/* How long a deployment may take that nothing is known to hold up. */
enum { DEPLOY_PATIENCE_MS = 3 * 60 * 1000 };

static bool is_container_held_up(const cJSON *status)
{
    const char *waits = json_str(status, "state.waiting.reason");

    return json_int(status, "state.terminated.exitCode", 0) != 0 ||
           (waits && !str_eq(waits, "ContainerCreating") && !str_eq(waits, "PodInitializing"));
}

static bool is_pod_held_up(const cJSON *pod)
{
    static const char *const lists[] = {"status.initContainerStatuses", "status.containerStatuses"};

    if (json_has(pod, "metadata.deletionTimestamp"))
        return false;
    json_foreach (condition, json_get(pod, "status.conditions"))
        if (str_eq(json_str(condition, "type"), "PodScheduled") &&
            str_eq(json_str(condition, "status"), "False"))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        json_foreach (status, json_get(pod, lists[i]))
            if (is_container_held_up(status))
                return true;
    return false;
}

/* What comes next doesn't go on from this run: its state is known, or it is taken back. */
static bool is_state_known(const struct planner *p)
{
    return p->v->rolled_back || life_from_savepoint_changed(p->v) ||
           (!json_bool(p->v->job, "takeSavepointOnUpdate", true) &&
            life_state_is_fresh(p->v, p->l, p->v->now_ms));
}

bool plan_awaits_run(struct planner *p)
{
    const struct submitter *s = &p->v->submitter;
    int64_t end_ms = s->created_ms + DEPLOY_PATIENCE_MS;

    if (p->l->state != JOB_DEPLOYING || !s->json || s->deleting || !s->active || is_state_known(p))
        return false;
    json_foreach (object, p->v->snapshot->objects)
        if (str_eq(json_str(object, "kind"), "Pod") && is_pod_held_up(object))
            return false;
    if (end_ms <= p->v->now_ms)
        return false;
    plan_wake(p, end_ms);
    return true;
}

static const cJSON *last_submission(const struct view *v)
{
    const cJSON *last = NULL;

    json_foreach (command, v->snapshot->commands) {
        if (str_eq(json_str(command, "kind"), "submit") &&
            (!last || json_int(command, "id", 0) > json_int(last, "id", 0)))
            last = command;
    }
    return last;
}

bool plan_awaits_submitter(struct planner *p)
{
    const struct view *v = p->v;
    const cJSON *last = last_submission(v);
    const char *state = json_str(last, "state");
    int64_t seen_ms = json_int(last, "changedAt", 0) + VIEW_SUBMIT_SEEN_MS;

    if (!last || v->submitter.json || !job_state_is_pending(p->l->state) ||
        str_eq(json_str(last, "args.jobId"), json_str(v->rec_job, "id")))
        return false;
    if (str_eq(state, "claimed"))
        return true;
    if (!str_eq(state, "done") || seen_ms <= v->now_ms)
        return false;
    plan_wake(p, seen_ms);
    return true;
}
