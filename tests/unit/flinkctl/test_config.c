#include <criterion/criterion.h>

#include "common/base/str.h"
#include "flinkctl/flinkctl.h"

TestSuite(flinkctl_config, .timeout = 20);

static struct flinkctl_config config;
static struct error err;

static int load(int argc, const char *const *words)
{
    char *argv[16] = {0};

    config = (struct flinkctl_config)FLINKCTL_CONFIG_DEFAULT;
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    return flinkctl_config_load(&config, "why NAME", "about", argc, argv, &err);
}

#define LOAD(...)                                                                                  \
    load((int)ARRAY_SIZE(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__})

Test(flinkctl_config, the_name_may_stand_before_and_after_flags)
{
    cr_expect_eq(LOAD("why", "ns/c", "--journal", "j.db"), 0);
    cr_expect_str_eq(config.argument, "ns/c");
    cr_expect_str_eq(config.common.journal, "j.db");
    cr_expect_eq(LOAD("why", "--journal", "j.db", "--json", "ns/c"), 0);
    cr_expect_str_eq(config.argument, "ns/c");
    cr_expect(config.json);
    cr_expect_eq(LOAD("why", "--file", "-", "--now=5"), 0);
    cr_expect_null(config.argument);
    cr_expect_str_eq(config.file, "-");
    cr_expect_eq(config.now_ms, 5);
}

Test(flinkctl_config, wrong_usage_is_refused)
{
    cr_expect_eq(LOAD("why", "a", "b"), -EINVAL);
    cr_expect_eq(LOAD("why", "--nope"), -EINVAL);
    cr_expect_eq(LOAD("why", "--journal"), -EINVAL);
}

Test(flinkctl_config, a_name_has_a_namespace_or_takes_the_given_one)
{
    char ns[64] = "given", name[256];

    cr_expect_eq(flinkctl_split_name("c", ns, name, &err), 0);
    cr_expect_str_eq(ns, "given");
    cr_expect_str_eq(name, "c");
    cr_expect_eq(flinkctl_split_name("ns/c", ns, name, &err), 0);
    cr_expect_str_eq(ns, "ns");
    cr_expect_str_eq(name, "c");
}

Test(flinkctl_config, half_a_name_is_refused)
{
    char ns[64] = "", name[256];
    static const char *const wrong[] = {NULL, "", "/", "/c", "ns/"};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_expect_eq(flinkctl_split_name(wrong[i], ns, name, &err), -EINVAL, "%s",
                     wrong[i] ? wrong[i] : "NULL");
}
