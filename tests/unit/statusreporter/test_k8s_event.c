#include "statusreporter/k8s_event.h"
#include "tests/unit/statusreporter/known.h"

TestSuite(k8s_event, .timeout = 20);

static const struct tracked about = {.uid = "u1", .ns = "ns", .name = "c"};

static void name_of(const char *uid, const char *message, const char *object, char *out)
{
    struct k8s_event event = {.reason = "R", .object = object};

    str_copy(event.message, sizeof event.message, message);
    event_name(uid, "c", &event, out);
}

Test(k8s_event, the_same_words_have_the_same_name_after_a_restart)
{
    char a[EVENT_NAME_SIZE], b[EVENT_NAME_SIZE];

    name_of("u1", "Job status: Pending", NULL, a);
    name_of("u1", "Job status: Pending", NULL, b);
    cr_expect_str_eq(a, b);
    cr_expect(str_starts(a, "c."), "%s", a);
    cr_expect_eq(strlen(a), strlen("c.") + 16);
}

Test(k8s_event, other_words_or_another_cluster_of_that_name_have_another)
{
    char a[EVENT_NAME_SIZE], b[EVENT_NAME_SIZE], c[EVENT_NAME_SIZE];

    name_of("u1", "x", NULL, a);
    name_of("u1", "y", NULL, b);
    name_of("u2", "x", NULL, c);
    cr_expect_str_neq(a, b);
    cr_expect_str_neq(a, c);
}

Test(k8s_event, a_problems_event_keeps_its_name_when_its_words_change)
{
    char a[EVENT_NAME_SIZE], b[EVENT_NAME_SIZE];

    name_of("u1", "exits: log 1", "taskmanager pods", a);
    name_of("u1", "exits: log 2", "taskmanager pods", b);
    cr_expect_str_eq(a, b);
}

Test(k8s_event, an_event_is_about_that_very_flinkcluster)
{
    struct k8s_event event = {.warning = true, .reason = "OOMKilled", .message = "m"};
    _cleanup_(json_freep) cJSON *e = event_manifest(&about, &event, "c.1", "when", NOW);

    expect_json(e, "involvedObject",
                "{'apiVersion':'flinkoperator.k8s.io/v1beta1','kind':'FlinkCluster',"
                "'namespace':'ns','name':'c','uid':'u1'}");
    expect_str(e, "type", "Warning");
    expect_str(e, "reason", "OOMKilled");
    expect_str(e, "message", "m");
    expect_str(e, "source.component", "FlinkOperator");
    expect_str(e, "firstTimestamp", NOW_TEXT);
    expect_str(e, "lastTimestamp", NOW_TEXT);
    expect_str(e, "metadata.namespace", "ns");
    cr_expect_eq(json_int(e, "count", 0), 1);
}

Test(k8s_event, a_cluster_may_say_a_burst_and_then_one_at_a_time)
{
    struct event_budget budget = {0};
    int64_t now = 1000;
    int taken = 0;

    while (event_budget_take(&budget, now))
        taken++;
    cr_expect_eq(taken, EVENT_BURST);
    cr_expect_not(event_budget_take(&budget, now + EVENT_REFILL_MS - 1));
    cr_expect(event_budget_take(&budget, now + EVENT_REFILL_MS));
    cr_expect_not(event_budget_take(&budget, now + EVENT_REFILL_MS));
}

Test(k8s_event, the_burst_comes_back_but_doesnt_pile_up)
{
    struct event_budget budget = {0};
    int64_t now = 1000;
    int taken = 0;

    while (event_budget_take(&budget, now))
        ;
    now += EVENT_REFILL_MS * 1000LL;
    while (event_budget_take(&budget, now))
        taken++;
    cr_expect_eq(taken, EVENT_BURST);
}
