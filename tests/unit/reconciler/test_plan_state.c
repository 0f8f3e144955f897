/* State is never lost, and nothing effective done twice: what random histories found, one turn
 * each. */
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

static cJSON *submitter(void)
{
    json_foreach (object, s.snapshot.objects)
        if (str_eq(json_str(object, "kind"), "Job"))
            return object;
    return NULL;
}

static void stopped_at(const char *location)
{
    char text[256];

    flink_lists(&s, job_id(&s), "FINISHED");
    (void)snprintf(text, sizeof text, "{\"completed\":true,\"location\":\"%s\"}", location);
    trigger_completes(&s, text);
    settle(&s);
}

static void cancel_with_savepoint(void)
{
    after(&s, 5);
    annotate(&s, "job-cancel");
    settle(&s);
    stopped_at("file:///s/9");
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
    stopped_at("file:///s/2");
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
    stopped_at("file:///s/2");
    cr_expect_str_eq(job_state(&s), "Cancelled");
    cr_expect_eq(commands(&s, "submit"), 1);
    cr_expect_not(json_has(s.snapshot.cluster, "metadata.annotations"));
    change_args(&s, "[\"--newer\"]");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying", "the next change starts it again");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2");
}

/* Defect 4. */
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
    stopped_at("file:///s/3");
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
    stopped_at("file:///s/3");
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
    stopped_at("file:///s/3");
    annotate(&s, "savepoint");
    for (int i = 0; i < 3; i++) /* recorded, its annotation removed, its end recorded */
        record_status(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Failed");
    cr_expect(strstr(json_str(s.snapshot.cluster, "status.control.message"), "suspended"));
}

Test(plan_state, a_submission_that_may_have_arrived_is_not_given_up_for_an_update)
{
    scenario_init(&s, SAVEPOINTS);
    settle(&s);
    json_set(submitter(), "status", parse("{\"succeeded\":1}"));
    add_jobmanager_pod(&s, "{\"running\":{}}");
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    change_args(&s, "[\"--new\"]");
    after(&s, 120);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect(submitter());
    cr_expect_eq(commands(&s, "submit"), 1);
}

Test(plan_state, an_update_mends_a_job_whose_jobmanager_never_came_up)
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

Test(plan_state, a_job_whose_jobmanager_is_gone_for_good_is_lost)
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
Test(plan_state, a_run_is_not_lost_because_no_jobmanager_ran_before_it)
{
    scenario_init(&s, SAVEPOINTS);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    after(&s, 100);
    settle(&s);
    json_set(submitter(), "status", parse("{\"succeeded\":1}"));
    after(&s, 50);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    after(&s, 20);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Lost");
}

Test(plan_state, a_job_that_was_given_up_too_early_is_followed_again)
{
    scenario_init(&s, SAVEPOINTS);
    settle(&s);
    json_set(submitter(), "status", parse("{\"failed\":1}"));
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Failed");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_not(json_has(s.snapshot.cluster, "status.components.job.failureReasons"));
}

Test(plan_state, a_job_that_arrives_after_it_was_cancelled_is_cancelled_at_flink)
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
    stopped_at("file:///s/2");
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
    stopped_at("file:///s/2");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/2");
}

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

Test(plan_state, a_stop_that_was_forgotten_with_the_journal_is_asked_for_again_by_its_trigger_id)
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

Test(plan_state, a_stop_that_was_forgotten_is_found_whatever_is_wanted_by_now)
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

Test(plan_state, a_job_goes_on_after_a_forgotten_stop_that_nobody_wants_any_more)
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
    stopped_at("file:///s/2");
    cr_expect_str_eq(job_state(&s), "Cancelled");
    cr_expect_str_eq(job_field(&s, "savepointLocation"), "file:///s/2");
}

Test(plan_state, a_job_that_ended_by_itself_has_succeeded_though_the_journal_was_lost)
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

Test(plan_state, a_job_of_the_reference_operator_that_ended_by_itself_has_succeeded_at_once)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    lose_journal();
    cJSON_DeleteItemFromObject(json_get(submitter(), "metadata.annotations"),
                               ANNOTATION_RESTART_COUNT);
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Succeeded");
    cr_expect_eq(commands(&s, "stop"), 0);
}

