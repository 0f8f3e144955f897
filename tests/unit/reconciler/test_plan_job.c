#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""
#define RESTARTS                                                                                   \
    ",\"savepointsDir\":\"file:///"                                                                \
    "s\",\"restartPolicy\":\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":300"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_job, .fini = done, .timeout = 20);

static void expect_count(const char *kind, int expected)
{
    int n = commands(&s, kind);

    cr_expect_eq(n, expected, "%d %s commands", n, kind);
}

Test(plan_job, everything_is_created_and_the_job_submitted_at_once)
{
    scenario_init(&s, "");
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_APPLY, "ConfigMap", "c-configmap"));
    cr_expect(find_action(&s, ACTION_APPLY, "StatefulSet", "c-jobmanager"));
    cr_expect(find_action(&s, ACTION_APPLY, "StatefulSet", "c-taskmanager"));
    cr_expect(find_action(&s, ACTION_CREATE, "ControllerRevision", NULL));
    cr_expect(is_hex32(json_str(find_command(&s, "submit"), "jobId")));
}

Test(plan_job, nothing_is_made_for_a_batch_scheduler_that_is_not_known)
{
    scenario_init(&s, "");
    json_set(s.snapshot.cluster, "spec.batchScheduler", parse("{\"name\":\"yunikorn\"}"));
    settle(&s);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "UnknownBatchScheduler");
    cr_expect(strstr(s.plan.blocked_text, "\"yunikorn\""), "%s", s.plan.blocked_text);
    cr_expect_eq(cJSON_GetArraySize(s.snapshot.objects), 1, "only the ControllerRevision");
    cr_expect_str_eq(job_state(&s), "Pending");
    json_set(s.snapshot.cluster, "spec.batchScheduler", parse("{\"name\":\"volcano\"}"));
    settle(&s);
    cr_expect(object_of(&s, "StatefulSet", "c-jobmanager"));
    cr_expect(object_of(&s, "PodGroup", "flink-c"));
}

Test(plan_job, the_deprecated_batch_scheduler_replaces_the_other_one)
{
    scenario_init(&s, "");
    json_set_str(s.snapshot.cluster, "spec.batchScheduler.name", "yunikorn");
    json_set_str(s.snapshot.cluster, "spec.batchSchedulerName", "volcano");
    settle(&s);
    cr_expect(object_of(&s, "PodGroup", "flink-c"));
    json_set_str(s.snapshot.cluster, "spec.batchScheduler.name", "volcano");
    json_set_str(s.snapshot.cluster, "spec.batchSchedulerName", "yunikorn");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "UnknownBatchScheduler");
    cr_expect(strstr(s.plan.blocked_text, "\"yunikorn\""), "%s", s.plan.blocked_text);
}

Test(plan_job, an_empty_batch_scheduler_is_none)
{
    scenario_init(&s, "");
    json_set(s.snapshot.cluster, "spec.batchScheduler", parse("{\"name\":\"\"}"));
    settle(&s);
    cr_expect(object_of(&s, "StatefulSet", "c-jobmanager"));
    cr_expect_null(object_of(&s, "PodGroup", "flink-c"));
}

Test(plan_job, a_settled_cluster_needs_nothing)
{
    scenario_init(&s, "");
    run(&s);
    make_plan(&s);
    cr_expect_eq(s.plan.n, 0, "%s", s.plan.n ? s.plan.actions[0].why : "");
}

static bool applied_as_new(const char *kind, const char *name)
{
    const struct action *action = find_action(&s, ACTION_APPLY, kind, name);

    cr_assert(action, "%s %s isn't applied", kind, name);
    return action && action->is_new;
}

Test(plan_job, a_child_that_is_new_may_not_take_the_place_of_anything)
{
    scenario_init(&s, "");
    make_plan(&s);
    cr_expect(applied_as_new("ConfigMap", "c-configmap"));
    run(&s);
    json_set_int(cJSON_GetArrayItem(s.snapshot.objects, 0), "nothing", 1);
    json_foreach (object, s.snapshot.objects) {
        if (str_eq(json_str(object, "kind"), "StatefulSet"))
            json_set_int(object, "spec.replicas", 7);
    }
    make_plan(&s);
    cr_expect_not(applied_as_new("StatefulSet", "c-jobmanager"));
}

