/* Flink: JobManagers with jobs by id; what isn't in the HA store is forgotten with the process. */
#include <stdio.h>

#include "tests/unit/model/world.h"

enum { CHECKPOINT_MS = 1000, EXIT_FAILED = 1443 & 0xff };

bool run_is_live(const struct run *r)
{
    return r->state <= RUN_RESTARTING;
}

const char *run_state_name(const struct run *r)
{
    static const char *const names[] = {"CREATED",  "RUNNING",  "RESTARTING",
                                        "FINISHED", "CANCELED", "FAILED"};

    return names[r->state];
}

static bool is_in_a_jm(const struct world *w, const char *id)
{
    for (int i = 0; i < JMS_MAX; i++)
        for (int k = 0; w->jms[i].pod[0] && k < w->jms[i].n_runs; k++)
            if (str_eq(w->jms[i].runs[k].id, id))
                return true;
    return false;
}

/* Also those that the next JobManager brings back. */
int flink_live(const struct world *w)
{
    int n = 0;

    for (int i = 0; i < JMS_MAX; i++)
        for (int k = 0; w->jms[i].pod[0] && k < w->jms[i].n_runs; k++)
            n += run_is_live(&w->jms[i].runs[k]);
    for (int k = 0; k < w->n_store; k++)
        n += !is_in_a_jm(w, w->store[k].id);
    return n;
}

bool flink_running(const struct world *w)
{
    for (int i = 0; i < JMS_MAX; i++)
        for (int k = 0; w->jms[i].up && k < w->jms[i].n_runs; k++)
            if (w->jms[i].runs[k].state == RUN_RUNNING)
                return true;
    return false;
}

bool flink_process(const struct world *w)
{
    for (int i = 0; i < JMS_MAX; i++)
        if (w->jms[i].pod[0])
            return true;
    return false;
}

struct run *flink_find(const struct world *w, const char *id, struct jm **ret)
{
    for (int i = 0; i < JMS_MAX; i++) {
        const struct jm *jm = &w->jms[i];

        for (int k = 0; jm->pod[0] && k < jm->n_runs; k++) {
            if (!str_eq(jm->runs[k].id, id))
                continue;
            if (ret)
                *ret = (struct jm *)(uintptr_t)jm;
            return (struct run *)(uintptr_t)&jm->runs[k];
        }
    }
    return NULL;
}

static struct jm *jm_of(struct world *w, const char *pod)
{
    for (int i = 0; i < JMS_MAX; i++)
        if (str_eq(w->jms[i].pod, pod))
            return &w->jms[i];
    return NULL;
}

struct jm *flink_service(const struct world *w)
{
    for (int i = 0; i < JMS_MAX; i++)
        if (w->jms[i].up && kube_is_running(kube_find_uid(w, w->jms[i].pod)))
            return (struct jm *)(uintptr_t)&w->jms[i];
    return NULL;
}

void flink_changed(struct world *w)
{
    happen_once(w, misfortune(w, 20) ? between(w, 1000, 6000) : between(w, 10, 900), EVENT_POLL,
                NULL);
}

/* ---- the process ---- */

void flink_start(struct world *w, const char *pod, int restarts)
{
    struct jm *jm = jm_of(w, "");

    if (!jm) {
        violate(w, "too many JobManagers");
        return;
    }
    *jm = (struct jm){.restarts = restarts};
    str_copy(jm->pod, sizeof jm->pod, pod);
    happen(w, between(w, 1000, 12000), EVENT_JM_UP, restarts, pod, NULL);
}

void run_settle(struct run *r, const struct world *w)
{
    if (r->state == RUN_RUNNING)
        r->progress += w->now_ms - r->since_ms;
    r->since_ms = w->now_ms;
}

int64_t flink_checkpoint(const struct world *w, const struct run *r, char out[64])
{
    bool running = r->state == RUN_RUNNING;
    int64_t done = r->progress + (running ? w->now_ms - r->since_ms : 0);
    int64_t since = done % CHECKPOINT_MS;

    done -= since;
    out[0] = '\0';
    if (done)
        (void)snprintf(out, 64, "k/%.32s/%lld", r->id, (long long)done);
    return (running ? w->now_ms : r->since_ms) - since;
}

struct stored *flink_stored_at(struct world *w, const char *location)
{
    for (int i = 0; i < w->n_stored; i++)
        if (str_eq(w->stored[i].location, location))
            return &w->stored[i];
    return NULL;
}

int64_t flink_progress_at(const struct world *w, const char *location)
{
    const char *slash = str_starts(location, "k/") ? strrchr(location, '/') : NULL;
    int64_t progress = 0;

    if (slash)
        (void)str_to_i64(slash + 1, &progress);
    for (int i = 0; location && i < w->n_stored; i++)
        if (str_eq(w->stored[i].location, location))
            progress = w->stored[i].progress;
    return progress;
}

