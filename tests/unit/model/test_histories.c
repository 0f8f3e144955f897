/* Random histories of a FlinkCluster. HISTORIES=n: how many, from seed FIRST=n on; SEED=n: only
 * that one, with its trace. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/model/world.h"

enum { HISTORIES = 300, FAILURES_MAX = 5 };

static struct world world;

static int64_t setting(const char *name, int64_t fallback)
{
    int64_t value = fallback;

    return getenv(name) && !str_to_i64(getenv(name), &value) ? value : fallback;
}

static bool is_fine(uint64_t seed, bool tracing)
{
    bool fine = history_run(&world, seed, tracing) == 0;

    cr_expect(fine, "SEED=%lld: %s", (long long)seed, world.violation);
    world_done(&world);
    return fine;
}

Test(histories, whatever_happens_one_job_runs_with_its_state_and_what_is_wanted_comes_about)
{
    int64_t seed = setting("SEED", 0), n = setting("HISTORIES", HISTORIES), failures = 0;

    if (seed)
        (void)is_fine((uint64_t)seed, true);
    for (int64_t i = 0; !seed && i < n && failures < FAILURES_MAX; i++)
        failures += !is_fine((uint64_t)(setting("FIRST", 1) + i), false);
}