Test(plan_state, a_job_that_ends_by_itself_has_succeeded_at_once)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Succeeded");
    cr_expect_eq(commands(&s, "stop"), 0);
}

Test(plan_state, an_attached_client_that_ended_is_not_the_jobs_end_before_flink_was_asked)
{
    scenario_init(&s, "");
    json_set_str(s.snapshot.cluster, "spec.job.mode", "Blocking");
    run(&s);
    add_jobmanager_pod(&s, "{\"running\":{}}");
    json_set(submitter(), "status", parse("{\"succeeded\":1}"));
    settle(&s);
    lose_journal();
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Succeeded");
}

Test(plan_state, an_application_that_was_cancelled_has_not_succeeded)
{
    scenario_init(&s, ",\"mode\":\"Application\",\"className\":\"C\"");
    json_set_str(s.snapshot.cluster, "spec.job.mode", "Application");
    run(&s);
    annotate(&s, "job-cancel");
    settle(&s);
    json_set(submitter(), "status", parse("{\"succeeded\":1}")); /* its exit status is 0 */
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled");
}

Test(plan_state, a_submission_that_a_reverted_spec_overtook_is_updated)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    stopped_at("file:///s/2"); /* "--new" is submitted */
    flink_lists(&s, job_id(&s), "RUNNING");
    status_str(&s, "revision.currentRevision", "");
    json_remove(s.snapshot.cluster, "spec.job.args");
    /* The status says what it would have said, had the spec been reverted before. */
    json_foreach (object, s.snapshot.objects)
        if (str_eq(json_str(object, "kind"), "ControllerRevision") &&
            !str_eq(cJSON_GetStringValue(
                        json_member(json_get(submitter(), "metadata.labels"), LABEL_REVISION)),
                    json_str(object, "metadata.name"))) {
            char current[300];

            (void)snprintf(current, sizeof current, "%s-1", json_str(object, "metadata.name"));
            status_str(&s, "revision.currentRevision", current);
        }
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 2);
    stopped_at("file:///s/3");
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/3");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_eq(commands(&s, "stop"), 2);
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
    stopped_at("file:///s/2");
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

/* While the JobManager, whose container is in @state, doesn't answer. */
static void submitter_fails(const char *job, const char *state, const char *message)
{
    char text[1024];

    scenario_init(&s, job);
    settle(&s);
    add_jobmanager_pod(&s, state);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    json_set(submitter(), "status", parse("{\"failed\":1}"));
    (void)snprintf(
        text, sizeof text,
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"c-job-submitter-x\",\"labels\":{\"job-name\":"
        "\"c-job-submitter\"},\"ownerReferences\":[{\"uid\":\"%s\",\"controller\":true}]},"
        "\"status\":{\"containerStatuses\":[{\"name\":\"main\",\"state\":{\"terminated\":{"
        "\"exitCode\":1,\"message\":\"message: |\\n  %s\"}}}]}}",
        json_str_or(submitter(), "metadata.uid", ""), message);
    add_object(&s, parse(text));
    settle(&s);
    after(&s, 59);
    settle(&s);
}

