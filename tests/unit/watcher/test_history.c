#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "watcher/history.h"

TestSuite(history, .timeout = 10);

static void expect(const char *kind, const char *object, const char *state)
{
    _cleanup_(json_freep) cJSON *json = cJSON_Parse(object);
    _cleanup_(json_freep) cJSON *line = history_of_object(kind, "x", json);

    cr_assert(json, "%s", object);
    cr_expect_str_eq(json_str(line, "state"), state);
}

Test(history, says_what_a_human_would_say)
{
    expect("StatefulSet", "{\"spec\":{\"replicas\":2},\"status\":{\"readyReplicas\":1}}",
           "1/2 ready");
    expect("Job", "{\"status\":{\"failed\":1}}", "failed");
    expect("Job", "{}", "new");
    expect("Pod",
           "{\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
           "\"False\"}],\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
           "\"CrashLoopBackOff\"}}}]}}",
           "Running, CrashLoopBackOff");
    expect("Pod",
           "{\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
           "\"True\"}]}}",
           "Running, ready");
    expect("FlinkCluster", "{\"metadata\":{\"generation\":2},\"status\":{\"state\":\"Running\"}}",
           "generation 2, Running, job none");
    expect("Service", "{}", "there");
    expect("Service", "{\"metadata\":{\"deletionTimestamp\":\"t\"}}", "being deleted");
}

Test(history, strange_objects_are_harmless)
{
    expect("Pod", "[]", "new");
    expect("Job", "3", "new");
    expect("StatefulSet", "{\"status\":[],\"spec\":null}", "0/1 ready");
}
