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

static int commands(const char *kind)
{
    int n = 0;

    json_foreach (command, s.snapshot.commands)
        n += str_eq(json_str(command, "kind"), kind);
    return n;
}

static const char *job_field(const char *name)
{
    return json_str_or(json_get(s.snapshot.cluster, "status.components.job"), name, "");
}

static void completes(const char *location)
{
    char text[128];

    cr_assert_str_eq(json_str_or(s.snapshot.cluster, "status.savepoint.state", ""), "InProgress");
    (void)snprintf(text, sizeof text, "{\"completed\":true,\"location\":\"%s\"}", location);
    trigger_completes(&s, text);
    settle(&s);
}

static void take_savepoint(const char *location)
{
    annotate(&s, "savepoint");
    settle(&s);
    completes(location);
}

/* ---- by the clock ---- */

Test(plan_savepoint, one_is_taken_every_so_many_seconds)
{
    scenario_init(&s, SAVEPOINTS ",\"autoSavepointSeconds\":60");
    run(&s);
    after(&s, 59);
    settle(&s);
    cr_expect_eq(commands("savepoint"), 0);
    cr_expect_eq(s.plan.wake_ms, T0 + 60000);
    after(&s, 1);
    settle(&s);
    cr_expect_eq(commands("savepoint"), 1);
    after(&s, 5);
    completes("file:///s/1");
    after(&s, 59);
    settle(&s);
    cr_expect_eq(commands("savepoint"), 1, "counted from the last one");
    after(&s, 1);
    settle(&s);
    cr_expect_eq(commands("savepoint"), 2);
}

Test(plan_savepoint, one_that_fails_is_tried_again_after_10_s_then_less_and_less_often)
{
    static const int delays[] = {10, 20, 40, 80, 120, 120};

    scenario_init(&s, SAVEPOINTS ",\"autoSavepointSeconds\":60");
    run(&s);
    after(&s, 60);
    settle(&s);
    for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
        cr_assert_eq(commands("savepoint"), (int)i + 1);
        trigger_completes(&s, "{\"completed\":true,\"failure\":\"disk full\"}");
        settle(&s);
        after(&s, delays[i] - 1);
        settle(&s);
        cr_expect_eq(commands("savepoint"), (int)i + 1, "after failure %zu", i + 1);
        after(&s, 1);
        settle(&s);
    }
    completes("file:///s/1");
    after(&s, 60);
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"failure\":\"disk full\"}");
    settle(&s);
    after(&s, 10);
    settle(&s);
    cr_expect_eq(commands("savepoint"), (int)ARRAY_SIZE(delays) + 3, "a success is a new start");
}

Test(plan_savepoint, one_is_taken_at_the_times_of_a_cron_expression)
{
    scenario_init(&s, SAVEPOINTS ",\"autoSavepointSchedule\":\"*/10 * * * *\"");
    run(&s); /* at 14:13:20 */
    after(&s, 399);
    settle(&s);
    cr_expect_eq(commands("savepoint"), 0);
    after(&s, 1); /* 14:20:00 */
    settle(&s);
    cr_expect_eq(commands("savepoint"), 1);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.savepoint.triggerReason"), "scheduled");
    completes("file:///s/1");
    after(&s, 599);
    settle(&s);
    cr_expect_eq(commands("savepoint"), 1);
    after(&s, 1);
    settle(&s);
    cr_expect_eq(commands("savepoint"), 2);
}

Test(plan_savepoint, one_is_taken_when_its_number_is_raised)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_int(s.snapshot.cluster, "spec.job.savepointGeneration", 1);
    settle(&s);
    completes("file:///s/1");
    settle(&s);
    cr_expect_eq(commands("savepoint"), 1);
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
        take_savepoint(location);
        after(&s, 60);
    }
}

Test(plan_savepoint, the_newest_are_kept_and_the_others_disposed_of)
{
    scenario_init(&s, SAVEPOINTS ",\"savepointRetention\":{\"count\":2}");
    run(&s);
    take_savepoints(2);
    cr_expect_eq(commands("dispose"), 0);
    take_savepoint("file:///s/3");
    settle(&s);
    cr_expect_eq(commands("dispose"), 1);
    cr_expect_str_eq(json_str(cJSON_GetArrayItem(s.snapshot.commands, 4), "args.path"),
                     "file:///s/1");
    cr_expect_eq(listed(), 3, "not before Flink says that it's done");
    flink_says("{\"completed\":false}");
    cr_expect_eq(listed(), 3);
    flink_says("{\"completed\":true}");
    cr_expect_eq(listed(), 2);
    cr_expect_eq(commands("dispose"), 1);
}

static void dispose_of_one(void)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    take_savepoints(2);
    json_set(s.snapshot.cluster, "spec.job.savepointRetention", parse("{\"count\":1}"));
    settle(&s);
    cr_assert_eq(commands("dispose"), 1);
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
        cr_expect_eq(commands("dispose"), i);
        cr_expect_eq(listed(), 2);
        flink_says("{\"completed\":true,\"failure\":\"no permission\"}");
        after(&s, 59);
        settle(&s);
        cr_expect_eq(commands("dispose"), i);
        after(&s, 1);
        settle(&s);
    }
    cr_expect_eq(commands("dispose"), 3);
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
    cr_expect_eq(commands("dispose"), 1);
}

