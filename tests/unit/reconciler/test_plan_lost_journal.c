/* What was done is found again when the journal that told of it is lost. */
#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""
#define RESTARTS                                                                                   \
    SAVEPOINTS ",\"restartPolicy\":\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":300"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_lost_journal, .fini = done, .timeout = 20);

/* Another journal, in which nothing is but what a list of everything tells. */
static void lose_journal(void)
{
    cJSON_Delete(s.snapshot.commands);
    cJSON_Delete(s.snapshot.observations);
    s.snapshot.commands = cJSON_CreateArray();
    s.snapshot.observations = cJSON_CreateObject();
}

static const char *stop_trigger(void)
{
    json_foreach (command, s.snapshot.commands)
        if (str_eq(json_str(command, "kind"), "stop"))
            return json_str(command, "args.triggerId");
    return "";
}

static void trigger_ends(const char *id, const char *json)
{
    char key[64];

    (void)snprintf(key, sizeof key, "trigger/%s", id);
    observe(&s, key, json);
}

/* An update's stop was told to Flink; before the status says so, the journal is lost and the job
 * has ended. */
static void forget_stop(char trigger[33])
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    record_status(&s);
    make_plan(&s);
    carry_out(&s);
    str_copy(trigger, 33, stop_trigger());
    cr_assert(is_hex32(trigger));
    lose_journal();
    flink_lists(&s, job_id(&s), "FINISHED");
}

Test(plan_lost_journal,
     a_stop_that_was_forgotten_with_the_journal_is_asked_for_again_by_its_trigger_id)
{
    char trigger[33];

    forget_stop(trigger);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running", "nobody knows yet whether it was stopped");
    cr_expect_str_eq(stop_trigger(), trigger);
    cr_expect_eq(commands(&s, "submit"), 0);
    trigger_ends(trigger, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 1);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2");
}

Test(plan_lost_journal, a_stop_that_was_forgotten_is_found_whatever_is_wanted_by_now)
{
    char trigger[33];

    forget_stop(trigger);
    annotate(&s, "job-cancel");
    settle(&s);
    cr_expect_str_eq(stop_trigger(), trigger);
    trigger_ends(trigger, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled");
    cr_expect_str_eq(job_field(&s, "savepointLocation"), "file:///s/2");
}

Test(plan_lost_journal, a_job_goes_on_after_a_forgotten_stop_that_nobody_wants_any_more)
{
    char trigger[33];

    forget_stop(trigger);
    json_remove(s.snapshot.cluster, "spec.job.args");
    settle(&s);
    cr_expect_str_eq(stop_trigger(), trigger);
    trigger_ends(trigger, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2");
}

Test(plan_lost_journal, a_job_that_ended_by_itself_has_succeeded_though_the_journal_was_lost)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    lose_journal();
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    trigger_ends(stop_trigger(), "{\"completed\":true,\"failure\":\"not running\"}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Succeeded");
    cr_expect_null(json_get(s.snapshot.cluster, "status.savepoint"), "nobody asked for one");
    cr_expect_eq(commands(&s, "stop"), 1);
}

Test(plan_lost_journal, a_job_of_the_reference_operator_that_ended_by_itself_has_succeeded_at_once)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    lose_journal();
    cJSON_DeleteItemFromObject(json_get(submitter(&s), "metadata.annotations"),
                               ANNOTATION_RESTART_COUNT);
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Succeeded");
    cr_expect_eq(commands(&s, "stop"), 0);
}

Test(plan_lost_journal, an_attached_client_that_ended_is_not_the_jobs_end_before_flink_was_asked)
{
    scenario_init(&s, "");
    json_set_str(s.snapshot.cluster, "spec.job.mode", "Blocking");
    run(&s);
    add_jobmanager_pod(&s, "{\"running\":{}}");
    json_set(submitter(&s), "status", parse("{\"succeeded\":1}"));
    settle(&s);
    lose_journal();
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Succeeded");
}

/* Flink makes nothing of the update, so the status has the revision before as the current one. */
Test(plan_lost_journal, a_run_of_an_update_that_is_taken_back_is_known_by_its_id)
{
    scenario_init(&s, SAVEPOINTS);
    json_set_bool(s.snapshot.cluster, "spec.updateStrategy.rollback", true);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    stopped_at(&s, "file:///s/1");
    flink_lists(&s, job_id(&s), "RESTARTING");
    settle(&s);
    cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, submitter(&s)));
    lose_journal();
    flink_lists(&s, job_id(&s), "RUNNING");
    json_remove(s.snapshot.cluster, "spec.job.args");
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 1);
    stopped_at(&s, "file:///s/2");
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2");
}

/* Its Job was deleted before the status could tell of the run; its process went on. */
Test(plan_lost_journal, a_run_whose_submitter_was_gone_too_early_is_known_by_its_id)
{
    _cleanup_(json_freep) cJSON *before = NULL;
    char second[33];

    scenario_init(&s, RESTARTS);
    run(&s);
    after(&s, 10);
    annotate(&s, "savepoint");
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s);
    flink_lists(&s, job_id(&s), "FAILED");
    record_status(&s);
    cr_assert_str_eq(job_state(&s), "Restarting");
    before = json_copy(json_get(s.snapshot.cluster, "status"));
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Deploying");
    str_copy(second, sizeof second, job_id(&s));
    json_set(s.snapshot.cluster, "status", TAKE(before));
    cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, submitter(&s)));
    lose_journal();
    flink_lists(&s, second, "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_eq(job_id(&s), second);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/1");
    cr_expect_eq(json_int(s.snapshot.cluster, "status.components.job.restartCount", 0), 1);
    cr_expect_eq(commands(&s, "submit"), 0);
}
