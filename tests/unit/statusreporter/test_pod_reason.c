#include "statusreporter/pod_reason.h"

#include "common/base/buf.h"
#include "tests/unit/statusreporter/known.h"

static struct known k;
static struct problems problems;

static void init(void)
{
    known_init(&k, "{'job':{'jarFile':'x.jar'}}", NULL);
}

static void done(void)
{
    known_done(&k);
}

TestSuite(pod_reason, .init = init, .fini = done, .timeout = 20);

static void look(void)
{
    if (!k.v.snapshot)
        known_read(&k);
    problems = (struct problems){0};
    pod_reasons(&k.v, &problems);
}

static void expect_nothing(void)
{
    look();
    cr_expect_eq(problems.n, 0, "%s: %s", problems.items[0].reason, problems.items[0].message);
}

static void expect(int i, const char *reason, const char *message)
{
    cr_assert_gt(problems.n, i, "no %s", reason);
    cr_expect_str_eq(problems.items[i].reason, reason, "%s", problems.items[i].message);
    cr_expect_str_eq(problems.items[i].message, message);
}

/* A pod with one container in that state. */
static cJSON *pod(const char *name, const char *component, const char *phase, const char *container)
{
    _cleanup_(freep) char *status =
        str_printf("{'spec':{'restartPolicy':'Always','containers':[{'name':'flink','resources':"
                   "{'limits':{'memory':'2Gi'}}}]},'status':{'phase':'%s','containerStatuses':["
                   "{'name':'flink','image':'flink:nope','ready':false}]}}",
                   phase);
    cJSON *made = known_pod(&k, name, component, status);
    cJSON *more = parse(container);

    json_apply_merge(json_get(made, "status.containerStatuses")->child, more);
    cJSON_Delete(more);
    return made;
}

Test(pod_reason, running_and_finished_pods_are_fine)
{
    pod("c-jobmanager-0", "jobmanager", "Running", "{'ready':true,'state':{'running':{}}}");
    pod("c-taskmanager-0", "taskmanager", "Running", "{'state':{'running':{}}}");
    pod("c-job-submitter-x", "", "Succeeded",
        "{'state':{'terminated':{'exitCode':0,'reason':'Completed'}}}");
    expect_nothing();
}

Test(pod_reason, an_image_that_cant_be_pulled_is_named_with_the_cause)
{
    pod("c-jobmanager-0", "jobmanager", "Pending",
        "{'state':{'waiting':{'reason':'ErrImagePull','message':'rpc error: not found'}}}");
    look();
    expect(0, "ImagePullBackOff",
           "pod c-jobmanager-0, container flink: can't pull image \"flink:nope\": rpc error: not "
           "found");
}

Test(pod_reason, trying_to_pull_and_waiting_to_read_the_same)
{
    char first[PROBLEM_TEXT_MAX];

    pod("c-jobmanager-0", "jobmanager", "Pending",
        "{'state':{'waiting':{'reason':'ErrImagePull','message':'rpc error: not found'}}}");
    look();
    str_copy(first, sizeof first, problems.items[0].message);
    known_done(&k);
    init();
    pod("c-jobmanager-0", "jobmanager", "Pending",
        "{'state':{'waiting':{'reason':'ImagePullBackOff','message':'Back-off pulling image "
        "x: ErrImagePull: rpc error: not found'}}}");
    look();
    expect(0, "ImagePullBackOff", first);
}

Test(pod_reason, a_crash_shows_the_last_lines_of_the_log)
{
    pod("c-taskmanager-0", "taskmanager", "Running",
        "{'restartCount':4,'state':{'waiting':{'reason':'CrashLoopBackOff','message':'back-off'}},"
        "'lastState':{'terminated':{'exitCode':1,'reason':'Error'}}}");
    known_observe(&k, "crash/c-taskmanager-0/flink",
                  "{'log':'starting\\nException: bad config\\n','exitCode':1}");
    look();
    expect(0, "CrashLoopBackOff",
           "pod c-taskmanager-0, container flink: exits with code 1: starting\nException: bad "
           "config\n");
}

