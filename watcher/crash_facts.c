#include "watcher/crash_facts.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"

/* The end of the instance that ended last, and its number counted from 1. An instance that ended
 * shows as state.terminated first, then (waiting to be restarted, or restarted) as lastState. */
static const cJSON *last_end(const cJSON *status, struct crash_facts *ret)
{
    const cJSON *end = json_get(status, "state.terminated");

    ret->restarts = json_int(status, "restartCount", 0);
    ret->number = ret->restarts + 1;
    if (end)
        return end;
    ret->previous = true;
    if (json_has(status, "state.running"))
        ret->number = ret->restarts;
    return json_get(status, "lastState.terminated");
}

bool crash_facts_read(const cJSON *status, bool submitter, struct crash_facts *ret)
{
    const cJSON *end;

    *ret = (struct crash_facts){.container = json_str(status, "name")};
    end = last_end(status, ret);
    if (!end || !ret->container)
        return false;
    ret->exit_code = json_int(end, "exitCode", 0);
    ret->reason = json_str_or(end, "reason", "");
    if (submitter)
        return str_blank(json_str(end, "message"));
    return ret->exit_code != 0;
}

/* Length of the valid UTF-8 sequence at @s, 0: none. */
static size_t utf8_length(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : s[0] >= 0xC2 ? 2 : 0;

    if (s[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    /* overlong forms, surrogates, over U+10FFFF */
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

static void clean(char *text)
{
    unsigned char *s = (unsigned char *)text;

    while (*s) {
        size_t n = utf8_length(s);

        if (n == 0 || (*s < ' ' && *s != '\n' && *s != '\t') || *s == 0x7F) {
            *s++ = n == 0 ? '?' : ' ';
            continue;
        }
        s += n;
    }
}

char *crash_log_tail(const char *text)
{
    size_t len = strlen(text);
    const char *newline;
    char *tail;

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (len > CRASH_LOG_MAX) {
        text += len - CRASH_LOG_MAX;
        len = CRASH_LOG_MAX;
        newline = memchr(text, '\n', len / 2);
        if (newline) {
            len -= (size_t)(newline + 1 - text);
            text = newline + 1;
        }
    }
    tail = strndup(text, len);
    if (tail)
        clean(tail);
    return tail;
}