Test(plan_state, a_submitter_that_failed_is_not_the_end_until_flink_says_whether_it_has_the_job)
{
    submitter_fails(RESTARTS, "{\"running\":{}}", "Failed to submit the job (exit status 1).");
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

Test(plan_state, a_submitter_that_never_reached_the_jobmanager_has_failed)
{
    submitter_fails(SAVEPOINTS, "{\"running\":{}}",
                    "Aborted: no answer of the JobManager at c:8081 within 600 s.");
    cr_expect_str_eq(job_state(&s), "Failed");
}

Test(plan_state, a_submitter_that_failed_has_failed_when_no_jobmanager_is_left_to_have_the_job)
{
    submitter_fails(SAVEPOINTS, "{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}", "killed");
    cr_expect_str_eq(job_state(&s), "Deploying");
    after(&s, 2);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
}

/* What is known of pods may be older than what is known of Jobs: each kind has its watch. */
Test(plan_state, a_submitter_that_failed_is_not_the_end_while_its_jobmanager_may_not_be_seen_yet)
{
    cJSON *jobmanager;

    scenario_init(&s, SAVEPOINTS);
    settle(&s);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    json_set(submitter(), "status", parse("{\"failed\":1}"));
    jobmanager = (cJSON *)(uintptr_t)object_of(&s, "StatefulSet", "c-jobmanager");
    json_set(jobmanager, "status", parse("{\"replicas\":1}"));
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    json_set_int(jobmanager, "status.replicas", 0);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
}

Test(plan_state, a_submitter_whose_pod_was_seen_to_fail_without_a_jobmanager_has_failed)
{
    cJSON *pod;

    submitter_fails(SAVEPOINTS, "{\"running\":{}}", "killed");
    cr_assert_str_eq(job_state(&s), "Deploying");
    pod = (cJSON *)(uintptr_t)object_of(&s, "Pod", "c-jobmanager-0");
    cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, pod));
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
}

/* Its Job was deleted before the status could tell of the run; its process went on. */
Test(plan_state, a_run_whose_submitter_was_gone_too_early_is_known_by_its_id)
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
    cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, submitter()));
    lose_journal();
    flink_lists(&s, second, "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_eq(job_id(&s), second);
    cr_expect_str_eq(job_field(&s, "fromSavepoint"), "file:///s/1");
    cr_expect_eq(json_int(s.snapshot.cluster, "status.components.job.restartCount", 0), 1);
    cr_expect_eq(commands(&s, "submit"), 0);
}

static bool has_finalizer(void)
{
    return json_count(s.snapshot.cluster, "metadata.finalizers") > 0;
}

static void follow_finalizer(void)
{
    const struct action *a;

    make_plan(&s);
    a = find_action(&s, ACTION_PATCH, "FlinkCluster", NULL);
    if (a)
        json_set(s.snapshot.cluster, "metadata.finalizers",
                 json_copy(json_get(a->manifest, "metadata.finalizers")));
}

static void delete_cluster(void)
{
    scenario_init(&s, SAVEPOINTS ",\"savepointOnDeletion\":true");
    run(&s);
    follow_finalizer();
    cr_assert(has_finalizer());
    add_jobmanager_pod(&s, "{\"running\":{}}");
    after(&s, 100);
    json_set_str(s.snapshot.cluster, "metadata.deletionTimestamp", at(100));
}

/* Defect 12. */
Test(plan_state, a_deleted_cluster_stays_until_its_job_has_its_last_savepoint)
{
    delete_cluster();
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 1);
    follow_finalizer();
    cr_expect(has_finalizer());
    stopped_at("file:///s/2");
    follow_finalizer();
    cr_expect_not(has_finalizer());
}