Test(plan_job, while_a_childs_name_is_taken_no_job_is_submitted)
{
    scenario_init(&s, "");
    observe(&s, "failedapply/ConfigMap/c-configmap", "{\"reason\":\"NameTaken\"}");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "NameTaken");
    cr_expect(find_action(&s, ACTION_APPLY, "ConfigMap", "c-configmap"), "it is tried again");
    cr_expect_null(find_command(&s, "submit"));
}

Test(plan_job, the_same_submission_is_decided_again_after_everything_but_the_status_is_lost)
{
    char id[33];

    scenario_init(&s, "");
    make_plan(&s);
    str_copy(id, sizeof id, json_str(find_command(&s, "submit"), "jobId"));
    make_plan(&s);
    cr_expect_str_eq(json_str(find_command(&s, "submit"), "jobId"), id);
}

Test(plan_job, a_finished_job_succeeds_and_its_cluster_is_cleaned_up)
{
    scenario_init(&s, "");
    run(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Succeeded");
    cr_expect_null(object_of(&s, "StatefulSet", "c-jobmanager"));
    cr_expect_null(object_of(&s, "ConfigMap", "c-configmap"));
    expect_count("submit", 1);
}

/* Defect 1 of the reference operator. */
Test(plan_job, a_running_job_does_not_succeed_because_its_jobmanager_is_unreachable)
{
    scenario_init(&s, "");
    run(&s);
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000,\"error\":\"refused\"}");
    add_jobmanager_pod(&s, "{\"running\":{}}");
    after(&s, 3600);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect(object_of(&s, "StatefulSet", "c-jobmanager"));
}

Test(plan_job, a_job_that_its_restarted_jobmanager_forgot_is_lost_after_a_grace_period)
{
    scenario_init(&s, "");
    run(&s);
    after(&s, 60);
    observe(&s, "overview", "{\"reachable\":true,\"since\":1790000060000,\"jobs\":[]}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    after(&s, 20);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Lost");
}

Test(plan_job, a_failed_job_stays_failed_when_its_policy_is_never)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    after(&s, 1000);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    expect_count("submit", 1);
}

/* Defect 7: no restart without state, with backoff, counted. */
Test(plan_job, a_failed_job_without_a_savepoint_is_not_restarted_from_nothing)
{
    scenario_init(&s, RESTARTS);
    run(&s);
    after(&s, 30);
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    after(&s, 1000);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    expect_count("submit", 1);
}

Test(plan_job, a_savepoint_asked_for_is_taken_once_and_recorded)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    after(&s, 5);
    take_savepoint(&s, "file:///s/1");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.components.job.savepointLocation"),
                     "file:///s/1");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Succeeded");
    cr_expect_not(json_has(s.snapshot.cluster, "metadata.annotations"));
    expect_count("savepoint", 1);
    after(&s, 5);
    settle(&s);
    expect_count("savepoint", 1);
}

Test(plan_job, a_failed_job_restarts_from_its_savepoint_with_a_new_id_and_is_counted)
{
    char first[33];

    scenario_init(&s, RESTARTS);
    run(&s);
    after(&s, 5);
    take_savepoint(&s, "file:///s/1");
    str_copy(first, sizeof first, job_id(&s));
    after(&s, 10);
    flink_lists(&s, first, "FAILED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_neq(job_id(&s), first);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.components.job.fromSavepoint"),
                     "file:///s/1");
    cr_expect_eq(json_int(s.snapshot.cluster, "status.components.job.restartCount", 0), 1);
    expect_count("submit", 2);
}

Test(plan_job, restarts_back_off)
{
    scenario_init(&s, RESTARTS);
    run(&s);
    after(&s, 5);
    take_savepoint(&s, "file:///s/1");
    for (int i = 0; i < 2; i++) {
        flink_lists(&s, job_id(&s), "RUNNING");
        settle(&s);
        after(&s, 1);
        flink_lists(&s, job_id(&s), "FAILED");
        settle(&s);
    }
    cr_expect_str_eq(job_state(&s), "Restarting");
    make_plan(&s);
    cr_expect_gt(s.plan.wake_ms, s.now_ms);
    after(&s, 10);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    expect_count("submit", 3);
}

