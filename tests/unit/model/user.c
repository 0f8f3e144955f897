/* The user: creates a FlinkCluster, and has a few wishes. */
#include <stdio.h>

#include "tests/unit/model/world.h"

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

void user_creates(struct world *w)
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

void user_acts(struct world *w)
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

bool user_asks_for_bad_args(const cJSON *spec)
{
    static const char *const fates[] = {"-fails", "-refused", "-circles", "-unfit"};
    const char *args = cJSON_GetStringValue(cJSON_GetArrayItem(json_get(spec, "job.args"), 0));

    for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
        if (str_ends(args, fates[i]))
            return true;
    return false;
}

void user_mends(struct world *w)
{
    _cleanup_(json_freep) cJSON *before = NULL;

    if (!w->cluster || w->deleted)
        return;
    before = json_copy(json_member(w->cluster, "spec"));
    if (str_ends(json_str(w->cluster, "spec.image.name"), "-broken"))
        json_set_str(w->cluster, "spec.image.name", "flink:mended");
    if (user_asks_for_bad_args(json_member(w->cluster, "spec")))
        set_args(w, "");
    if (json_equal(before, json_member(w->cluster, "spec")))
        return;
    w->cancelled = false;
    trace(w, "user: mends the spec");
    kube_touch(w, w->cluster);
}
