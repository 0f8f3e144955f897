/* A deleted FlinkCluster waits for the last savepoint of its job. */
#include "tests/unit/reconciler/scenario.h"

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_deletion, .fini = done, .timeout = 20);

static bool has_finalizer(void)
{
    return json_count(s.snapshot.cluster, "metadata.finalizers") > 0;
}

static void follow_finalizer(void)
{
    const struct action *a;

    make_plan(&s);
    a = find_action(&s, ACTION_PATCH, "FlinkCluster", NULL);
    if (a)
        json_set(s.snapshot.cluster, "metadata.finalizers",
                 json_copy(json_get(a->manifest, "metadata.finalizers")));
}

static void delete_cluster(void)
{
    scenario_init(&s, SAVEPOINTS ",\"savepointOnDeletion\":true");
    run(&s);
    follow_finalizer();
    cr_assert(has_finalizer());
    add_jobmanager_pod(&s, "{\"running\":{}}");
    after(&s, 100);
    json_set_str(s.snapshot.cluster, "metadata.deletionTimestamp", at(100));
}

/* Defect 12. */
Test(plan_deletion, a_deleted_cluster_stays_until_its_job_has_its_last_savepoint)
{
    delete_cluster();
    settle(&s);
    cr_expect_eq(commands(&s, "stop"), 1);
    follow_finalizer();
    cr_expect(has_finalizer());
    stopped_at(&s, "file:///s/2");
    follow_finalizer();
    cr_expect_not(has_finalizer());
}

/* Going back to the reference operator, which would never remove it. */
Test(plan_deletion, a_cluster_that_wants_no_savepoint_any_more_is_held_no_more)
{
    scenario_init(&s, SAVEPOINTS ",\"savepointOnDeletion\":true");
    run(&s);
    follow_finalizer();
    cr_assert(has_finalizer());
    json_set_bool(s.snapshot.cluster, "spec.job.savepointOnDeletion", false);
    follow_finalizer();
    cr_expect_not(has_finalizer());
}

Test(plan_deletion, a_deletion_waits_for_a_jobmanager_that_does_not_answer_but_not_for_ever)
{
    delete_cluster();
    observe(&s, "overview", "{\"reachable\":false,\"since\":1790000000000}");
    settle(&s);
    follow_finalizer();
    cr_expect(has_finalizer());
    cr_expect_str_eq(s.plan.blocked, "SavepointOnDeletion");
    after(&s, 700);
    follow_finalizer();
    cr_expect_not(has_finalizer());
}
