#include "tests/unit/statusreporter/known.h"

static struct known k;

static void done(void)
{
    known_done(&k);
}

TestSuite(conditions, .fini = done, .timeout = 20);

#define RUNNING "{'state':'Running','components':{'job':{'state':'Running'}}}"

static void job_cluster(const char *status)
{
    known_init(&k, "{'job':{'jarFile':'x.jar'}}", status);
    known_components(&k);
}

/* It runs as specified, but for its job. */
static void cluster_with(enum job_state job)
{
    job_cluster(RUNNING);
    known_read(&k);
    known_job(&k, job);
}

static void cleans_up(const char *policy)
{
    k.l.cleanup = true;
    k.l.cleanup_policy = policy;
}

static void says(const char *reason, const char *message)
{
    str_copy(k.l.reason, sizeof k.l.reason, reason);
    str_copy(k.l.message, sizeof k.l.message, message);
}

static void expect(const char *type, const char *status, const char *reason, const char *message)
{
    const cJSON *c = condition(k.status, type);

    cr_expect_str_eq(json_str_or(c, "status", ""), status, "%s is %s (%s: %s)", type,
                     json_str_or(c, "status", ""), json_str_or(c, "reason", ""),
                     json_str_or(c, "message", ""));
    cr_expect_str_eq(json_str_or(c, "reason", ""), reason, "%s", type);
    cr_expect(strstr(json_str_or(c, "message", ""), message), "%s: '%s' lacks '%s'", type,
              json_str_or(c, "message", ""), message);
}

Test(conditions, a_running_job_is_ready_and_settled)
{
    cluster_with(JOB_RUNNING);
    known_status(&k);
    expect("Ready", "True", "JobRunning", "runs");
    expect("Progressing", "False", "Settled", "");
    expect("Degraded", "False", "AsExpected", "");
}

Test(conditions, a_session_cluster_is_ready_when_it_runs)
{
    known_init(&k, "{}", "{'state':'Running','components':{}}");
    known_components(&k);
    known_read(&k);
    known_status(&k);
    expect("Ready", "True", "ClusterRunning", "");
}

Test(conditions, a_finished_job_in_a_kept_cluster_is_ready)
{
    cluster_with(JOB_SUCCEEDED);
    cleans_up("KeepCluster");
    known_status(&k);
    expect("Ready", "True", "JobSucceeded", "finished");
}

Test(conditions, a_finished_job_whose_cluster_is_taken_down_isnt_ready)
{
    cluster_with(JOB_SUCCEEDED);
    cleans_up("DeleteCluster");
    known_status(&k);
    expect("Ready", "False", "JobSucceeded", "finished");
    expect("Progressing", "True", "Stopping", "taken down");
    expect("Degraded", "False", "AsExpected", "");
}

Test(conditions, a_cluster_that_is_being_made_says_what_it_waits_for)
{
    known_init(&k, "{}", NULL);
    known_child(&k, "StatefulSet", "c-jobmanager",
                "{'spec':{'replicas':1},'status':{'replicas':1}}");
    known_child(&k, "StatefulSet", "c-taskmanager",
                "{'spec':{'replicas':2},'status':{'replicas':2,'readyReplicas':1}}");
    known_child(&k, "Service", "c-jobmanager", "{'spec':{'clusterIP':'10.0.0.1'}}");
    known_read(&k);
    known_status(&k);
    expect("Ready", "False", "Creating", "waiting for JobManager (0/1), TaskManagers (1/2)");
    expect("Progressing", "True", "Creating", "JobManager (0/1)");
}

Test(conditions, a_job_that_is_being_submitted_isnt_ready_yet)
{
    cluster_with(JOB_DEPLOYING);
    known_status(&k);
    expect("Ready", "False", "JobDeploying", "submitted");
    expect("Progressing", "True", "JobDeploying", "");
}

Test(conditions, a_failed_job_degrades_and_says_why)
{
    cluster_with(JOB_FAILED);
    json_set(k.l.job, "failureReasons", parse("['java.lang.Exception: bang']"));
    known_status(&k);
    expect("Ready", "False", "JobFailed", "bang");
    expect("Degraded", "True", "JobFailed", "bang");
}

Test(conditions, a_failed_job_says_the_cause_at_the_end_of_a_long_stack_trace)
{
    static char reasons[2000] = "['JobException: no more attempts";

    for (int i = 0; i < 40; i++)
        (void)strncat(reasons, "\\n\\tat org.apache.flink.A.b(A.java:1)", 50);
    (void)strncat(reasons, "\\nCaused by: IllegalStateException: bang']", 50);
    cluster_with(JOB_FAILED);
    json_set(k.l.job, "failureReasons", parse(reasons));
    known_status(&k);
    expect("Ready", "False", "JobFailed", "Caused by: IllegalStateException: bang");
}

Test(conditions, what_life_says_is_the_reason)
{
    cluster_with(JOB_FAILED);
    says("NoSavepoint", "there is no savepoint to restart from");
    known_status(&k);
    expect("Ready", "False", "NoSavepoint", "no savepoint");
    expect("Degraded", "True", "NoSavepoint", "no savepoint");
}

