/* Fields of status.components.job over the life of a run (spec 01-crd 4). */
#include "tests/unit/reconciler/scenario.h"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(job_status, .fini = done, .timeout = 20);

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""

static const cJSON *job(void)
{
    return json_get(s.snapshot.cluster, "status.components.job");
}

static void expect_time(const char *field, int64_t seconds)
{
    cr_expect_str_eq(json_str_or(job(), field, ""), at(seconds), "%s", field);
}

static void expect_absent(const char *field)
{
    cr_expect_not(json_has(job(), field), "%s is there", field);
}

static cJSON *last_job(void)
{
    cJSON *last = NULL;

    json_foreach (object, s.snapshot.objects)
        last = str_eq(json_str(object, "kind"), "Job") ? object : last;
    cr_assert_not_null(last);
    return last;
}

/* The submitter's Job as Kubernetes has it, and its pod with that end. */
static void submitter_ends(const char *status, int exit_code, const char *message)
{
    const char *uid;
    char text[512];

    json_set(last_job(), "status", parse(status));
    uid = json_str_or(last_job(), "metadata.uid", "");
    (void)snprintf(text, sizeof text,
                   "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"c-job-submitter-x\","
                   "\"labels\":{\"job-name\":\"c-job-submitter\"},\"ownerReferences\":[{"
                   "\"kind\":\"Job\",\"controller\":true,\"uid\":\"%s\"}]},\"status\":{"
                   "\"containerStatuses\":[{\"name\":\"main\",\"state\":{\"terminated\":{"
                   "\"exitCode\":%d,\"message\":\"%s\"}}}]}}",
                   uid, exit_code, message);
    add_object(&s, parse(text));
}

Test(job_status, a_new_job_is_pending_and_has_nothing_to_tell)
{
    scenario_init(&s, "");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Pending");
    expect_absent("submitterName");
    expect_absent("startTime");
    expect_absent("completionTime");
}

Test(job_status, while_it_is_submitted_the_submitter_is_named_and_has_no_exit_code_yet)
{
    scenario_init(&s, "");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(json_str_or(job(), "submitterName", ""), "c-job-submitter");
    cr_expect_eq(json_int(job(), "submitterExitCode", 0), -1);
    cr_expect_eq(strlen(job_id(&s)), 32);
    expect_time("deployTime", 0);
    expect_absent("startTime");
    expect_absent("fromSavepoint");
    expect_absent("restartCount");
}

Test(job_status, a_running_job_has_its_name_and_the_time_it_began)
{
    scenario_init(&s, "");
    settle(&s);
    after(&s, 7);
    submitter_ends("{\"succeeded\":1}", 0, "");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_eq(json_str_or(job(), "name", ""), "j");
    expect_time("deployTime", 0);
    expect_time("startTime", 7);
    expect_absent("submitterExitCode");
    expect_absent("completionTime");
}

Test(job_status, a_submission_that_failed_has_the_exit_code_the_reason_and_the_time)
{
    bool told = false;

    scenario_init(&s, "");
    settle(&s);
    after(&s, 9);
    submitter_ends("{\"failed\":1}", 163, "message: |\\n  no such class\\n");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    cr_expect_eq(json_int(job(), "submitterExitCode", 0), 163);
    json_foreach (reason, json_get(job(), "failureReasons"))
        told |= strstr(cJSON_GetStringValue(reason), "no such class") != NULL;
    cr_expect(told, "the reason isn't told");
    expect_time("completionTime", 9);
}

/* An Application that ran, whose Job has failed, and Flink with it. */
static void application_fails(void)
{
    scenario_init(&s, ",\"className\":\"C\"");
    json_set_str(s.snapshot.cluster, "spec.job.mode", "Application");
    run(&s);
    after(&s, 30);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    json_set(last_job(), "status", parse("{\"failed\":1}"));
}

static const char *first_reason(void)
{
    const cJSON *first = cJSON_GetArrayItem(json_get(job(), "failureReasons"), 0);

    return first ? cJSON_GetStringValue(first) : "";
}