Test(plan_state, a_deletion_waits_for_a_jobmanager_that_does_not_answer_but_not_for_ever)
{
    delete_cluster();
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    settle(&s);
    follow_finalizer();
    cr_expect(has_finalizer());
    cr_expect_str_eq(s.plan.blocked, "SavepointOnDeletion");
    after(&s, 700);
    follow_finalizer();
    cr_expect_not(has_finalizer());
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

static void set_ha(void)
{
    json_set(s.snapshot.cluster, "spec.flinkProperties",
             parse("{\"high-availability.type\":\"kubernetes\",\"kubernetes.cluster-id\":\"c\","
                   "\"high-availability.storageDir\":\"s\"}"));
}

static void run_with_ha(const char *job)
{
    scenario_init(&s, job);
    set_ha();
    if (strstr(job, "Application")) {
        json_set_str(s.snapshot.cluster, "spec.job.mode", "Application");
        json_set_str(s.snapshot.cluster, "spec.job.className", "C");
    }
    run(&s);
    add_object(&s, parse("{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c-cluster-config-map\","
                         "\"labels\":{\"configmap-type\":\"high-availability\"}}}"));
}

/* Its client failed with the JobManager that had the job; the next one recovers it. */
Test(plan_state, a_submitter_that_failed_waits_for_high_availability_to_bring_the_job_back)
{
    char text[256];

    scenario_init(&s, RESTARTS);
    set_ha();
    settle(&s);
    after(&s, 60);
    add_jobmanager_pod(&s, "{\"running\":{}}");
    json_set(submitter(), "status", parse("{\"failed\":1}"));
    (void)snprintf(text, sizeof text,
                   "{\"reachable\":true,\"since\":%lld,\"jobs\":[],\"jm\":\"%s\",\"jmRestarts\":0}",
                   (long long)s.now_ms,
                   json_str_or(object_of(&s, "Pod", "c-jobmanager-0"), "metadata.uid", ""));
    observe(&s, "overview", text);
    after(&s, 300);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    after(&s, 301);
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Restarting", "it never comes");
}

static const cJSON *ha_metadata(void)
{
    return object_of(&s, "ConfigMap", "c-cluster-config-map");
}

/* Kubernetes gave up replacing its pods; what HA has of it would come up beside the next run. */
Test(plan_state, an_application_that_was_given_up_is_not_brought_back_by_ha_beside_the_next_run)
{
    run_with_ha(RESTARTS ",\"mode\":\"Application\"");
    settle(&s);
    cr_assert(json_has(ha_metadata(), "metadata.ownerReferences"));
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    change_args(&s, "[\"--new\"]");
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:///s/5");
    json_set(submitter(), "status",
             parse("{\"failed\":7,\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\","
                   "\"lastTransitionTime\":\"2026-09-21T14:13:20Z\"}]}"));
    record_status(&s);
    cr_assert_str_eq(job_state(&s), "Updating");
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_DELETE, "ConfigMap", NULL), "its Job may use it");
    carry_out(&s);
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_DELETE, "ConfigMap", "c-cluster-config-map"));
    cr_expect_null(find_command(&s, "submit"), "not before it is gone");
    settle(&s);
    cr_expect_null(ha_metadata());
    cr_expect_eq(commands(&s, "submit"), 2);
}

Test(plan_state, a_new_jobmanager_does_not_start_before_the_ha_metadata_of_the_last_run_is_gone)
{
    run_with_ha(SAVEPOINTS);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    stopped_at("file:///s/2");
    cr_assert_null(object_of(&s, "StatefulSet", "c-jobmanager"));
    cr_assert(ha_metadata());
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", false);
    record_status(&s);
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_DELETE, "ConfigMap", "c-cluster-config-map"));
    cr_expect_null(find_action(&s, ACTION_APPLY, "StatefulSet", "c-jobmanager"));
    settle(&s);
    cr_expect(object_of(&s, "StatefulSet", "c-jobmanager"));
    cr_expect_eq(commands(&s, "submit"), 2);
}

Test(plan_state, ha_metadata_stays_for_a_run_that_is_tried_again_under_its_id)
{
    run_with_ha(SAVEPOINTS ",\"mode\":\"Application\"");
    settle(&s);
    json_remove(s.snapshot.cluster, "status.components.job.startTime");
    status_str(&s, "components.job.state", "Deploying");
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, submitter()));
    after(&s, 60);
    settle(&s);
    cr_expect_eq(commands(&s, "submit"), 2);
    cr_expect(ha_metadata());
}

Test(plan_state, ha_metadata_that_nobody_owns_goes_with_the_cluster)
{
    const struct action *a;

    run_with_ha(SAVEPOINTS);
    make_plan(&s);
    a = find_action(&s, ACTION_PATCH, "ConfigMap", "c-cluster-config-map");
    cr_assert(a);
    cr_expect_str_eq(
        json_str(cJSON_GetArrayItem(json_get(a->manifest, "metadata.ownerReferences"), 0), "kind"),
        "FlinkCluster");
    json_set(cJSON_GetArrayItem(s.snapshot.objects, cJSON_GetArraySize(s.snapshot.objects) - 1),
             "metadata.ownerReferences", parse("[{\"kind\":\"Other\",\"uid\":\"o\"}]"));
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_PATCH, "ConfigMap", NULL), "it is somebody else's");
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
