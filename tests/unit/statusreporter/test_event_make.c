#include "statusreporter/event_make.h"
#include "tests/unit/statusreporter/known.h"

static struct k8s_events events;
static struct problems problems;

static void init(void)
{
    problems = (struct problems){0};
}

TestSuite(event_make, .init = init, .timeout = 20);

static void make(const char *recorded, const char *status)
{
    _cleanup_(json_freep) cJSON *before = recorded ? parse(recorded) : NULL;
    _cleanup_(json_freep) cJSON *now = parse(status);

    events_make(before, now, &problems, &events);
}

static void expect(int i, const char *type, const char *reason, const char *message)
{
    cr_assert_gt(events.n, i, "no event '%s'", message);
    cr_expect_str_eq(events.items[i].warning ? "Warning" : "Normal", type);
    cr_expect_str_eq(events.items[i].reason, reason);
    cr_expect_str_eq(events.items[i].message, message);
}

Test(event_make, a_new_cluster_tells_its_state_and_its_jobs)
{
    make(NULL, "{'state':'Creating','components':{'jobManagerService':{'name':'','state':''},"
               "'job':{'state':'Pending'}}}");
    cr_expect_eq(events.n, 2);
    expect(0, "Normal", "StatusUpdate", "Job status: Pending");
    expect(1, "Normal", "StatusUpdate", "Cluster status changed:  -> Creating");
}

Test(event_make, state_changes_are_told_in_the_reference_operators_order)
{
    make("{'state':'Creating','components':{'configMap':{'state':'Updating'},"
         "'jobManager':{'state':'NotReady'},'jobManagerService':{'state':''},"
         "'jobManagerIngress':{'state':'NotReady'},'taskManager':{'state':'NotReady'},"
         "'job':{'state':'Deploying'}}}",
         "{'state':'Running','components':{'configMap':{'state':'Ready'},"
         "'jobManager':{'state':'Ready'},'jobManagerService':{'state':'Ready'},"
         "'jobManagerIngress':{'state':'Ready'},'taskManager':{'state':'Ready'},"
         "'job':{'state':'Running'}}}");
    expect(0, "Normal", "StatusUpdate", "JobManager StatefulSet status changed: NotReady -> Ready");
    expect(1, "Normal", "StatusUpdate", "ConfigMap status changed: Updating -> Ready");
    expect(2, "Normal", "StatusUpdate", "JobManager service status changed:  -> Ready");
    expect(3, "Normal", "StatusUpdate", "JobManager ingress status changed: NotReady -> Ready");
    expect(4, "Normal", "StatusUpdate", "TaskManager status changed: NotReady -> Ready");
    expect(5, "Normal", "StatusUpdate", "Job status changed: Deploying -> Running");
    expect(6, "Normal", "StatusUpdate", "Cluster status changed: Creating -> Running");
    cr_expect_eq(events.n, 7);
}

Test(event_make, components_that_appear_are_told_for_ingress_and_job_only)
{
    make("{'state':'Creating','components':{}}",
         "{'state':'Creating','components':{'configMap':{'state':'Ready'},"
         "'jobManagerIngress':{'state':'NotReady'},'taskManager':{'state':'NotReady'}}}");
    cr_expect_eq(events.n, 1);
    expect(0, "Normal", "StatusUpdate", "JobManager ingress status: NotReady");
}

Test(event_make, counts_and_times_are_no_events)
{
    make("{'state':'Running','lastUpdateTime':'a','components':{'taskManager':{'state':'NotReady',"
         "'ready':'0/2'}}}",
         "{'state':'Running','lastUpdateTime':'b','components':{'taskManager':{'state':'NotReady',"
         "'ready':'1/2'}}}");
    cr_expect_eq(events.n, 0);
}

static void savepoint(const char *before, const char *now)
{
    _cleanup_(freep) char *recorded =
        str_printf("{'state':'Running'%s%s}", before ? ",'savepoint':" : "", before ? before : "");
    _cleanup_(freep) char *status = str_printf("{'state':'Running','savepoint':%s}", now);

    make(recorded, status);
}