Test(pod_reason, of_a_long_log_only_whole_last_lines_are_shown)
{
    cJSON *crash = cJSON_CreateObject();
    _cleanup_(buf_done) struct buf log = BUF_INIT(100000);

    for (int i = 0; i < 1000; i++)
        buf_printf(&log, "line %03d\n", i);
    json_set_str(crash, "log", buf_str(&log));
    json_set_member(k.snapshot.observations, "crash/c-taskmanager-0/flink", crash);
    pod("c-taskmanager-0", "taskmanager", "Running", "{'state':{'terminated':{'exitCode':2}}}");
    look();
    cr_expect(str_starts(problems.items[0].message, "pod c-taskmanager-0, container flink: exits "
                                                    "with code 2: line 9"),
              "%s", problems.items[0].message);
    cr_expect(str_ends(problems.items[0].message, "line 999\n"));
    cr_expect_lt(strlen(problems.items[0].message), CRASH_LOG_BYTES + 100u);
}

Test(pod_reason, a_crash_is_told_until_the_container_is_ready_again)
{
    cJSON *made = pod("c-taskmanager-0", "taskmanager", "Running",
                      "{'state':{'running':{}},'lastState':{'terminated':{'exitCode':137}}}");

    look();
    expect(0, "CrashLoopBackOff", "pod c-taskmanager-0, container flink: exits with code 137");
    json_set_bool(json_get(made, "status.containerStatuses")->child, "ready", true);
    expect_nothing();
}

Test(pod_reason, a_pod_that_has_failed_for_good_does_not_crash_in_a_loop)
{
    pod("c-job-submitter-x", NULL, "Failed",
        "{'state':{'terminated':{'exitCode':1,'message':'oops'}}}");
    expect_nothing();
}

Test(pod_reason, running_out_of_memory_names_the_limit)
{
    pod("c-taskmanager-0", "taskmanager", "Running",
        "{'state':{'waiting':{'reason':'CrashLoopBackOff'}},"
        "'lastState':{'terminated':{'exitCode':137,'reason':'OOMKilled'}}}");
    look();
    expect(0, "OOMKilled",
           "pod c-taskmanager-0, container flink: was killed for using more memory than its limit "
           "of 2Gi");
}

Test(pod_reason, an_init_container_that_runs_out_of_memory_names_its_own_limit)
{
    known_pod(&k, "c-taskmanager-0", "taskmanager",
              "{'spec':{'containers':[{'name':'fetch','resources':{'limits':{'memory':'9Gi'}}}],"
              "'initContainers':[{'name':'fetch','resources':{'limits':{'memory':'64Mi'}}}]},"
              "'status':{'phase':'Pending','initContainerStatuses':[{'name':'fetch','ready':false,"
              "'state':{'terminated':{'exitCode':137,'reason':'OOMKilled'}}}]}}");
    look();
    expect(0, "OOMKilled",
           "pod c-taskmanager-0, init container fetch: was killed for using more memory than its "
           "limit of 64Mi");
}

Test(pod_reason, what_the_scheduler_says_is_passed_on)
{
    known_pod(&k, "c-taskmanager-0", "taskmanager",
              "{'status':{'phase':'Pending','conditions':[{'type':'PodScheduled','status':'False',"
              "'reason':'Unschedulable','message':'0/3 nodes are available: 3 Insufficient "
              "memory.'}]}}");
    look();
    expect(0, "Unschedulable",
           "pod c-taskmanager-0: 0/3 nodes are available: 3 Insufficient memory.");
}

Test(pod_reason, a_missing_secret_or_configmap_is_passed_on)
{
    pod("c-jobmanager-0", "jobmanager", "Pending",
        "{'state':{'waiting':{'reason':'CreateContainerConfigError','message':'secret \\\"s\\\" "
        "not found'}}}");
    look();
    expect(0, "CreateContainerConfigError",
           "pod c-jobmanager-0, container flink: secret \"s\" not found");
}

