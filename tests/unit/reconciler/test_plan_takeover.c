/* What the reference operator left behind, at rest and on the way: it goes on from there. */
#include "tests/unit/reconciler/scenario.h"

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

Test(plan_takeover, the_submission_of_an_update_under_way_is_followed)
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
    submitter_status("{\"active\":1}");
    observe(&s, "overview", "{\"reachable\":false,\"since\":0}");
    status_str(&s, "components.job.state", "Updating");
    status_str(&s, "components.job.deployTime", at(0));
    record_status(&s);
    cr_expect_str_eq(job_state(&s), "Deploying");
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_DELETE, NULL, NULL));
    record_status(&s);
    cr_expect_str_eq(json_str(s.snapshot.cluster, "status.revision.currentRevision"),
                     json_str(s.snapshot.cluster, "status.revision.nextRevision"));
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
