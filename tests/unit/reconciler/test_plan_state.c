/* State is never lost, and nothing effective done twice, whatever is wanted meanwhile: what random
 * histories found, one turn each. */
#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""
#define RESTARTS                                                                                   \
    SAVEPOINTS ",\"restartPolicy\":\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":300"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_state, .fini = done, .timeout = 20);

static void cancel_with_savepoint(void)
{
    after(&s, 5);
    annotate(&s, "job-cancel");
    settle(&s);
    stopped_at(&s, "file:///s/9");
}

/* The update that was just asked for stops the job, and its new run is submitted. Returns the
 * status that doesn't tell of that run yet. */
static cJSON *submit_update(void)
{
    cJSON *before;

    settle(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    record_status(&s);
    cr_assert_str_eq(job_state(&s), "Updating");
    before = json_copy(json_get(s.snapshot.cluster, "status"));
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Deploying");
    return before;
}

Test(plan_state, no_savepoint_takes_the_place_of_one_whose_outcome_is_not_recorded)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"failure\":\"disk full\"}");
    after(&s, 600);
    make_plan(&s); /* before the statusreporter */
    cr_expect_null(find_command(&s, "stop"));
    record_status(&s);
    after(&s, 11);
    make_plan(&s);
    cr_expect(find_command(&s, "stop"));
}

Test(plan_state, a_savepoint_is_taken_once_its_request_is_recorded)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    annotate(&s, "savepoint");
    make_plan(&s);
    cr_expect_null(find_command(&s, "savepoint"), "nobody could tell whose it was");
    record_status(&s);
    make_plan(&s);
    cr_expect(find_command(&s, "savepoint"));
}

Test(plan_state, an_update_waits_until_the_savepoint_asked_for_is_acknowledged)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    annotate(&s, "savepoint");
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    change_args(&s, "[\"--new\"]");
    record_status(&s); /* the savepoint; the annotation goes, the control's end comes next */
    make_plan(&s);
    cr_expect_null(find_command(&s, "stop"));
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 1);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Succeeded");
    stopped_at(&s, "file:///s/2");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 1, "the request isn't served twice");
}

Test(plan_state, the_submitter_of_a_restarted_run_is_not_taken_for_a_new_run_after_its_stop)
{
    scenario_init(&s, RESTARTS);
    run(&s);
    after(&s, 5);
    annotate(&s, "savepoint");
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_assert_eq(json_int(s.snapshot.cluster, "status.components.job.restartCount", 0), 1);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    for (int i = 0; i < 3; i++)
        record_status(&s);
    cr_expect_str_eq(job_field(&s, "savepointLocation"), "file:///s/2");
    settle(&s);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2");
}

Test(plan_state, a_cancellation_wins_over_an_update_under_way)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    annotate(&s, "job-cancel");
    settle(&s);
    stopped_at(&s, "file:///s/2");
    cr_expect_str_eq(job_state(&s), "Cancelled");
    cr_expect_eq(commands(&s, "submit"), 1);
    cr_expect_not(json_has(s.snapshot.cluster, "metadata.annotations"));
    change_args(&s, "[\"--newer\"]");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying", "the next change starts it again");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2");
}

/* Defect 4. */
/* The statusreporter was slow: it says all of it at once. */
Test(plan_state, a_run_that_was_stopped_before_the_status_told_of_it_keeps_its_savepoint)
{
    _cleanup_(json_freep) cJSON *before = NULL;
    char key[64], second[33];

    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    before = submit_update();
    str_copy(second, sizeof second, job_id(&s));
    flink_lists(&s, second, "RUNNING");
    json_set(s.snapshot.cluster, "status", TAKE(before));
    annotate(&s, "job-cancel");
    make_plan(&s);
    (void)snprintf(key, sizeof key, "trigger/%s",
                   json_str_or(find_command(&s, "stop"), "triggerId", ""));
    carry_out(&s);
    observe(&s, key, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    flink_lists(&s, second, "FINISHED");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled");
    cr_expect_str_eq(job_field(&s, "savepointLocation"), "file:///s/2");
}

Test(plan_state, a_run_after_a_cancelled_one_is_not_cancelled_again)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    cancel_with_savepoint();
    cr_assert_str_eq(job_state(&s), "Cancelled");
    change_args(&s, "[\"--new\"]");
    settle(&s);
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    after(&s, 1000);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_eq(commands(&s, "stop"), 1);
}

