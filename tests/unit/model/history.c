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

/* ---- the user ---- */

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;
    struct error err = {0};

    if (json_parse(text, strlen(text), &json, &err))
        abort();
    return json;
}

static void set_args(struct world *w, const char *suffix)
{
    char text[64];

    (void)snprintf(text, sizeof text, "[\"v%d%s\"]", ++w->version_number, suffix);
    json_set(w->cluster, "spec.job.args", parse(text));
}

static void choose_job(struct world *w, cJSON *job)
{
    static const char *const modes[] = {"Detached", "Detached", "Blocking", "Application"};
    static const char *const policies[] = {"KeepCluster", "DeleteCluster", "DeleteTaskManager"};
    const char *mode = modes[between(w, 0, 3)];

    json_set_str(job, "mode", mode);
    if (str_eq(mode, "Application"))
        json_set_str(job, "className", "C");
    if (chance(w, 85))
        json_set_str(job, "savepointsDir", "s");
    json_set_int(job, "maxStateAgeToRestoreSeconds", chance(w, 50) ? 100000 : 200);
    if (json_has(job, "savepointsDir") && chance(w, 60))
        json_set_str(job, "restartPolicy", "FromSavepointOnFailure");
    if (json_has(job, "savepointsDir") && chance(w, 30))
        json_set_int(job, "autoSavepointSeconds", AUTO_SAVEPOINT_MS / 1000);
    else if (json_has(job, "savepointsDir") && chance(w, 20))
        json_set_str(job, "autoSavepointSchedule", "*/2 * * * *");
    if (chance(w, 20))
        json_set_bool(job, "takeSavepointOnUpdate", false);
    w->latest = json_has(job, "savepointsDir") && chance(w, 20);
    if (w->latest)
        json_set_str(job, "restoreFrom", "LatestState");
    if (json_has(job, "savepointsDir") && chance(w, 20))
        json_set_bool(job, "savepointOnDeletion", true);
    if (chance(w, 20))
        json_set(job, "savepointRetention", parse("{\"count\":2}"));
    json_set_str(job, "cleanupPolicy.afterJobCancelled", policies[between(w, 0, 2)]);
    json_set_str(job, "cleanupPolicy.afterJobFails", policies[chance(w, 70) ? 0 : 1]);
}

static void create_cluster(struct world *w)
{
    w->cluster = parse(
        "{\"kind\":\"FlinkCluster\",\"apiVersion\":\"flinkoperator.k8s.io/v1beta1\",\"metadata\":{"
        "\"name\":\"c\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{\"flinkVersion\":\"1.20\","
        "\"image\":{\"name\":\"flink:1.20\"},\"jobManager\":{\"replicas\":1,\"accessScope\":"
        "\"Cluster\",\"memoryProcessRatio\":80,\"ports\":{\"rpc\":6123,\"blob\":6124,\"query\":"
        "6125,\"ui\":8081},\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"2Gi\"}}},"
        "\"taskManager\":{\"replicas\":1,\"deploymentType\":\"StatefulSet\","
        "\"memoryProcessRatio\":80,\"ports\":{\"data\":6121,\"rpc\":6122,\"query\":6125},"
        "\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"2Gi\"}}},\"job\":{\"jarFile\":"
        "\"/x.jar\",\"parallelism\":1}}}");
    choose_job(w, json_get(w->cluster, "spec.job"));
    set_args(w, "");
    json_set_bool(w->cluster, "spec.recreateOnUpdate", chance(w, 70));
    if (chance(w, 30))
        json_set_bool(w->cluster, "spec.updateStrategy.rollback", true);
    json_set(w->cluster, "spec.flinkProperties", cJSON_CreateObject());
    w->ha = chance(w, 25);
    if (w->ha)
        json_set(w->cluster, "spec.flinkProperties",
                 parse("{\"high-availability.type\":\"kubernetes\",\"kubernetes.cluster-id\":\"c\","
                       "\"high-availability.storageDir\":\"s\"}"));
    if (w->latest)
        json_set_member_str(json_get(w->cluster, "spec.flinkProperties"),
                            "execution.checkpointing.externalized-checkpoint-retention",
                            "RETAIN_ON_CANCELLATION");
    trace(w, "user: creates %s%s", json_str(w->cluster, "spec.job.mode"), w->ha ? " with HA" : "");
    if (w->tracing) {
        char *text = json_text(json_get(w->cluster, "spec.job"));

        trace(w, "user: %s", text);
        free(text);
    }
    kube_touch(w, w->cluster);
}