Test(conditions, pods_come_before_the_job_as_they_are_the_cause)
{
    job_cluster(RUNNING);
    known_pod(&k, "c-taskmanager-0", "taskmanager",
              "{'status':{'phase':'Pending','containerStatuses':[{'name':'taskmanager',"
              "'image':'nope:1','state':{'waiting':{'reason':'ErrImagePull','message':'no such "
              "tag'}}}]}}");
    known_read(&k);
    known_job(&k, JOB_FAILED);
    says("JobFailed", "no slots");
    known_status(&k);
    expect("Ready", "False", "ImagePullBackOff", "no such tag");
    expect("Degraded", "True", "ImagePullBackOff", "no slots");
}

Test(conditions, a_running_job_stays_ready_while_a_pod_beside_it_has_trouble)
{
    job_cluster(RUNNING);
    known_pod(&k, "c-taskmanager-1", "taskmanager",
              "{'status':{'phase':'Pending','conditions':[{'type':'PodScheduled','status':'False',"
              "'reason':'Unschedulable','message':'0/1 nodes are available'}]}}");
    known_read(&k);
    known_job(&k, JOB_RUNNING);
    known_status(&k);
    expect("Ready", "True", "JobRunning", "");
    expect("Degraded", "True", "Unschedulable", "0/1 nodes");
}

Test(conditions, an_invalid_spec_is_not_ready_whatever_runs)
{
    cluster_with(JOB_RUNNING);
    k.v.invalid = true;
    str_copy(k.v.invalid_text, sizeof k.v.invalid_text, "spec.job.parallelism: must be >= 1");
    known_status(&k);
    expect("Ready", "False", "InvalidSpec", "parallelism");
    expect("Degraded", "True", "InvalidSpec", "parallelism");
}

Test(conditions, deletion_and_suspension_are_no_trouble)
{
    cluster_with(JOB_PENDING);
    k.l.suspended = true;
    known_status(&k);
    expect("Ready", "False", "Suspended", "spec.job.suspend");
    expect("Degraded", "False", "AsExpected", "");
    k.v.deleting = true;
    known_status(&k);
    expect("Ready", "False", "Deleting", "");
    expect("Progressing", "True", "Deleting", "");
}

Test(conditions, a_stopped_cluster_is_settled)
{
    known_init(&k, "{'job':{'jarFile':'x.jar'}}",
               "{'state':'Stopped','components':{'job':{'state':'Succeeded'}}}");
    known_read(&k);
    known_job(&k, JOB_SUCCEEDED);
    cleans_up("DeleteCluster");
    known_status(&k);
    expect("Progressing", "False", "Stopped", "");
}

Test(conditions, without_its_taskmanagers_by_policy_a_cluster_is_settled_too)
{
    known_init(&k, "{'job':{'jarFile':'x.jar'}}",
               "{'state':'PartiallyStopped','components':{'job':{'state':'Succeeded'}}}");
    known_child(&k, "StatefulSet", "c-jobmanager",
                "{'spec':{'replicas':1},'status':{'replicas':1,'readyReplicas':1}}");
    known_child(&k, "Service", "c-jobmanager", "{'spec':{'clusterIP':'10.0.0.1'}}");
    known_read(&k);
    known_job(&k, JOB_SUCCEEDED);
    cleans_up("DeleteTaskManager");
    known_status(&k);
    expect_str(k.status, "state", "PartiallyStopped");
    expect("Progressing", "False", "Stopped", "");
}

Test(conditions, the_time_of_a_transition_stays_while_the_status_does)
{
    job_cluster("{'state':'Running','components':{'job':{'state':'Running'}},'conditions':["
                "{'type':'Ready','status':'True','lastTransitionTime':'" EARLIER
                "','reason':'Old','message':''},"
                "{'type':'Degraded','status':'True','lastTransitionTime':'" EARLIER
                "','reason':'Old','message':''}]}");
    known_read(&k);
    known_job(&k, JOB_RUNNING);
    known_status(&k);
    expect_str(condition(k.status, "Ready"), "lastTransitionTime", EARLIER);
    expect_str(condition(k.status, "Degraded"), "lastTransitionTime", NOW_TEXT);
    expect_str(condition(k.status, "Progressing"), "lastTransitionTime", NOW_TEXT);
}

Test(conditions, knowing_less_than_before_is_no_news)
{
    job_cluster("{'state':'Creating','components':{'job':{'state':'Pending'}},'conditions':["
                "{'type':'Degraded','status':'True','lastTransitionTime':'" EARLIER
                "','reason':'ImagePullBackOff','message':''}]}");
    json_set_str(json_get(k.snapshot.cluster, "status.conditions")->child, "message",
                 "pod c-taskmanager-0, container t: can't pull image \"nope:1\": no such tag");
    known_pod(&k, "c-taskmanager-0", "taskmanager",
              "{'status':{'phase':'Pending','containerStatuses':[{'name':'t','image':'nope:1',"
              "'state':{'waiting':{'reason':'ImagePullBackOff','message':'Back-off pulling'}}}]}}");
    known_read(&k);
    known_job(&k, JOB_PENDING);
    known_status(&k);
    expect("Degraded", "True", "ImagePullBackOff", "no such tag");
}
