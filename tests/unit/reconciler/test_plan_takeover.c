/* What the reference operator left behind, at rest and on the way: it goes on from there. */
#include "tests/unit/reconciler/scenario.h"

#define OLD_RUN    "fedcba9876543210fedcba9876543210" /* of the reference operator's times */
#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_takeover, .fini = done, .timeout = 20);

static cJSON *object(const char *kind, const char *name)
{
    json_foreach (o, s.snapshot.objects)
        if (str_eq(json_str(o, "kind"), kind) && str_eq(json_str(o, "metadata.name"), name))
            return o;
    return NULL;
}

/* As the reference operator would have made them: none of flinkd's annotations. */
static void by_reference(void)
{
    json_foreach (o, s.snapshot.objects) {
        json_set(o, "metadata.managedFields", parse("[{\"manager\":\"flink-operator\"}]"));
        json_remove(o, "spec.template.metadata.annotations");
        json_remove(o, "metadata.annotations");
    }
}

static void set_label(cJSON *o, const char *label, const char *value)
{
    cJSON *labels = json_get(o, "metadata.labels");

    cJSON_DeleteItemFromObjectCaseSensitive(labels, label);
    if (value)
        json_set_member_str(labels, label, value);
}

static void set_revision(const char *name)
{
    json_foreach (o, s.snapshot.objects)
        if (!str_eq(json_str(o, "kind"), "ControllerRevision"))
            set_label(o, LABEL_REVISION, name);
}

static void submitter_status(const char *json)
{
    json_set(object("Job", "c-job-submitter"), "status", parse(json));
}

/* The reference operator doesn't choose it: its submitter tells it. */
static void forget_chosen_id(void)
{
    set_label(object("Job", "c-job-submitter"), LABEL_JOB_ID, NULL);
}

static void submitter_tells(const char *id)
{
    char text[512];

    (void)snprintf(
        text, sizeof text,
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"labels\":{\"job-name\":\"c-job-"
        "submitter\"},"
        "\"ownerReferences\":[{\"controller\":true,\"uid\":\"%s\"}]},\"status\":{"
        "\"containerStatuses\":[{\"name\":\"main\",\"state\":{\"terminated\":{\"exitCode\":0,"
        "\"message\":\"jobID: %s\\nmessage: |\\n  done\"}}}]}}",
        json_str_or(object("Job", "c-job-submitter"), "metadata.uid", ""), id);
    submitter_status("{\"succeeded\":1}");
    add_object(&s, parse(text));
}

static void running_under_reference(const char *job)
{
    scenario_init(&s, job);
    settle(&s);
    if (job) {
        flink_lists(&s, job_id(&s), "RUNNING");
        submitter_status("{\"succeeded\":1}");
        settle(&s);
    }
    by_reference();
}

static const cJSON *applied(const char *kind, const char *name)
{
    const struct action *a = find_action(&s, ACTION_APPLY, kind, name);

    return a ? a->manifest : NULL;
}

Test(plan_takeover, what_runs_is_left_alone)
{
    running_under_reference(SAVEPOINTS);
    record_status(&s);
    make_plan(&s);
    cr_expect_eq(s.plan.n, 0, "%s", s.plan.n ? s.plan.actions[0].why : "");
    cr_expect_str_eq(job_state(&s), "Running");
}

Test(plan_takeover, scaling_does_not_restart_the_pods)
{
    running_under_reference(SAVEPOINTS);
    json_set_int(s.snapshot.cluster, "spec.taskManager.replicas", 2);
    record_status(&s);
    make_plan(&s);
    cr_assert(applied("StatefulSet", "c-jobmanager"));
    cr_expect_null(json_get(applied("StatefulSet", "c-jobmanager"), "spec.template"));
    cr_expect_null(json_get(applied("StatefulSet", "c-taskmanager"), "spec.template"));
    cr_expect_eq(json_int(applied("StatefulSet", "c-taskmanager"), "spec.replicas", 0), 2);
}