static enum job_state told_state(const struct world *w)
{
    return job_state_parse(json_str(w->cluster, "status.components.job.state"));
}

static void annotate(struct world *w, const char *request)
{
    bool open = str_eq(json_str(w->cluster, "status.control.state"), "InProgress") ||
                json_has(w->cluster, "metadata.annotations");

    if (open || told_state(w) == JOB_NONE || job_state_is_stopped(told_state(w)))
        return; /* admission refuses it */
    json_set(w->cluster, "metadata.annotations", cJSON_CreateObject());
    json_set_member_str(json_get(w->cluster, "metadata.annotations"), ANNOTATION_USER_CONTROL,
                        request);
    w->cancel_requests += str_eq(request, "job-cancel");
    w->requests += str_eq(request, "savepoint");
    trace(w, "user: asks for %s", request);
}

static void change_image(struct world *w)
{
    char image[64];

    (void)snprintf(image, sizeof image, "flink:1.20-%d%s", ++w->version_number,
                   w->bad_luck && chance(w, 25) ? "-broken" : "");
    json_set_str(w->cluster, "spec.image.name", image);
    trace(w, "user: image %s", image);
}

static void change_args(struct world *w)
{
    static const char *const fates[] = {"-fails", "-refused", "-refused", "-circles", "-unfit"};

    set_args(w, w->bad_luck && chance(w, 36) ? fates[between(w, 0, 4)] : "");
    trace(w, "user: args %s",
          cJSON_GetStringValue(cJSON_GetArrayItem(json_get(w->cluster, "spec.job.args"), 0)));
}

static void revert(struct world *w)
{
    int n = cJSON_GetArraySize(w->specs);

    if (n == 0)
        return;
    json_set(w->cluster, "spec",
             json_copy(cJSON_GetArrayItem(w->specs, (int)between(w, 0, n - 1))));
    trace(w, "user: reverts to %s, %s",
          cJSON_GetStringValue(cJSON_GetArrayItem(json_get(w->cluster, "spec.job.args"), 0)),
          json_str(w->cluster, "spec.image.name"));
}

static void suspend(struct world *w)
{
    bool now = !json_bool(w->cluster, "spec.job.suspend", false);

    json_set_bool(w->cluster, "spec.job.suspend", now);
    trace(w, "user: %s", now ? "suspends" : "resumes");
}

static void name_state(struct world *w)
{
    const char *location = json_str(w->cluster, "status.components.job.savepointLocation");

    if (str_empty(location))
        return;
    json_set_str(w->cluster, "spec.job.fromSavepoint", location);
    change_args(w);
    trace(w, "user: from savepoint %s", location);
}

static void ask_by_generation(struct world *w)
{
    if (!json_has(w->cluster, "spec.job.savepointsDir") || told_state(w) != JOB_RUNNING)
        return;
    json_set_int(w->cluster, "spec.job.savepointGeneration",
                 json_int(w->cluster, "status.components.job.savepointGeneration", 0) + 1);
    w->requests++;
    trace(w, "user: raises savepointGeneration");
}

