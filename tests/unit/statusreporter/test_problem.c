#include "statusreporter/problem.h"
#include "tests/unit/statusreporter/known.h"

static struct known k;
static struct problems problems;

static void init(void)
{
    known_init(&k, "{}", NULL);
}

static void done(void)
{
    known_done(&k);
}

TestSuite(problem, .init = init, .fini = done, .timeout = 20);

static const struct problem *find(const char *reason)
{
    if (!k.v.snapshot)
        known_read(&k);
    problems_find(&k.v, &k.l, &problems);
    for (int i = 0; i < problems.n; i++) {
        if (str_eq(problems.items[i].reason, reason))
            return &problems.items[i];
    }
    return NULL;
}

static void expect(const char *reason, const char *part)
{
    const struct problem *p = find(reason);

    cr_assert(p, "no %s", reason);
    cr_expect(strstr(p->message, part), "'%s' lacks '%s'", p->message, part);
}

Test(problem, a_fine_cluster_has_none)
{
    known_components(&k);
    known_read(&k);
    problems_find(&k.v, &k.l, &problems);
    cr_expect_eq(problems.n, 0, "%s", problems.items[0].message);
}

Test(problem, a_quota_that_keeps_pods_away_is_told_while_they_lack)
{
    cJSON *workload = known_child(&k, "StatefulSet", "c-taskmanager",
                                  "{'spec':{'replicas':2},'status':{'replicas':1}}");

    known_observe(&k, "failedcreate/StatefulSet/c-taskmanager",
                  "{'reason':'FailedCreate','message':'exceeded quota: q'}");
    expect("FailedCreate", "pods of StatefulSet/c-taskmanager can't be created: exceeded quota");
    json_set_int(workload, "status.replicas", 2);
    cr_expect_null(find("FailedCreate"), "they came");
}

Test(problem, what_the_reconciler_was_refused_is_told)
{
    known_components(&k);
    known_observe(&k, "failedapply/Service/c-jobmanager", "{'message':'nodePort is taken'}");
    expect("FailedCreate", "Service/c-jobmanager can't be written: nodePort is taken");
}

Test(problem, a_missing_volcano_is_named)
{
    known_observe(&k, "failedapply/PodGroup/flink-c",
                  "{'reason':'NotFound','message':'the server could not find the resource'}");
    expect("VolcanoMissing", "podgroups.scheduling.volcano.sh");
}

Test(problem, a_name_that_is_taken_is_told)
{
    cJSON *other = known_child(&k, "ConfigMap", "c-configmap", "{}");

    json_remove(other, "metadata.ownerReferences");
    expect("NameTaken", "ConfigMap c-configmap exists already");
}

Test(problem, a_name_that_is_taken_by_what_the_watcher_doesnt_see_is_told)
{
    known_observe(&k, "failedapply/Service/c-jobmanager", "{'reason':'NameTaken','message':''}");
    expect("NameTaken", "Service c-jobmanager exists already");
}

Test(problem, memory_that_flink_will_refuse_is_told_before_the_pods_crash)
{
    json_set_str(k.snapshot.cluster, "spec.taskManager.resources.limits.memory", "64Mi");
    cr_expect(find("InvalidMemory"));
    known_child(&k, "StatefulSet", "c-taskmanager", "{'status':{'readyReplicas':1}}");
    cr_expect_null(find("InvalidMemory"), "Flink took it");
}

Test(problem, memory_is_no_matter_when_the_job_is_over)
{
    json_set_str(k.snapshot.cluster, "spec.taskManager.resources.limits.memory", "64Mi");
    known_read(&k);
    known_job(&k, JOB_SUCCEEDED);
    cr_expect_null(find("InvalidMemory"));
}

Test(problem, why_the_plan_is_stuck_is_told)
{
    known_observe(&k, "plan", "{'blocked':'JobManagerGone','message':'its node is gone'}");
    expect("JobManagerGone", "its node is gone");
}

Test(problem, an_invalid_spec_is_said_once)
{
    known_read(&k);
    k.v.invalid = true;
    str_copy(k.v.invalid_text, sizeof k.v.invalid_text, "spec.x: no");
    str_copy(k.l.reason, sizeof k.l.reason, "InvalidSpec");
    cr_expect(find("InvalidSpec"));
    cr_expect_eq(problems.n, 1);
}

Test(problem, there_is_room_for_some_only_and_the_first_stay)
{
    char key[64];

    for (int i = 0; i < 50; i++) {
        (void)snprintf(key, sizeof key, "failedapply/ConfigMap/x%d", i);
        known_observe(&k, key, "{'message':'no'}");
    }
    cr_expect(find("FailedCreate"));
    cr_expect_eq(problems.n, PROBLEMS_MAX);
}

Test(problem, observations_of_strange_names_are_survived)
{
    known_observe(&k, "failedapply/", "{}");
    known_observe(&k, "failedapply/x", "{}");
    known_observe(
        &k,
        "failedcreate/"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "/y",
        "{}");
    (void)find("");
}
