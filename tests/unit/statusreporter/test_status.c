#include "common/base/buf.h"
#include "tests/unit/statusreporter/known.h"

static struct known k;

static void done(void)
{
    known_done(&k);
}

TestSuite(status, .fini = done, .timeout = 20);

static void session(const char *status)
{
    known_init(&k, "{}", status);
}

/* ---- components ---- */

Test(status, before_anything_exists_only_the_service_is_named_and_empty)
{
    session(NULL);
    known_read(&k);
    expect_json(known_status(&k), "components", "{'jobManagerService':{'name':'','state':''}}");
    expect_str(k.status, "state", "Creating");
}

Test(status, workloads_without_a_status_are_zero_of_zero)
{
    session(NULL);
    known_child(&k, "ConfigMap", "c-configmap", "{}");
    known_child(&k, "StatefulSet", "c-jobmanager", "{'spec':{'replicas':1}}");
    known_child(&k, "StatefulSet", "c-taskmanager", "{'spec':{'replicas':3}}");
    known_child(&k, "Service", "c-jobmanager", "{'spec':{'clusterIP':'None'}}");
    known_read(&k);
    expect_json(
        known_status(&k), "components",
        "{'configMap':{'name':'c-configmap','state':'Ready'},"
        "'jobManager':{'name':'c-jobmanager','ready':'0/0','replicas':0,'state':'NotReady'},"
        "'jobManagerService':{'name':'c-jobmanager','state':'Ready'},"
        "'taskManager':{'name':'c-taskmanager','ready':'0/0','replicas':0,"
        "'selector':'app=flink,cluster=c,component=taskmanager','state':'NotReady'}}");
    expect_str(k.status, "state", "Creating");
}

static void expect_selector(const char *spec, const char *selector)
{
    known_init(&k, spec, NULL);
    known_child(&k, "StatefulSet", "c-taskmanager",
                "{'spec':{'selector':{'matchLabels':{'app':'mine','cluster':'c','component':'tm',"
                "'other':'x'}}}}");
    known_read(&k);
    expect_json(known_status(&k), "components.taskManager.selector", selector);
    done();
}

Test(status, an_autoscaler_finds_the_pods_whatever_podlabels_made_of_their_labels)
{
    expect_selector("{}", "'app=flink,cluster=c,component=taskmanager'");
    expect_selector("{'taskManager':{'horizontalPodAutoscaler':{'maxReplicas':2}}}",
                    "'app=mine,cluster=c,component=tm'");
}

Test(status, ready_components_make_a_running_cluster)
{
    session("{'state':'Creating','components':{}}");
    known_components(&k);
    known_read(&k);
    expect_json(known_status(&k), "components.jobManager",
                "{'name':'c-jobmanager','ready':'1/1','readyReplicas':1,'replicas':1,"
                "'state':'Ready'}");
    expect_str(k.status, "state", "Running");
}

Test(status, counts_of_the_last_spec_dont_make_a_workload_ready)
{
    session(NULL);
    known_child(&k, "StatefulSet", "c-jobmanager",
                "{'metadata':{'generation':2},'spec':{'replicas':1},"
                "'status':{'observedGeneration':1,'replicas':1,'readyReplicas':1}}");
    known_read(&k);
    expect_str(known_status(&k), "components.jobManager.state", "NotReady");
}

Test(status, taskmanagers_of_a_deployment_are_read_from_it)
{
    known_init(&k, "{'taskManager':{'deploymentType':'Deployment'}}", NULL);
    known_child(&k, "Deployment", "c-taskmanager",
                "{'spec':{'replicas':2},'status':{'replicas':2,'readyReplicas':1}}");
    known_read(&k);
    expect_str(known_status(&k), "components.taskManager.ready", "1/2");
    expect_str(k.status, "components.taskManager.state", "NotReady");
}

Test(status, another_owners_object_is_not_a_component)
{
    cJSON *other;

    session(NULL);
    other = known_child(&k, "ConfigMap", "c-configmap", "{}");
    json_remove(other, "metadata.ownerReferences");
    known_read(&k);
    cr_expect_not(json_has(known_status(&k), "components.configMap"));
}

