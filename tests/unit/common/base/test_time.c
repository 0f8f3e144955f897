#include <errno.h>

#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/base/time.h"

static const int64_t jan_2 = 1767323045000; /* 2026-01-02T03:04:05Z */

Test(time_rfc3339, is_printed_in_utc_seconds)
{
    char text[32];

    time_rfc3339(jan_2 + 999, text);
    cr_expect_str_eq(text, "2026-01-02T03:04:05Z");
    time_rfc3339(-1, text);
    cr_expect_str_eq(text, "1969-12-31T23:59:59Z");
}

Test(time_rfc3339, is_read_with_fractions_and_offsets)
{
    cr_expect_eq(time_parse_rfc3339("2026-01-02T03:04:05Z"), jan_2);
    cr_expect_eq(time_parse_rfc3339("2026-01-02T03:04:05.678901Z"), jan_2 + 678);
    cr_expect_eq(time_parse_rfc3339("2026-01-02T03:04:05.6Z"), jan_2 + 600);
    cr_expect_eq(time_parse_rfc3339("2026-01-02T04:34:05+01:30"), jan_2);
    cr_expect_eq(time_parse_rfc3339("2026-01-01T23:04:05-04:00"), jan_2);
    cr_expect_eq(time_parse_rfc3339("2024-02-29T00:00:00Z"), 1709164800000);
}

Test(time_rfc3339, what_is_no_time_is_none)
{
    static const char *const bad[] = {
        NULL,
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-02-30T03:04:05Z",
        "2025-02-29T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:04:05Zx",
        "2026-01-02T03:04:05+1:00",
        "0001-01-01T00:00:00Z",
        "-026-01-02T03:04:05Z",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(time_parse_rfc3339(bad[i]), 0, "%s", bad[i] ? bad[i] : "NULL");
}

Test(time_duration, knows_the_units_of_flink)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"10 min", 600000},  {"500ms", 500},        {"250", 250},        {" 2 Hours ", 7200000},
        {"1d", 86400000},    {"3 days", 259200000}, {"7s", 7000},        {"7 SECONDS", 7000},
        {"1500 \u00b5s", 1}, {"2000000ns", 2},      {"5 millis", 5},     {"0 s", 0},
        {"1 minute", 60000}, {"1 m", 60000},        {"1 hour", 3600000}, {"9 milli", 9},
    };
    int64_t ms;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        cr_expect_eq(time_parse_duration(good[i].text, &ms), 0, "%s", good[i].text);
        cr_expect_eq(ms, good[i].ms, "%s", good[i].text);
    }
}

Test(time_duration, refuses_everything_else)
{
    static const char *const bad[] = {NULL,   "",       "min",   "1.5 s",
                                      "-1 s", "1 week", "1 s s", "99999999999999999999",
                                      "1 |",  "1 s|m",  "1e3",   "9223372036854775807 d"};
    int64_t ms = 7;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(time_parse_duration(bad[i], &ms), -EINVAL, "%s", bad[i] ? bad[i] : "NULL");
    cr_expect_eq(ms, 7);
}

/* 2026-03-01 is a Sunday. */
static const struct {
    const char *cron, *next;
} crons[] = {
    {"* * * * *", "2026-03-01T09:03:00Z"},
    {"*/5 * * * *", "2026-03-01T09:05:00Z"},
    {"2 9 * * *", "2026-03-02T09:02:00Z"},
    {"0 0 29 2 *", "2028-02-29T00:00:00Z"},
    {"0 12 * * mon-fri", "2026-03-02T12:00:00Z"},
    {"0 0 13 * 5", "2026-03-06T00:00:00Z"},
    {"0 0 * * 7", "2026-03-08T00:00:00Z"},
    {"0 0 1 JAN *", "2027-01-01T00:00:00Z"},
    {"10-20/5,50 9 * * *", "2026-03-01T09:10:00Z"},
    {"30/10 8 * * *", "2026-03-02T08:30:00Z"},
    {"0 0 31 4,6,12 *", "2026-12-31T00:00:00Z"},
    {"@hourly", "2026-03-01T10:00:00Z"},
    {"@daily", "2026-03-02T00:00:00Z"},
    {"  0  0   ?  * * ", "2026-03-02T00:00:00Z"},
};

Test(time_cron, finds_the_next_time)
{
    int64_t after = time_parse_rfc3339("2026-03-01T09:02:03.5Z"), next;
    char text[32];

    for (size_t i = 0; i < ARRAY_SIZE(crons); i++) {
        cr_assert_eq(time_cron_next(crons[i].cron, after, &next), 0, "%s", crons[i].cron);
        time_rfc3339(next, text);
        cr_expect_str_eq(text, crons[i].next, "%s: %s", crons[i].cron, text);
    }
}

Test(time_cron, a_time_that_matches_is_not_its_own_next)
{
    int64_t at = time_parse_rfc3339("2026-03-01T09:00:00Z"), next;

    cr_assert_eq(time_cron_next("0 9 * * *", at, &next), 0);
    cr_expect_eq(next - at, 86400000);
    cr_assert_eq(time_cron_next("0 9 * * *", at - 1, &next), 0);
    cr_expect_eq(next, at);
}

Test(time_cron, refuses_what_never_comes_or_is_no_expression)
{
    static const char *const bad[] = {NULL,          "",           "* * * *",    "* * * * * *",
                                      "60 * * * *",  "* 24 * * *", "* * 0 * *",  "* * * 13 *",
                                      "* * * * 8",   "0 0 30 2 *", "a * * * *",  "5-1 * * * *",
                                      "*/0 * * * *", "1, * * * *", "1- * * * *", "@never",
                                      "* * * * mo",  "*1 * * * *", "1 1 1 1 1x"};
    int64_t next;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(time_cron_next(bad[i], 0, &next), -EINVAL, "%s", bad[i] ? bad[i] : "NULL");
}
