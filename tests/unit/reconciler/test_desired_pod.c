/* Pods of JobManager and TaskManager, and the workloads that make them. */
#include <stdio.h>

#include "common/model/revision.h"
#include "tests/unit/reconciler/rendering.h"

TestSuite(desired_pod, .fini = rendering_done, .timeout = 10);
TestSuite(desired_jobmanager, .fini = rendering_done, .timeout = 10);
TestSuite(desired_taskmanager, .fini = rendering_done, .timeout = 10);
TestSuite(desired_children, .fini = rendering_done, .timeout = 10);

static const cJSON *jobmanager(const struct edit *edits)
{
    render(fixture_session(edits));
    return child("StatefulSet", "mine-jobmanager");
}

static const cJSON *jobmanager_pod(const struct edit *edits)
{
    return json_get(jobmanager(edits), "spec.template.spec");
}

static const cJSON *taskmanager(const struct edit *edits)
{
    render(fixture_session(edits));
    return child("StatefulSet", "mine-taskmanager");
}

static const cJSON *taskmanager_pod(const struct edit *edits)
{
    return json_get(taskmanager(edits), "spec.template.spec");
}

/* ---- all pods ---- */

/* A field of the spec's part that arrives in the pods of that part, and of that part only. */
static void expect_pod_field(const char *field, const char *pod_path, const char *value)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "spec.jobManager.%s", field);
    expect_json(jobmanager_pod(EDITS({path, q(value)})), pod_path, value);
    expect_json(taskmanager_pod(EDITS({path, q(value)})), pod_path, NULL);
    (void)snprintf(path, sizeof(path), "spec.taskManager.%s", field);
    expect_json(taskmanager_pod(EDITS({path, q(value)})), pod_path, value);
    expect_json(jobmanager_pod(EDITS({path, q(value)})), pod_path, NULL);
}

Test(desired_pod, fields_of_the_spec_arrive_in_the_pod)
{
    expect_pod_field("affinity", "affinity",
                     "{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{"
                     "'nodeSelectorTerms':[{'matchExpressions':[{'key':'k'}]}]}}}");
    expect_pod_field("nodeSelector", "nodeSelector", "{'a':'b'}");
    expect_pod_field("tolerations", "tolerations", "[{'key':'k','operator':'Exists'}]");
    expect_pod_field("securityContext", "securityContext", "{'runAsUser':0,'runAsNonRoot':false}");
    expect_pod_field("hostAliases", "hostAliases", "[{'ip':'1.1.1.1','hostnames':['a']}]");
}

Test(desired_pod, fields_of_all_components_arrive_in_the_pod)
{
    const cJSON *pod = jobmanager_pod(
        EDITS({"spec.image.pullSecrets", q("[{'name':'a'},{'name':'b'}]")},
              {"spec.serviceAccountName", "\"sa\""}, {"spec.image.pullPolicy", "\"Never\""}));

    expect_json(pod, "imagePullSecrets", "[{'name':'a'},{'name':'b'}]");
    expect_json(pod, "serviceAccountName", "'sa'");
    expect_json(pod, "containers[0].imagePullPolicy", "'Never'");
    expect_json(pod, "containers[0].image", "'flink:1.20'");
}

Test(desired_pod, an_empty_service_account_is_none)
{
    expect_json(jobmanager_pod(EDITS({"spec.serviceAccountName", "\"\""})), "serviceAccountName",
                NULL);
}

Test(desired_pod, a_minimal_one_has_nothing_else)
{
    const cJSON *pod = jobmanager_pod(NULL);

    expect_json(pod, "terminationGracePeriodSeconds", "60");
    expect_json(pod, "volumes",
                "[{'name':'flink-config-volume','configMap':{'name':'mine-configmap'}}]");
    cr_expect_eq(json_count(pod, "containers"), 1);
    cr_expect_eq(cJSON_GetArraySize(pod), 3);
}

Test(desired_pod, the_main_container_waits_before_it_ends)
{
    expect_json(jobmanager_pod(NULL), "containers[0].lifecycle",
                "{'preStop':{'exec':{'command':['sleep','30']}}}");
}

