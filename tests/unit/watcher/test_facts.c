#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "watcher/facts.h"

TestSuite(facts, .timeout = 10);

#define ID "0123456789abcdef0123456789abcdef"

static cJSON *parse(const char *text)
{
    cJSON *json = cJSON_Parse(text);

    cr_assert(json, "%s", text);
    return json;
}

Test(facts, a_savepoint_under_way_is_followed_by_its_ids)
{
    _cleanup_(json_freep) cJSON *cluster =
        parse("{\"spec\":{\"job\":{\"restoreFrom\":\"LatestState\"}},\"status\":{\"components\":{"
              "\"job\":{\"state\":\"Running\",\"id\":\"" ID "\"}},\"savepoint\":{\"state\":"
              "\"InProgress\",\"jobID\":\"" ID "\",\"triggerID\":\"" ID "\"}}}");
    struct cluster_facts f;

    facts_of_cluster(cluster, &f);
    cr_expect(f.has_job && f.latest_state);
    cr_expect_eq(f.state, JOB_RUNNING);
    cr_expect_str_eq(f.job_id, ID);
    cr_expect_str_eq(f.savepoint_trigger, ID);
}

Test(facts, ids_that_are_none_are_left_out)
{
    _cleanup_(json_freep) cJSON *cluster =
        parse("{\"spec\":{\"job\":{}},\"status\":{\"components\":{\"job\":{\"id\":\"../../x\"}},"
              "\"savepoint\":{\"state\":\"InProgress\",\"jobID\":7,\"triggerID\":\"\"}}}");
    struct cluster_facts f;

    facts_of_cluster(cluster, &f);
    cr_expect_str_empty(f.job_id);
    cr_expect_str_empty(f.savepoint_job);
    cr_expect_str_empty(f.savepoint_trigger);
    facts_of_cluster(NULL, &f);
    cr_expect(!f.has_job);
}

Test(facts, a_jobmanager_runs_when_its_container_does_and_it_isnt_being_deleted)
{
    static const struct {
        const char *pod;
        bool running;
    } cases[] = {
        {"{\"metadata\":{\"labels\":{\"component\":\"jobmanager\"}},\"status\":{\"phase\":"
         "\"Running\",\"containerStatuses\":[{\"name\":\"side\",\"state\":{\"running\":{}}},"
         "{\"name\":\"jobmanager\",\"state\":{\"waiting\":{}}}]}}",
         false},
        {"{\"metadata\":{\"labels\":{\"component\":\"jobmanager\"}},\"status\":{"
         "\"containerStatuses\":[{\"name\":\"jobmanager\",\"state\":{\"running\":{}}}]}}",
         true},
        {"{\"metadata\":{\"deletionTimestamp\":\"t\",\"labels\":{\"component\":\"jobmanager\"}},"
         "\"status\":{\"containerStatuses\":[{\"name\":\"jobmanager\",\"state\":{\"running\":{}}}]}"
         "}",
         false},
        {"{\"metadata\":{\"labels\":{\"component\":\"jobmanager\"}},\"status\":{\"phase\":"
         "\"Running\"}}",
         true},
        {"{\"metadata\":{\"labels\":{\"component\":\"jobmanager\"}}}", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(json_freep) cJSON *pod = parse(cases[i].pod);
        struct jobmanager_facts f;

        cr_assert(facts_of_jobmanager(pod, &f));
        cr_expect_eq(f.running, cases[i].running, "%s", cases[i].pod);
    }
}

Test(facts, a_jobmanager_is_known_by_its_workload_whatever_podlabels_say)
{
    _cleanup_(json_freep) cJSON *pod = parse(
        "{\"metadata\":{\"labels\":{\"component\":\"mine\"},\"ownerReferences\":[{\"kind\":"
        "\"StatefulSet\",\"name\":\"wc-jobmanager\",\"controller\":true}]},\"status\":{\"phase\":"
        "\"Running\",\"containerStatuses\":[{\"name\":\"jobmanager\",\"restartCount\":2,"
        "\"state\":{\"running\":{}}}]}}");
    struct jobmanager_facts f;

    cr_assert(facts_of_jobmanager(pod, &f));
    cr_expect(f.running);
    cr_expect_eq(f.restarts, 2);
}

Test(facts, a_taskmanager_is_no_jobmanager)
{
    _cleanup_(json_freep) cJSON *pod =
        parse("{\"metadata\":{\"labels\":{\"component\":\"taskmanager\"}}}");
    struct jobmanager_facts f;

    cr_expect(!facts_of_jobmanager(pod, &f));
    cr_expect(!facts_of_jobmanager(NULL, &f));
}

Test(facts, a_submitter_is_known_by_its_name)
{
    cr_expect(facts_is_submitter("wc-job-submitter", "wc"));
    cr_expect(facts_is_submitter("wc-jobmanager", "wc"));
    cr_expect(!facts_is_submitter("wc-2-job-submitter", "wc"));
    cr_expect(!facts_is_submitter("wc", "wc"));
    cr_expect(!facts_is_submitter("other", "wc"));
}
