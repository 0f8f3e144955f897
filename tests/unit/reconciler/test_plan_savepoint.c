/* Which savepoints are taken and kept, and which state a run goes on from. */
#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""
#define RESTARTS   ",\"restartPolicy\":\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":300"
#define LATEST     SAVEPOINTS RESTARTS ",\"restoreFrom\":\"LatestState\""

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_savepoint, .fini = done, .timeout = 20);

/* ---- by the clock ---- */

Test(plan_savepoint, one_is_taken_every_so_many_seconds)
{
    scenario_init(&s, SAVEPOINTS ",\"autoSavepointSeconds\":60");
    run(&s);
    after(&s, 59);
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 0);
    cr_expect_eq(s.plan.wake_ms, T0 + 60000);
    after(&s, 1);
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 1);
    after(&s, 5);
    completes(&s, "file:///s/1");
    after(&s, 59);
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 1, "counted from the last one");
    after(&s, 1);
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 2);
}

Test(plan_savepoint, one_that_fails_is_tried_again_after_10_s_then_less_and_less_often)
{
    static const int delays[] = {10, 20, 40, 80, 120, 120};

    scenario_init(&s, SAVEPOINTS ",\"autoSavepointSeconds\":60");
    run(&s);
    after(&s, 60);
    settle(&s);
    for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
        cr_assert_eq(commands(&s, "savepoint"), (int)i + 1);
        trigger_completes(&s, "{\"completed\":true,\"failure\":\"disk full\"}");
        settle(&s);
        after(&s, delays[i] - 1);
        settle(&s);
        cr_expect_eq(commands(&s, "savepoint"), (int)i + 1, "after failure %zu", i + 1);
        after(&s, 1);
        settle(&s);
    }
    completes(&s, "file:///s/1");
    after(&s, 60);
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"failure\":\"disk full\"}");
    settle(&s);
    after(&s, 10);
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), (int)ARRAY_SIZE(delays) + 3,
                 "a success is a new start");
}

Test(plan_savepoint, one_is_taken_at_the_times_of_a_cron_expression)
{
    scenario_init(&s, SAVEPOINTS ",\"autoSavepointSchedule\":\"*/10 * * * *\"");
    run(&s); /* at 14:13:20 */
    after(&s, 399);
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 0);
    after(&s, 1); /* 14:20:00 */
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 1);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.savepoint.triggerReason"), "scheduled");
    completes(&s, "file:///s/1");
    after(&s, 599);
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 1);
    after(&s, 1);
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 2);
}

Test(plan_savepoint, one_is_taken_when_its_number_is_raised)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_int(s.snapshot.cluster, "spec.job.savepointGeneration", 1);
    settle(&s);
    completes(&s, "file:///s/1");
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 1);
    cr_expect_eq(json_int(s.snapshot.cluster, "status.components.job.savepointGeneration", 0), 1);
}

/* ---- kept ---- */

static cJSON *last_disposal(void)
{
    cJSON *last = NULL;

    json_foreach (command, s.snapshot.commands)
        if (str_eq(json_str(command, "kind"), "dispose"))
            last = command;
    return last;
}

static void flink_says_of(const char *trigger_id, const char *text)
{
    char key[64];

    (void)snprintf(key, sizeof key, "dispose/%s", trigger_id);
    observe(&s, key, text);
    settle(&s);
    settle(&s);
}

/* What Flink says of the last disposal. */
static void flink_says(const char *text)
{
    flink_says_of(json_str_or(last_disposal(), "args.triggerId", ""), text);
}

static int listed(void)
{
    return cJSON_GetArraySize(json_get(s.snapshot.cluster, "status.savepoints"));
}

static const char *disposed(void)
{
    make_plan(&s);
    return json_str_or(find_command(&s, "dispose"), "path", "");
}

/* One a minute, file:///s/1 first. */
static void take_savepoints(int n)
{
    char location[32];

    for (int i = 1; i <= n; i++) {
        (void)snprintf(location, sizeof location, "file:///s/%d", i);
        take_savepoint(&s, location);
        after(&s, 60);
    }
}