Test(desired_pod, resources_probes_and_mounts_are_the_main_containers)
{
    const cJSON *container =
        json_at(jobmanager_pod(EDITS(
                    {"spec.jobManager.resources", q("{'limits':{'cpu':2,'memory':'2048Mi'}}")},
                    {"spec.jobManager.readinessProbe", q("{'httpGet':{'path':'/','port':1}}")},
                    {"spec.jobManager.volumes", q("[{'name':'v','emptyDir':{}}]")},
                    {"spec.jobManager.volumeMounts", q("[{'name':'v','mountPath':'/v'}]")})),
                "containers[0]");

    expect_json(container, "resources", "{'limits':{'cpu':'2','memory':'2Gi'}}");
    expect_json(container, "readinessProbe.httpGet", "{'path':'/','port':1}");
    expect_json(container, "readinessProbe.tcpSocket", NULL);
    expect_json(container, "livenessProbe.tcpSocket.port", "6123");
    expect_json(container, "volumeMounts",
                "[{'name':'v','mountPath':'/v'},"
                "{'name':'flink-config-volume','mountPath':'/opt/flink/conf'}]");
}

Test(desired_pod, without_the_webhook_probes_have_their_defaults)
{
    const cJSON *container = json_at(jobmanager_pod(NULL), "containers[0]");

    expect_json(container, "livenessProbe",
                "{'tcpSocket':{'port':6123},'initialDelaySeconds':5,'timeoutSeconds':10,"
                "'periodSeconds':60,'failureThreshold':5}");
    expect_json(container, "readinessProbe",
                "{'tcpSocket':{'port':6123},'initialDelaySeconds':5,'timeoutSeconds':10,"
                "'periodSeconds':5,'failureThreshold':60}");
}

Test(desired_pod, environment_comes_in_the_users_order_and_then_ours)
{
    const cJSON *pod = jobmanager_pod(EDITS(
        {"spec.envVars", q("[{'name':'A','value':'1'},{'name':'B','value':'2'}]")},
        {"spec.envFrom", q("[{'secretRef':{'name':'s'}}]")},
        {"spec.hadoopConfig", q("{'configMapName':'h'}")},
        {"spec.gcpConfig",
         q("{'serviceAccount':{'secretName':'g','keyFile':'k.json','mountPath':'/gcp'}}")},
        {"spec.jobManager.initContainers", q("[{'name':'i','env':[{'name':'B','value':'own'}]}]")},
        {"spec.jobManager.sidecars", q("[{'name':'s'}]")}));

    expect_json(pod, "containers[0].env",
                "[{'name':'A','value':'1'},{'name':'B','value':'2'},"
                "{'name':'HADOOP_CONF_DIR','value':'/etc/hadoop/conf'},"
                "{'name':'GOOGLE_APPLICATION_CREDENTIALS','value':'/gcp/k.json'}]");
    expect_json(pod, "containers[0].envFrom", "[{'secretRef':{'name':'s'}}]");
    expect_json(pod, "initContainers[0].env",
                "[{'name':'B','value':'own'},{'name':'A','value':'1'},"
                "{'name':'HADOOP_CONF_DIR','value':'/etc/hadoop/conf'},"
                "{'name':'GOOGLE_APPLICATION_CREDENTIALS','value':'/gcp/k.json'}]");
    expect_json(pod, "initContainers[0].envFrom", NULL);
    expect_json(pod, "containers[1]", "{'name':'s','resources':{}}");
}

Test(desired_pod, hadoop_and_gcp_files_are_mounted_read_only)
{
    const cJSON *pod = jobmanager_pod(
        EDITS({"spec.hadoopConfig", q("{'configMapName':'h','mountPath':'/opt/hadoop'}")},
              {"spec.gcpConfig",
               q("{'serviceAccount':{'secretName':'g','keyFile':'k.json','mountPath':'/gcp/'}}")}));

    expect_json(pod, "volumes[1]", "{'name':'hadoop-config-volume','configMap':{'name':'h'}}");
    expect_json(pod, "volumes[2]",
                "{'name':'gcp-service-account-volume','secret':{'secretName':'g'}}");
    expect_json(pod, "containers[0].volumeMounts[1]",
                "{'name':'hadoop-config-volume','mountPath':'/opt/hadoop','readOnly':true}");
    expect_json(pod, "containers[0].volumeMounts[2]",
                "{'name':'gcp-service-account-volume','mountPath':'/gcp/','readOnly':true}");
}

