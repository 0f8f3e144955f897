/* An update that comes while the job is being deployed. */
#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_await, .fini = done, .timeout = 20);

static const char *revision_of(const cJSON *object)
{
    return cJSON_GetStringValue(json_member(json_get(object, "metadata.labels"), LABEL_REVISION));
}

static char first[64]; /* the revision before the update */

/* Deploying, the submitter there, and then another jar. */
static void update(const char *job)
{
    scenario_init(&s, job);
    settle(&s);
    str_copy(first, sizeof first, revision_of(submitter(&s)));
    after(&s, 20);
    json_set_str(s.snapshot.cluster, "spec.job.jarFile", "/y.jar");
    settle(&s);
}

static void expect_waiting(bool waits)
{
    make_plan(&s);
    cr_expect_eq(str_eq(revision_of(submitter(&s)), first), waits, "the first submitter is there");
    if (!waits)
        return;
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_eq(s.plan.wake_ms, T0 + 180000);
}

static void no_jobmanager_for(int64_t seconds)
{
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    after(&s, seconds);
    settle(&s);
}

Test(plan_await, the_submission_goes_on_and_nothing_is_touched)
{
    update(SAVEPOINTS);
    expect_waiting(true);
    cr_expect_eq(s.plan.n, 0);
    cr_expect_str_eq(revision_of(object_of(&s, "ConfigMap", "c-configmap")),
                     revision_of(submitter(&s)));
    cr_expect_str_neq(json_str(s.snapshot.cluster, "status.revision.currentRevision"),
                      json_str(s.snapshot.cluster, "status.revision.nextRevision"));
}

Test(plan_await, the_job_is_stopped_with_a_savepoint_once_it_runs)
{
    update(SAVEPOINTS);
    flink_lists(&s, job_id(&s), "RUNNING");
    record_status(&s);
    make_plan(&s);
    cr_expect_str_eq(json_str(find_command(&s, "stop"), "reason"), "update");
}

Test(plan_await, a_submission_that_takes_too_long_is_given_up)
{
    update(SAVEPOINTS);
    no_jobmanager_for(159);
    expect_waiting(true);
    no_jobmanager_for(1);
    expect_waiting(false);
}

Test(plan_await, a_pod_that_cannot_start_is_not_waited_for)
{
    static const char *const statuses[] = {
        "{'containerStatuses':[{'name':'main','state':{'waiting':{'reason':'ImagePullBackOff'}}}]}",
        "{'initContainerStatuses':[{'name':'i','state':{'terminated':{'exitCode':1}}}]}",
        "{'conditions':[{'type':'PodScheduled','status':'False'}]}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        cJSON *pod = parse("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}");
        _cleanup_(freep) char *text = strdup(statuses[i]);

        for (char *c = text; *c; c++)
            if (*c == '\'')
                *c = '"';
        update(SAVEPOINTS);
        json_set(pod, "status", parse(text));
        add_object(&s, pod);
        no_jobmanager_for(61);
        expect_waiting(false);
        scenario_done(&s);
    }
    scenario_init(&s, NULL);
}

Test(plan_await, a_pod_that_is_only_starting_is_waited_for)
{
    update(SAVEPOINTS);
    add_jobmanager_pod(&s, "{\"waiting\":{\"reason\":\"ContainerCreating\"}}");
    no_jobmanager_for(61);
    expect_waiting(true);
}

Test(plan_await, state_that_the_user_names_needs_no_run)
{
    update(SAVEPOINTS ",\"fromSavepoint\":\"file:///s/0\"");
    expect_waiting(true);
    json_set_str(s.snapshot.cluster, "spec.job.fromSavepoint", "file:///s/1");
    no_jobmanager_for(61);
    expect_waiting(false);
}

Test(plan_await, an_update_that_is_taken_back_is_not_waited_for)
{
    scenario_init(&s, SAVEPOINTS);
    json_set(s.snapshot.cluster, "spec.updateStrategy",
             parse("{\"rollback\":true,\"progressDeadlineSeconds\":30}"));
    run(&s);
    json_set_str(s.snapshot.cluster, "spec.job.jarFile", "/y.jar");
    settle(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/2\"}");
    settle(&s);
    cr_assert_str_eq(job_state(&s), "Deploying");
    str_copy(first, sizeof first, revision_of(submitter(&s)));
    after(&s, 31);
    settle(&s);
    expect_waiting(false);
}