Test(plan_savepoint, a_jobmanager_that_forgot_a_disposal_is_told_again)
{
    dispose_of_one();
    flink_says("{\"completed\":false,\"unknown\":true}");
    after(&s, 60);
    settle(&s);
    cr_expect_eq(commands("dispose"), 2);
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
    cr_expect_eq(commands("dispose"), 2);
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
        cr_expect_eq(commands("dispose"), 1);
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
    cr_expect_eq(commands("dispose"), 0);
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

static void checkpoint(const char *path, int64_t at_s, bool last)
{
    char key[64], text[256];

    (void)snprintf(key, sizeof key, "checkpoints/%s", job_id(&s));
    (void)snprintf(text, sizeof text,
                   "{\"completed\":{\"id\":1,\"path\":\"%s\",\"time\":%lld}%s,\"since\":1}", path,
                   (long long)(T0 + at_s * 1000), last ? ",\"last\":true" : "");
    observe(&s, key, text);
}

/* It runs, has a savepoint of second 10 and a checkpoint of second 40, and fails at 60. */
static void run_and_fail(bool last)
{
    scenario_init(&s, LATEST);
    run(&s);
    after(&s, 10);
    take_savepoint("file:///s/1");
    after(&s, 50);
    checkpoint("file:///c/chk-7", 40, last);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
}

Test(plan_savepoint, a_newer_checkpoint_is_gone_on_from)
{
    run_and_fail(true);
    cr_expect_str_eq(job_field("fromSavepoint"), "file:///c/chk-7");
}

Test(plan_savepoint, an_older_checkpoint_is_not)
{
    scenario_init(&s, LATEST);
    run(&s);
    after(&s, 50);
    take_savepoint("file:///s/1");
    checkpoint("file:///c/chk-7", 40, true);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_expect_str_eq(job_field("fromSavepoint"), "file:///s/1");
}

Test(plan_savepoint, the_last_checkpoint_of_a_failed_job_is_waited_for_but_not_for_ever)
{
    run_and_fail(false);
    cr_expect_eq(commands("submit"), 1);
    cr_expect_eq(s.plan.wake_ms, T0 + 70000);
    checkpoint("file:///c/chk-8", 55, true);
    settle(&s);
    cr_expect_str_eq(job_field("fromSavepoint"), "file:///c/chk-8");
    scenario_done(&s);

    run_and_fail(false);
    after(&s, 10);
    settle(&s);
    cr_expect_str_eq(job_field("fromSavepoint"), "file:///c/chk-7");
}

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

Test(plan_savepoint, in_place_of_a_checkpoint_that_is_gone_comes_the_last_savepoint)
{
    run_and_fail(true);
    cannot_find("file:///c/chk-7");
    after(&s, 10);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field("fromSavepoint"), "file:///s/1");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_field("savepointLocation"), "file:///s/1");
}

Test(plan_savepoint, a_checkpoint_that_is_gone_and_a_savepoint_that_is_too_old_are_said)
{
    run_and_fail(true);
    after(&s, 1000);
    cannot_find("file:///c/chk-7");
    after(&s, 10);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "StateMissing");
    settle(&s);
    cr_expect_str_neq(job_field("fromSavepoint"), "file:///s/1");
}

Test(plan_savepoint, a_savepoint_that_is_gone_is_said_and_nothing_else_taken_for_it)
{
    scenario_init(&s, LATEST);
    run(&s);
    take_savepoint("file:///s/1");
    after(&s, 10);
    take_savepoint("file:///s/2");
    checkpoint("file:///c/chk-7", 5, true);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cannot_find("file:///s/2");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "StateMissing");
    cr_expect(strstr(s.plan.blocked_text, "file:///s/2"), "%s", s.plan.blocked_text);
    after(&s, 10);
    settle(&s);
    cr_expect_str_eq(job_field("fromSavepoint"), "file:///s/2", "it may be back");
    cannot_find("file:///s/2");
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:///s/1");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field("fromSavepoint"), "file:///s/1");
}

Test(plan_savepoint, why_a_run_failed_is_learnt_after_its_restart_was_decided_too)
{
    scenario_init(&s, SAVEPOINTS RESTARTS);
    run(&s);
    take_savepoint("file:///s/1");
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

static void change_args(const char *args)
{
    json_set(s.snapshot.cluster, "spec.job.args", parse(args));
    settle(&s);
}

Test(plan_savepoint, a_run_that_fails_before_flink_has_made_it_leaves_the_final_savepoint_good)
{
    char location[] = "file:///s/1";

    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args("[\"--new\"]");
    flink_lists(&s, job_id(&s), "FINISHED");
    completes(location);
    cr_assert_str_eq(job_state(&s), "Deploying");
    flink_lists(&s, job_id(&s), "INITIALIZING");
    settle(&s);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Failed");
    change_args("[\"--mended\"]");
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field("fromSavepoint"), location);
    flink_lists(&s, job_id(&s), "INITIALIZING");
    settle(&s);
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_not(json_has(s.snapshot.cluster, "status.components.job.finalSavepoint"));
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    change_args("[\"--newer\"]");
    cr_expect_str_eq(job_state(&s), "Failed", "it ran");
}
