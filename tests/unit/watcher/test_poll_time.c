#include <criterion/criterion.h>

#include "watcher/poll_time.h"

TestSuite(poll_time, .timeout = 10);

Test(poll_time, a_transition_is_watched_four_times_a_second)
{
    cr_expect_eq(poll_interval_ms(false, 0, 1), POLL_FAST_MS);
    cr_expect_eq(poll_interval_ms(false, 59000, 1000), POLL_FAST_MS);
}

Test(poll_time, a_transition_that_takes_for_ever_is_watched_less)
{
    cr_expect_eq(poll_interval_ms(false, 3600000, 1), 2000);
}

Test(poll_time, a_running_job_is_asked_for_less_and_less)
{
    int64_t last = 0;

    for (int64_t age_ms = 0; age_ms < 120000; age_ms += 100) {
        int64_t ms = poll_interval_ms(true, age_ms, 1000);

        cr_assert_geq(ms, last);
        last = ms;
    }
    cr_expect_eq(last, 10000);
}

Test(poll_time, few_running_jobs_get_fresher_news_than_many)
{
    cr_expect_eq(poll_interval_ms(true, 3600000, 1), 400);
    cr_expect_eq(poll_interval_ms(true, 3600000, 100), 1000);
    cr_expect_eq(poll_interval_ms(true, 3600000, 100000), 10000);
}

Test(poll_time, a_trigger_is_asked_about_every_two_seconds_at_last)
{
    cr_expect_eq(poll_trigger_ms(0), POLL_FAST_MS);
    cr_expect_eq(poll_trigger_ms(600000), 2000);
    cr_expect_eq(poll_trigger_ms(-5), POLL_FAST_MS);
}
