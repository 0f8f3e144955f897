#include <limits.h>

#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/kube/backoff.h"

enum { DRAWS = 2000, BASE_MS = 200, CAP_MS = 5000 };

static struct {
    int64_t least, most;
} drawn;

static void draw(int failures, int64_t base_ms, int64_t cap_ms)
{
    drawn.least = INT64_MAX;
    drawn.most = INT64_MIN;
    for (int i = 0; i < DRAWS; i++) {
        int64_t ms = backoff_ms(failures, base_ms, cap_ms);

        drawn.least = ms < drawn.least ? ms : drawn.least;
        drawn.most = ms > drawn.most ? ms : drawn.most;
    }
}

Test(backoff, doubles_with_each_failure_up_to_its_cap)
{
    static const int64_t whole[] = {200, 400, 800, 1600, 3200, 5000, 5000, 5000};

    for (int i = 0; i < (int)ARRAY_SIZE(whole); i++) {
        draw(i + 1, BASE_MS, CAP_MS);
        cr_expect_geq(drawn.least, whole[i] / 2, "failure %d: %lld", i + 1, (long long)drawn.least);
        cr_expect_leq(drawn.most, whole[i], "failure %d: %lld", i + 1, (long long)drawn.most);
    }
}

/* With so many draws an eighth at either end that nothing falls into is no accident. */
Test(backoff, those_that_failed_together_come_back_over_the_whole_half)
{
    for (int failures = 1; failures < 10; failures += 4) {
        int64_t whole = failures == 1 ? BASE_MS : failures == 5 ? 3200 : CAP_MS;

        draw(failures, BASE_MS, CAP_MS);
        cr_expect_lt(drawn.least, whole / 2 + whole / 16, "failure %d: %lld", failures,
                     (long long)drawn.least);
        cr_expect_gt(drawn.most, whole - whole / 16, "failure %d: %lld", failures,
                     (long long)drawn.most);
    }
}

Test(backoff, however_many_failures_it_neither_overflows_nor_stops_waiting)
{
    static const int failures[] = {0, 100, 2000000000, INT_MAX};

    for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
        int64_t whole = failures[i] ? CAP_MS : BASE_MS;

        draw(failures[i], BASE_MS, CAP_MS);
        cr_expect_geq(drawn.least, whole / 2, "%d failures", failures[i]);
        cr_expect_leq(drawn.most, whole, "%d failures", failures[i]);
    }
}

Test(backoff, the_cap_holds_for_the_first_wait_too)
{
    draw(1, 8000, CAP_MS);
    cr_expect_geq(drawn.least, CAP_MS / 2);
    cr_expect_leq(drawn.most, CAP_MS);
}

Test(backoff, a_random_number_is_within_both_ends_and_reaches_them)
{
    int seen[3] = {0};

    for (int i = 0; i < DRAWS; i++) {
        int64_t n = random_between(-1, 1);

        cr_assert(n >= -1 && n <= 1, "%lld", (long long)n);
        seen[n + 1]++;
    }
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
        cr_expect_gt(seen[i], DRAWS / 6, "%d", seen[i]);
    cr_expect_eq(random_between(7, 7), 7);
    cr_expect_eq(random_between(9, 7), 9);
}