static void user_acts(struct world *w)
{
    _cleanup_(json_freep) cJSON *before = NULL;
    int64_t dice = between(w, 0, 99);

    if (!w->cluster || w->deleted)
        return;
    before = json_copy(json_member(w->cluster, "spec"));
    if (dice < 30)
        change_args(w);
    else if (dice < 42)
        change_image(w);
    else if (dice < 48)
        json_set_int(w->cluster, "spec.taskManager.replicas", between(w, 1, 4));
    else if (dice < 60 && json_has(w->cluster, "spec.job.savepointsDir"))
        annotate(w, "savepoint");
    else if (dice < 70)
        annotate(w, "job-cancel");
    else if (dice < 80)
        suspend(w);
    else if (dice < 88)
        revert(w);
    else if (dice < 92)
        ask_by_generation(w);
    else if (dice < 94)
        name_state(w);
    else if (dice < 97) {
        w->deleted = true;
        trace(w, "user: deletes");
        kube_delete_cluster(w);
        return;
    }
    if (!str_eq(json_str(before, "job.fromSavepoint"),
                json_str(w->cluster, "spec.job.fromSavepoint")))
        w->named_state = w->ever_named = true;
    if (!json_equal(before, json_member(w->cluster, "spec"))) {
        w->cancelled = false;
        json_add_item(w->specs, TAKE(before));
    }
    kube_touch(w, w->cluster);
}

static bool has_bad_args(const cJSON *spec)
{
    static const char *const fates[] = {"-fails", "-refused", "-circles", "-unfit"};
    const char *args = cJSON_GetStringValue(cJSON_GetArrayItem(json_get(spec, "job.args"), 0));

    for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
        if (str_ends(args, fates[i]))
            return true;
    return false;
}

/* Even when the last wish can't be fulfilled, the next one has to be. */
static void mend(struct world *w)
{
    _cleanup_(json_freep) cJSON *before = NULL;

    if (!w->cluster || w->deleted)
        return;
    before = json_copy(json_member(w->cluster, "spec"));
    if (str_ends(json_str(w->cluster, "spec.image.name"), "-broken"))
        json_set_str(w->cluster, "spec.image.name", "flink:mended");
    if (has_bad_args(json_member(w->cluster, "spec")))
        set_args(w, "");
    if (json_equal(before, json_member(w->cluster, "spec")))
        return;
    w->cancelled = false;
    trace(w, "user: mends the spec");
    kube_touch(w, w->cluster);
}

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

/* ---- is all as it was wanted? ---- */

/* The job never runs, so it has no savepoint to stop with, and the one before is too old. */
static bool waits_for_a_circling_job(const struct world *w)
{
    bool keeps = !str_empty(json_str(w->cluster, "status.components.job.savepointLocation")) &&
                 json_int(w->cluster, "spec.job.maxStateAgeToRestoreSeconds", 0) > 1000;

    if (keeps || !str_eq(w->blocked, "StopNeedsSavepoint"))
        return false;
    for (int i = 0; i < JMS_MAX; i++)
        for (int k = 0; w->jms[i].up && k < w->jms[i].n_runs; k++)
            if (run_is_live(&w->jms[i].runs[k]) && str_ends(w->jms[i].runs[k].version, "-circles"))
                return true;
    return false;
}

/* A job was stopped, and nobody could learn of its savepoint: it may as well have finished. */
static bool has_lost_its_end(const struct world *w)
{
    for (int i = 0; i < w->n_stored; i++)
        if (w->stored[i].final && w->stored[i].lost)
            return true;
    return false;
}

/* A job may have failed before it was seen running. */
static bool is_bad_start_possible(const struct world *w)
{
    return w->failed || w->jm_deaths || w->circling_until_ms;
}

/* An update was taken back, and what it came after doesn't run either: nobody had tried. */
static bool is_back_at_what_cannot_run(const struct world *w)
{
    char name[128];
    char *number;
    const cJSON *spec;

    if (!str_eq(w->said, "RolledBack"))
        return false;
    str_copy(name, sizeof name, json_str_or(w->cluster, "status.revision.currentRevision", ""));
    number = strrchr(name, '-');
    if (number)
        *number = '\0';
    spec = json_get(kube_find(w, "ControllerRevision", name), "data.spec");
    return str_ends(json_str(spec, "image.name"), "-broken") || has_bad_args(spec);
}

/* An update whose job Flink could make nothing of, and which the user wants taken back. */
static bool is_to_be_taken_back(const struct world *w, const char *args)
{
    if (!json_bool(w->cluster, "spec.updateStrategy.rollback", false) || !str_ends(args, "-unfit"))
        return false;
    for (int i = 0; i < JMS_MAX; i++)
        for (int k = 0; w->jms[i].up && k < w->jms[i].n_runs; k++)
            if (str_eq(w->jms[i].runs[k].version, args) && w->jms[i].runs[k].state == RUN_FAILED)
                return true;
    return false;
}

