/* What a run is to start from isn't in storage. */
#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""
#define RESTARTS   ",\"restartPolicy\":\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":300"
#define LATEST     SAVEPOINTS RESTARTS ",\"restoreFrom\":\"LatestState\""

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_missing_state, .fini = done, .timeout = 20);

static void fails_with(const char *why)
{
    char key[64], text[512];

    (void)snprintf(key, sizeof key, "exceptions/%s", job_id(&s));
    (void)snprintf(text, sizeof text,
                   "{\"exceptions\":[\"JobInitializationException: Could not start the "
                   "JobMaster.\\nCaused by: java.io.FileNotFoundException: %s\"],\"since\":1}",
                   why);
    observe(&s, key, text);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
}

static void cannot_find(const char *location)
{
    char why[256];

    (void)snprintf(why, sizeof why,
                   "Cannot find checkpoint or savepoint file/directory '%s' on file system 'file'.",
                   location);
    fails_with(why);
}

static void expect_said(const char *location)
{
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "StateMissing", "%s, job %s", s.plan.blocked, job_state(&s));
    cr_expect(strstr(s.plan.blocked_text, location), "%s", s.plan.blocked_text);
}

Test(plan_missing_state, in_place_of_a_checkpoint_that_is_gone_comes_the_last_savepoint)
{
    run_and_fail(&s, LATEST, true);
    cannot_find("file:///c/chk-7");
    after(&s, 10);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/1");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_field(&s, "savepointLocation"), "file:///s/1");
}

Test(plan_missing_state, a_checkpoint_that_is_gone_and_a_savepoint_that_is_too_old_are_said)
{
    run_and_fail(&s, LATEST, true);
    after(&s, 1000);
    cannot_find("file:///c/chk-7");
    after(&s, 10);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "StateMissing");
    settle(&s);
    cr_expect_str_neq(job_field(&s, "fromSavepoint"), "file:///s/1");
}

Test(plan_missing_state, a_savepoint_that_is_gone_is_said_and_nothing_else_taken_for_it)
{
    scenario_init(&s, LATEST);
    run(&s);
    take_savepoint(&s, "file:///s/1");
    after(&s, 10);
    take_savepoint(&s, "file:///s/2");
    checkpoint(&s, "file:///c/chk-7", 5, true);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cannot_find("file:///s/2");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "StateMissing");
    cr_expect(strstr(s.plan.blocked_text, "file:///s/2"), "%s", s.plan.blocked_text);
    after(&s, 10);
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2", "it may be back");
    cannot_find("file:///s/2");
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:///s/1");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/1");
}

Test(plan_missing_state, why_a_run_failed_is_learnt_after_its_restart_was_decided_too)
{
    scenario_init(&s, SAVEPOINTS RESTARTS);
    run(&s);
    take_savepoint(&s, "file:///s/1");
    after(&s, 10);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Restarting");
    cr_assert_null(json_get(s.snapshot.cluster, "status.components.job.failureReasons"));
    cannot_find("file:///s/1");
    cr_expect(json_get(s.snapshot.cluster, "status.components.job.failureReasons"));
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "StateMissing");
}

/* A job with a savepoint that is gone, when its run has failed for that. */
static void run_to_missing(void)
{
    scenario_init(&s, SAVEPOINTS RESTARTS);
    run(&s);
    take_savepoint(&s, "file:///s/1");
    after(&s, 10);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Deploying");
    cannot_find("file:///s/1");
}

static void run_is_tried(void)
{
    for (int i = 0; i < 40 && !str_eq(job_state(&s), "Deploying"); i++) {
        after(&s, 10);
        settle(&s);
    }
    cr_assert_str_eq(job_state(&s), "Deploying");
}

Test(plan_missing_state, it_is_said_as_long_as_it_is_tried_again_in_vain)
{
    run_to_missing();
    expect_said("file:///s/1");
    for (int i = 0; i < 3; i++) {
        run_is_tried();
        expect_said("file:///s/1");
        flink_lists(&s, job_id(&s), "INITIALIZING");
        settle(&s);
        expect_said("file:///s/1");
        flink_lists(&s, job_id(&s), "FAILED");
        settle(&s);
        expect_said("file:///s/1");
        cannot_find("file:///s/1");
        expect_said("file:///s/1");
    }
}

Test(plan_missing_state, it_is_no_longer_said_once_flink_has_made_the_job_from_it)
{
    run_to_missing();
    run_is_tried();
    flink_lists(&s, job_id(&s), "INITIALIZING");
    settle(&s);
    flink_lists(&s, job_id(&s), "CREATED");
    settle(&s);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "");
    cr_expect_null(json_get(s.snapshot.cluster, "status.components.job.failureReasons"));
}

Test(plan_missing_state, a_try_that_fails_for_something_else_says_that)
{
    const char *first;

    run_to_missing();
    run_is_tried();
    fails_with("Connection refused");
    make_plan(&s);
    cr_expect_str_neq(s.plan.blocked, "StateMissing");
    first = cJSON_GetStringValue(cJSON_GetArrayItem(
        json_get(s.snapshot.cluster, "status.components.job.failureReasons"), 0));
    cr_expect(first && strstr(first, "Connection refused"), "%s", first ? first : "none");
}

Test(plan_missing_state, another_savepoint_that_is_named_ends_it)
{
    run_to_missing();
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:///s/0");
    settle(&s);
    cr_assert_str_eq(job_field(&s, "fromSavepoint"), "file:///s/0");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "");
    cr_expect_null(json_get(s.snapshot.cluster, "status.components.job.failureReasons"));
}

Test(plan_missing_state, flink_may_write_the_location_in_its_own_way)
{
    run_to_missing();
    run_is_tried();
    fails_with("Cannot find meta data file '_metadata' in directory 'file:/s/1'. Please try to "
               "load the checkpoint/savepoint directly from the metadata file.");
    expect_said("file:///s/1");
}

Test(plan_missing_state, the_same_place_in_other_words_is_no_other_state)
{
    run_to_missing();
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:/s/1/");
    record_status(&s);
    expect_said("file:///s/1");
}

Test(plan_missing_state, nothing_is_taken_instead_of_a_checkpoint_that_the_user_named)
{
    scenario_init(&s, LATEST);
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:/c/chk-7/");
    run(&s);
    after(&s, 10);
    take_savepoint(&s, "file:///s/1");
    after(&s, 50);
    checkpoint(&s, "file:///c/chk-7", 40, true);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_assert_str_eq(job_field(&s, "fromSavepoint"), "file:///c/chk-7");
    cannot_find("file:///c/chk-7");
    expect_said("file:///c/chk-7");
    after(&s, 10);
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///c/chk-7");
}