Test(status, a_load_balancer_service_is_ready_with_its_address)
{
    cJSON *service;

    session(NULL);
    service = known_child(&k, "Service", "c-jobmanager",
                          "{'spec':{'type':'LoadBalancer','clusterIP':'10.0.0.1'}}");
    known_read(&k);
    expect_json(known_status(&k), "components.jobManagerService",
                "{'name':'c-jobmanager','state':'NotReady'}");
    json_set(service, "status.loadBalancer.ingress", parse("[{'ip':'1.2.3.4'}]"));
    expect_json(known_status(&k), "components.jobManagerService",
                "{'name':'c-jobmanager','state':'Ready','loadBalancerIngress':[{'ip':'1.2.3.4'}]}");
}

Test(status, a_node_port_service_tells_the_port_of_the_ui)
{
    session(NULL);
    known_child(&k, "Service", "c-jobmanager",
                "{'spec':{'type':'NodePort','ports':[{'name':'rpc','nodePort':30001},"
                "{'name':'ui','nodePort':30002}]}}");
    known_read(&k);
    expect_json(known_status(&k), "components.jobManagerService",
                "{'name':'c-jobmanager','state':'Ready','nodePort':30002}");
}

Test(status, an_ingress_lists_its_hosts)
{
    session(NULL);
    known_child(&k, "Ingress", "c-jobmanager",
                "{'spec':{'rules':[{'host':'a.example.org'},{'host':''}]}}");
    known_read(&k);
    expect_json(known_status(&k), "components.jobManagerIngress",
                "{'name':'c-jobmanager','state':'NotReady','urls':['http://a.example.org']}");
}

Test(status, an_ingress_with_tls_lists_https_and_is_ready_with_an_address)
{
    session(NULL);
    known_child(&k, "Ingress", "c-jobmanager",
                "{'spec':{'tls':[{'hosts':['b.example.org','']}],'rules':[{'host':'no'}]},"
                "'status':{'loadBalancer':{'ingress':[{'hostname':'','ip':'1.2.3.4'}]}}}");
    known_read(&k);
    expect_json(known_status(&k), "components.jobManagerIngress",
                "{'name':'c-jobmanager','state':'Ready','urls':['https://b.example.org']}");
}

Test(status, an_ingress_without_hosts_lists_its_addresses)
{
    session(NULL);
    known_child(&k, "Ingress", "c-jobmanager",
                "{'spec':{'rules':[{}]},'status':{'loadBalancer':{'ingress':[{'ip':'1.2.3.4'},"
                "{'hostname':'lb.example.org','ip':'5.6.7.8'}]}}}");
    known_read(&k);
    expect_json(known_status(&k), "components.jobManagerIngress.urls",
                "['http://1.2.3.4','http://lb.example.org']");
}

static const char recorded_all[] =
    "{'state':'Stopping','components':{'configMap':{'name':'c-configmap','state':'Ready'},"
    "'jobManager':{'name':'c-jobmanager','ready':'1/1','readyReplicas':1,'replicas':1,"
    "'state':'Ready'},'jobManagerService':{'name':'c-jobmanager','state':'Ready','nodePort':1},"
    "'jobManagerIngress':{'name':'c-jobmanager','state':'Ready','urls':['http://x']},"
    "'taskManager':{'name':'c-taskmanager','ready':'1/1','readyReplicas':1,'replicas':1,"
    "'selector':'app=flink,cluster=c,component=taskmanager','state':'Ready'}}}";

Test(status, recorded_components_that_are_gone_are_deleted)
{
    session(recorded_all);
    known_read(&k);
    expect_json(known_status(&k), "components",
                "{'configMap':{'name':'c-configmap','state':'Deleted'},"
                "'jobManager':{'name':'c-jobmanager','ready':'','replicas':0,'state':'Deleted'},"
                "'jobManagerService':{'name':'c-jobmanager','state':'Deleted'},"
                "'jobManagerIngress':{'name':'c-jobmanager','state':'Deleted'},"
                "'taskManager':{'name':'c-taskmanager','ready':'','replicas':0,'selector':'',"
                "'state':'Deleted'}}");
}

static void triggered_update(void)
{
    k.v.revision.update_triggered = true;
    str_copy(k.v.revision.next_name, sizeof k.v.revision.next_name, "c-new");
    k.l.update = UPDATE_IN_PROGRESS;
    k.l.update_pending = k.l.cluster_must_update = true;
}

Test(status, components_of_the_old_revision_are_updating)
{
    cJSON *jobmanager;

    session(recorded_all);
    known_components(&k);
    jobmanager = (cJSON *)(uintptr_t)snapshot_object(&k.snapshot, "StatefulSet", "c-jobmanager");
    json_set_member_str(json_get(jobmanager, "metadata.labels"),
                        "flinkoperator.k8s.io/revision-name", "c-new");
    known_read(&k);
    triggered_update();
    expect_str(known_status(&k), "components.taskManager.state", "Updating");
    expect_str(k.status, "components.taskManager.ready", "1/1");
    expect_str(k.status, "components.jobManager.state", "Ready");
    expect_str(k.status, "state", "Updating");
}

