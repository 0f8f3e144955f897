/* One history: a FlinkCluster, a user with a few wishes, bad luck for a while; then no more of it,
 * and what was wanted last must come about. */
#include <stdio.h>

#include "tests/unit/model/world.h"

enum { QUIET_MS = 60 * 1000 };

enum {
    STEPS_MAX = 40000,
    PATIENCE_MS = 3 * 3600 * 1000, /* without faults, until all is as wanted */
    CALM_MS = 90 * 1000, /* … at the earliest */
};

/* ---- bad luck ---- */

static void restart_container(struct world *w, cJSON *pod)
{
    cJSON *container = json_get(pod, "status.containerStatuses")->child;
    int64_t restarts = json_int(container, "restartCount", 0) + 1;
    const char *uid = json_str(pod, "metadata.uid");

    trace(w, "fault: the JobManager's container restarts");
    flink_stop(w, uid);
    if (str_eq(json_str(cJSON_GetArrayItem(json_get(pod, "metadata.ownerReferences"), 0), "kind"),
               "Job")) {
        w->failed = true;
        kube_pod_ends(w, pod, 1, "");
        return;
    }
    json_set_int(container, "restartCount", restarts);
    kube_touch(w, pod);
    flink_start(w, uid, (int)restarts);
}

static void kill_pod(struct world *w, const char *component)
{
    cJSON *pod = kube_pod_of(w, component);

    if (!pod)
        return;
    trace(w, "fault: the %s's pod is killed", component);
    w->failed |= str_eq(component, "jobmanager");
    kube_pod_gone(w, json_str(pod, "metadata.uid"));
}

static void delete_submitter(struct world *w)
{
    cJSON *job = kube_find(w, "Job", "c-job-submitter");

    if (!job)
        return;
    trace(w, "fault: somebody deletes the submitter");
    kube_remove(w, job);
}

static void bad_luck(struct world *w)
{
    cJSON *pod = kube_pod_of(w, "jobmanager");

    switch (between(w, 0, 5)) {
    case 0:
        if (pod)
            restart_container(w, pod);
        break;
    case 1:
        kill_pod(w, "jobmanager");
        break;
    case 2:
        kill_pod(w, "taskmanager");
        break;
    case 3:
        delete_submitter(w);
        break;
    case 4:
        w->circling_until_ms = w->now_ms + between(w, 1000, 1200000);
        trace(w, "fault: jobs restart in a circle");
        happen_once(w, 10, EVENT_JOBS, NULL);
        happen(w, w->circling_until_ms - w->now_ms, EVENT_JOBS, 0, "later", NULL);
        break;
    default:
        break;
    }
}

static void fault(struct world *w)
{
    if (!w->faults)
        return;
    happen(w, between(w, 2000, 200000), EVENT_FAULT, 0, NULL, NULL);
    switch (between(w, 0, w->bad_luck ? 6 : 3)) {
    case 0:
        journal_lose(w);
        break;
    case 1:
        reconciler_dies(w);
        break;
    case 2:
        submitter_dies(w);
        break;
    case 3:
        w->unreachable = true;
        trace(w, "fault: Flink is unreachable");
        happen(w, between(w, 1000, chance(w, 20) ? 400000 : 30000), EVENT_REACHABLE, 0, NULL, NULL);
        break;
    default:
        bad_luck(w);
        break;
    }
}

/* ---- time ---- */

static bool has_broken_image(const struct world *w)
{
    return str_ends(json_str(w->cluster, "spec.image.name"), "-broken");
}

/* Nothing happens for a while, and the job doesn't run: somebody says why. */
static void check_quiet(struct world *w, int64_t next_ms)
{
    enum job_state state = told_state(w);

    if (next_ms - w->now_ms < QUIET_MS || w->in_flight || w->status_in_flight || !w->cluster ||
        w->deleted || w->unreachable || has_broken_image(w))
        return;
    if ((job_state_is_pending(state) || job_state_is_failed(state)) && !w->blocked[0] &&
        !w->said[0])
        violate(w, "nothing says why the job is %s", job_state_name(state));
}

