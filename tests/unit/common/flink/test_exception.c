#include <criterion/criterion.h>

#include "common/flink/exception.h"

TestSuite(exception, .timeout = 10);

static const char trace[] = "JobException: recovery is suppressed\n"
                            "\tat org.apache.flink.A.b(A.java:1)\n"
                            "\tat org.apache.flink.C.d(C.java:2)\n"
                            "Caused by: IllegalStateException: no such operator\n"
                            "\tat org.apache.flink.E.f(E.java:3)\n"
                            "\t... 4 more\n";

static char out[256];

Test(exception, one_that_fits_is_left_as_it_is)
{
    exception_copy(out, sizeof trace, trace);
    cr_expect_str_eq(out, trace);
}

Test(exception, one_that_does_not_fit_loses_its_stack_frames_and_keeps_its_causes)
{
    exception_copy(out, sizeof trace - 1, trace);
    cr_expect_str_eq(out, "JobException: recovery is suppressed\n"
                          "Caused by: IllegalStateException: no such operator");
    exception_copy(out, 50, trace);
    cr_expect_str_eq(out, "JobException: recovery is suppressed\nCaused by: I");
}

Test(exception, it_is_cut_between_characters)
{
    exception_copy(out, 4, "xää");
    cr_expect_str_eq(out, "xä");
    exception_copy(out, 3, "xää");
    cr_expect_str_eq(out, "x");
    exception_copy(out, 1, "xää");
    cr_expect_str_eq(out, "");
    exception_copy(out, 20, "\tat a.b.c(A.java:1)\n");
    cr_expect_str_eq(out, "");
}
