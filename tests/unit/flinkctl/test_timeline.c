#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "flinkctl/timeline.h"

TestSuite(timeline, .timeout = 20);

/* @payload: JSON with ' for ". */
static void expect(const char *source, const char *what, const char *payload, const char *words)
{
    _cleanup_(buf_done) struct buf out = BUF_INIT(4096);
    _cleanup_(freep) char *text = strdup(payload);
    _cleanup_(json_freep) cJSON *json = NULL;

    for (char *at = text; *at; at++) {
        if (*at == '\'')
            *at = '"';
    }
    cr_assert_eq(json_parse(text, strlen(text), &json, NULL), 0, "%s", text);
    timeline_words(source, what, json, &out);
    cr_expect_str_eq(buf_str(&out), words);
}

Test(timeline, an_observation_names_the_object_and_its_state)
{
    expect("watcher", "observed", "{'kind':'Pod','name':'c-taskmanager-0','state':'1/1 ready'}",
           "Pod c-taskmanager-0: 1/1 ready");
}

Test(timeline, a_decision_tells_each_action_and_why)
{
    expect(
        "reconciler", "decided",
        "{'actions':[{'action':'apply','kind':'ConfigMap','name':'c-configmap','why':'missing'},"
        "{'action':'delete','kind':'Job','name':'c-job-submitter','why':''}],"
        "'blocked':'NoSavepoint','message':'none'}",
        "apply ConfigMap c-configmap (missing); delete Job c-job-submitter; blocked: NoSavepoint: "
        "none");
}

Test(timeline, a_status_tells_what_changed)
{
    expect("statusreporter", "status",
           "{'state':'Running','components':{'job':{'state':'Running'},'taskManager':{'ready':"
           "'2/2'}},'lastUpdateTime':'x'}",
           "cluster Running; job Running; TaskManagers 2/2");
    expect("statusreporter", "status", "{'lastUpdateTime':'x'}", "details");
}

Test(timeline, a_problem_in_the_status_is_told)
{
    expect("statusreporter", "status",
           "{'conditions':[{'type':'Degraded','status':'True','reason':'OOMKilled','message':'pod "
           "x'},{'type':'Ready','status':'False','reason':'y'}]}",
           "OOMKilled: pod x");
}

Test(timeline, what_nobody_knows_is_shown_as_it_is)
{
    expect("jobsubmitter", "done", "{'a':1}", "done {\"a\":1}");
    expect("x", "decided", "[]", "decided []");
}
