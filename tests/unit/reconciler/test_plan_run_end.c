/* Has a run ended, or was it never there: what Flink, its JobManager and its submitter tell, and
 * when that is enough. */
#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""
#define RESTARTS                                                                                   \
    SAVEPOINTS ",\"restartPolicy\":\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":300"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_run_end, .fini = done, .timeout = 20);

Test(plan_run_end, a_submission_that_may_have_arrived_is_not_given_up_for_an_update)
{
    scenario_init(&s, SAVEPOINTS);
    settle(&s);
    json_set(submitter(&s), "status", parse("{\"succeeded\":1}"));
    add_jobmanager_pod(&s, "{\"running\":{}}");
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    change_args(&s, "[\"--new\"]");
    after(&s, 120);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect(submitter(&s));
    cr_expect_eq(commands(&s, "submit"), 1);
}

Test(plan_run_end, an_update_mends_a_job_whose_jobmanager_never_came_up)
{
    scenario_init(&s, SAVEPOINTS);
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:broken");
    settle(&s);
    add_jobmanager_pod(&s, "{\"waiting\":{\"reason\":\"ImagePullBackOff\"}}");
    after(&s, 120);
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Pending");
    cr_expect_null(object_of(&s, "StatefulSet", "c-jobmanager"), "recreated");
}

Test(plan_run_end, a_job_whose_jobmanager_is_gone_for_good_is_lost)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    after(&s, 10);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000010000}");
    after(&s, 50);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    after(&s, 50);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Lost");
    cr_expect(strstr(cJSON_GetStringValue(cJSON_GetArrayItem(
                         json_get(s.snapshot.cluster, "status.components.job.failureReasons"), 0)),
                     "JobManager"));
}

/* Its JobManager runs, but that isn't known here yet. */
Test(plan_run_end, a_run_is_not_lost_because_no_jobmanager_ran_before_it)
{
    scenario_init(&s, SAVEPOINTS);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    after(&s, 100);
    settle(&s);
    json_set(submitter(&s), "status", parse("{\"succeeded\":1}"));
    after(&s, 50);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    after(&s, 20);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Lost");
}

Test(plan_run_end, a_job_that_was_given_up_too_early_is_followed_again)
{
    scenario_init(&s, SAVEPOINTS);
    settle(&s);
    json_set(submitter(&s), "status", parse("{\"failed\":1}"));
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Failed");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_not(json_has(s.snapshot.cluster, "status.components.job.failureReasons"));
}

Test(plan_run_end, a_job_that_arrives_after_it_was_cancelled_is_cancelled_at_flink)
{
    scenario_init(&s, ",\"cleanupPolicy\":{\"afterJobCancelled\":\"KeepCluster\"}");
    settle(&s);
    annotate(&s, "job-cancel");
    observe(&s, "overview", "{\"reachable\":true,\"since\":1790000000000,\"jobs\":[]}");
    settle(&s);
    after(&s, 60);
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Cancelled");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_eq(commands(&s, "cancel"), 1);
}

Test(plan_run_end, a_job_that_ends_by_itself_has_succeeded_at_once)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Succeeded");
    cr_expect_eq(commands(&s, "stop"), 0);
}

Test(plan_run_end, an_application_that_was_cancelled_has_not_succeeded)
{
    scenario_init(&s, ",\"mode\":\"Application\",\"className\":\"C\"");
    json_set_str(s.snapshot.cluster, "spec.job.mode", "Application");
    run(&s);
    annotate(&s, "job-cancel");
    settle(&s);
    json_set(submitter(&s), "status", parse("{\"succeeded\":1}")); /* its exit status is 0 */
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled");
}

/* While the JobManager, whose container is in @state, doesn't answer. */
static void fails_unheard(const char *job, const char *state, const char *message)
{
    scenario_init(&s, job);
    settle(&s);
    add_jobmanager_pod(&s, state);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    submitter_fails(&s, message);
    settle(&s);
    after(&s, 59);
    settle(&s);
}

Test(plan_run_end, a_submitter_that_failed_is_not_the_end_until_flink_says_whether_it_has_the_job)
{
    fails_unheard(RESTARTS, "{\"running\":{}}", "Failed to submit the job (exit status 1).");
    after(&s, 3600);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "SubmissionUnknown");
    cr_expect(strstr(s.plan.blocked_text, "exit status 1"), "%s", s.plan.blocked_text);
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_eq(commands(&s, "submit"), 1);
}

