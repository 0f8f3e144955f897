#include "common/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/base/str.h"

enum { LOG_TEXT_MAX = 8192 }; /* bytes of one message; the rest is cut */

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const level_words[] = {"ERROR", "WARN", "INFO", "DEBUG"};

static struct {
    const char *daemon;
    enum log_level level;
    bool json;
} log_state = {.daemon = "flinkd", .level = LOG_LEVEL_INFO};

void log_init(const char *daemon, enum log_level level, bool json)
{
    log_state.daemon = daemon;
    log_state.level = level;
    log_state.json = json;
}

int log_level_parse(const char *text, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
        if (str_eq_nocase(text, level_names[i])) {
            *ret = (enum log_level)i;
            return 0;
        }
    return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_enabled(enum log_level level)
{
    return level <= log_state.level;
}

/* Length of the UTF-8 sequence at @s that may be shown as it is; 0: an invalid one or a control
 * character, among them U+0080..U+009F, which terminals obey too. */
static size_t printable(const unsigned char *s)
{
    size_t len = *s < 0x80 ? 1 : *s < 0xC2 ? 0 : *s < 0xE0 ? 2 : *s < 0xF0 ? 3 : *s < 0xF5 ? 4 : 0;

    if (len == 1)
        return *s >= 0x20 && *s != 0x7F;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0; /* also at the end of the text: its NUL is no continuation */
    return len == 2 && s[0] == 0xC2 && s[1] < 0xA0 ? 0 : len;
}

static void add_escaped(struct buf *b, const char *text, bool json)
{
    const unsigned char *s = (const unsigned char *)text;

    while (*s) {
        size_t len = printable(s);

        if (json && (*s == '"' || *s == '\\'))
            (void)buf_printf(b, "\\%c", *s);
        else if (len)
            (void)buf_add(b, s, len);
        else if (*s == '\n' || *s == '\t')
            (void)buf_puts(b, *s == '\n' ? "\\n" : "\\t");
        else
            (void)buf_printf(b, json ? "\\u%04x" : "\\x%02x", json && *s >= 0x80 ? 0xFFFD : *s);
        s += len ? len : 1;
    }
}

static void add_time(struct buf *b)
{
    struct timespec now;
    struct tm tm;
    char text[32];

    if (clock_gettime(CLOCK_REALTIME, &now) || !gmtime_r(&now.tv_sec, &tm) ||
        !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
        return;
    (void)buf_printf(b, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

void log_write(enum log_level level, const char *fmt, ...)
{
    /* escaped at worst six times as long, and what surrounds it */
    _cleanup_(buf_done) struct buf line = BUF_INIT((size_t)6 * LOG_TEXT_MAX + 256);
    char text[LOG_TEXT_MAX];
    va_list ap;
    int len, saved = errno;

    if (!log_enabled(level))
        return;
    va_start(ap, fmt);
    len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (len < 0)
        text[0] = '\0';
    if (log_state.json) {
        (void)buf_puts(&line, "{\"time\":\"");
        add_time(&line);
        (void)buf_printf(&line, "\",\"level\":\"%s\",\"daemon\":\"%s\",\"msg\":\"",
                         level_names[level], log_state.daemon);
    } else {
        add_time(&line);
        (void)buf_printf(&line, " %s %s: ", level_words[level], log_state.daemon);
    }
    add_escaped(&line, text, log_state.json);
    (void)buf_puts(&line, log_state.json ? "\"}\n" : "\n");
    /* one write, so that lines of several processes don't mix; nowhere to report that it failed */
    if (write(STDERR_FILENO, buf_str(&line), line.len) < 0)
        errno = 0;
    errno = saved;
}