static void dispatch(struct world *w, struct happening *e)
{
    switch (e->type) {
    case EVENT_CONTROLLERS:
        kube_controllers(w);
        break;
    case EVENT_POD_START:
        kube_pod_start(w, e->id);
        break;
    case EVENT_POD_GONE:
        kube_pod_gone(w, e->id);
        break;
    case EVENT_JM_UP:
        flink_up(w, e->id, e->number);
        break;
    case EVENT_JM_RECOVERED:
        flink_recover(w, e->id);
        break;
    case EVENT_SUBMITTER:
        submitter_step(w, e->id, e->number);
        break;
    case EVENT_JOBS:
        flink_jobs(w);
        break;
    case EVENT_JOB_END:
        w->finished |= e->number == RUN_FINISHED;
        flink_job_ends(w, e->id, (enum run_state)e->number);
        break;
    case EVENT_TRIGGER:
        flink_trigger_ends(w, e->id, e->number);
        break;
    case EVENT_REACHABLE:
        w->unreachable = false;
        happen_once(w, 10, EVENT_POLL, NULL);
        break;
    case EVENT_USER:
        if (--w->user_left > 0) {
            user_acts(w);
            happen(w, between(w, 100, chance(w, 50) ? 10000 : 600000), EVENT_USER, 0, NULL, NULL);
        }
        break;
    case EVENT_FAULT:
        fault(w);
        break;
    default:
        daemons_event(w, e);
        break;
    }
}

/* The next event, or the reconciler's timer when that is earlier. */
static bool turn(struct world *w)
{
    struct happening e;
    int first = -1;

    for (int i = 0; i < w->n_events; i++)
        if (first < 0 || w->events[i].due_ms < w->events[first].due_ms ||
            (w->events[i].due_ms == w->events[first].due_ms &&
             w->events[i].seq < w->events[first].seq))
            first = i;
    if (w->plan_at_ms && (first < 0 || w->plan_at_ms < w->events[first].due_ms)) {
        if (w->plan_at_ms > w->now_ms)
            w->now_ms = w->plan_at_ms;
        w->plan_at_ms = 0;
        happen_once(w, w->in_flight ? 1000 : 0, EVENT_PLAN, NULL);
        return true;
    }
    if (first < 0)
        return false;
    e = w->events[first];
    check_quiet(w, e.due_ms);
    w->events[first] = w->events[--w->n_events];
    if (e.due_ms > w->now_ms)
        w->now_ms = e.due_ms;
    dispatch(w, &e);
    cJSON_Delete(e.json);
    check_step(w);
    w->steps++;
    return true;
}

static bool goes_on(const struct world *w)
{
    return !w->violation[0] && !w->excused && w->steps < STEPS_MAX;
}

static void until_calm(struct world *w)
{
    while (goes_on(w) && w->user_left > 0 && turn(w))
        ;
    w->faults = false;
    trace(w, "no more faults");
    user_mends(w);
}

static void until_fulfilled(struct world *w)
{
    int64_t calm_ms = w->now_ms + CALM_MS, end_ms = w->now_ms + PATIENCE_MS;
    const char *missing = "";

    while (goes_on(w) && w->now_ms < end_ms) {
        missing = wish_unfulfilled(w);
        if (!missing && w->now_ms > calm_ms && !w->in_flight && !w->status_in_flight)
            return;
        if (!turn(w))
            break;
    }
    if (!w->violation[0] && !w->excused && missing)
        violate(w, "%s (job %s, blocked %s, said %s)", missing, job_state_name(told_state(w)),
                w->blocked, w->said);
}

int history_run(struct world *w, uint64_t seed, bool tracing)
{
    world_init(w, seed);
    w->tracing = tracing;
    w->faults = true;
    w->bad_luck = chance(w, 60);
    w->user_left = (int)between(w, 2, 8);
    user_creates(w);
    journal_lose(w);
    happen(w, between(w, 100, 100000), EVENT_USER, 0, NULL, NULL);
    happen(w, between(w, 100, 100000), EVENT_FAULT, 0, NULL, NULL);
    until_calm(w);
    until_fulfilled(w);
    return w->violation[0] ? -1 : 0;
}
