/* What the reference operator gets wrong and plan() must not, where no other test says it: see the
 * table of its defects in docs/compatibility.md. */
#include "tests/unit/reconciler/scenario.h"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_defects, .fini = done, .timeout = 60);

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""
#define RESTARTS                                                                                   \
    SAVEPOINTS ",\"restartPolicy\":\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":600"

Test(plan_defects, an_ingress_that_is_added_later_is_made_and_the_job_runs_on)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set(s.snapshot.cluster, "spec.jobManager.ingress", parse("{\"hostFormat\":\"x\"}"));
    settle(&s);
    cr_expect(object_of(&s, "Ingress", "c-jobmanager"));
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_eq(commands(&s, "stop"), 0);
    cr_expect_eq(s.plan.n, 0, "it is settled");
}

static const char *owner_of_claim(void)
{
    const cJSON *claim = object_of(&s, "PersistentVolumeClaim", "data-c-taskmanager-0");

    return json_str_or(cJSON_GetArrayItem(json_get(claim, "metadata.ownerReferences"), 0), "kind",
                       "");
}

Test(plan_defects, claims_of_a_statefulset_are_given_to_the_cluster_before_an_update_recreates_it)
{
    bool deleted = false;

    scenario_init(&s, RESTARTS);
    run(&s);
    add_object(&s, parse("{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":"
                         "\"data-c-taskmanager-0\",\"ownerReferences\":[{\"kind\":\"StatefulSet\","
                         "\"name\":\"c-taskmanager\",\"uid\":\"x\",\"controller\":true}]}}"));
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20-new");
    settle(&s); /* the job is told to stop */
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    flink_lists(&s, job_id(&s), "FINISHED");
    for (int i = 0; i < 20; i++) {
        record_status(&s);
        make_plan(&s);
        if (find_action(&s, ACTION_DELETE, "StatefulSet", "c-taskmanager")) {
            deleted = true;
            cr_expect(str_eq(owner_of_claim(), "FlinkCluster") ||
                          find_action(&s, ACTION_PATCH, "PersistentVolumeClaim", NULL),
                      "the StatefulSet goes before its claim is safe");
        }
        carry_out(&s);
    }
    cr_expect(deleted, "it isn't recreated");
    cr_expect_str_eq(owner_of_claim(), "FlinkCluster");
}

Test(plan_defects, a_savepoint_that_is_too_old_is_no_state_to_restart_from)
{
    scenario_init(&s, RESTARTS);
    run(&s);
    take_savepoint(&s, "file:///s/1");
    after(&s, 601);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    cr_expect_eq(commands(&s, "submit"), 1);
    cr_expect_str_eq(s.plan.blocked, "SavepointTooOld");
}

Test(plan_defects, a_savepoint_under_way_does_not_fail_because_flink_does_not_answer_once)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    annotate(&s, "savepoint");
    settle(&s);
    cr_assert_str_eq(json_str_or(s.snapshot.cluster, "status.savepoint.state", ""), "InProgress");
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    after(&s, 20);
    settle(&s);
    cr_expect_str_eq(json_str_or(s.snapshot.cluster, "status.savepoint.state", ""), "InProgress");
    flink_lists(&s, job_id(&s), "RUNNING");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s);
    cr_expect_str_eq(json_str_or(s.snapshot.cluster, "status.savepoint.state", ""), "Succeeded");
    cr_expect_eq(commands(&s, "savepoint"), 1);
}

Test(plan_defects, nothing_is_cleaned_up_after_a_failure_that_the_job_is_restarted_from)
{
    scenario_init(&s, RESTARTS ",\"cleanupPolicy\":{\"afterJobFails\":\"DeleteCluster\"}");
    run(&s);
    take_savepoint(&s, "file:///s/1");
    after(&s, 5);
    flink_lists(&s, job_id(&s), "FAILED");
    for (int i = 0; i < 20; i++) {
        record_status(&s);
        make_plan(&s);
        cr_expect_null(find_action(&s, ACTION_DELETE, "StatefulSet", NULL));
        cr_expect_null(find_action(&s, ACTION_DELETE, "ConfigMap", NULL));
        carry_out(&s);
    }
    cr_expect_str_eq(job_state(&s), "Deploying");
}