Test(plan_savepoint, the_newest_are_kept_and_the_others_disposed_of)
{
    scenario_init(&s, SAVEPOINTS ",\"savepointRetention\":{\"count\":2}");
    run(&s);
    take_savepoints(2);
    cr_expect_eq(commands(&s, "dispose"), 0);
    take_savepoint(&s, "file:///s/3");
    settle(&s);
    cr_expect_eq(commands(&s, "dispose"), 1);
    cr_expect_str_eq(json_str(cJSON_GetArrayItem(s.snapshot.commands, 4), "args.path"),
                     "file:///s/1");
    cr_expect_eq(listed(), 3, "not before Flink says that it's done");
    flink_says("{\"completed\":false}");
    cr_expect_eq(listed(), 3);
    flink_says("{\"completed\":true}");
    cr_expect_eq(listed(), 2);
    cr_expect_eq(commands(&s, "dispose"), 1);
}

static void dispose_of_one(void)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    take_savepoints(2);
    json_set(s.snapshot.cluster, "spec.job.savepointRetention", parse("{\"count\":1}"));
    settle(&s);
    cr_assert_eq(commands(&s, "dispose"), 1);
}

/* Flink 1.20 gives a disposal an id of its own, whatever it is asked for. */
Test(plan_savepoint, a_disposal_is_followed_by_the_id_that_flink_gave_it)
{
    static const char id[] = "63ea1f3bae310d6ae460bee75b43996b";

    dispose_of_one();
    json_set(last_disposal(), "result",
             parse("{\"triggerId\":\"63ea1f3bae310d6ae460bee75b43996b\"}"));
    flink_says_of(id, "{\"completed\":true}");
    cr_expect_eq(listed(), 1);
}

Test(plan_savepoint, a_disposal_that_fails_is_tried_again_but_not_for_ever)
{
    dispose_of_one();
    for (int i = 1; i <= 3; i++) {
        cr_expect_eq(commands(&s, "dispose"), i);
        cr_expect_eq(listed(), 2);
        flink_says("{\"completed\":true,\"failure\":\"no permission\"}");
        after(&s, 59);
        settle(&s);
        cr_expect_eq(commands(&s, "dispose"), i);
        after(&s, 1);
        settle(&s);
    }
    cr_expect_eq(commands(&s, "dispose"), 3);
    cr_expect_eq(listed(), 1);
}

Test(plan_savepoint, one_that_somebody_removed_is_disposed_of)
{
    dispose_of_one();
    flink_says("{\"completed\":true,\"failure\":\"java.io.FileNotFoundException: Cannot find "
               "checkpoint or savepoint file/directory 'file:///s/1' on file system 'file'.\"}");
    cr_expect_eq(listed(), 1);
    after(&s, 1000);
    settle(&s);
    cr_expect_eq(commands(&s, "dispose"), 1);
}

Test(plan_savepoint, a_jobmanager_that_forgot_a_disposal_is_told_again)
{
    dispose_of_one();
    flink_says("{\"completed\":false,\"unknown\":true}");
    after(&s, 60);
    settle(&s);
    cr_expect_eq(commands(&s, "dispose"), 2);
    flink_says("{\"completed\":true}");
    cr_expect_eq(listed(), 1);
}

Test(plan_savepoint, those_that_are_too_old_are_disposed_of_but_never_the_newest)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    take_savepoints(3); /* now 180 s, 120 s and 60 s old */
    json_set(s.snapshot.cluster, "spec.job.savepointRetention", parse("{\"maxAgeSeconds\":150}"));
    cr_expect_str_eq(disposed(), "file:///s/1");
    settle(&s);
    flink_says("{\"completed\":true}");
    cr_expect_str_eq(disposed(), "");
    cr_expect_eq(s.plan.wake_ms, T0 + 60000 + 151000, "nothing else may happen till then");
    after(&s, 10000);
    cr_expect_str_eq(disposed(), "file:///s/2");
    settle(&s);
    flink_says("{\"completed\":true}");
    cr_expect_str_eq(disposed(), "");
    cr_expect_eq(s.plan.wake_ms, 0);
    cr_expect_eq(commands(&s, "dispose"), 2);
}

