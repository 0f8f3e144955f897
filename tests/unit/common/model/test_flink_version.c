#include <criterion/criterion.h>

#include "common/model/admission.h"

TestSuite(flink_version, .timeout = 10);

static bool parses(const char *text)
{
    struct flink_version v;
    int r = flink_version_parse(text, &v);

    cr_expect_eq(v.known, r == 0 && text && *text, "%s", text);
    return r == 0;
}

static bool at_least(const char *text, int major, int minor)
{
    struct flink_version v;

    (void)flink_version_parse(text, &v);
    return flink_version_at_least(&v, major, minor);
}

Test(flink_version, numbers_prefix_prerelease_and_metadata_parse)
{
    static const char *const good[] = {"1",
                                       "1.10",
                                       "v1.10",
                                       "1.20.0.1.2",
                                       "1.10-SNAPSHOT",
                                       "1.10-rc1.2",
                                       "1.10rc1",
                                       "1.10-1",
                                       "1.10+build.7",
                                       "1.10-rc+x",
                                       "01.010",
                                       "1.10--x",
                                       "1.10~x",
                                       "99999999999",
                                       "1.9223372036854775807",
                                       "00000000000000000000001"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        cr_expect(parses(good[i]), "%s", good[i]);
}

Test(flink_version, other_texts_do_not)
{
    static const char *const bad[] = {"latest",
                                      "one.two",
                                      "1.",
                                      ".1",
                                      "1..2",
                                      "1.x",
                                      "v",
                                      "vv1",
                                      "1 ",
                                      " 1",
                                      "1.10-rc.",
                                      "1.10+",
                                      "1.10+a..b",
                                      "1.10_x",
                                      "-1",
                                      "1.10-a b",
                                      "99999999999999999999",
                                      "1.9223372036854775808"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_not(parses(bad[i]), "%s", bad[i]);
}

Test(flink_version, none_is_no_error_and_not_known)
{
    struct flink_version v;

    cr_expect_eq(flink_version_parse(NULL, &v), 0);
    cr_expect_not(v.known);
    cr_expect_eq(flink_version_parse("", &v), 0);
    cr_expect_not(v.known);
}

Test(flink_version, missing_segments_are_zero)
{
    cr_expect(at_least("1.10", 1, 10));
    cr_expect(at_least("2", 1, 10));
    cr_expect(at_least("2", 2, 0));
    cr_expect_not(at_least("1", 1, 10));
    cr_expect_not(at_least("1.9.9", 1, 10));
    cr_expect(at_least("1.10.0", 1, 10));
    cr_expect(at_least("99999999999.1", 2, 0));
}

Test(flink_version, a_prerelease_is_below_its_release)
{
    cr_expect_not(at_least("1.10-SNAPSHOT", 1, 10));
    cr_expect_not(at_least("1.10.0-rc1", 1, 10));
    cr_expect(at_least("1.10.1-rc1", 1, 10));
    cr_expect(at_least("1.11-SNAPSHOT", 1, 10));
    cr_expect(at_least("1.10+build", 1, 10));
}

Test(flink_version, no_version_is_below_all)
{
    cr_expect_not(at_least("latest", 0, 0));
    cr_expect_not(at_least("", 0, 0));
}
