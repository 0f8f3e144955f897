#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>

#include "common/base/args.h"

struct config {
    struct common_config common;
    int64_t workers;
};

static const struct arg table[] = {
    ARGS_COMMON(struct config),
    {"workers", ARG_INT, offsetof(struct config, workers), "FLINKD_WORKERS", "N", "how many", 1, 9},
};

static struct config config;
static struct error err;

static int parse(const char *a, const char *b, const char *c)
{
    char name[] = "flinkd-x";
    char *argv[] = {name, (char *)(uintptr_t)a, (char *)(uintptr_t)b, (char *)(uintptr_t)c, NULL};
    int argc = 1;

    while (argv[argc])
        argc++;
    config = (struct config){.common = COMMON_CONFIG_DEFAULT, .workers = 2};
    return args_parse("flinkd-x", "does x.", table, ARRAY_SIZE(table), argc, argv, &config, &err);
}

Test(args, without_any_the_defaults_stay)
{
    cr_expect_eq(parse(NULL, NULL, NULL), 0);
    cr_expect_str_eq(config.common.journal, "/var/lib/flinkd/journal.db");
    cr_expect_eq(config.common.log_level, LOG_LEVEL_INFO);
    cr_expect_eq(config.workers, 2);
}

Test(args, a_flag_may_be_written_three_ways)
{
    cr_expect_eq(parse("--journal=/a", NULL, NULL), 0);
    cr_expect_str_eq(config.common.journal, "/a");
    cr_expect_eq(parse("--journal", "/b", "--once"), 0);
    cr_expect_str_eq(config.common.journal, "/b");
    cr_expect(config.common.once);
    cr_expect_eq(parse("-journal", "/c=d", NULL), 0);
    cr_expect_str_eq(config.common.journal, "/c=d");
    cr_expect_eq(parse("--bus=", NULL, NULL), 0);
    cr_expect_str_eq(config.common.bus, "");
}

Test(args, every_type_is_checked)
{
    static const char *const bad[] = {
        "--workers=0",      "--workers=10", "--workers=x", "--log-level=loud",
        "--log-format=xml", "--once=maybe", "--nope",      "journal",
        "---journal=x",     "--workers",    "--",          "-"};

    cr_expect_eq(parse("--workers=9", "--log-level=debug", "--log-format=json"), 0);
    cr_expect_eq(config.workers, 9);
    cr_expect_eq(config.common.log_level, LOG_LEVEL_DEBUG);
    cr_expect(config.common.log_json);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cr_expect_eq(parse(bad[i], NULL, NULL), -EINVAL, "%s", bad[i]);
        cr_expect_neq(err.text[0], '\0', "%s", bad[i]);
        err.text[0] = '\0';
    }
}

Test(args, a_flag_beats_the_environment_which_beats_the_default)
{
    setenv("FLINKD_WORKERS", "5", 1);
    cr_expect_eq(parse(NULL, NULL, NULL), 0);
    cr_expect_eq(config.workers, 5);
    cr_expect_eq(parse("--workers", "6", NULL), 0);
    cr_expect_eq(config.workers, 6);
}

Test(args, a_broken_environment_is_named)
{
    setenv("FLINKD_WORKERS", "many", 1);
    cr_expect_eq(parse(NULL, NULL, NULL), -EINVAL);
    cr_expect_not_null(strstr(err.text, "$FLINKD_WORKERS"), "%s", err.text);
}

Test(args, help_names_every_flag, .init = cr_redirect_stdout)
{
    char text[8192] = "";
    size_t len;
    FILE *out;

    setenv("FLINKD_WORKERS", "many", 1); /* help comes first */
    cr_expect_eq(parse("--once", "--help", NULL), ARGS_SERVED);
    out = cr_get_redirected_stdout();
    len = fread(text, 1, sizeof(text) - 1, out);
    cr_assert_gt(len, 0);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        cr_expect_not_null(strstr(text, table[i].name), "%s", table[i].name);
    cr_expect_not_null(strstr(text, "$FLINKD_WORKERS"));
    cr_expect_not_null(strstr(text, "how many; default: 2 [$FLINKD_WORKERS]"), "%s", text);
    cr_expect_not_null(strstr(text, "share; default: /var/lib/flinkd/journal.db [$"), "%s", text);
    cr_expect_not_null(strstr(text, "or debug; default: info ["), "%s", text);
    cr_expect_not_null(strstr(text, "empty: all; default: empty ["), "%s", text);
    cr_expect_null(strstr(text, "current one; default"), "told in words");
    cr_expect_not_null(strstr(text, "\n  2  wrong flag"), "%s", text);
}

Test(args, version_is_served, .init = cr_redirect_stdout)
{
    cr_expect_eq(parse("--version", NULL, NULL), ARGS_SERVED);
}