Test(plan_savepoint, what_the_job_is_started_from_is_kept_however_the_user_writes_it)
{
    static const char *const ways[] = {"file:///s/1", "file:/s/1/", "/s/1", "file:/s/1/_metadata"};

    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        scenario_init(&s, SAVEPOINTS);
        json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", ways[i]);
        run(&s);
        take_savepoints(3);
        json_set(s.snapshot.cluster, "spec.job.savepointRetention", parse("{\"count\":1}"));
        settle(&s);
        flink_says("{\"completed\":true}");
        cr_expect_eq(commands(&s, "dispose"), 1);
        cr_expect_str_eq(
            json_str(cJSON_GetArrayItem(json_get(s.snapshot.cluster, "status.savepoints"), 1),
                     "location"),
            "file:///s/1", "%s", ways[i]);
        scenario_done(&s);
    }
    scenario_init(&s, SAVEPOINTS);
}

Test(plan_savepoint, many_that_are_young_are_not_forgotten_before_they_are_old)
{
    scenario_init(&s, SAVEPOINTS ",\"savepointRetention\":{\"maxAgeSeconds\":86400}");
    run(&s);
    take_savepoints(50);
    cr_expect_eq(commands(&s, "dispose"), 0);
    after(&s, 86400 - 50 * 60);
    cr_expect_str_eq(disposed(), "");
    after(&s, 1);
    cr_expect_str_eq(disposed(), "file:///s/1");
}

Test(plan_savepoint, without_retention_the_last_20_are_remembered)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    take_savepoints(30);
    cr_expect_eq(listed(), 20);
}

/* ---- what a run goes on from ---- */

Test(plan_savepoint, a_newer_checkpoint_is_gone_on_from)
{
    run_and_fail(&s, LATEST, true);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///c/chk-7");
}

Test(plan_savepoint, an_older_checkpoint_is_not)
{
    scenario_init(&s, LATEST);
    run(&s);
    after(&s, 50);
    take_savepoint(&s, "file:///s/1");
    checkpoint(&s, "file:///c/chk-7", 40, true);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/1");
}

/* Flink's counter tells: the status has when it was known. */
Test(plan_savepoint, a_checkpoint_after_a_savepoint_that_was_known_late_is_newer)
{
    char key[64];

    scenario_init(&s, LATEST);
    run(&s);
    annotate(&s, "savepoint");
    settle(&s);
    after(&s, 60);
    completes(&s, "file:///s/1");
    (void)snprintf(key, sizeof key, "checkpoints/%s", job_id(&s));
    observe(&s, key,
            "{\"completed\":{\"id\":7,\"path\":\"file:/c/chk-7\",\"time\":1790000040000},"
            "\"savepoint\":{\"id\":6,\"path\":\"file:/s/1\"},\"last\":true,\"since\":1}");
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:/c/chk-7");
}

Test(plan_savepoint, a_run_that_nobody_saw_running_is_gone_on_from_where_it_was)
{
    scenario_init(&s, LATEST);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    completes(&s, "file:///s/1");
    cr_assert_str_eq(job_state(&s), "Deploying");
    after(&s, 100);
    checkpoint(&s, "file:///c/chk-7", 90, true);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///c/chk-7");
    cr_expect_str_eq(job_field(&s, "savepointLocation"), "file:///c/chk-7");
    cr_expect_not(json_has(s.snapshot.cluster, "status.components.job.finalSavepoint"));
}

Test(plan_savepoint, the_last_checkpoint_of_a_failed_job_is_waited_for_but_not_for_ever)
{
    run_and_fail(&s, LATEST, false);
    cr_expect_eq(commands(&s, "submit"), 1);
    cr_expect_eq(s.plan.wake_ms, T0 + 70000);
    checkpoint(&s, "file:///c/chk-8", 55, true);
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///c/chk-8");
    scenario_done(&s);

    run_and_fail(&s, LATEST, false);
    after(&s, 10);
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///c/chk-7");
}

Test(plan_savepoint, a_run_that_fails_before_flink_has_made_it_leaves_the_final_savepoint_good)
{
    char location[] = "file:///s/1";

    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    completes(&s, location);
    cr_assert_str_eq(job_state(&s), "Deploying");
    flink_lists(&s, job_id(&s), "INITIALIZING");
    settle(&s);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Failed");
    change_args(&s, "[\"--mended\"]");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), location);
    flink_lists(&s, job_id(&s), "INITIALIZING");
    settle(&s);
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_not(json_has(s.snapshot.cluster, "status.components.job.finalSavepoint"));
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    change_args(&s, "[\"--newer\"]");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed", "it ran");
}
