/* Flink takes no savepoint of a job that is restarting: what wants one waits, but not for ever. */
#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""
#define LONG_AGE   SAVEPOINTS ",\"maxStateAgeToRestoreSeconds\":100000"

enum {
    PATIENCE_S = 11 * 60, /* the checkpointing time-out, and a minute */
    DAY_S = 24 * 3600,
};

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_stop, .fini = done, .timeout = 20);

static void start_restarting(const char *job)
{
    scenario_init(&s, job);
    run(&s);
    after(&s, 5);
}

static void restarts(void)
{
    flink_lists(&s, job_id(&s), "RESTARTING");
    settle(&s);
}

static void expect_waiting(const char *text)
{
    settle(&s);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "StopNeedsSavepoint");
    cr_expect(strstr(s.plan.blocked_text, text), "%s", s.plan.blocked_text);
    cr_expect_eq(commands(&s, "cancel"), 0);
    cr_expect_eq(commands(&s, "stop"), 0);
}

Test(plan_stop, a_restarting_job_is_cancelled_without_a_savepoint_when_it_does_not_come_up_in_time)
{
    start_restarting(SAVEPOINTS);
    take_savepoint(&s, "file:///s/1");
    after(&s, 5);
    restarts();
    annotate(&s, "job-cancel");
    expect_waiting("RESTARTING");
    after(&s, PATIENCE_S);
    settle(&s);
    cr_expect_eq(commands(&s, "cancel"), 1);
    flink_lists(&s, job_id(&s), "CANCELED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Succeeded");
    cr_expect(strstr(json_str_or(s.snapshot.cluster, "status.control.message", ""), "file:///s/1"),
              "it says what is left");
}

Test(plan_stop, a_restarting_job_is_stopped_with_a_savepoint_as_soon_as_it_runs)
{
    start_restarting(SAVEPOINTS);
    restarts();
    annotate(&s, "job-cancel");
    expect_waiting("RESTARTING");
    after(&s, 60);
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 1);
    cr_expect_eq(commands(&s, "cancel"), 0);
}

Test(plan_stop, a_request_for_a_savepoint_of_a_restarting_job_fails_in_the_end)
{
    start_restarting(SAVEPOINTS);
    restarts();
    annotate(&s, "savepoint");
    after(&s, PATIENCE_S - 1);
    settle(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "InProgress");
    after(&s, PATIENCE_S);
    settle(&s);
    settle(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Failed");
    cr_expect(strstr(json_str_or(s.snapshot.cluster, "status.control.message", ""), "RESTARTING"));
    cr_expect_eq(commands(&s, "savepoint"), 0);
}

Test(plan_stop, an_update_of_a_restarting_job_goes_on_from_a_savepoint_that_is_young_enough)
{
    start_restarting(LONG_AGE);
    take_savepoint(&s, "file:///s/1");
    after(&s, 5);
    restarts();
    change_args(&s, "[\"--new\"]");
    expect_waiting("it is waited for until");
    after(&s, PATIENCE_S);
    settle(&s);
    cr_expect_eq(commands(&s, "cancel"), 1);
    flink_lists(&s, job_id(&s), "CANCELED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/1");
}

Test(plan_stop, an_update_of_a_restarting_job_without_state_waits_and_says_why)
{
    start_restarting(SAVEPOINTS ",\"maxStateAgeToRestoreSeconds\":60");
    take_savepoint(&s, "file:///s/1");
    after(&s, 5);
    restarts();
    change_args(&s, "[\"--new\"]");
    after(&s, DAY_S);
    expect_waiting("maxStateAgeToRestoreSeconds");
}

Test(plan_stop, an_update_that_needs_no_savepoint_waits_for_the_one_that_is_being_taken)
{
    scenario_init(&s, LONG_AGE ",\"takeSavepointOnUpdate\":false");
    run(&s);
    take_savepoint(&s, "file:///s/1");
    after(&s, 5);
    annotate(&s, "savepoint");
    settle(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    cr_expect_eq(commands(&s, "cancel"), 0);
    completes(&s, "file:///s/2");
    settle(&s);
    cr_expect_eq(commands(&s, "cancel"), 1);
}

Test(plan_stop, a_cancellation_that_flink_was_not_told_yet_is_dropped_when_the_update_is_taken_back)
{
    cJSON *cancel = NULL;

    scenario_init(&s, LONG_AGE ",\"takeSavepointOnUpdate\":false");
    run(&s);
    take_savepoint(&s, "file:///s/1");
    settle(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    json_foreach (command, s.snapshot.commands)
        if (str_eq(json_str(command, "kind"), "cancel"))
            cancel = command;
    cr_assert(cancel);
    json_set_str(cancel, "state", "wanted");
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_DROP_COMMAND, NULL, "cancel/"));
    cr_expect_null(find_command(&s, "stop"), "nor is it told beside a stop");
    json_remove(s.snapshot.cluster, "spec.job.suspend");
    after(&s, 5);
    json_remove(s.snapshot.cluster, "spec.job.args");
    annotate(&s, "savepoint");
    record_status(&s);
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_DROP_COMMAND, NULL, "cancel/"));
    cr_expect_null(find_command(&s, "savepoint"), "it may be told nevertheless");
    json_set_str(cancel, "state", "dropped");
    make_plan(&s);
    cr_expect(find_command(&s, "savepoint"));
    flink_lists(&s, job_id(&s), "CANCELED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled", "by somebody else");
}

