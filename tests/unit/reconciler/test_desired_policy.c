#include <stdio.h>

#include "tests/unit/reconciler/rendering.h"

TestSuite(desired_pdb, .fini = rendering_done, .timeout = 10);
TestSuite(desired_hpa, .fini = rendering_done, .timeout = 10);
TestSuite(desired_podgroup, .fini = rendering_done, .timeout = 10);

/* ---- PodDisruptionBudget ---- */

static const cJSON *pdb(const char *spec)
{
    render(fixture_session(EDITS({"spec.podDisruptionBudget", q(spec)})));
    return child("PodDisruptionBudget", "flink-mine");
}

Test(desired_pdb, covers_all_pods_of_the_cluster)
{
    expect_json(pdb("{'maxUnavailable':'50%'}"), "spec",
                "{'maxUnavailable':'50%','selector':{'matchLabels':{'cluster':'mine',"
                "'app':'flink'}}}");
    expect_json(rendered, "[3].apiVersion", "'policy/v1'");
    cr_expect_eq(json_count(rendered, ""), 6);
}

Test(desired_pdb, the_users_selector_is_narrowed_to_the_cluster)
{
    expect_json(pdb("{'minAvailable':1,'selector':{'matchLabels':{'app':'x','tier':'y'}}}"),
                "spec.selector.matchLabels", "{'app':'flink','tier':'y','cluster':'mine'}");
}

static const cJSON *job_pdb(const char *mode, const char *spec)
{
    render(fixture_job(EDITS({"spec.job.mode", q(mode)}, {"spec.job.className", q("'a.B'")},
                             {"spec.podDisruptionBudget", q(spec)})));
    return child("PodDisruptionBudget", "flink-mine");
}

/* Kubernetes allows no eviction at all where it can't count: found on a real node. */
Test(desired_pdb, pods_that_a_job_owns_are_left_out)
{
    const char *expressions = "spec.selector.matchExpressions";

    expect_json(job_pdb("'Detached'", "{'maxUnavailable':1}"), expressions,
                "[{'key':'component','operator':'Exists'}]");
    expect_json(
        job_pdb(
            "'Detached'",
            "{'minAvailable':1,'selector':{'matchExpressions':[{'key':'a','operator':'Exists'}]}}"),
        expressions, "[{'key':'a','operator':'Exists'},{'key':'component','operator':'Exists'}]");
    expect_json(job_pdb("'Application'", "{'minAvailable':2}"), expressions,
                "[{'key':'component','operator':'Exists'}]");
    expect_json(job_pdb("'Application'", "{'minAvailable':'50%'}"), expressions,
                "[{'key':'component','operator':'In','values':['taskmanager']}]");
}

Test(desired_pdb, is_there_even_if_empty)
{
    cr_expect_not_null(pdb("{}"));
    render(fixture_session(NULL));
    cr_expect_null(child("PodDisruptionBudget", "flink-mine"));
}

/* ---- HorizontalPodAutoscaler ---- */

Test(desired_hpa, scales_the_cluster_itself)
{
    const cJSON *hpa;

    render(fixture_session(
        EDITS({"spec.taskManager.horizontalPodAutoscaler",
               q("{'minReplicas':1,'maxReplicas':4,'metrics':[{'type':'Resource','resource':{"
                 "'name':'cpu','target':{'type':'Utilization','averageUtilization':60}}}],"
                 "'behavior':{'scaleDown':{'stabilizationWindowSeconds':0}}}")})));
    hpa = child("HorizontalPodAutoscaler", "flink-mine");
    expect_json(hpa, "apiVersion", "'autoscaling/v2'");
    expect_json(hpa, "spec",
                "{'scaleTargetRef':{'apiVersion':'flinkoperator.k8s.io/v1beta1',"
                "'kind':'FlinkCluster','name':'mine'},'minReplicas':1,'maxReplicas':4,"
                "'metrics':[{'type':'Resource','resource':{'name':'cpu','target':{"
                "'type':'Utilization','averageUtilization':60}}}],"
                "'behavior':{'scaleDown':{'stabilizationWindowSeconds':0}}}");
}

Test(desired_hpa, is_not_there_unless_specified)
{
    render(fixture_session(NULL));
    cr_expect_null(child("HorizontalPodAutoscaler", "flink-mine"));
}

/* ---- PodGroup ---- */

