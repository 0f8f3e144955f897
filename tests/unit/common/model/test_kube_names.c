#include <string.h>

#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/model/kube_names.h"

TestSuite(kube_names, .timeout = 10);

#define EXPECT(problem, good, bad)                                                                 \
    do {                                                                                           \
        for (size_t i = 0; i < ARRAY_SIZE(good); i++)                                              \
            cr_expect_null(problem((good)[i]), "%s: %s", (good)[i], problem((good)[i]));           \
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)                                               \
            cr_expect_not_null(problem((bad)[i]), "%s", (bad)[i]);                                 \
    } while (0)

/* @n times 'a', in one of two buffers */
static const char *a_times(size_t n)
{
    static char buffer[2][512];
    static int turn;

    turn = !turn;
    memset(buffer[turn], 'a', n);
    buffer[turn][n] = '\0';
    return buffer[turn];
}

Test(kube_names, dns_labels)
{
    static const char *const good[] = {"a", "a-b", "a1", "a--b"};
    static const char *const bad[] = {"", "-a", "a-", "A", "a.b", "a_b", "\xc3\xa4", "a b"};

    EXPECT(kube_dns1123_label_problem, good, bad);
    EXPECT(kube_dns1035_label_problem, good, bad);
    cr_expect_null(kube_dns1123_label_problem("1a"));
    cr_expect_not_null(kube_dns1035_label_problem("1a"));
    cr_expect_null(kube_dns1123_label_problem(a_times(63)));
    cr_expect_not_null(kube_dns1123_label_problem(a_times(64)));
    cr_expect_not_null(kube_dns1035_label_problem(a_times(64)));
}

Test(kube_names, subdomains)
{
    static const char *const good[] = {"a", "a.b", "1.2", "a-b.c"};
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "A.b", "a.-b"};

    EXPECT(kube_dns1123_subdomain_problem, good, bad);
    cr_expect_null(kube_dns1123_subdomain_problem(a_times(253)));
    cr_expect_not_null(kube_dns1123_subdomain_problem(a_times(254)));
}

Test(kube_names, qualified_names)
{
    static const char *const good[] = {"a", "A.b_c-D", "example.com/a", "1/1"};
    static const char *const bad[] = {
        "", "/", "a/", "/a", "a/b/c", "bad key", "-x", "x-", "Example.com/a", "a b/c", "x/-"};

    EXPECT(kube_qualified_name_problem, good, bad);
    cr_expect_null(kube_qualified_name_problem(a_times(63)));
    cr_expect_not_null(kube_qualified_name_problem(a_times(64)));
}

Test(kube_names, annotation_keys_may_have_capitals_in_the_prefix)
{
    static const char *const good[] = {"a", "Example.com/A"};
    static const char *const bad[] = {"", "bad key", "-x", "a/b/c"};

    EXPECT(kube_annotation_key_problem, good, bad);
    cr_expect_not_null(kube_annotation_key_problem(a_times(500)));
}

Test(kube_names, label_values)
{
    static const char *const good[] = {"", "a", "A_b.c-1"};
    static const char *const bad[] = {"not ok!", "-a", "a-", ".", "a/b"};

    EXPECT(kube_label_value_problem, good, bad);
    cr_expect_null(kube_label_value_problem(a_times(63)));
    cr_expect_not_null(kube_label_value_problem(a_times(64)));
}

Test(kube_names, problems_read_as_in_kubernetes)
{
    const char *prefix =
        strstr(kube_qualified_name_problem("A_b/x"), "prefix part a lowercase RFC 1123 subdomain");

    cr_expect_not_null(prefix);
    cr_expect_str_eq(kube_qualified_name_problem(a_times(64)),
                     "name part must be no more than 63 bytes");
    cr_expect_str_eq(kube_label_value_problem(a_times(64)), "must be no more than 63 bytes");
    cr_expect_str_eq(kube_qualified_name_problem("/x"), "prefix part must be non-empty");
}
