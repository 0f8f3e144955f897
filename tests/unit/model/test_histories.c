/* Random histories of a FlinkCluster. HISTORIES=n: how many, from seed FIRST=n on; SEED=n: only
 * that one, with its trace. */
/* timeout: 1800 */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "tests/unit/model/world.h"

#ifdef __SANITIZE_ADDRESS__
enum { HISTORIES = 400 };
#else
enum { HISTORIES = 20000 };
#endif
enum { PARTS = 8, FAILURES_MAX = 5, HOUR_MS = 3600 * 1000 };

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

static void run_part(int64_t first, int64_t n)
{
    int64_t begun_ms = time_monotonic_ms(), steps = 0, lived_ms = 0, done = 0;

    for (int64_t failures = 0; done < n && failures < FAILURES_MAX; done++) {
        failures += !is_fine((uint64_t)(first + done), false);
        steps += world.steps;
        lived_ms += world.now_ms - world.begun_ms;
    }
    (void)fprintf(stderr,
                  "%lld histories from seed %lld: %lld steps, %lld hours of theirs, %.1f s\n",
                  (long long)done, (long long)first, (long long)steps,
                  (long long)(lived_ms / HOUR_MS), (double)(time_monotonic_ms() - begun_ms) / 1000);
}

/* Side by side, as many as there are processors. */
ParameterizedTestParameters(
    histories, whatever_happens_one_job_runs_with_its_state_and_what_is_wanted_comes_about)
{
    static int parts[PARTS] = {0, 1, 2, 3, 4, 5, 6, 7};

    return cr_make_param_array(int, parts, getenv("SEED") ? 1 : PARTS);
}

ParameterizedTest(const int *part, histories,
                  whatever_happens_one_job_runs_with_its_state_and_what_is_wanted_comes_about)
{
    int64_t seed = setting("SEED", 0), n = setting("HISTORIES", HISTORIES);
    int64_t each = (n + PARTS - 1) / PARTS, before = *part * each;

    pool_use();
    if (seed)
        (void)is_fine((uint64_t)seed, true);
    else if (before < n)
        run_part(setting("FIRST", 1) + before, n - before < each ? n - before : each);
}
