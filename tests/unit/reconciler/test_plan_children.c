/* Children that an update finds in a bad way. */
#include "tests/unit/reconciler/scenario.h"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_children, .fini = done, .timeout = 20);

static void set_image(const char *name)
{
    json_set_str(s.snapshot.cluster, "spec.image.name", name);
}

/* A pod of the JobManager's StatefulSet with that Ready condition, made of template @hash. */
static void jobmanager_pod(const char *ready, const char *hash)
{
    const cJSON *owner = object_of(&s, "StatefulSet", "c-jobmanager");
    char text[512];

    (void)snprintf(
        text, sizeof text,
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"c-jobmanager-0\",\"labels\":{\"component\":"
        "\"jobmanager\",\"controller-revision-hash\":\"%s\"},\"ownerReferences\":[{\"kind\":"
        "\"StatefulSet\",\"uid\":\"%s\"}]},\"status\":{\"conditions\":[{\"type\":\"Ready\","
        "\"status\":\"%s\"}]}}",
        hash, json_str(owner, "metadata.uid"), ready);
    add_object(&s, parse(text));
}

static void session_with_jobmanager(const char *ready)
{
    scenario_init(&s, NULL);
    set_image("flink:old");
    settle(&s);
    jobmanager_pod(ready, "old");
    set_image("flink:new");
}

/* Kubernetes would never replace it: found on a real node. */
Test(plan_children, a_jobmanager_that_cannot_get_ready_is_made_anew_by_an_update)
{
    session_with_jobmanager("False");
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_DELETE, "StatefulSet", "c-jobmanager"));
    cr_expect_null(find_action(&s, ACTION_APPLY, "StatefulSet", "c-jobmanager"));
    cr_expect(find_action(&s, ACTION_APPLY, "StatefulSet", "c-taskmanager"),
              "its pods are replaced one by one, ready or not");
}

Test(plan_children, one_that_is_ready_is_updated_in_place)
{
    session_with_jobmanager("True");
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_APPLY, "StatefulSet", "c-jobmanager"));
    cr_expect_null(find_action(&s, ACTION_DELETE, NULL, NULL));
}

static void set_jobmanager(const char *path, const char *value)
{
    json_foreach (object, s.snapshot.objects)
        if (str_eq(json_str(object, "metadata.name"), "c-jobmanager") &&
            str_eq(json_str(object, "kind"), "StatefulSet"))
            json_set(object, path, parse(value));
}

/* Kubernetes writes the StatefulSet's status after it has made the pod. */
Test(plan_children, one_that_has_just_been_made_is_given_its_time)
{
    scenario_init(&s, NULL);
    settle(&s);
    set_jobmanager("metadata.generation", "1");
    jobmanager_pod("False", "new");
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_DELETE, NULL, NULL));
    set_jobmanager("status", "{\"observedGeneration\":1,\"updateRevision\":\"new\"}");
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_DELETE, NULL, NULL));
}

Test(plan_children, one_that_was_not_replaced_is_made_anew)
{
    session_with_jobmanager("True");
    settle(&s);
    set_jobmanager("status.updateRevision", "\"new\"");
    jobmanager_pod("True", "old");
    make_plan(&s);
    cr_expect_null(find_action(&s, ACTION_DELETE, NULL, NULL));
    jobmanager_pod("False", "old");
    make_plan(&s);
    cr_expect(find_action(&s, ACTION_DELETE, "StatefulSet", "c-jobmanager"));
}

static const cJSON *jobmanager_service(void)
{
    return object_of(&s, "Service", "c-jobmanager");
}

static void change_scope(const char *from, const char *to)
{
    scenario_init(&s, NULL);
    json_set_str(s.snapshot.cluster, "spec.jobManager.accessScope", from);
    settle(&s);
    cr_assert(jobmanager_service());
    json_set_str(s.snapshot.cluster, "spec.jobManager.accessScope", to);
    make_plan(&s);
}

static void expect_new_service(const char *address)
{
    cr_assert(find_action(&s, ACTION_DELETE, "Service", "c-jobmanager"));
    cr_expect_null(find_action(&s, ACTION_APPLY, "Service", "c-jobmanager"));
    carry_out(&s);
    settle(&s);
    cr_assert(jobmanager_service());
    cr_expect_str_eq(json_str_or(jobmanager_service(), "spec.clusterIP", "any"), address);
}

Test(plan_children, a_service_that_becomes_headless_is_made_anew)
{
    change_scope("Cluster", "Headless");
    expect_new_service("None");
}

Test(plan_children, a_headless_service_that_gets_an_address_is_made_anew)
{
    change_scope("Headless", "NodePort");
    expect_new_service("any");
}

Test(plan_children, a_service_that_only_opens_to_others_is_changed_in_place)
{
    change_scope("Cluster", "NodePort");
    cr_expect_null(find_action(&s, ACTION_DELETE, NULL, NULL));
    cr_expect(find_action(&s, ACTION_APPLY, "Service", "c-jobmanager"));
}