Test(plan_state, a_suspension_that_is_taken_back_while_the_job_stops_lets_it_go_on)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", false);
    stopped_at(&s, "file:///s/3");
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/3");
}

/* Defect 13. */
Test(plan_state, an_update_that_is_taken_back_while_the_job_stops_lets_it_go_on)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    json_remove(s.snapshot.cluster, "spec.job.args");
    stopped_at(&s, "file:///s/3");
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/3");
    cr_expect(object_of(&s, "StatefulSet", "c-jobmanager"));
}

Test(plan_state, a_failed_job_without_state_does_not_start_from_nothing_by_way_of_a_suspension)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    flink_lists(&s, job_id(&s), "FAILED");
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", false);
    after(&s, 100);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    cr_expect_eq(commands(&s, "submit"), 1);
}

Test(plan_state, a_request_for_a_savepoint_of_a_suspended_job_fails_with_that_reason)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    stopped_at(&s, "file:///s/3");
    annotate(&s, "savepoint");
    for (int i = 0; i < 3; i++) /* recorded, its annotation removed, its end recorded */
        record_status(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Failed");
    cr_expect(strstr(json_str(s.snapshot.cluster, "status.control.message"), "suspended"));
}

Test(plan_state, a_lost_answer_to_a_stop_is_not_its_failure)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    json_foreach (command, s.snapshot.commands)
        if (str_eq(json_str(command, "kind"), "stop"))
            json_set_str(command, "state", "failed");
    settle(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.savepoint.state"), "InProgress");
    stopped_at(&s, "file:///s/2");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2");
}

Test(plan_state, a_slow_stop_is_waited_for_while_flink_is_at_it)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    trigger_completes(&s, "{\"completed\":false}");
    add_jobmanager_pod(&s, "{\"running\":{}}");
    after(&s, 3600);
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 1);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "SavepointSlow");
    stopped_at(&s, "file:///s/2");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2");
}

Test(plan_state, no_savepoint_is_taken_of_a_run_that_has_its_final_one)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    json_remove(s.snapshot.cluster, "spec.job.args");
    annotate(&s, "savepoint");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s); /* Flink still lists it as running */
    cr_expect_eq(commands(&s, "savepoint"), 0);
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/1");
}

Test(plan_state, a_savepoint_that_was_asked_for_comes_before_the_stop_for_an_update)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    annotate(&s, "savepoint");
    record_status(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    cr_expect_eq(commands(&s, "savepoint"), 1);
    cr_expect_eq(commands(&s, "stop"), 0);
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s);
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 1);
}

/* Were it stopped, that request would come first once the journal is lost: beside the stop. */
Test(plan_state, an_update_waits_until_a_request_for_a_savepoint_is_recorded)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    annotate(&s, "savepoint");
    change_args(&s, "[\"--new\"]");
    make_plan(&s);
    cr_expect_null(find_command(&s, "stop"));
    record_status(&s);
    make_plan(&s);
    cr_expect(find_command(&s, "savepoint"));
}

Test(plan_state, a_job_that_runs_on_after_its_final_savepoint_is_stopped_again)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    annotate(&s, "job-cancel");
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s);
    after(&s, 59);
    settle(&s);
    cr_assert_eq(commands(&s, "stop"), 1);
    after(&s, 1);
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 2, "high availability brought it back");
    stopped_at(&s, "file:///s/2");
    cr_expect_str_eq(job_state(&s), "Cancelled");
    cr_expect_str_eq(job_field(&s, "savepointLocation"), "file:///s/2");
}

Test(plan_state, a_submission_that_a_reverted_spec_overtook_is_updated)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    stopped_at(&s, "file:///s/2"); /* "--new" is submitted */
    flink_lists(&s, job_id(&s), "RUNNING");
    status_str(&s, "revision.currentRevision", "");
    json_remove(s.snapshot.cluster, "spec.job.args");
    /* The status says what it would have said, had the spec been reverted before. */
    json_foreach (object, s.snapshot.objects)
        if (str_eq(json_str(object, "kind"), "ControllerRevision") &&
            !str_eq(cJSON_GetStringValue(
                        json_member(json_get(submitter(&s), "metadata.labels"), LABEL_REVISION)),
                    json_str(object, "metadata.name"))) {
            char current[300];

            (void)snprintf(current, sizeof current, "%s-1", json_str(object, "metadata.name"));
            status_str(&s, "revision.currentRevision", current);
        }
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 2);
    stopped_at(&s, "file:///s/3");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/3");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_eq(commands(&s, "stop"), 2);
}