Test(pod_reason, a_failing_init_container_is_told_also_of_a_pod_that_isnt_restarted)
{
    known_child(&k, "Job", "c-job-submitter", "{}");
    known_child(&k, "Pod", "c-job-submitter-x",
                "{'metadata':{'labels':{'job-name':'c-job-submitter'}},"
                "'spec':{'restartPolicy':'Never'},'status':{'phase':'Failed',"
                "'initContainerStatuses':[{'name':'fetch','ready':false,'state':{'terminated':"
                "{'exitCode':7,'message':'404'}}}]}}");
    look();
    expect(0, "InitContainerFailed",
           "pod c-job-submitter-x, init container fetch: exits with code 7: 404");
    cr_expect_str_eq(problems.items[0].object, "submitter pods");
}

Test(pod_reason, the_end_of_a_submitter_is_the_jobs_business)
{
    known_child(&k, "Pod", "c-job-submitter-x",
                "{'metadata':{'labels':{'job-name':'c-job-submitter'}},"
                "'spec':{'restartPolicy':'Never'},'status':{'phase':'Failed',"
                "'containerStatuses':[{'name':'main','state':{'terminated':{'exitCode':1}}}]}}");
    expect_nothing();
}

static void job_state_is(const char *state)
{
    json_set(k.snapshot.cluster, "status.components.job", cJSON_CreateObject());
    json_set_str(k.snapshot.cluster, "status.components.job.state", state);
}

/* The pod of a Job, whose container has ended. */
static void ended_pod(const char *container, const char *end)
{
    bool is_submitter = str_eq(container, "main");
    _cleanup_(freep) char *text = str_printf(
        "{'metadata':{'labels':{'job-name':'%s','component':'%s'}},'spec':{'restartPolicy':'Never',"
        "'containers':[{'name':'%s','resources':{'limits':{'memory':'1Gi'}}}]},"
        "'status':{'phase':'Failed','containerStatuses':[{'name':'%s','state':{'terminated':%s}}]"
        "}}",
        is_submitter ? "c-job-submitter" : "c-jobmanager", is_submitter ? "" : container, container,
        container, end);

    known_child(&k, "Pod", "c-x", text);
}

Test(pod_reason, a_submitter_that_ran_out_of_memory_is_told)
{
    job_state_is("Deploying");
    ended_pod("main", "{'exitCode':137,'reason':'OOMKilled'}");
    look();
    expect(0, "OOMKilled",
           "pod c-x, container main: was killed for using more memory than its limit of 1Gi");
}

Test(pod_reason, how_a_submitter_ended_whose_job_runs_is_no_matter)
{
    job_state_is("Running");
    ended_pod("main", "{'exitCode':137,'reason':'OOMKilled'}");
    expect_nothing();
}

static void application(const char *job_status)
{
    json_set_str(k.snapshot.cluster, "spec.job.mode", "Application");
    job_state_is("Running");
    known_child(&k, "Job", "c-jobmanager", job_status);
    ended_pod("jobmanager", "{'exitCode':1}");
}

Test(pod_reason, an_applications_jobmanager_that_crashes_is_told_until_another_runs)
{
    application("{'spec':{'backoffLimit':100},'status':{'failed':1}}");
    look();
    expect(0, "CrashLoopBackOff", "pod c-x, container jobmanager: exits with code 1");
    known_forget(&k);
    known_pod(&k, "c-y", "jobmanager",
              "{'status':{'phase':'Running','containerStatuses':[{'name':'jobmanager',"
              "'ready':true,'state':{'running':{}}}]}}");
    expect_nothing();
}

Test(pod_reason, the_end_of_an_application_is_the_jobs_business)
{
    application("{'status':{'failed':1}}");
    expect_nothing();
}

Test(pod_reason, a_pod_on_its_way_out_is_no_trouble)
{
    cJSON *made = pod("c-taskmanager-0", "taskmanager", "Running",
                      "{'state':{'terminated':{'exitCode':143}}}");

    json_set_str(made, "metadata.deletionTimestamp", EARLIER);
    expect_nothing();
}

