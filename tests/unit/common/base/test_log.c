#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"

/* The line that was logged, without its time. */
static char line[4096];

static const char *logged(void)
{
    ssize_t len;
    int pipe_fds[2], saved = dup(STDERR_FILENO);

    cr_assert_eq(pipe(pipe_fds), 0);
    dup2(pipe_fds[1], STDERR_FILENO);
    log_warn("%s", line);
    dup2(saved, STDERR_FILENO);
    close(pipe_fds[1]);
    len = read(pipe_fds[0], line, sizeof(line) - 1);
    close(pipe_fds[0]);
    line[len > 0 ? len : 0] = '\0';
    return line;
}

Test(log, a_line_names_time_level_and_daemon)
{
    log_init("watcher", LOG_LEVEL_INFO, false);
    strcpy(line, "uid=1 x");
    cr_expect_str_eq(logged() + strlen("2026-01-02T03:04:05.678Z"), " WARN watcher: uid=1 x\n");
}

Test(log, foreign_bytes_cannot_forge_a_line)
{
    log_init("w", LOG_LEVEL_INFO, false);
    strcpy(line, "a\nb\r\x1b[2J\x7f \xff \xc2\x9b \u00e9\u20ac");
    cr_expect_str_eq(logged() + 24,
                     " WARN w: a\\nb\\x0d\\x1b[2J\\x7f \\xff \\xc2\\x9b \u00e9\u20ac\n");
}

Test(log, json_stays_json_whatever_the_text)
{
    _cleanup_(json_freep) cJSON *json = NULL;

    log_init("w", LOG_LEVEL_INFO, true);
    strcpy(line, "say \"hi\"\\\n\x01\xff");
    logged();
    cr_assert_eq(json_parse(line, strlen(line), &json, NULL), 0, "%s", line);
    cr_expect_str_eq(json_str(json, "msg"), "say \"hi\"\\\n\x01\ufffd");
    cr_expect_str_eq(json_str(json, "level"), "warn");
    cr_expect_str_eq(json_str(json, "daemon"), "w");
}

Test(log, what_is_below_the_level_is_not_written)
{
    log_init("w", LOG_LEVEL_ERROR, false);
    strcpy(line, "x");
    cr_expect_str_eq(logged(), "");
    cr_expect_not(log_enabled(LOG_LEVEL_WARN));
}

Test(log, levels_have_names)
{
    enum log_level level;

    cr_expect_eq(log_level_parse("Debug", &level), 0);
    cr_expect_eq(level, LOG_LEVEL_DEBUG);
    cr_expect_eq(log_level_parse("loud", &level), -EINVAL);
    cr_expect_eq(log_level_parse(NULL, &level), -EINVAL);
}