Test(desired_pod, a_gcp_config_without_an_account_is_none)
{
    const cJSON *pod = jobmanager_pod(EDITS({"spec.gcpConfig", "{}"}));

    cr_expect_eq(json_count(pod, "volumes"), 1);
    expect_json(pod, "containers[0].env", NULL);
}

Test(desired_pod, a_mount_path_that_is_taken_stays)
{
    const cJSON *pod = jobmanager_pod(
        EDITS({"spec.jobManager.initContainers",
               q("[{'name':'i','volumeMounts':[{'name':'v','mountPath':'/opt/flink/conf'}]}]")}));

    expect_json(pod, "initContainers[0].volumeMounts",
                "[{'name':'v','mountPath':'/opt/flink/conf'}]");
}

Test(desired_pod, what_cannot_be_applied_twice_is_there_once)
{
    const cJSON *pod = jobmanager_pod(
        EDITS({"spec.envVars", q("[{'name':'A','value':'1'},{'name':'B','value':'$(A)'},"
                                 "{'name':'A','value':'2'},{'name':'A','value':'3'}]")},
              {"spec.image.pullSecrets", q("[{'name':'a'},{'name':'a'}]")},
              {"spec.jobManager.hostAliases",
               q("[{'ip':'1.1.1.1','hostnames':['a']},{'ip':'2.2.2.2','hostnames':['b']},"
                 "{'ip':'1.1.1.1','hostnames':['c']}]")}));

    expect_json(pod, "containers[0].env", "[{'name':'A','value':'3'},{'name':'B','value':'$(A)'}]");
    expect_json(pod, "imagePullSecrets", "[{'name':'a'}]");
    expect_json(pod, "hostAliases",
                "[{'ip':'1.1.1.1','hostnames':['a','c']},{'ip':'2.2.2.2','hostnames':['b']}]");
}

Test(desired_pod, extra_ports_follow_the_named_ones)
{
    expect_json(jobmanager_pod(EDITS(
                    {"spec.jobManager.extraPorts", q("[{'name':'p','containerPort':9249},"
                                                     "{'containerPort':5005,'protocol':'UDP'}]")})),
                "containers[0].ports",
                "[{'name':'rpc','containerPort':6123},{'name':'blob','containerPort':6124},"
                "{'name':'query','containerPort':6125},{'name':'ui','containerPort':8081},"
                "{'name':'p','containerPort':9249},{'containerPort':5005,'protocol':'UDP'}]");
}

/* ---- JobManager ---- */

Test(desired_jobmanager, is_a_stateful_set_of_its_service)
{
    const cJSON *set = jobmanager(NULL);

    expect_json(set, "apiVersion", "'apps/v1'");
    expect_json(set, "spec.replicas", "1");
    expect_json(set, "spec.serviceName", "'mine-jobmanager'");
    expect_json(set, "spec.podManagementPolicy", NULL);
    expect_json(set, "spec.volumeClaimTemplates", NULL);
    expect_json(set, "spec.template.spec.containers[0].name", "'jobmanager'");
    expect_json(set, "spec.template.spec.containers[0].args", "['jobmanager']");
}

Test(desired_jobmanager, a_new_revision_alone_restarts_no_pod)
{
    const cJSON *set = jobmanager(EDITS({"spec.jobManager.podLabels", q("{'tier':'x'}")},
                                        {"spec.jobManager.podAnnotations", q("{'a':'b'}")}));
    const char *labels = "{'cluster':'mine','app':'flink','component':'jobmanager','tier':'x'}";

    expect_json(set, "spec.selector.matchLabels", labels);
    expect_json(set, "spec.template.metadata",
                "{'labels':{'cluster':'mine','app':'flink',"
                "'component':'jobmanager','tier':'x'},"
                "'annotations':{'a':'b'}}");
    cr_expect_eq(json_count(set, "metadata.labels"), 5);
    cr_expect_str_eq(
        cJSON_GetStringValue(json_member(json_get(set, "metadata.labels"), LABEL_REVISION)),
        "mine-hash");
}

Test(desired_jobmanager, the_users_labels_go_over_ours_but_not_over_the_revision)
{
    const cJSON *set =
        jobmanager(EDITS({"spec.jobManager.podLabels",
                          q("{'app':'other','flinkoperator.k8s.io/revision-name':'x'}")}));

    expect_json(set, "spec.selector.matchLabels.app", "'other'");
    cr_expect_str_eq(
        cJSON_GetStringValue(json_member(json_get(set, "metadata.labels"), LABEL_REVISION)),
        "mine-hash");
}