Test(status, an_ingress_that_an_update_adds_needs_no_record)
{
    known_init(&k, "{'jobManager':{'ingress':{}}}", "{'state':'Running','components':{}}");
    known_components(&k);
    known_read(&k);
    triggered_update();
    cr_expect_not(json_has(known_status(&k), "components.jobManagerIngress"));
    expect_str(k.status, "components.configMap.state", "Ready");
}

Test(status, application_mode_has_no_jobmanager_component_and_counts_two)
{
    known_init(&k, "{'job':{'mode':'Application','jarFile':'x.jar'}}",
               "{'state':'Creating','components':{}}");
    known_components(&k);
    known_read(&k);
    cr_expect_not(json_has(known_status(&k), "components.jobManager"));
    expect_str(k.status, "state", "Running");
}

/* ---- cluster state by the life of the job ---- */

static void job_cluster(const char *state)
{
    _cleanup_(freep) char *status =
        str_printf("{'state':'%s','components':{'job':{'state':'Running'}}}", state);

    known_init(&k, "{'job':{'jarFile':'x.jar'}}", status);
    known_components(&k);
    known_read(&k);
}

Test(status, a_finished_job_with_a_cleanup_policy_stops_the_cluster)
{
    job_cluster("Running");
    known_job(&k, JOB_SUCCEEDED);
    k.l.cleanup = true;
    k.l.cleanup_policy = "DeleteCluster";
    expect_str(known_status(&k), "state", "Stopping");
    k.l.cleanup_policy = "DeleteTaskManager";
    expect_str(known_status(&k), "state", "Stopping");
    k.l.cleanup_policy = "KeepCluster";
    expect_str(known_status(&k), "state", "Running");
}

Test(status, a_failed_job_that_is_to_be_restarted_keeps_its_cluster)
{
    job_cluster("Running");
    known_job(&k, JOB_FAILED);
    k.l.will_restart = true;
    expect_str(known_status(&k), "state", "Running");
}

Test(status, a_stopped_cluster_whose_job_is_to_be_restarted_comes_back)
{
    job_cluster("Stopped");
    known_job(&k, JOB_FAILED);
    expect_str(known_status(&k), "state", "Reconciling");
    k.l.will_restart = true;
    expect_str(known_status(&k), "state", "Running");
}

Test(status, a_suspended_cluster_is_stopped_though_its_services_stay)
{
    known_init(&k, "{'job':{'jarFile':'x.jar','suspend':true}}",
               "{'state':'Stopping','components':{'job':{'state':'Pending'}}}");
    known_child(&k, "Service", "c-jobmanager", "{'spec':{'clusterIP':'10.0.0.1'}}");
    known_read(&k);
    known_job(&k, JOB_PENDING);
    k.l.suspended = true;
    expect_str(known_status(&k), "state", "Stopped");
}

/* ---- the rest ---- */

Test(status, the_job_savepoint_and_control_are_those_of_its_life)
{
    job_cluster("Running");
    known_job(&k, JOB_RUNNING);
    cJSON_Delete(k.l.savepoint);
    k.l.savepoint = parse("{'state':'InProgress','triggerID':'t'}");
    cJSON_Delete(k.l.control);
    k.l.control = parse("{'name':'savepoint','state':'InProgress','updateTime':'x'}");
    k.l.savepoints = parse("[{'location':'l','time':'t'}]");
    expect_str(known_status(&k), "components.job.state", "Running");
    expect_json(k.status, "savepoint", "{'state':'InProgress','triggerID':'t'}");
    expect_str(k.status, "control.name", "savepoint");
    expect_json(k.status, "savepoints", "[{'location':'l','time':'t'}]");
}

Test(status, a_session_cluster_has_no_job)
{
    session(NULL);
    known_read(&k);
    cr_expect_not(json_has(known_status(&k), "components.job"));
}

Test(status, the_generation_is_that_of_the_spec_it_was_made_from)
{
    session(NULL);
    known_read(&k);
    cr_expect_eq(json_int(known_status(&k), "observedGeneration", 0), 3);
    cr_expect_eq(json_int(condition(k.status, "Ready"), "observedGeneration", 0), 3);
}