Test(event_make, a_savepoint_is_told_from_trigger_to_end)
{
    savepoint(NULL, "{'state':'InProgress','triggerID':'t1','triggerReason':'user requested'}");
    expect(0, "Normal", "SavepointTriggered", "Triggered savepoint user requested: triggerID t1.");
    savepoint("{'state':'InProgress','triggerID':'t1'}", "{'state':'Succeeded','triggerID':'t1'}");
    expect(0, "Normal", "SavepointCreated", "Savepoint successfully created");
    savepoint("{'state':'InProgress','triggerID':'t1'}",
              "{'state':'Failed','triggerID':'t1','message':'disk full'}");
    expect(0, "Warning", "SavepointFailed", "Savepoint creation failed: disk full");
    savepoint("{'state':'Succeeded','triggerID':'t1'}", "{'state':'Succeeded','triggerID':'t1'}");
    cr_expect_eq(events.n, 0);
}

Test(event_make, a_savepoint_for_an_update_or_a_cancellation_says_so)
{
    savepoint(NULL, "{'state':'InProgress','triggerID':'t','triggerReason':'update'}");
    expect(0, "Normal", "SavepointTriggered", "Triggered savepoint for update: triggerID t.");
    savepoint(NULL, "{'state':'TriggerFailed','triggerReason':'job cancel','message':'no'}");
    expect(0, "Warning", "SavepointFailed", "Failed to trigger savepoint for job cancel: no");
}

Test(event_make, a_second_savepoint_is_told_though_its_state_is_the_same)
{
    savepoint("{'state':'InProgress','triggerID':'t1'}",
              "{'state':'InProgress','triggerID':'t2','triggerReason':'scheduled'}");
    expect(0, "Normal", "SavepointTriggered", "Triggered savepoint scheduled: triggerID t2.");
}

Test(event_make, long_messages_are_cut)
{
    char text[301], status[400];

    memset(text, 'y', 300);
    text[300] = '\0';
    (void)snprintf(status, sizeof status, "{'state':'Failed','message':'%s'}", text);
    savepoint(NULL, status);
    cr_expect_eq(strlen(events.items[0].message),
                 strlen("Savepoint creation failed: ") + 100 + strlen("..."));
}

static void control(const char *state, const char *message)
{
    _cleanup_(freep) char *status =
        str_printf("{'state':'Running','control':{'name':'savepoint','state':'%s'%s%s%s}}", state,
                   message ? ",'message':'" : "", message ? message : "", message ? "'" : "");

    make("{'state':'Running'}", status);
}

Test(event_make, a_user_control_is_told_from_request_to_end)
{
    control("Requested", NULL);
    expect(0, "Normal", "ControlRequested", "Requested new user control savepoint");
    control("InProgress", NULL);
    expect(0, "Normal", "ControlInProgress", "In progress user control savepoint");
    control("Succeeded", NULL);
    expect(0, "Normal", "ControlSucceeded", "Completed user control savepoint");
    control("Failed", NULL);
    expect(0, "Warning", "ControlFailed", "User control savepoint failed");
    control("Failed", "too late");
    expect(0, "Warning", "ControlFailed", "User control savepoint failed: too late");
}

static void problem(const char *reason, const char *message)
{
    struct problem *p = problem_add(&problems, reason, "taskmanager pods");

    str_copy(p->message, sizeof p->message, message);
}

Test(event_make, a_problem_is_a_warning_once)
{
    problem("OOMKilled", "pod x was killed");
    make("{'state':'Running'}", "{'state':'Running'}");
    expect(0, "Warning", "OOMKilled", "pod x was killed");
    make("{'state':'Running','conditions':[{'type':'Degraded','status':'True','message':'first; "
         "pod x was killed'}]}",
         "{'state':'Running'}");
    cr_expect_eq(events.n, 0, "the recorded condition names it");
}

Test(event_make, a_problem_that_comes_back_is_told_again)
{
    problem("OOMKilled", "pod x was killed");
    make(
        "{'state':'Running','conditions':[{'type':'Degraded','status':'False','message':'pod x was "
        "killed'}]}",
        "{'state':'Running'}");
    cr_expect_eq(events.n, 1);
}

Test(event_make, a_problem_is_known_by_what_it_is_about_not_by_its_words)
{
    problem("CrashLoopBackOff", "exits with code 1: at 10:00");
    make(NULL, "{'state':''}");
    cr_expect_str_eq(events.items[0].object, "taskmanager pods");
}

Test(event_make, the_end_of_a_cluster_is_told)
{
    events_make_deleted(&events);
    expect(0, "Normal", "StatusUpdate", "Cluster status: Deleted");
}