#define VOLCANO                                                                                    \
    {                                                                                              \
        "spec.batchScheduler", q("{'name':'volcano','queue':'q1','priorityClassName':'high'}")     \
    }

static const cJSON *podgroup(cJSON *cluster)
{
    render(cluster);
    return child("PodGroup", "flink-mine");
}

Test(desired_podgroup, has_all_pods_and_what_they_need)
{
    const cJSON *group = podgroup(fixture_session(EDITS(VOLCANO)));

    expect_json(group, "spec",
                "{'minMember':4,'minResources':{'cpu':'8','memory':'8Gi','requests.cpu':'8',"
                "'requests.memory':'8Gi','limits.cpu':'8','limits.memory':'8Gi'},"
                "'queue':'q1','priorityClassName':'high'}");
    expect_json(group, "metadata.labels", NULL);
    expect_json(rendered, "[1].kind", "'PodGroup'");
}

Test(desired_podgroup, counts_storage_and_all_containers)
{
    const cJSON *group = podgroup(fixture_session(EDITS(
        VOLCANO, {"spec.taskManager.replicas", "2"},
        {"spec.jobManager.resources", q("{'requests':{'cpu':'500m','memory':'1Gi'}}")},
        {"spec.taskManager.resources",
         q("{'requests':{'cpu':'1','memory':'1Gi','ephemeral-storage':'1Gi'}}")},
        {"spec.taskManager.sidecars", q("[{'name':'s','resources':{'limits':{'cpu':'250m'}}}]")},
        {"spec.taskManager.volumeClaimTemplates",
         q("[{'metadata':{'name':'t'},'spec':{'resources':{'requests':{'storage':'5Gi'}}}}]")})));

    expect_json(group, "spec.minMember", "3");
    cr_expect_str_eq(json_str(group, "spec.minResources.cpu"), "3");
    cr_expect_str_eq(json_str(group, "spec.minResources.memory"), "3Gi");
    cr_expect_str_eq(json_str(group, "spec.minResources.storage"), "10Gi");
    cr_expect_str_eq(json_str(group, "spec.minResources.ephemeral-storage"), "2Gi");
}

Test(desired_podgroup, counts_the_submitter_until_it_is_done)
{
    cJSON *cluster = fixture_job(EDITS(VOLCANO));
    struct desired_input in;

    expect_json(podgroup(cluster), "spec.minMember", "5");
    rendered_view.submitter.succeeded = true;
    cJSON_Delete(rendered);
    in = rendering_input();
    rendered = desired_children(&in);
    expect_json(child("PodGroup", "flink-mine"), "spec.minMember", "4");
}

Test(desired_podgroup, pods_are_scheduled_by_volcano_in_the_group)
{
    const cJSON *template;

    render(fixture_session(EDITS(VOLCANO)));
    template = json_get(child("StatefulSet", "mine-taskmanager"), "spec.template");
    expect_json(template, "spec.schedulerName", "'volcano'");
    expect_json(template, "spec.priorityClassName", "'high'");
    expect_json(template, "metadata.annotations", "{'scheduling.k8s.io/group-name':'flink-mine'}");
    expect_json(render_run(fixture_job(EDITS(VOLCANO)), NULL), "spec.template.spec.schedulerName",
                "'volcano'");
}

Test(desired_podgroup, queue_and_priority_are_optional)
{
    const cJSON *group =
        podgroup(fixture_session(EDITS({"spec.batchScheduler", q("{'name':'volcano'}")})));

    expect_json(group, "spec.queue", NULL);
    expect_json(group, "spec.priorityClassName", NULL);
    expect_json(child("StatefulSet", "mine-jobmanager"), "spec.template.spec.priorityClassName",
                NULL);
}

Test(desired_podgroup, the_deprecated_name_works_too)
{
    cr_expect_not_null(
        podgroup(fixture_session(EDITS({"spec.batchSchedulerName", "\"volcano\""}))));
}

Test(desired_podgroup, is_for_volcano_and_workloads_only)
{
    struct desired_input in;

    cr_expect_null(podgroup(fixture_session(EDITS({"spec.batchScheduler", q("{'name':''}")}))));
    render(fixture_session(EDITS(VOLCANO)));
    in = rendering_input();
    in.jobmanager = in.taskmanager = false;
    cJSON_Delete(rendered);
    rendered = desired_children(&in);
    cr_expect_null(child("PodGroup", "flink-mine"));
}