static void add_application_pod(const char *container_state)
{
    add_jobmanager_pod(&s, container_state);
    json_foreach (object, s.snapshot.objects) {
        if (str_eq(json_str(object, "kind"), "Pod"))
            json_set(object, "metadata.labels",
                     parse("{\"component\":\"jobmanager\",\"job-name\":\"c-jobmanager\"}"));
    }
}

Test(job_status, an_application_whose_jobmanager_was_deleted_says_so)
{
    application_fails();
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    cr_expect_str_eq(first_reason(), "the JobManager's pod is gone, and with it the job");
}

Test(job_status, an_application_whose_jobmanager_ended_tells_the_cause_in_its_log)
{
    application_fails();
    add_application_pod("{\"terminated\":{\"exitCode\":1,\"reason\":\"Error\"}}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    expect_absent("failureReasons"); /* the log isn't read yet */
    observe(&s, "crash/c-jobmanager-0/jobmanager",
            "{\"exitCode\":1,\"log\":\"an exception\\nCaused by: that\\n  at x\\nCaused by: "
            "no such class\\n  at y\"}");
    settle(&s);
    cr_expect_str_eq(first_reason(),
                     "the JobManager ended with exit code 1: Caused by: no such class\n  at y");
}

Test(job_status, an_application_whose_jobmanager_ran_out_of_memory_says_so_also_without_a_log)
{
    application_fails();
    add_application_pod("{\"terminated\":{\"exitCode\":137,\"reason\":\"OOMKilled\"}}");
    observe(&s, "crash/c-jobmanager-0/jobmanager", "{\"exitCode\":137,\"log\":\"\"}");
    settle(&s);
    cr_expect_str_eq(first_reason(), "the JobManager ended with exit code 137, OOMKilled");
}

Test(job_status, of_a_long_log_of_an_application_the_end_is_told_from_a_whole_character_on)
{
    _cleanup_(freep) char *text = NULL;
    char log[1203];

    for (size_t i = 0; i < 600; i++)
        (void)snprintf(log + 2 * i, 3, "ä");
    (void)snprintf(log + 1200, 3, "!");
    text = str_printf("{\"exitCode\":1,\"log\":\"%s\"}", log);
    application_fails();
    add_application_pod("{\"terminated\":{\"exitCode\":1,\"reason\":\"Error\"}}");
    observe(&s, "crash/c-jobmanager-0/jobmanager", text);
    settle(&s);
    cr_expect(str_starts(first_reason(), "the JobManager ended with exit code 1: ää"));
    cr_expect(str_ends(first_reason(), "ä!"));
}

Test(job_status, the_end_of_a_job_is_told_with_its_time_and_stays)
{
    scenario_init(&s, ",\"cleanupPolicy\":{\"afterJobSucceeds\":\"KeepCluster\"}");
    run(&s);
    after(&s, 30);
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Succeeded");
    expect_time("completionTime", 30);
    after(&s, 30);
    settle(&s);
    expect_time("completionTime", 30);
}

Test(job_status, a_savepoint_is_counted_and_told_with_place_and_time)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    after(&s, 5);
    for (int i = 1; i <= 2; i++) {
        annotate(&s, "savepoint");
        settle(&s);
        after(&s, 3);
        trigger_completes(&s, i == 1 ? "{\"completed\":true,\"location\":\"file:///s/1\"}"
                                     : "{\"completed\":true,\"location\":\"file:///s/2\"}");
        settle(&s);
        cr_expect_eq(json_int(job(), "savepointGeneration", 0), i);
    }
    cr_expect_str_eq(json_str_or(job(), "savepointLocation", ""), "file:///s/2");
    cr_expect_geq(time_parse_rfc3339(json_str_or(job(), "savepointTime", "")), T0 + 8000);
    expect_absent("finalSavepoint");
}

Test(job_status, a_run_from_a_savepoint_says_which)
{
    scenario_init(&s, ",\"fromSavepoint\":\"file:///old\"");
    settle(&s);
    cr_expect_str_eq(json_str_or(job(), "fromSavepoint", ""), "file:///old");
}
