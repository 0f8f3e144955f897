#include <stdio.h>

#include "tests/unit/reconciler/rendering.h"

TestSuite(desired_service, .fini = rendering_done, .timeout = 10);
TestSuite(desired_ingress, .fini = rendering_done, .timeout = 10);

static const cJSON *jobmanager_service(const struct edit *edits)
{
    render(fixture_session(edits));
    return child("Service", "mine-jobmanager");
}

Test(desired_service, the_jobmanagers_ports_target_those_of_the_pod_by_name)
{
    const cJSON *service = jobmanager_service(NULL);

    expect_json(service, "spec.ports",
                "[{'name':'rpc','port':6123,'targetPort':'rpc'},"
                "{'name':'blob','port':6124,'targetPort':'blob'},"
                "{'name':'query','port':6125,'targetPort':'query'},"
                "{'name':'ui','port':8081,'targetPort':'ui'}]");
    expect_json(service, "spec.selector",
                "{'cluster':'mine','app':'flink','component':'jobmanager'}");
    expect_json(service, "metadata.annotations", NULL);
}

Test(desired_service, the_jobmanager_is_reached_when_it_listens)
{
    expect_json(jobmanager_service(NULL), "spec.publishNotReadyAddresses", "true");
}

static void expect_scope(const char *scope, const char *type, const char *cluster_ip)
{
    char text[32];
    const cJSON *service;

    (void)snprintf(text, sizeof(text), "\"%s\"", scope);
    service = jobmanager_service(EDITS({"spec.jobManager.accessScope", text}));
    expect_json(service, "spec.type", type);
    expect_json(service, "spec.clusterIP", cluster_ip);
}

Test(desired_service, each_access_scope_has_its_type)
{
    expect_scope("Cluster", "'ClusterIP'", NULL);
    expect_scope("VPC", "'LoadBalancer'", NULL);
    expect_scope("External", "'LoadBalancer'", NULL);
    expect_scope("NodePort", "'NodePort'", NULL);
    expect_scope("Headless", "'ClusterIP'", "'None'");
}

Test(desired_service, of_scope_vpc_is_internal_whatever_the_user_annotates)
{
    const cJSON *service = jobmanager_service(
        EDITS({"spec.jobManager.accessScope", "\"VPC\""},
              {"spec.jobManager.ServiceAnnotations",
               q("{'a':'b','networking.gke.io/load-balancer-type':'External'}")}));

    expect_json(service, "metadata.annotations",
                "{'a':'b','networking.gke.io/load-balancer-type':'Internal',"
                "'networking.gke.io/internal-load-balancer-allow-global-access':'true'}");
}

Test(desired_service, the_users_labels_win_but_not_over_the_revision)
{
    const cJSON *service = jobmanager_service(
        EDITS({"spec.jobManager.ServiceLabels",
               q("{'component':'renamed','x':'y','flinkoperator.k8s.io/revision-name':'z'}")}));

    expect_json(service, "metadata.labels",
                "{'cluster':'mine','app':'flink','component':'renamed','x':'y',"
                "'flinkoperator.k8s.io/revision-name':'mine-hash'}");
    expect_json(service, "spec.selector.component", "'jobmanager'");
}

Test(desired_service, the_taskmanagers_is_headless)
{
    const cJSON *service;

    render(fixture_session(NULL));
    service = child("Service", "mine-taskmanager");
    expect_json(service, "spec",
                "{'type':'ClusterIP','clusterIP':'None',"
                "'selector':{'cluster':'mine','app':'flink','component':'taskmanager'},"
                "'ports':[{'name':'data','port':6121},{'name':'rpc','port':6122},"
                "{'name':'query','port':6125}]}");
}

/* ---- Ingress ---- */

static const cJSON *ingress(const char *spec)
{
    render(fixture_session(EDITS({"spec.jobManager.ingress", spec ? q(spec) : NULL})));
    return child("Ingress", "mine-jobmanager");
}

Test(desired_ingress, is_there_when_it_is_specified_even_if_empty)
{
    cr_expect_null(ingress(NULL));
    expect_json(ingress("{}"), "spec",
                "{'rules':[{'http':{'paths':[{'path':'/','pathType':'Prefix','backend':{"
                "'service':{'name':'mine-jobmanager','port':{'name':'ui'}}}}]}}]}");
    expect_json(rendered, "[-1].metadata.labels.component", "'jobmanager'");
    expect_json(rendered, "[-1].metadata.annotations", NULL);
}

Test(desired_ingress, the_clusters_name_goes_into_the_host)
{
    expect_json(ingress("{'hostFormat':'{{$clusterName}}.x.{{ $clusterName\\t}}.y'}"),
                "spec.rules[0].host", "'mine.x.mine.y'");
    expect_json(ingress("{'hostFormat':'{{clusterName}}.{{$clusterName}.{{'}"),
                "spec.rules[0].host", "'{{clusterName}}.{{$clusterName}.{{'");
}

Test(desired_ingress, annotations_are_the_users)
{
    expect_json(ingress("{'annotations':{'a':'b'}}"), "metadata.annotations", "{'a':'b'}");
}

Test(desired_ingress, tls_needs_a_host_or_a_secret)
{
    expect_json(ingress("{'useTls':true}"), "spec.tls", NULL);
    expect_json(ingress("{'useTls':false,'tlsSecretName':'s'}"), "spec.tls", NULL);
    expect_json(ingress("{'useTls':true,'tlsSecretName':'s'}"), "spec.tls", "[{'secretName':'s'}]");
    expect_json(ingress("{'useTls':true,'hostFormat':'h'}"), "spec.tls", "[{'hosts':['h']}]");
    expect_json(ingress("{'useTls':true,'hostFormat':'h','tlsSecretName':'s'}"), "spec.tls",
                "[{'hosts':['h'],'secretName':'s'}]");
}