/* @is_last: asked for after the job's end. */
static void tell_checkpoint_of(const char *path, bool is_last)
{
    char key[64], text[256];

    (void)snprintf(key, sizeof key, "checkpoints/%s", job_id(&s));
    (void)snprintf(text, sizeof text,
                   "{\"since\":%lld,\"completed\":{\"path\":\"%s\",\"time\":%lld}%s}",
                   (long long)s.now_ms, path, (long long)s.now_ms, is_last ? ",\"last\":true" : "");
    observe(&s, key, text);
}

static void tell_checkpoint(const char *path)
{
    tell_checkpoint_of(path, false);
}

static void tell_last_checkpoint(const char *path)
{
    tell_checkpoint_of(path, true);
}

Test(plan_stop, a_suspension_of_a_restarting_job_keeps_its_newest_retained_checkpoint)
{
    scenario_init(&s, SAVEPOINTS ",\"restoreFrom\":\"LatestState\"");
    json_set(s.snapshot.cluster, "spec.flinkProperties", cJSON_CreateObject());
    json_set_member_str(json_get(s.snapshot.cluster, "spec.flinkProperties"),
                        "execution.checkpointing.externalized-checkpoint-retention",
                        "RETAIN_ON_CANCELLATION");
    run(&s);
    after(&s, 5);
    tell_checkpoint("file:///c/7");
    restarts();
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    expect_waiting("it is waited for until");
    after(&s, PATIENCE_S);
    settle(&s);
    cr_expect_eq(commands(&s, "cancel"), 1);
    flink_lists(&s, job_id(&s), "CANCELED");
    tell_last_checkpoint("file:///c/7");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Pending");
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", false);
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///c/7");
}

Test(plan_stop, the_checkpoint_to_go_on_from_outlives_the_journal)
{
    scenario_init(&s, SAVEPOINTS ",\"restoreFrom\":\"LatestState\",\"restartPolicy\":"
                                 "\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":60");
    run(&s);
    after(&s, 5);
    flink_lists(&s, job_id(&s), "FAILED");
    tell_last_checkpoint("file:///c/7");
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Pending");
    cJSON_Delete(s.snapshot.commands);
    cJSON_Delete(s.snapshot.observations);
    s.snapshot.commands = cJSON_CreateArray();
    s.snapshot.observations = cJSON_CreateObject();
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", false);
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///c/7");
}

Test(plan_stop, a_checkpoint_that_goes_with_a_cancelled_job_is_none_to_go_on_from)
{
    scenario_init(&s, SAVEPOINTS ",\"restoreFrom\":\"LatestState\"");
    run(&s);
    after(&s, 5);
    tell_checkpoint("file:///c/7");
    restarts();
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    after(&s, DAY_S);
    expect_waiting("when it runs");
}

Test(plan_stop, a_failed_job_goes_on_from_the_checkpoint_that_is_told_after_its_end)
{
    scenario_init(&s, SAVEPOINTS ",\"restoreFrom\":\"LatestState\",\"restartPolicy\":"
                                 "\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":60");
    run(&s);
    tell_checkpoint("file:///c/7");
    after(&s, 5);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Restarting");
    after(&s, 1);
    tell_last_checkpoint("file:///c/8");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///c/8");
}

Test(plan_stop, a_failed_job_does_not_wait_for_ever_for_its_last_checkpoint)
{
    scenario_init(&s, SAVEPOINTS ",\"restoreFrom\":\"LatestState\",\"restartPolicy\":"
                                 "\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":60");
    run(&s);
    tell_checkpoint("file:///c/7");
    after(&s, 5);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    after(&s, 10);
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///c/7");
}

Test(plan_stop, a_suspension_whose_savepoint_fails_says_why_it_waits)
{
    start_restarting(SAVEPOINTS);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"failure\":\"disk full\"}");
    settle(&s);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "StopNeedsSavepoint");
    cr_expect(strstr(s.plan.blocked_text, "disk full"), "%s", s.plan.blocked_text);
    after(&s, 11);
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 2, "it is tried again");
}

/* Flink 1.14 refuses a request with a trigger id. */
Test(plan_stop, the_trigger_id_that_an_old_flink_makes_up_is_followed)
{
    static const char *const made_up = "fedcba9876543210fedcba9876543210";
    cJSON *command;

    scenario_init(&s, SAVEPOINTS);
    json_set_str(s.snapshot.cluster, "spec.flinkVersion", "1.14.0");
    run(&s);
    annotate(&s, "savepoint");
    settle(&s);
    cr_assert_eq(commands(&s, "savepoint"), 1);
    command = cJSON_GetArrayItem(s.snapshot.commands, cJSON_GetArraySize(s.snapshot.commands) - 1);
    cr_expect(json_bool(command, "args.flinkNames", false));
    json_set_str(command, "result.triggerId", made_up);
    observe(&s, "trigger/00000000000000000000000000000000", "{\"unknown\":true}");
    settle(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.savepoint.triggerID"), made_up);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.savepoint.state"), "InProgress");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s);
    settle(&s);
    cr_expect_str_eq(job_field(&s, "savepointLocation"), "file:///s/1");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Succeeded");
    cr_expect_eq(commands(&s, "savepoint"), 1);
}

Test(plan_stop, a_new_flink_is_given_the_trigger_id)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    annotate(&s, "savepoint");
    record_status(&s);
    make_plan(&s);
    cr_expect_not(json_has(find_command(&s, "savepoint"), "flinkNames"));
    cr_expect(is_hex32(json_str(find_command(&s, "savepoint"), "triggerId")));
}
