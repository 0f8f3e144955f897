#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "watcher/crash_facts.h"

TestSuite(crash_facts, .timeout = 10);

static bool read_crash(const char *text, bool submitter, struct crash_facts *ret)
{
    static cJSON *status;

    cJSON_Delete(status);
    status = cJSON_Parse(text);
    cr_assert(status, "%s", text);
    return crash_facts_read(status, submitter, ret);
}

Test(crash_facts, the_same_crash_has_the_same_number_in_every_state)
{
    static const char *const states[] = {
        "{\"name\":\"c\",\"restartCount\":0,\"state\":{\"terminated\":{\"exitCode\":1}}}",
        "{\"name\":\"c\",\"restartCount\":1,\"state\":{\"running\":{}},"
        "\"lastState\":{\"terminated\":{\"exitCode\":1}}}",
        "{\"name\":\"c\",\"restartCount\":0,\"state\":{\"waiting\":{\"reason\":"
        "\"CrashLoopBackOff\"}},\"lastState\":{\"terminated\":{\"exitCode\":1}}}",
    };
    struct crash_facts f;

    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        cr_assert(read_crash(states[i], false, &f), "%s", states[i]);
        cr_expect_eq(f.number, 1, "%s", states[i]);
        cr_expect_eq(f.previous, i != 0);
    }
}

Test(crash_facts, what_ended_well_or_never_began_is_no_crash)
{
    struct crash_facts f;

    cr_expect(
        !read_crash("{\"name\":\"c\",\"state\":{\"terminated\":{\"exitCode\":0}}}", false, &f));
    cr_expect(!read_crash("{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":"
                          "\"ImagePullBackOff\"}}}",
                          false, &f));
    cr_expect(!read_crash("{\"state\":{\"terminated\":{\"exitCode\":1}}}", false, &f));
    cr_expect(!read_crash("[1,2]", false, &f));
}

Test(crash_facts, a_submitter_that_says_why_needs_no_log)
{
    struct crash_facts f;

    cr_expect(!read_crash("{\"name\":\"main\",\"state\":{\"terminated\":{\"exitCode\":1,"
                          "\"message\":\"why\"}}}",
                          true, &f));
    cr_expect(
        read_crash("{\"name\":\"main\",\"state\":{\"terminated\":{\"exitCode\":0}}}", true, &f));
}

Test(crash_facts, the_tail_of_a_log_begins_at_a_line_and_fits)
{
    char text[3 * CRASH_LOG_MAX] = "";
    _cleanup_(freep) char *tail = NULL;

    for (size_t i = 0; strlen(text) + 64 < sizeof(text); i++)
        (void)snprintf(text + strlen(text), 64, "line %zu of a log that is much too long\n", i);
    tail = crash_log_tail(text);
    cr_assert(tail);
    cr_expect_leq(strlen(tail), CRASH_LOG_MAX);
    cr_expect_eq(strncmp(tail, "line ", 5), 0);
    cr_expect_str_eq(tail + strlen(tail) - 4, "long");
}

Test(crash_facts, a_log_becomes_valid_text)
{
    static const struct {
        const char *log, *text;
    } cases[] = {
        {"a\xff\xfe z\n", "a?? z"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"\x1b[31mred\r\n", " [31mred"},
        {"cut \xe2\x82", "cut ??"},
        {"over\xc0\xaf", "over??"},
        {"sur\xed\xa0\x80", "sur???"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(freep) char *tail = crash_log_tail(cases[i].log);

        cr_expect_str_eq(tail, cases[i].text);
    }
}