Test(pod_reason, the_jobmanager_comes_first_whatever_its_trouble)
{
    pod("c-taskmanager-0", "taskmanager", "Running", "{'state':{'terminated':{'exitCode':1}}}");
    known_pod(&k, "c-jobmanager-0", "jobmanager",
              "{'status':{'phase':'Pending','conditions':[{'type':'PodScheduled','status':'False',"
              "'message':'no node'}]}}");
    look();
    expect(0, "Unschedulable", "pod c-jobmanager-0: no node");
    cr_expect_str_eq(problems.items[1].reason, "CrashLoopBackOff");
}

Test(pod_reason, many_pods_with_one_trouble_are_one_problem)
{
    for (int i = 9; i >= 0; i--) {
        char name[32];

        (void)snprintf(name, sizeof name, "c-taskmanager-%d", i);
        pod(name, "taskmanager", "Pending",
            "{'state':{'waiting':{'reason':'ErrImagePull','message':'denied'}}}");
    }
    look();
    cr_expect_eq(problems.n, 1);
    expect(0, "ImagePullBackOff",
           "pod c-taskmanager-0 and 9 more, container flink: can't pull image \"flink:nope\": "
           "denied");
}

/* Scheduled @ago_ms ago, and its container isn't created. */
static void stuck_pod(int64_t ago_ms)
{
    char text[32];
    cJSON *made = pod("c-jobmanager-0", "jobmanager", "Pending",
                      "{'state':{'waiting':{'reason':'ContainerCreating'}}}");

    time_rfc3339(NOW - ago_ms, text);
    json_set(made, "status.conditions", parse("[{'type':'PodScheduled','status':'True'}]"));
    json_set_str(json_get(made, "status.conditions")->child, "lastTransitionTime", text);
}

Test(pod_reason, a_pod_that_doesnt_start_is_told_after_a_while)
{
    stuck_pod(POD_NOT_STARTING_MS);
    look();
    cr_assert_eq(problems.n, 1);
    cr_expect_str_eq(problems.items[0].reason, "PodNotStarting");
    cr_expect(strstr(problems.items[0].message, "kubectl describe pod c-jobmanager-0"));
}

Test(pod_reason, until_then_it_says_when_to_look_again)
{
    stuck_pod(POD_NOT_STARTING_MS - 7000);
    expect_nothing();
    cr_expect_eq(problems.wake_ms, NOW + 7000);
}

Test(pod_reason, a_volume_that_cant_be_mounted_is_told_at_once_when_it_is_known)
{
    stuck_pod(0);
    known_observe(&k, "failedmount/c-jobmanager-0", "{'message':'secret not found'}");
    look();
    expect(0, "FailedMount", "pod c-jobmanager-0: secret not found");
}

Test(pod_reason, an_init_container_that_takes_its_time_is_no_trouble)
{
    stuck_pod(POD_NOT_STARTING_MS * 2LL);
    json_set(k.snapshot.objects->child, "status.initContainerStatuses",
             parse("[{'name':'download','state':{'running':{}}}]"));
    expect_nothing();
}

Test(pod_reason, an_evicted_pod_says_what_its_node_ran_out_of)
{
    known_pod(&k, "c-taskmanager-0", "taskmanager",
              "{'status':{'phase':'Failed','reason':'Evicted','message':'low on disk'}}");
    look();
    expect(0, "Evicted", "pod c-taskmanager-0: low on disk");
}

Test(pod_reason, hostile_pods_are_survived)
{
    static const char *const pods[] = {
        "{'status':'x'}",
        "{'status':{'containerStatuses':{'a':1}}}",
        "{'status':{'phase':7,'containerStatuses':[1,{'state':{'terminated':{'exitCode':'x'}}}]}}",
        "{'status':{'phase':'Pending','conditions':[{'type':'PodScheduled','status':'True',"
        "'lastTransitionTime':'never'}]}}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
        known_pod(&k, "c-taskmanager-0", "taskmanager", pods[i]);
    look();
}