Test(desired_jobmanager, claims_belong_to_the_cluster_and_outlive_the_set)
{
    const cJSON *set = jobmanager(
        EDITS({"spec.jobManager.volumeClaimTemplates",
               q("[{'metadata':{'name':'state'},'spec':{'accessModes':['ReadWriteOnce']}}]")}));

    expect_json(set, "spec.volumeClaimTemplates[0]",
                "{'metadata':{'name':'state','ownerReferences':[{"
                "'apiVersion':'flinkoperator.k8s.io/v1beta1','kind':'FlinkCluster',"
                "'name':'mine','uid':'u','controller':true,'blockOwnerDeletion':false}]},"
                "'spec':{'accessModes':['ReadWriteOnce'],'resources':{}}}");
}

Test(desired_jobmanager, says_what_it_was_configured_by_when_asked_to)
{
    struct desired_input in;

    jobmanager(NULL);
    in = rendering_input();
    in.configured_by = "abc";
    cJSON_Delete(rendered);
    rendered = desired_children(&in);
    cr_expect_str_eq(
        cJSON_GetStringValue(json_member(
            json_at(child("StatefulSet", "mine-jobmanager"), "spec.template.metadata.annotations"),
            ANNOTATION_CONFIGURED_BY)),
        "abc");
}

/* ---- TaskManager ---- */

Test(desired_taskmanager, is_a_stateful_set_started_all_at_once)
{
    const cJSON *set = taskmanager(NULL);

    expect_json(set, "spec.replicas", "3");
    expect_json(set, "spec.serviceName", "'mine-taskmanager'");
    expect_json(set, "spec.podManagementPolicy", "'Parallel'");
    expect_json(set, "spec.template.spec.containers[0].name", "'taskmanager'");
    expect_json(set, "spec.template.spec.containers[0].args", "['taskmanager']");
    expect_json(set, "spec.template.spec.containers[0].ports",
                "[{'name':'data','containerPort':6121},{'name':'rpc','containerPort':6122},"
                "{'name':'query','containerPort':6125}]");
    expect_json(set, "spec.template.spec.containers[0].livenessProbe.tcpSocket.port", "6122");
    expect_json(set, "spec.selector.matchLabels",
                "{'cluster':'mine','app':'flink','component':'taskmanager'}");
}

Test(desired_taskmanager, its_pods_have_what_is_specified_for_them)
{
    const cJSON *set = taskmanager(EDITS(
        {"spec.taskManager.replicas", "7"}, {"spec.taskManager.podAnnotations", q("{'a':'b'}")},
        {"spec.taskManager.podLabels", q("{'tier':'x'}")},
        {"spec.taskManager.extraPorts", q("[{'name':'prom','containerPort':9249}]")},
        {"spec.taskManager.ports", q("{'data':7001,'rpc':7002,'query':7003}")},
        {"spec.taskManager.resources", q("{'limits':{'cpu':'1','memory':'3Gi'}}")},
        {"spec.taskManager.volumes", q("[{'name':'v','emptyDir':{}}]")},
        {"spec.taskManager.volumeMounts", q("[{'name':'v','mountPath':'/v'}]")},
        {"spec.taskManager.initContainers", q("[{'name':'i','image':'i:1'}]")},
        {"spec.taskManager.sidecars", q("[{'name':'s','image':'s:1'}]")},
        {"spec.taskManager.livenessProbe", q("{'periodSeconds':7}")},
        {"spec.taskManager.readinessProbe", q("{'exec':{'command':['true']}}")}));
    const cJSON *main = json_at(set, "spec.template.spec.containers[0]");

    expect_json(set, "spec.replicas", "7");
    expect_json(set, "spec.template.metadata.annotations", "{'a':'b'}");
    expect_json(set, "spec.template.metadata.labels.tier", "'x'");
    expect_json(main, "ports",
                "[{'name':'data','containerPort':7001},{'name':'rpc','containerPort':7002},"
                "{'name':'query','containerPort':7003},{'name':'prom','containerPort':9249}]");
    expect_json(main, "resources", "{'limits':{'cpu':'1','memory':'3Gi'}}");
    expect_json(main, "volumeMounts[0]", "{'name':'v','mountPath':'/v'}");
    expect_json(main, "livenessProbe.periodSeconds", "7");
    expect_json(main, "livenessProbe.tcpSocket.port", "7002");
    expect_json(main, "readinessProbe.exec", "{'command':['true']}");
    expect_json(main, "readinessProbe.tcpSocket", NULL);
    expect_json(set, "spec.template.spec.volumes[0]", "{'name':'v','emptyDir':{}}");
    expect_json(set, "spec.template.spec.initContainers[0].image", "'i:1'");
    expect_json(set, "spec.template.spec.containers[1].image", "'s:1'");
}

