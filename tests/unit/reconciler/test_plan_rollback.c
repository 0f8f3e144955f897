/* spec.updateStrategy.rollback: an update that doesn't come up is taken back, once. */
#include "tests/unit/reconciler/scenario.h"

#define JOB ",\"savepointsDir\":\"file:///s\""

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_rollback, .fini = done, .timeout = 20);

static const char *submitted_with(void)
{
    const cJSON *args = json_get(
        cJSON_GetArrayItem(json_get(submitter(&s), "spec.template.spec.containers"), 0), "args");

    return cJSON_GetStringValue(cJSON_GetArrayItem(args, cJSON_GetArraySize(args) - 1));
}

static int submissions(void)
{
    int n = 0;

    json_foreach (command, s.snapshot.commands)
        n += str_eq(json_str(command, "kind"), "submit");
    return n;
}

static void update(const char *args)
{
    json_set(s.snapshot.cluster, "spec.job.args", parse(args));
    settle(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Deploying");
    cr_assert_str_eq(submitted_with(), "bad");
}

static void begin(bool rollback)
{
    scenario_init(&s, JOB ",\"args\":[\"good\"]");
    if (rollback)
        json_set(s.snapshot.cluster, "spec.updateStrategy",
                 parse("{\"rollback\":true,\"progressDeadlineSeconds\":300}"));
    run(&s);
    after(&s, 5);
    update("[\"bad\"]");
}

static void fails_to_submit(void)
{
    flink_lists(&s, "0123456789abcdef0123456789abcdef", "FINISHED");
    after(&s, 15);
    submitter_fails(&s, "no such class");
    settle(&s);
    settle(&s);
}

static void expect_rolled_back(void)
{
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(submitted_with(), "good");
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.components.job.fromSavepoint"),
                     "file:///s/2");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "RolledBack");
}

Test(plan_rollback, an_update_that_fails_at_its_start_goes_back_to_what_ran_with_its_state)
{
    begin(true);
    fails_to_submit();
    expect_rolled_back();
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    after(&s, 10000);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running", "it isn't tried again by itself");
    cr_expect_eq(submissions(), 3);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "RolledBack");
    cr_expect_eq(s.plan.n, 0);
}

Test(plan_rollback, an_update_that_does_not_run_in_time_goes_back)
{
    begin(true);
    make_plan(&s);
    cr_expect_gt(s.plan.wake_ms, s.now_ms);
    after(&s, 299);
    settle(&s);
    cr_expect_str_eq(submitted_with(), "bad");
    after(&s, 2);
    observe(&s, "overview", "{\"reachable\":true,\"since\":1790000000000,\"jobs\":[]}");
    settle(&s);
    settle(&s);
    after(&s, 60); /* Flink may be about to have it */
    settle(&s);
    expect_rolled_back();
}

/* Flink has the new job, and it doesn't get further than that. */
static void is_accepted(const char *state)
{
    flink_lists(&s, job_id(&s), state);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_neq(json_str(s.snapshot.cluster, "status.revision.currentRevision"),
                      json_str(s.snapshot.cluster, "status.revision.nextRevision"));
}

static void job_fails(void)
{
    flink_lists(&s, job_id(&s), "FAILED");
    settle(&s);
    settle(&s);
    expect_rolled_back();
}

Test(plan_rollback, a_job_that_flink_could_not_make_is_taken_back)
{
    begin(true);
    is_accepted("INITIALIZING");
    job_fails();
}

Test(plan_rollback, a_job_that_failed_before_its_tasks_were_deployed_is_taken_back)
{
    begin(true);
    is_accepted("CREATED");
    job_fails();
}

Test(plan_rollback, a_job_whose_state_does_not_fit_is_taken_back)
{
    begin(true);
    is_accepted("RUNNING\",\"waits\":true,\"x\":\"");
    job_fails();
}

