/* High availability brings jobs back: when that is waited for, and when it must not be. */
#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""
#define RESTARTS                                                                                   \
    SAVEPOINTS ",\"restartPolicy\":\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":300"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_ha, .fini = done, .timeout = 20);

static void set_ha(void)
{
    json_set(s.snapshot.cluster, "spec.flinkProperties",
             parse("{\"high-availability.type\":\"kubernetes\",\"kubernetes.cluster-id\":\"c\","
                   "\"high-availability.storageDir\":\"s\"}"));
}

static void add_ha_metadata(void)
{
    add_object(&s, parse("{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c-cluster-config-map\","
                         "\"labels\":{\"configmap-type\":\"high-availability\"}}}"));
}

static void init_with_ha(const char *job)
{
    scenario_init(&s, job);
    set_ha();
    if (strstr(job, "Application")) {
        json_set_str(s.snapshot.cluster, "spec.job.mode", "Application");
        json_set_str(s.snapshot.cluster, "spec.job.className", "C");
    }
}

static void run_with_ha(const char *job)
{
    init_with_ha(job);
    run(&s);
    add_ha_metadata();
}

/* Nobody could ask the JobManager; its pod has ended, and the next one is to come. */
Test(plan_ha, an_application_that_may_run_unseen_is_not_taken_away_by_an_update)
{
    init_with_ha(SAVEPOINTS ",\"mode\":\"Application\"");
    settle(&s);
    after(&s, 60);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000060000}");
    add_jobmanager_pod(&s, "{\"terminated\":{\"exitCode\":1}}");
    add_ha_metadata();
    change_args(&s, "[\"--new\"]");
    settle(&s);
    after(&s, 599);
    settle(&s);
    cr_expect(submitter(&s));
    cr_expect_str_eq(job_state(&s), "Deploying");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "JobManagerUnreachable");
    after(&s, 1);
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_DELETE, "Job", NULL), "it doesn't come back");
}

/* Its client failed with the JobManager that had the job; the next one recovers it. */
Test(plan_ha, a_submitter_that_failed_waits_for_high_availability_to_bring_the_job_back)
{
    char text[256];

    scenario_init(&s, RESTARTS);
    set_ha();
    settle(&s);
    after(&s, 60);
    add_jobmanager_pod(&s, "{\"running\":{}}");
    submitter_fails(&s, "");
    (void)snprintf(text, sizeof text,
                   "{\"reachable\":true,\"since\":%lld,\"jobs\":[],\"jm\":\"%s\",\"jmRestarts\":0}",
                   (long long)s.now_ms,
                   json_str_or(object_of(&s, "Pod", "c-jobmanager-0"), "metadata.uid", ""));
    observe(&s, "overview", text);
    after(&s, 300);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    after(&s, 301);
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Restarting", "it never comes");
}

static const cJSON *ha_metadata(void)
{
    return object_of(&s, "ConfigMap", "c-cluster-config-map");
}

/* Kubernetes gave up replacing its pods; what HA has of it would come up beside the next run. */
Test(plan_ha, an_application_that_was_given_up_is_not_brought_back_by_ha_beside_the_next_run)
{
    run_with_ha(RESTARTS ",\"mode\":\"Application\"");
    settle(&s);
    cr_assert(json_has(ha_metadata(), "metadata.ownerReferences"));
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    change_args(&s, "[\"--new\"]");
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:///s/5");
    json_set(submitter(&s), "status",
             parse("{\"failed\":7,\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\","
                   "\"lastTransitionTime\":\"2026-09-21T14:13:20Z\"}]}"));
    record_status(&s);
    cr_assert_str_eq(job_state(&s), "Updating");
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_DELETE, "ConfigMap", NULL), "its Job may use it");
    carry_out(&s);
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_DELETE, "ConfigMap", "c-cluster-config-map"));
    cr_expect_null(find_command(&s, "submit"), "not before it is gone");
    settle(&s);
    cr_expect_null(ha_metadata());
    cr_expect_eq(commands(&s, "submit"), 2);
}

Test(plan_ha, a_new_jobmanager_does_not_start_before_the_ha_metadata_of_the_last_run_is_gone)
{
    run_with_ha(SAVEPOINTS);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    stopped_at(&s, "file:///s/2");
    cr_assert_null(object_of(&s, "StatefulSet", "c-jobmanager"));
    cr_assert(ha_metadata());
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", false);
    record_status(&s);
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_DELETE, "ConfigMap", "c-cluster-config-map"));
    cr_expect_null(find_action(&s, ACTION_APPLY, "StatefulSet", "c-jobmanager"));
    settle(&s);
    cr_expect(object_of(&s, "StatefulSet", "c-jobmanager"));
    cr_expect_eq(commands(&s, "submit"), 2);
}

Test(plan_ha, ha_metadata_stays_for_a_run_that_is_tried_again_under_its_id)
{
    run_with_ha(SAVEPOINTS ",\"mode\":\"Application\"");
    settle(&s);
    json_remove(s.snapshot.cluster, "status.components.job.startTime");
    status_str(&s, "components.job.state", "Deploying");
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, submitter(&s)));
    after(&s, 60);
    settle(&s);
    cr_expect_eq(commands(&s, "submit"), 2);
    cr_expect(ha_metadata());
}

Test(plan_ha, ha_metadata_that_nobody_owns_goes_with_the_cluster)
{
    const struct action *a;

    run_with_ha(SAVEPOINTS);
    make_plan(&s);
    a = find_action(&s, ACTION_PATCH, "ConfigMap", "c-cluster-config-map");
    cr_assert(a);
    cr_expect_str_eq(
        json_str(cJSON_GetArrayItem(json_get(a->manifest, "metadata.ownerReferences"), 0), "kind"),
        "FlinkCluster");
    json_set(cJSON_GetArrayItem(s.snapshot.objects, cJSON_GetArraySize(s.snapshot.objects) - 1),
             "metadata.ownerReferences", parse("[{\"kind\":\"Other\",\"uid\":\"o\"}]"));
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_PATCH, "ConfigMap", NULL), "it is somebody else's");
}