static bool is_known(const struct world *w, const char *location)
{
    for (int i = 0; i < JMS_MAX; i++)
        for (int k = 0; w->jms[i].pod[0] && k < w->jms[i].n_triggers; k++)
            if (str_eq(w->jms[i].triggers[k].location, location))
                return true;
    json_foreach (seen, w->journal.observations)
        if (str_eq(json_str(seen, "location"), location))
            return true;
    json_foreach (entry, json_get(w->cluster, "status.savepoints"))
        if (str_eq(json_str(entry, "location"), location))
            return true;
    return false;
}

/* Savepoints that nobody has heard of, and nobody can tell any more. */
void flink_lose(struct world *w)
{
    for (int i = 0; i < w->n_stored; i++)
        w->stored[i].lost |= !is_known(w, w->stored[i].location);
}

void flink_stop(struct world *w, const char *pod)
{
    struct jm *jm = jm_of(w, pod);

    if (!jm)
        return;
    trace(w, "flink: the JobManager in %s ends", pod);
    for (int i = 0; i < jm->n_runs; i++) {
        run_settle(&jm->runs[i], w);
        for (int k = 0; k < w->n_store; k++)
            if (str_eq(w->store[k].id, jm->runs[i].id))
                w->store[k] = jm->runs[i];
    }
    w->jm_deaths++;
    *jm = (struct jm){0};
    flink_lose(w);
    flink_changed(w);
}

void flink_up(struct world *w, const char *pod, int restarts)
{
    struct jm *jm = jm_of(w, pod);

    if (!jm || jm->restarts != restarts)
        return;
    jm->up = true;
    trace(w, "flink: the JobManager in %s is up", pod);
    happen(w, between(w, 100, w->ha && chance(w, 20) ? 120000 : 5000), EVENT_JM_RECOVERED, restarts,
           pod, NULL);
    flink_changed(w);
}

static struct run *add_run(struct world *w, struct jm *jm, const struct run *r)
{
    if (jm->n_runs == RUNS_MAX) {
        violate(w, "too many jobs");
        return NULL;
    }
    jm->runs[jm->n_runs] = *r;
    happen_once(w, between(w, 100, 3000), EVENT_JOBS, NULL);
    flink_changed(w);
    return &jm->runs[jm->n_runs++];
}

static const char *owner_of(const cJSON *pod)
{
    return json_str_or(cJSON_GetArrayItem(json_get(pod, "metadata.ownerReferences"), 0), "uid", "");
}

/* The result of a job goes with its JobManager (see docs/operations.md, known limits). */
static bool is_run_again(const struct world *w, const cJSON *pod, const char *id)
{
    return id && str_eq(id, w->over) && str_eq(owner_of(pod), w->over_in);
}

/* The HA store's jobs; then an Application's own, unless it was among them. */
void flink_recover(struct world *w, const char *pod)
{
    struct jm *jm = jm_of(w, pod);
    const cJSON *object = kube_find_uid(w, pod);
    const char *id = pod_arg_after(object, "--job-id");

    if (!jm || !jm->up)
        return;
    for (int k = 0; k < w->n_store; k++) {
        struct run r = w->store[k];

        if (is_in_a_jm(w, r.id))
            continue;
        r.state = RUN_RESTARTING;
        r.since_ms = w->now_ms;
        trace(w, "flink: recovered job %.6s", r.id);
        (void)add_run(w, jm, &r);
    }
    w->excused = is_run_again(w, object, id);
    if (id && !w->excused) /* a duplicate, when it was recovered */
        (void)flink_submit(w, jm, id, pod_arg_after(object, "--fromSavepoint"),
                           pod_last_arg(object));
}

/* ---- jobs ---- */

int64_t flink_newest_state(const struct world *w)
{
    int64_t newest = 0;

    for (int i = 0; i < w->n_stored; i++)
        if (!w->stored[i].lost && !w->stored[i].left_behind && w->stored[i].progress > newest)
            newest = w->stored[i].progress;
    return newest;
}

/* The user has said from where: what was there before doesn't count any more. */
static void go_on_from_named(struct world *w, const struct run *r)
{
    if (!str_eq(r->from, json_str_or(w->cluster, "spec.job.fromSavepoint", "")))
        return;
    w->named_state = false;
    for (int i = 0; i < w->n_stored; i++)
        w->stored[i].left_behind = true;
}

/* A new version, whose spec still names the state that one before it named, which was taken back.
 */
static bool is_named_again(struct world *w, const struct run *r)
{
    bool updates = !str_eq(r->version, w->last_version);

    str_copy(w->last_version, sizeof w->last_version, r->version);
    return updates && r->from[0] && w->ever_named &&
           str_eq(r->from, json_str(w->cluster, "spec.job.fromSavepoint"));
}

static void check_state(struct world *w, const struct run *r)
{
    if (is_named_again(w, r) || w->named_state) {
        go_on_from_named(w, r);
        return;
    }
    if (!json_has(w->cluster, "spec.job.savepointsDir"))
        return; /* nowhere to put any */
    if (w->had_state && !r->from[0])
        violate(w, "job %.6s starts without state", r->id);
    else if (r->progress + (str_starts(r->from, "k/") ? CHECKPOINT_MS : 0) < flink_newest_state(w))
        violate(w, "job %.6s starts from %s, which isn't the newest state", r->id, r->from);
}