/* It isn't stopped with a savepoint, which Flink couldn't take. */
static void expect_taken_back_at_the_deadline(void)
{
    after(&s, 299);
    settle(&s);
    cr_expect_str_eq(submitted_with(), "bad");
    after(&s, 2);
    for (int i = 0; i < 5; i++) {
        record_status(&s);
        make_plan(&s);
        cr_expect_null(find_command(&s, "stop"));
        if (find_command(&s, "cancel"))
            break;
        carry_out(&s);
    }
    cr_assert(find_command(&s, "cancel"));
    carry_out(&s);
    flink_lists(&s, job_id(&s), "CANCELED");
    settle(&s);
    settle(&s);
    expect_rolled_back();
}

Test(plan_rollback, a_job_that_gets_no_slots_is_taken_back_at_the_deadline)
{
    begin(true);
    is_accepted("RUNNING\",\"waits\":true,\"x\":\"");
    expect_taken_back_at_the_deadline();
}

Test(plan_rollback, a_job_that_stays_created_is_taken_back_at_the_deadline)
{
    begin(true);
    is_accepted("CREATED");
    expect_taken_back_at_the_deadline();
}

Test(plan_rollback, a_job_that_restarts_in_a_circle_is_taken_back_at_the_deadline)
{
    begin(true);
    is_accepted("RESTARTING");
    expect_taken_back_at_the_deadline();
}

Test(plan_rollback, a_job_that_came_up_stays_when_it_fails_later)
{
    begin(true);
    is_accepted("INITIALIZING");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.revision.currentRevision"),
                     json_str(s.snapshot.cluster, "status.revision.nextRevision"));
    flink_lists(&s, job_id(&s), "FAILED");
    after(&s, 10000);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    cr_expect_str_eq(submitted_with(), "bad");
}

Test(plan_rollback, the_next_change_of_the_spec_is_tried)
{
    begin(true);
    fails_to_submit();
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    json_set(s.snapshot.cluster, "spec.job.args", parse("[\"better\"]"));
    settle(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/3\"}");
    settle(&s);
    cr_expect_str_eq(submitted_with(), "better");
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "");
    json_foreach (object, s.snapshot.objects)
        cr_expect_null(
            json_member(json_get(object, "metadata.annotations"), ANNOTATION_ROLLED_BACK),
            "the mark is gone");
}

Test(plan_rollback, what_ran_before_is_not_tried_for_ever_either)
{
    begin(true);
    fails_to_submit();
    expect_rolled_back();
    fails_to_submit();
    after(&s, 10000);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    cr_expect_eq(submissions(), 3);
}

Test(plan_rollback, fields_that_are_no_part_of_a_revision_are_those_of_the_spec)
{
    begin(true);
    fails_to_submit();
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    json_set_bool(s.snapshot.cluster, "spec.job.suspend", true);
    settle(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.savepoint.triggerReason"), "suspend");
}

Test(plan_rollback, without_being_asked_for_an_update_stays)
{
    begin(false);
    fails_to_submit();
    after(&s, 10000);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Failed");
    cr_expect_eq(submissions(), 2);
}

Test(plan_rollback, the_old_spec_is_gone_back_to_though_the_submitter_of_what_runs_is_gone)
{
    const cJSON *command;

    begin(true);
    is_accepted("RESTARTING");
    for (cJSON *o = s.snapshot.objects->child; o; o = o->next) {
        if (str_eq(json_str(o, "kind"), "Job")) {
            cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, o));
            break;
        }
    }
    flink_lists(&s, job_id(&s), "RUNNING");
    json_set(s.snapshot.cluster, "spec.job.args", parse("[\"good\"]"));
    for (int i = 0; i < 5 && !find_command(&s, "stop"); i++) {
        record_status(&s);
        make_plan(&s);
        if (!find_command(&s, "stop"))
            carry_out(&s);
    }
    command = find_command(&s, "stop");
    cr_expect_str_eq(json_str(command, "reason"), "update");
}