/* NULL: yes; else what isn't. */
static const char *unfulfilled(const struct world *w)
{
    enum job_state state = told_state(w);
    bool suspend = json_bool(w->cluster, "spec.job.suspend", false);
    bool at_next = str_eq(json_str(w->cluster, "status.revision.currentRevision"),
                          json_str(w->cluster, "status.revision.nextRevision"));
    bool says_why = w->blocked[0] || w->said[0];
    const char *args =
        cJSON_GetStringValue(cJSON_GetArrayItem(json_get(w->cluster, "spec.job.args"), 0));

    if (!w->cluster)
        return w->deleted ? NULL : "the FlinkCluster is gone";
    if (w->deleted)
        return "it isn't deleted";
    if (json_has(w->cluster, "metadata.annotations"))
        return "the request is still there";
    if (waits_for_a_circling_job(w) || is_back_at_what_cannot_run(w))
        return NULL;
    if (suspend && !job_state_is_stopped(state))
        return flink_live(w)                ? "a suspended job runs"
               : job_state_is_active(state) ? "a suspended job is told to be on its way"
                                            : NULL;
    if (job_state_is_stopped(state) && flink_live(w))
        return "a job runs that is told to be over";
    if (state == JOB_RUNNING && at_next) {
        for (int i = 0; i < JMS_MAX; i++)
            for (int k = 0; w->jms[i].up && k < w->jms[i].n_runs; k++)
                if (w->jms[i].runs[k].state == RUN_RUNNING)
                    return str_eq(w->jms[i].runs[k].version, args) ||
                                   (is_bad_start_possible(w) && str_eq(w->said, "RolledBack"))
                               ? NULL
                               : "an old version runs";
        return "told to be running, but isn't";
    }
    if (state == JOB_SUCCEEDED)
        return w->finished || has_lost_its_end(w) ? NULL : "told to have finished, but didn't";
    if (state == JOB_CANCELLED && at_next)
        return w->cancel_requests ? NULL : "it was cancelled by nobody";
    if (!says_why)
        return "nothing says why it doesn't go on";
    if (job_state_is_failed(state) && !at_next && is_to_be_taken_back(w, args) &&
        !str_eq(w->said, "RolledBack"))
        return "the update isn't taken back";
    if ((w->failed || w->jm_deaths) && job_state_is_failed(state))
        return NULL;
    /* What only the user can tell. */
    if (str_starts(w->blocked, "UpdateNeeds") || str_starts(w->said, "UpdateNeeds"))
        return w->failed || w->cancel_requests || !json_has(w->cluster, "spec.job.savepointsDir") ||
                       !json_bool(w->cluster, "spec.job.takeSavepointOnUpdate", true)
                   ? NULL
                   : "an update waits for nothing";
    return "it doesn't go on";
}

void check_step(struct world *w)
{
    w->had_state |= w->ran[0] && str_eq(w->ran, w->told_to_run);
    if (flink_live(w) > 1)
        violate(w, "two jobs run");
    if (w->user_savepoints > w->requests + w->jm_deaths)
        violate(w, "%d savepoints for %d requests", w->user_savepoints, w->requests);
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
    mend(w);
}

static void until_fulfilled(struct world *w)
{
    int64_t calm_ms = w->now_ms + CALM_MS, end_ms = w->now_ms + PATIENCE_MS;
    const char *missing = "";

    while (goes_on(w) && w->now_ms < end_ms) {
        missing = unfulfilled(w);
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
    create_cluster(w);
    journal_lose(w);
    happen(w, between(w, 100, 100000), EVENT_USER, 0, NULL, NULL);
    happen(w, between(w, 100, 100000), EVENT_FAULT, 0, NULL, NULL);
    until_calm(w);
    until_fulfilled(w);
    return w->violation[0] ? -1 : 0;
}
