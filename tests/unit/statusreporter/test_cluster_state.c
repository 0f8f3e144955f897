/* The table of spec 04-status 2, row by row, and what must hold for every combination. */
#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "statusreporter/cluster_state.h"

TestSuite(cluster_state, .timeout = 20);

enum { R0 = 0, R1 = 1, ALL = 3 };

#define FACTS(...) ((struct cluster_facts){.total = 3, __VA_ARGS__})

static void expect(const char *recorded, struct cluster_facts facts, const char *wanted)
{
    enum cluster_state next = cluster_state_next(cluster_state_parse(recorded), &facts);

    cr_expect_str_eq(
        cluster_state_name(next), wanted,
        "%s, must update %d, update %d, job stopped %d, stops %d, %d ready: %s, not %s", recorded,
        facts.must_update, facts.update_triggered, facts.job_stopped, facts.stops, facts.ready,
        cluster_state_name(next), wanted);
}

Test(cluster_state, a_new_cluster_is_creating_until_all_components_are_ready)
{
    expect("", FACTS(.ready = R0), "Creating");
    expect("Creating", FACTS(.ready = 2), "Creating");
    expect("Creating", FACTS(.ready = ALL), "Running");
    expect("Creating", FACTS(.ready = ALL, .update_triggered = true), "Running");
}

Test(cluster_state, a_creating_cluster_whose_job_has_ended_is_stopping)
{
    expect("", FACTS(.ready = R1, .job_stopped = true, .stops = true), "Stopping");
    expect("Creating", FACTS(.ready = R0, .job_stopped = true, .stops = true), "Stopping");
    expect("Creating", FACTS(.ready = ALL, .job_stopped = true, .stops = true), "Running");
    expect("Creating", FACTS(.ready = R1, .job_stopped = true), "Creating");
}

Test(cluster_state, an_updating_cluster_is_updating_until_its_components_are_back)
{
    expect("Updating", FACTS(.ready = ALL, .must_update = true, .update_triggered = true),
           "Updating");
    expect("Updating", FACTS(.ready = R1, .update_triggered = true), "Updating");
    expect("Updating", FACTS(.ready = R1), "Reconciling");
    expect("Updating", FACTS(.ready = ALL, .update_triggered = true), "Running");
    expect("Updating", FACTS(.ready = ALL), "Running");
}

Test(cluster_state, a_running_cluster_tells_updates_ends_and_missing_components)
{
    static const char *const from[] = {"Running", "Reconciling"};

    for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
        expect(from[i], FACTS(.ready = ALL, .must_update = true, .update_triggered = true),
               "Updating");
        expect(from[i], FACTS(.ready = ALL, .job_stopped = true, .stops = true), "Stopping");
        expect(from[i], FACTS(.ready = ALL, .job_stopped = true), "Running");
        expect(from[i], FACTS(.ready = R1), "Reconciling");
        expect(from[i], FACTS(.ready = ALL), "Running");
    }
}

Test(cluster_state, an_update_of_a_stopped_job_isnt_taken_for_its_cleanup)
{
    expect("Running",
           FACTS(.ready = ALL, .job_stopped = true, .stops = true, .update_triggered = true),
           "Running");
}

Test(cluster_state, a_kept_cluster_doesnt_hide_a_component_that_isnt_ready)
{
    expect("Running", FACTS(.ready = 2, .job_stopped = true), "Reconciling");
}

Test(cluster_state, a_stopping_cluster_stops_by_and_by)
{
    static const char *const from[] = {"Stopping", "PartiallyStopped"};

    for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
        struct cluster_facts f = FACTS(.job_stopped = true, .stops = true, .ready = ALL);

        expect(from[i], f, "Stopping");
        f.ready = 2;
        expect(from[i], f, "PartiallyStopped");
        f.ready = 0;
        expect(from[i], f, "Stopped");
        f.must_update = f.update_triggered = true;
        expect(from[i], f, "Updating");
    }
}

Test(cluster_state, a_job_that_is_back_ends_the_stopping)
{
    expect("Stopping", FACTS(.ready = ALL), "Running");
    expect("PartiallyStopped", FACTS(.ready = R1), "Reconciling");
}

Test(cluster_state, a_stopped_cluster_waits_for_an_update_or_its_job)
{
    expect("Stopped", FACTS(.ready = R0, .job_stopped = true, .stops = true), "Stopped");
    expect("Stopped",
           FACTS(.ready = R0, .job_stopped = true, .stops = true, .update_triggered = true),
           "Updating");
    expect("Stopped", FACTS(.ready = R1), "Reconciling");
    expect("Stopped", FACTS(.ready = ALL), "Running");
}

Test(cluster_state, a_state_that_nobody_knows_begins_anew)
{
    expect("Exploded", FACTS(.ready = R1), "Creating");
    expect("Exploded", FACTS(.ready = ALL), "Running");
    cr_expect_eq(cluster_state_parse(NULL), CLUSTER_CREATING);
}

static struct cluster_facts facts_of(unsigned bits)
{
    return FACTS(.must_update = bits & 1 && bits & 2, .update_triggered = bits & 2,
                 .job_stopped = bits & 4, .stops = bits & 4 && bits & 8,
                 .ready = (int)(bits >> 4 & 3));
}

Test(cluster_state, whatever_is_recorded_the_same_facts_lead_to_a_state_that_stays)
{
    for (int recorded = 0; recorded <= CLUSTER_STOPPED; recorded++) {
        for (unsigned bits = 0; bits < 64; bits++) {
            struct cluster_facts facts = facts_of(bits);
            enum cluster_state state = (enum cluster_state)recorded;

            for (int step = 0; step < 5; step++)
                state = cluster_state_next(state, &facts);
            cr_expect_eq(
                cluster_state_next(state, &facts), state, "from %s with facts %#x: %s doesn't stay",
                cluster_state_name((enum cluster_state)recorded), bits, cluster_state_name(state));
        }
    }
}

Test(cluster_state, running_is_said_only_of_ready_components)
{
    for (int recorded = 0; recorded <= CLUSTER_STOPPED; recorded++) {
        for (unsigned bits = 0; bits < 64; bits++) {
            struct cluster_facts facts = facts_of(bits);

            if (cluster_state_next((enum cluster_state)recorded, &facts) == CLUSTER_RUNNING)
                cr_expect_eq(facts.ready, facts.total, "facts %#x", bits);
        }
    }
}