Test(plan_takeover, pods_that_were_kept_stay_so_until_an_update_restarts_them)
{
    cJSON *live;

    running_under_reference(NULL);
    live = object("StatefulSet", "c-jobmanager");
    json_set(live, "metadata.managedFields", parse("[{\"manager\":\"flinkd\"}]"));
    make_plan(&s);
    cr_expect_eq(s.plan.n, 0, "flinkd only scaled it before");
    json_set_str(s.snapshot.cluster, "spec.image.name", "flink:1.20.1");
    make_plan(&s);
    cr_assert(applied("StatefulSet", "c-jobmanager"));
    cr_expect_eq(
        json_count(applied("StatefulSet", "c-jobmanager"), "spec.template.metadata.annotations"),
        1);
}

/* Everything is at the new revision, and the submitter was made. */
static void updating_under_reference(const char *submitter)
{
    const struct action *create;

    running_under_reference(SAVEPOINTS);
    json_set(s.snapshot.cluster, "spec.job.args", parse("[\"--new\"]"));
    record_status(&s);
    make_plan(&s);
    create = find_action(&s, ACTION_CREATE, "ControllerRevision", NULL);
    cr_assert(create);
    if (!create)
        return;
    add_object(&s, json_copy(create->manifest));
    set_revision(create->name);
    submitter_status(submitter);
    forget_chosen_id();
    status_str(&s, "components.job.state", "Updating");
    status_str(&s, "components.job.deployTime", at(0));
    status_str(&s, "components.job.startTime", "");
}

/* The job failed, its JobManager lists it as that, and another submitter was made. */
static void restarting_under_reference(const char *submitter)
{
    running_under_reference(
        SAVEPOINTS
        ",\"restartPolicy\":\"FromSavepointOnFailure\",\"maxStateAgeToRestoreSeconds\":3600");
    after(&s, 60);
    json_set_str(object("Job", "c-job-submitter"), "metadata.creationTimestamp", at(60));
    submitter_status(submitter);
    forget_chosen_id();
    status_str(&s, "components.job.state", "Failed");
    status_str(&s, "components.job.id", OLD_RUN);
    status_str(&s, "components.job.savepointLocation", "file:///s/1");
    status_str(&s, "components.job.deployTime", at(60));
    status_str(&s, "components.job.startTime", "");
}

#define FAILED_RUN "{\"jid\":\"" OLD_RUN "\",\"state\":\"FAILED\",\"start-time\":1790000000000}"

static void flink_lists_the_failed(void)
{
    observe(&s, "overview", "{\"reachable\":true,\"since\":0,\"jobs\":[" FAILED_RUN "]}");
}

static void flink_lists_the_next_too(void)
{
    observe(&s, "overview",
            "{\"reachable\":true,\"since\":0,\"jobs\":[" FAILED_RUN ",{\"jid\":\"" RUN1
            "\",\"state\":\"RUNNING\",\"start-time\":1790000065000}]}");
}

static void expect_submitter_kept(void)
{
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_DELETE, "Job", NULL));
    cr_expect_null(find_command(&s, "submit"));
}

Test(plan_takeover, the_submission_of_an_update_under_way_is_followed)
{
    updating_under_reference("{\"active\":1}");
    observe(&s, "overview", "{\"reachable\":false,\"since\":0}");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_DELETE, NULL, NULL));
    record_status(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.revision.currentRevision"),
                     json_str(s.snapshot.cluster, "status.revision.nextRevision"));
}

Test(plan_takeover, the_run_that_an_update_has_submitted_is_known_before_flink_is_asked)
{
    updating_under_reference("{\"active\":1}");
    submitter_tells(RUN1);
    json_remove(s.snapshot.observations, "overview");
    add_jobmanager_pod(&s, "{\"running\":{}}");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_str_eq(job_id(&s), RUN1);
    expect_submitter_kept();
    flink_lists(&s, RUN1, "RUNNING");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    make_plan(&s);
    cr_expect_eq(s.plan.n, 0, "%s", s.plan.n ? s.plan.actions[0].why : "");
    cr_expect_str_eq(s.plan.blocked, "");
}