Test(desired_taskmanager, as_a_deployment_has_volumes_for_its_claims)
{
    const cJSON *deployment;

    render(fixture_session(EDITS({"spec.taskManager.deploymentType", "\"Deployment\""},
                                 {"spec.taskManager.podLabels", q("{'tier':'x'}")},
                                 {"spec.taskManager.volumeClaimTemplates",
                                  q("[{'metadata':{'name':'tmp','labels':{'a':'b'}},"
                                    "'spec':{'accessModes':['ReadWriteOnce']}}]")})));
    deployment = child("Deployment", "mine-taskmanager");
    cr_expect_null(child("StatefulSet", "mine-taskmanager"));
    expect_json(deployment, "spec.serviceName", NULL);
    expect_json(deployment, "spec.podManagementPolicy", NULL);
    expect_json(deployment, "spec.volumeClaimTemplates", NULL);
    expect_json(deployment, "spec.template.spec.volumes[-1]",
                "{'name':'tmp','ephemeral':{'volumeClaimTemplate':{'metadata':{'labels':{"
                "'cluster':'mine','app':'flink','component':'taskmanager','tier':'x'}},"
                "'spec':{'accessModes':['ReadWriteOnce'],'resources':{}}}}}");
}

Test(desired_taskmanager, of_an_unknown_type_is_none_and_of_no_type_a_stateful_set)
{
    cr_expect_null(taskmanager(EDITS({"spec.taskManager.deploymentType", "\"Pod\""})));
    cr_expect_not_null(taskmanager(EDITS({"spec.taskManager.deploymentType", "\"\""})));
}

/* ---- the list ---- */

static void expect_kinds(const char *kinds)
{
    char text[512] = "";
    size_t len = 0;

    json_foreach (object, rendered)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ",
                                json_str_or(object, "kind", "?"));
    cr_expect_str_eq(text, kinds);
}

Test(desired_children, services_come_before_the_pods_that_look_them_up)
{
    render(fixture_session(NULL));
    expect_kinds("ConfigMap Service Service StatefulSet StatefulSet ");
    render(fixture_job(NULL));
    expect_kinds("ConfigMap Service Service StatefulSet StatefulSet ");
}

Test(desired_children, an_application_has_no_jobmanager_set)
{
    render(fixture_job(EDITS({"spec.job.mode", "\"Application\""})));
    expect_kinds("ConfigMap Service Service StatefulSet ");
    cr_expect_not_null(child("StatefulSet", "mine-taskmanager"));
}

static void render_parts(bool jobmanager_too, bool taskmanager_too, bool everything)
{
    struct desired_input in;

    rendering_begin(fixture_session(NULL));
    in = rendering_input();
    in.jobmanager = jobmanager_too;
    in.taskmanager = taskmanager_too;
    in.everything = everything;
    rendered = desired_children(&in);
}

Test(desired_children, what_is_cleaned_up_is_not_desired)
{
    render_parts(true, false, true);
    expect_kinds("ConfigMap Service Service StatefulSet ");
    cr_expect_null(child("StatefulSet", "mine-taskmanager"));
    render_parts(false, false, true);
    expect_kinds("ConfigMap Service Service ");
    render_parts(true, true, false);
    expect_kinds("");
}

Test(desired_children, a_recorded_revision_renders_as_the_spec_it_was_made_of)
{
    cJSON *data;
    cJSON *of_spec;
    struct desired_input in;

    render(fixture_job(EDITS({"spec.jobManager.livenessProbe", q("{'periodSeconds':33}")})));
    of_spec = rendered;
    rendered = NULL;
    data = revision_data(rendered_view.spec);
    in = rendering_input();
    in.spec = json_member(data, "spec");
    rendered = desired_children(&in);
    cr_expect(json_equal(of_spec, rendered));
    cJSON_Delete(of_spec);
    cJSON_Delete(data);
}