Test(plan_state, the_components_of_a_submission_that_a_reverted_spec_overtook_are_left_alone)
{
    _cleanup_(json_freep) cJSON *before = NULL;

    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20-new");
    before = submit_update();
    json_set(s.snapshot.cluster, "status", TAKE(before)); /* it doesn't tell of the run yet */
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20");
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_APPLY, NULL, NULL));
    cr_expect_null(find_action(&s, ACTION_DELETE, NULL, NULL));
}

Test(plan_state, a_named_savepoint_is_not_gone_back_to_while_the_update_that_names_it_goes_on)
{
    scenario_init(&s, SAVEPOINTS);
    json_set_bool(s.snapshot.cluster, "spec.updateStrategy.rollback", true);
    run(&s);
    cancel_with_savepoint();
    change_args(&s, "[\"--new\"]");
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:///s/9");
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Deploying");
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20-new"); /* before it runs */
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/10\"}");
    record_status(&s);
    cr_assert_str_eq(job_state(&s), "Pending");
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20");
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", false);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/10");
    cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, submitter(&s)));
    settle(&s);
    after(&s, 60);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying", "once more");
    cr_expect_eq(commands(&s, "submit"), 4);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/10");
}

Test(plan_state, components_that_were_cleaned_up_stay_so_when_the_spec_changes_in_place)
{
    scenario_init(&s, "");
    run(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_assert_null(object_of(&s, "StatefulSet", "c-jobmanager"));
    json_set_int(s.snapshot.cluster, "spec.taskManager.replicas", 3);
    settle(&s);
    cr_expect_null(object_of(&s, "StatefulSet", "c-jobmanager"));
    cr_expect_str_eq(job_state(&s), "Succeeded");
}

static const char *jobmanager_image(void)
{
    return json_str_or(cJSON_GetArrayItem(json_get(object_of(&s, "StatefulSet", "c-jobmanager"),
                                                   "spec.template.spec.containers"),
                                          0),
                       "image", "");
}

Test(plan_state, components_that_are_further_than_the_status_are_left_to_their_job)
{
    scenario_init(&s, SAVEPOINTS);
    json_set_bool(s.snapshot.cluster, "spec.updateStrategy.rollback", true);
    run(&s);
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20-new");
    settle(&s);
    stopped_at(&s, "file:///s/2");
    cr_assert_str_eq(jobmanager_image(), "flink:1.20-new");
    change_args(&s, "[\"--newer\"]"); /* the status has the first revision as its current one yet */
    flink_lists(&s, job_id(&s), "CREATED");
    settle(&s);
    cr_expect_str_eq(jobmanager_image(), "flink:1.20-new");
    cr_expect_str_eq(job_state(&s), "Running");
}

Test(plan_state, nothing_is_touched_while_an_update_waits_whose_current_revision_is_not_known)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    for (cJSON *o = s.snapshot.objects->child, *next; o; o = next) {
        next = o->next;
        if (str_eq(json_str(o, "kind"), "ControllerRevision"))
            cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, o));
    }
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20-new");
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_APPLY, NULL, NULL));
    cr_expect_null(find_action(&s, ACTION_DELETE, NULL, NULL));
    cr_expect(find_command(&s, "stop"));
}

Test(plan_state, a_drained_job_is_not_started_again_from_its_last_savepoint_by_itself)
{
    scenario_init(&s, SAVEPOINTS ",\"drainOnCancel\":true");
    run(&s);
    cancel_with_savepoint();
    cr_assert_str_eq(job_state(&s), "Cancelled");
    change_args(&s, "[\"--new\"]");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "UpdateNeedsState");
    cr_expect(strstr(s.plan.blocked_text, "drained"));
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:///s/9");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying", "the user said so");
}

Test(plan_state, a_request_for_a_savepoint_waits_for_the_job)
{
    scenario_init(&s, SAVEPOINTS);
    annotate(&s, "savepoint");
    settle(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Requested");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "InProgress");
    cr_expect_eq(commands(&s, "savepoint"), 1);
}