Test(plan_takeover, no_submitter_is_deleted_before_the_journal_knows_what_runs)
{
    restarting_under_reference("{\"succeeded\":1}"); /* what it told is gone with its pod */
    json_remove(s.snapshot.observations, "overview");
    add_jobmanager_pod(&s, "{\"running\":{}}");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Restarting");
    expect_submitter_kept();
}

Test(plan_takeover, the_failed_run_before_is_not_taken_for_the_one_being_submitted)
{
    restarting_under_reference("{\"active\":1}");
    flink_lists_the_failed();
    for (int i = 0; i < 3; i++) {
        record_status(&s);
        cr_expect_str_eq(job_state(&s), "Deploying");
        expect_submitter_kept();
        cr_expect_str_eq(s.plan.blocked, "");
    }
    flink_lists_the_next_too();
    submitter_tells(RUN1);
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_eq(job_id(&s), RUN1);
}

Test(plan_takeover, a_restart_that_was_submitted_is_followed_though_the_status_tells_of_the_failure)
{
    restarting_under_reference("{\"active\":1}");
    submitter_tells(RUN1);
    json_remove(s.snapshot.observations, "overview");
    add_jobmanager_pod(&s, "{\"running\":{}}");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    expect_submitter_kept();
    flink_lists(&s, RUN1, "RUNNING");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_eq(job_id(&s), RUN1);
}

Test(plan_takeover, the_restart_of_an_attached_client_is_known_beside_the_run_that_failed)
{
    restarting_under_reference("{\"active\":1}");
    flink_lists_the_next_too();
    record_status(&s);
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_eq(job_id(&s), RUN1);
}

Test(plan_takeover, a_submission_that_fails_leaves_the_next_an_id_of_its_own)
{
    restarting_under_reference("{\"active\":1}");
    flink_lists_the_failed();
    record_status(&s);
    observe(&s, "overview", "{\"reachable\":true,\"since\":1790000060000,\"jobs\":[]}");
    submitter_status("{\"failed\":1}");
    after(&s, 60);
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    cr_expect_eq(strlen(job_id(&s)), 32);
    cr_expect_str_neq(job_id(&s), OLD_RUN);
}

Test(plan_takeover, the_run_of_an_attached_client_is_known_once_flink_has_it)
{
    running_under_reference(",\"mode\":\"Blocking\"");
    submitter_status("{\"active\":1}");
    json_remove(s.snapshot.cluster, "status.components.job.id");
    json_remove(s.snapshot.cluster, "status.components.job.startTime");
    status_str(&s, "components.job.state", "Deploying");
    observe(&s, "overview",
            "{\"reachable\":true,\"since\":0,\"jobs\":[{\"jid\":\"" RUN1
            "\",\"state\":\"RUNNING\",\"name\":\"j\",\"start-time\":1}]}");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Deploying", "that one is older than the submitter");
    observe(&s, "overview",
            "{\"reachable\":true,\"since\":0,\"jobs\":[{\"jid\":\"" RUN1
            "\",\"state\":\"RUNNING\",\"name\":\"j\",\"start-time\":1790000005000}]}");
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Running");
    cr_expect_str_eq(job_id(&s), RUN1);
}

Test(plan_takeover, claims_stay_as_they_are_while_the_cluster_is_kept)
{
    static const char claim[] =
        "{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"d-c-taskmanager-0\","
        "\"ownerReferences\":[{\"kind\":\"StatefulSet\",\"name\":\"c-taskmanager\"}]}}";

    running_under_reference(",\"cleanupPolicy\":{\"afterJobSucceeds\":\"KeepCluster\"}");
    add_object(&s, parse(claim));
    flink_lists(&s, job_id(&s), "FINISHED");
    record_status(&s);
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_PATCH, "PersistentVolumeClaim", NULL));
    json_set_str(s.snapshot.cluster, "spec.job.cleanupPolicy.afterJobSucceeds", "DeleteCluster");
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_PATCH, "PersistentVolumeClaim", NULL));
}