Test(plan_job, a_cancelled_job_is_stopped_with_a_savepoint_and_stays_cancelled)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    after(&s, 5);
    annotate(&s, "job-cancel");
    settle(&s);
    expect_count("stop", 1);
    cr_expect_str_eq(job_state(&s), "Running");
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running", "not before the savepoint is known");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/9\"}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Succeeded");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.components.job.savepointLocation"),
                     "file:///s/9");
    expect_count("stop", 1);
    expect_count("cancel", 0);
}

/* Pain S PR #1051: the savepoint's end is seen before the job's. */
Test(plan_job, a_stop_that_succeeded_is_not_told_again_while_flink_still_lists_the_job_as_running)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/9\"}");
    settle(&s);
    after(&s, 30);
    settle(&s);
    expect_count("stop", 1);
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Pending");
}

Test(plan_job, a_job_without_savepoints_dir_is_cancelled_outright)
{
    scenario_init(&s, "");
    run(&s);
    annotate(&s, "job-cancel");
    settle(&s);
    expect_count("cancel", 1);
    flink_lists(&s, job_id(&s), "CANCELED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled");
}

Test(plan_job, a_cancel_whose_savepoint_fails_leaves_the_job_running_and_says_so)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    annotate(&s, "job-cancel");
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"failure\":\"disk full\"}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.control.state"), "Failed");
    after(&s, 60);
    settle(&s);
    expect_count("stop", 1);
}

Test(plan_job, an_update_stops_the_job_with_a_savepoint_and_starts_the_new_one_from_it)
{
    char first[33];

    scenario_init(&s, SAVEPOINTS);
    run(&s);
    str_copy(first, sizeof first, job_id(&s));
    after(&s, 5);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    expect_count("stop", 1);
    expect_count("submit", 1);
    flink_lists(&s, first, "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_neq(job_id(&s), first);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.components.job.fromSavepoint"),
                     "file:///s/2");
    expect_count("submit", 2);
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.revision.currentRevision"),
                     json_str(s.snapshot.cluster, "status.revision.nextRevision"));
}

Test(plan_job, no_component_is_touched_before_flink_says_that_the_job_has_ended)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20-new");
    settle(&s);
    cr_expect_str_eq(
        json_str(cJSON_GetArrayItem(json_get(object_of(&s, "StatefulSet", "c-jobmanager"),
                                             "spec.template.spec.containers"),
                                    0),
                 "image"),
        "flink:1.20");
    flink_lists(&s, job_id(&s), "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    settle(&s);
    cr_expect_str_eq(
        json_str(cJSON_GetArrayItem(json_get(object_of(&s, "StatefulSet", "c-jobmanager"),
                                             "spec.template.spec.containers"),
                                    0),
                 "image"),
        "flink:1.20-new");
    cr_expect_str_eq(job_state(&s), "Deploying");
}

/* Defect 5. */
Test(plan_job, an_update_with_an_unchanged_from_savepoint_still_takes_a_savepoint)
{
    scenario_init(&s, SAVEPOINTS ",\"fromSavepoint\":\"file:///s/0\"");
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    expect_count("stop", 1);
    expect_count("cancel", 0);
}

/* Defect 13. */
Test(plan_job, reverting_an_update_while_it_waits_leaves_the_job_alone)
{
    scenario_init(&s,
                  ",\"takeSavepointOnUpdate\":false,\"maxStateAgeToRestoreSeconds\":10" SAVEPOINTS);
    run(&s);
    change_args(&s, "[\"--new\"]");
    settle(&s);
    json_remove(s.snapshot.cluster, "spec.job.args");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    expect_count("stop", 0);
    expect_count("cancel", 0);
}

Test(plan_job, scaling_the_taskmanagers_leaves_the_job_running)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_int(s.snapshot.cluster, "spec.taskManager.replicas", 3);
    settle(&s);
    cr_expect_eq(json_int(object_of(&s, "StatefulSet", "c-taskmanager"), "spec.replicas", 0), 3);
    cr_expect_str_eq(job_state(&s), "Running");
    expect_count("stop", 0);
}

/* Defect 2. */
Test(plan_job, a_session_cluster_is_updated)
{
    scenario_init(&s, NULL);
    settle(&s);
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20-new");
    settle(&s);
    cr_expect_str_eq(
        json_str(cJSON_GetArrayItem(json_get(object_of(&s, "StatefulSet", "c-taskmanager"),
                                             "spec.template.spec.containers"),
                                    0),
                 "image"),
        "flink:1.20-new");
}