/* Flink hasn't the job. What is known of the submitter's pod is @pod, too; NULL: it is gone. */
static void fails_before_flink_has_it(const char *pod)
{
    cJSON *last;

    scenario_init(&s, SAVEPOINTS);
    settle(&s);
    observe(&s, "overview", "{\"reachable\":true,\"since\":1790000000000,\"jobs\":[]}");
    submitter_fails(&s, "The submitter was told to stop (SIGTERM).");
    last = cJSON_GetArrayItem(s.snapshot.objects, cJSON_GetArraySize(s.snapshot.objects) - 1);
    if (pod) {
        _cleanup_(json_freep) cJSON *more = parse(pod);

        json_apply_merge(last, more);
    } else {
        cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, last));
    }
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying", "Flink may be about to have it");
    cr_expect_eq(commands(&s, "submit"), 1);
    after(&s, 15);
    settle(&s);
}

Test(plan_run_end, a_submitter_that_was_killed_before_flink_had_the_job_comes_back_with_the_same_id)
{
    static const char *const pods[] = {
        NULL,
        "{\"metadata\":{\"deletionTimestamp\":\"2026-09-21T14:13:20Z\"}}",
        "{\"status\":{\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":\"True\","
        "\"lastTransitionTime\":\"2026-09-21T14:13:20Z\"}]}}",
    };

    for (size_t i = 0; i < sizeof pods / sizeof *pods; i++) {
        fails_before_flink_has_it(pods[i]);
        cr_expect_str_eq(job_state(&s), "Deploying", "%zu", i);
        cr_expect_eq(commands(&s, "submit"), 2, "%zu", i);
        json_foreach (command, s.snapshot.commands) {
            if (str_eq(json_str(command, "kind"), "submit"))
                cr_expect_str_eq(json_str_or(command, "args.jobId", ""), job_id(&s));
        }
        cr_expect_str_eq(job_field(&s, "restartCount"), "");
        scenario_done(&s);
        s = (struct scenario){0};
    }
}

Test(plan_run_end, a_submitter_that_ended_by_itself_before_flink_had_the_job_has_failed)
{
    fails_before_flink_has_it("{}");
    cr_expect_str_eq(job_state(&s), "Failed");
}

Test(plan_run_end, why_a_job_failed_is_said_with_the_cause_at_the_end_of_a_long_stack_trace)
{
    char text[3000] = "{\"exceptions\":[\"JobException: no more attempts", key[64];

    for (int i = 0; i < 40; i++)
        (void)strncat(text, "\\n\\tat org.apache.flink.A.b(A.java:1)", 50);
    (void)strncat(text, "\\nCaused by: IllegalStateException: bang\"]}", 50);
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    (void)snprintf(key, sizeof key, "exceptions/%s", job_id(&s));
    observe(&s, key, text);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "JobFailed");
    cr_expect(strstr(s.plan.blocked_text, "IllegalStateException: bang"), "%s",
              s.plan.blocked_text);
}

Test(plan_run_end, a_submitter_that_never_reached_the_jobmanager_has_failed)
{
    fails_unheard(SAVEPOINTS, "{\"running\":{}}",
                  "Aborted: no answer of the JobManager at c:8081 within 600 s.");
    cr_expect_str_eq(job_state(&s), "Failed");
}

Test(plan_run_end, a_submitter_that_failed_has_failed_when_no_jobmanager_is_left_to_have_the_job)
{
    fails_unheard(SAVEPOINTS, "{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}", "killed");
    cr_expect_str_eq(job_state(&s), "Deploying");
    after(&s, 2);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
}

/* What is known of pods may be older than what is known of Jobs: each kind has its watch. */
Test(plan_run_end, a_submitter_that_failed_is_not_the_end_while_its_jobmanager_may_not_be_seen_yet)
{
    cJSON *jobmanager;

    scenario_init(&s, SAVEPOINTS);
    settle(&s);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    json_set(submitter(&s), "status", parse("{\"failed\":1}"));
    jobmanager = (cJSON *)(uintptr_t)object_of(&s, "StatefulSet", "c-jobmanager");
    json_set(jobmanager, "status", parse("{\"replicas\":1}"));
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    json_set_int(jobmanager, "status.replicas", 0);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
}

Test(plan_run_end, a_submitter_whose_pod_was_seen_to_fail_without_a_jobmanager_has_failed)
{
    cJSON *pod;

    fails_unheard(SAVEPOINTS, "{\"running\":{}}", "killed");
    cr_assert_str_eq(job_state(&s), "Deploying");
    pod = (cJSON *)(uintptr_t)object_of(&s, "Pod", "c-jobmanager-0");
    cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, pod));
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
}