Test(status, a_finished_update_makes_the_next_revision_the_current_one)
{
    session("{'state':'Running','components':{},'revision':{'currentRevision':'c-old-1'}}");
    known_read(&k);
    str_copy(k.v.revision.current, sizeof k.v.revision.current, "c-old-1");
    str_copy(k.v.revision.next, sizeof k.v.revision.next, "c-new-2");
    triggered_update();
    expect_json(known_status(&k), "revision",
                "{'currentRevision':'c-old-1','nextRevision':'c-new-2'}");
    k.l.update = UPDATE_FINISHED;
    expect_json(known_status(&k), "revision",
                "{'currentRevision':'c-new-2','nextRevision':'c-new-2'}");
}

Test(status, collisions_are_told_only_when_there_are_some)
{
    session(NULL);
    known_read(&k);
    cr_expect_not(json_has(known_status(&k), "revision.collisionCount"));
    k.v.revision.collision_count = 2;
    cr_expect_eq(json_int(known_status(&k), "revision.collisionCount", 0), 2);
}

Test(status, the_same_facts_later_make_the_same_status_to_the_byte)
{
    cJSON *first;

    session(NULL);
    known_components(&k);
    known_read(&k);
    first = json_copy(known_status(&k));
    json_set(k.snapshot.cluster, "status", first); /* recorded: Creating -> Running */
    life_done(&k.l);
    view_done(&k.v);
    view_init(&k.v, &k.snapshot, NOW + 5000);
    life_derive(&k.v, &k.l);
    json_set(k.snapshot.cluster, "status", json_copy(known_status(&k)));
    life_done(&k.l);
    view_done(&k.v);
    view_init(&k.v, &k.snapshot, NOW + 3600 * 1000LL);
    life_derive(&k.v, &k.l);
    cr_expect(json_equal(known_status(&k), k.v.status), "nothing happened in an hour");
}

Test(status, a_change_sets_the_time_of_the_last_update)
{
    session("{'state':'Running','components':{},'lastUpdateTime':'" EARLIER "'}");
    known_read(&k);
    expect_str(known_status(&k), "lastUpdateTime", NOW_TEXT);
}

Test(status, reasons_of_failures_are_bounded_in_number_and_size)
{
    char text[STATUS_FAILURE_REASON_BYTES * 2];
    cJSON *reasons = cJSON_CreateArray();

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 100; i++)
        json_add_item(reasons, cJSON_CreateString(text));
    job_cluster("Running");
    known_job(&k, JOB_FAILED);
    json_set(k.l.job, "failureReasons", reasons);
    reasons = json_get(known_status(&k), "components.job.failureReasons");
    cr_expect_eq(cJSON_GetArraySize(reasons), STATUS_FAILURE_REASONS_MAX);
    cr_expect_eq(strlen(reasons->child->valuestring), (size_t)STATUS_FAILURE_REASON_BYTES);
}

Test(status, a_savepoint_message_is_bounded_at_a_character)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(100000);

    for (int i = 0; i < 2000; i++)
        buf_puts(&text, "\xc3\xa4"); /* a umlaut: two bytes */
    job_cluster("Running");
    cJSON_Delete(k.l.savepoint);
    k.l.savepoint = parse("{'state':'Failed'}");
    json_set_str(k.l.savepoint, "message", buf_str(&text));
    cr_expect_eq(strlen(json_str(known_status(&k), "savepoint.message")),
                 (size_t)STATUS_MESSAGE_BYTES);
}

Test(status, the_inventory_of_savepoints_is_bounded)
{
    job_cluster("Running");
    cJSON_Delete(k.l.savepoints);
    k.l.savepoints = cJSON_CreateArray();
    for (int i = 0; i < 200; i++)
        json_add_item(k.l.savepoints, parse("{'location':'l','time':'t'}"));
    cr_expect_eq(json_count(known_status(&k), "savepoints"), STATUS_SAVEPOINTS_MAX);
}

Test(status, hostile_records_are_survived)
{
    static const char *const records[] = {
        "[]",
        "'x'",
        "{'state':7,'components':[]}",
        "{'components':{'jobManager':'x'}}",
        "{'conditions':{'a':1},'components':{'job':[]},'revision':'x','savepoint':1}",
        "{'conditions':[1,'x',{'type':1}],'lastUpdateTime':9,'control':[{}]}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
        known_init(&k, "{'job':{'jarFile':'x.jar'}}", records[i]);
        known_read(&k);
        cr_expect(json_has(known_status(&k), "state"), "%s", records[i]);
        known_done(&k);
    }
}