Test(plan_job, a_suspended_job_is_stopped_and_goes_on_from_its_savepoint)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    expect_count("stop", 1);
    flink_lists(&s, job_id(&s), "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/3\"}");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Pending");
    cr_expect_null(object_of(&s, "StatefulSet", "c-jobmanager"));
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", false);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.components.job.fromSavepoint"),
                     "file:///s/3");
}

Test(plan_job, a_child_that_somebody_edited_or_deleted_comes_back)
{
    scenario_init(&s, "");
    run(&s);
    json_set_int(cJSON_GetArrayItem(s.snapshot.objects, 0), "nothing", 1);
    json_foreach (object, s.snapshot.objects) {
        if (str_eq(json_str(object, "kind"), "StatefulSet"))
            json_set_int(object, "spec.replicas", 7);
    }
    settle(&s);
    cr_expect_eq(json_int(object_of(&s, "StatefulSet", "c-jobmanager"), "spec.replicas", 0), 1);
}

Test(plan_job, a_submitter_that_failed_makes_the_job_failed_with_its_message)
{
    scenario_init(&s, "");
    settle(&s);
    json_foreach (object, s.snapshot.objects) {
        if (str_eq(json_str(object, "kind"), "Job"))
            json_set(object, "status", parse("{\"failed\":1}"));
    }
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    expect_count("submit", 1);
}

Test(plan_job,
     a_submitter_that_somebody_deleted_before_it_submitted_comes_back_with_the_same_job_id)
{
    char first[33];

    scenario_init(&s, "");
    settle(&s);
    str_copy(first, sizeof first, job_id(&s));
    for (cJSON *o = s.snapshot.objects->child, *next; o; o = next) {
        next = o->next;
        if (str_eq(json_str(o, "kind"), "Job"))
            cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, o));
    }
    observe(&s, "overview", "{\"reachable\":true,\"since\":1790000000000,\"jobs\":[]}");
    settle(&s);
    expect_count("submit", 1); /* Flink may be about to have it */
    after(&s, 15);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_id(&s), first);
    expect_count("submit", 2);
}

/* So many tries under that key have failed, the last now. */
static void have_failed(const char *kind, const char *prefix, int n)
{
    char text[256];

    for (int i = 0; i < n; i++) {
        (void)snprintf(text, sizeof text,
                       "{\"kind\":\"%s\",\"key\":\"%s/%d\",\"state\":\"failed\",\"changedAt\":%lld,"
                       "\"result\":{\"error\":\"quota\"}}",
                       kind, prefix, i, (long long)s.now_ms);
        json_add_item(s.snapshot.commands, parse(text));
    }
}

static const char *commanded(const char *kind)
{
    for (int i = 0; i < s.plan.n; i++)
        if (s.plan.actions[i].kind == ACTION_COMMAND &&
            str_eq(json_str(s.plan.actions[i].manifest, "kind"), kind))
            return json_str_or(s.plan.actions[i].manifest, "key", "");
    return "";
}

Test(plan_job, a_submitter_that_is_refused_is_tried_for_ever)
{
    char prefix[64] = "";

    scenario_init(&s, "");
    for (int i = 0; i < 20 && !prefix[0]; i++) {
        record_status(&s);
        make_plan(&s);
        str_copy(prefix, sizeof prefix, commanded("submit"));
        if (!prefix[0])
            carry_out(&s);
    }
    cr_assert(str_ends(prefix, "/0"));
    prefix[strlen(prefix) - 2] = '\0';
    have_failed("submit", prefix, 1200);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "SubmitterRefused");
    cr_expect_eq(s.plan.wake_ms, s.now_ms + 300 * INT64_C(1000));
    after(&s, 300);
    make_plan(&s);
    cr_expect(str_ends(commanded("submit"), "/1200"), "%s", commanded("submit"));
}

Test(plan_job, a_job_that_does_not_go_is_cancelled_for_ever)
{
    char prefix[64];

    scenario_init(&s, "");
    run(&s);
    annotate(&s, "job-cancel");
    (void)snprintf(prefix, sizeof prefix, "cancel/%s", job_id(&s));
    have_failed("cancel", prefix, 1200);
    after(&s, 60);
    make_plan(&s);
    make_plan(&s);
    record_status(&s);
    make_plan(&s);
    cr_expect(str_ends(commanded("cancel"), "/1200"), "%s", commanded("cancel"));
}
