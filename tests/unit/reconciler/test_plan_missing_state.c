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

static void cannot_find(const char *location)
{
    char key[64], text[512];

    (void)snprintf(key, sizeof key, "exceptions/%s", job_id(&s));
    (void)snprintf(text, sizeof text,
                   "{\"exceptions\":[\"JobInitializationException: Could not start the "
                   "JobMaster.\\nCaused by: java.io.FileNotFoundException: Cannot find checkpoint "
                   "or savepoint file/directory '%s' on file system 'file'.\"],\"since\":1}",
                   location);
    observe(&s, key, text);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
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