/* In the ConfigMap of the cluster-id: without it, nothing is recovered. */
static void keep_for_recovery(struct world *w, const struct run *r)
{
    cJSON *map = cJSON_CreateObject();

    json_set_str(map, "kind", "ConfigMap");
    json_set_str(map, "metadata.name", FLINK_HA_CONFIGMAP);
    json_set_str(map, "metadata.namespace", "ns");
    json_set(map, "metadata.labels", cJSON_CreateObject());
    json_set_str(map, "metadata.labels." LABEL_CONFIGMAP_TYPE, CONFIGMAP_TYPE_HA);
    if (w->n_store < RUNS_MAX)
        w->store[w->n_store++] = *r;
    (void)kube_create(w, map);
    cJSON_Delete(map);
}

bool flink_submit(struct world *w, struct jm *jm, const char *id, const char *from,
                  const char *version)
{
    struct run r = {.state = RUN_CREATED, .since_ms = w->now_ms};
    const struct stored *stored = from ? flink_stored_at(w, from) : NULL;

    for (int i = 0; i < jm->n_runs; i++)
        if (str_eq(jm->runs[i].id, id))
            return false;
    str_copy(r.id, sizeof r.id, id);
    str_copy(r.from, sizeof r.from, from ? from : "");
    str_copy(r.version, sizeof r.version, version ? version : "");
    r.progress = flink_progress_at(w, r.from);
    trace(w, "flink: job %.6s accepted, %s, from %s", id, r.version, from ? from : "nothing");
    if (stored && stored->disposed)
        violate(w, "job %.6s starts from a savepoint that was disposed of", id);
    check_state(w, &r);
    if (w->cancelled)
        violate(w, "job %.6s starts though the user cancelled", id);
    if (w->ha)
        keep_for_recovery(w, &r);
    return add_run(w, jm, &r) != NULL;
}

static void forget_stored(struct world *w, const char *id)
{
    for (int k = 0; k < w->n_store; k++)
        if (str_eq(w->store[k].id, id))
            w->store[k--] = w->store[--w->n_store];
}

static void shut_down_application(struct world *w, const struct jm *jm, const struct run *r)
{
    const cJSON *pod = kube_find_uid(w, jm->pod);

    if (!pod_arg_after(pod, "--job-id"))
        return;
    str_copy(w->over, sizeof w->over, r->id);
    str_copy(w->over_in, sizeof w->over_in, owner_of(pod));
    happen(w, between(w, 200, 3000), EVENT_SUBMITTER,
           STEP_SHUT_DOWN + (r->state == RUN_FAILED ? EXIT_FAILED : 0), jm->pod, NULL);
}

void flink_job_ends(struct world *w, const char *id, enum run_state state)
{
    struct jm *jm = NULL;
    struct run *r = flink_find(w, id, &jm);

    if (!r || !run_is_live(r))
        return;
    if (state != RUN_CANCELED && state != RUN_FAILED && r->state != RUN_RUNNING)
        return;
    run_settle(r, w);
    r->state = state;
    w->failed |= state == RUN_FAILED;
    trace(w, "flink: job %.6s %s", id, run_state_name(r));
    forget_stored(w, id);
    shut_down_application(w, jm, r);
    flink_changed(w);
}

static void fate(struct world *w, struct run *r)
{
    if (str_ends(r->version, "-fails"))
        happen(w, between(w, 100, 5000), EVENT_JOB_END, RUN_FAILED, r->id, NULL);
    else if (w->bad_luck && misfortune(w, 80))
        happen(w, between(w, 1000, 600000), EVENT_JOB_END, RUN_FAILED, r->id, NULL);
    else if (w->bad_luck && misfortune(w, 30))
        happen(w, between(w, 1000, 600000), EVENT_JOB_END, RUN_FINISHED, r->id, NULL);
}

/* A job runs while there is a TaskManager, unless it fails again and again, or Flink can't make it
 * of the state. */
void flink_jobs(struct world *w)
{
    bool slots = kube_pod_of(w, "taskmanager") && w->circling_until_ms <= w->now_ms;

    for (int i = 0; i < JMS_MAX; i++) {
        struct jm *jm = &w->jms[i];

        for (int k = 0; jm->up && k < jm->n_runs; k++) {
            struct run *r = &jm->runs[k];
            enum run_state state =
                slots && !str_ends(r->version, "-circles") ? RUN_RUNNING : RUN_RESTARTING;

            if (!run_is_live(r) || r->state == state)
                continue;
            if (str_ends(r->version, "-unfit")) {
                flink_job_ends(w, r->id, RUN_FAILED);
                continue;
            }
            run_settle(r, w);
            r->state = state;
            trace(w, "flink: job %.6s %s", r->id, run_state_name(r));
            if (state == RUN_RUNNING) {
                str_copy(w->ran, sizeof w->ran, r->id);
                fate(w, r);
            }
            flink_changed(w);
        }
    }
}
