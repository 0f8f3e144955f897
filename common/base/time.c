#include "common/base/time.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/str.h"

enum { NS_PER_MS = 1000000 };

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now); /* neither clock can fail on Linux */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

int64_t time_now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t time_monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

void time_rfc3339(int64_t ms, char out[32])
{
    time_t seconds = ms / 1000 - (ms % 1000 < 0);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
        out[0] = '\0';
}

/* @digits digits in [min, max], then the character @after (case ignored; 0: any). Moves *@s on. */
static bool scan(const char **s, int digits, int min, int max, char after, int *ret)
{
    int value = 0;

    for (int i = 0; i < digits; i++, ++*s) {
        if (!isdigit((unsigned char)**s))
            return false;
        value = value * 10 + (**s - '0');
    }
    *ret = value;
    if (value < min || value > max || (after && toupper((unsigned char)**s) != after))
        return false;
    *s += after != 0;
    return true;
}

static int scan_fraction_ms(const char **s)
{
    int ms = 0, weight = 100;

    if (**s != '.')
        return 0;
    for (++*s; isdigit((unsigned char)**s); ++*s, weight /= 10)
        ms += weight * (**s - '0');
    return ms;
}

/* "Z" or "+hh:mm" up to the end of the text. */
static bool scan_offset(const char *s, int *ret_seconds)
{
    int sign = *s == '-' ? -1 : 1, hours, minutes;

    *ret_seconds = 0;
    if (*s == 'Z' || *s == 'z')
        return !s[1];
    if (*s != '+' && *s != '-')
        return false;
    s++;
    if (!scan(&s, 2, 0, 23, ':', &hours) || !scan(&s, 2, 0, 59, 0, &minutes) || *s)
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

int64_t time_parse_rfc3339(const char *text)
{
    struct tm tm = {0}, given;
    int year, month, ms, offset;
    int64_t result;

    if (!text || !scan(&text, 4, 0, 9999, '-', &year) || !scan(&text, 2, 1, 12, '-', &month) ||
        !scan(&text, 2, 1, 31, 'T', &tm.tm_mday) || !scan(&text, 2, 0, 23, ':', &tm.tm_hour) ||
        !scan(&text, 2, 0, 59, ':', &tm.tm_min) || !scan(&text, 2, 0, 60, 0, &tm.tm_sec))
        return 0;
    ms = scan_fraction_ms(&text);
    if (!scan_offset(text, &offset))
        return 0;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    given = tm;
    result = ((int64_t)timegm(&tm) - offset) * 1000 + ms;
    if (tm.tm_mday != given.tm_mday && given.tm_sec < 60)
        return 0; /* February 30 and the like, which timegm() moves on */
    /* Go's zero time (year 1) means "none", and nothing here happened before 1970 */
    return result > 0 ? result : 0;
}

static const struct {
    const char *names; /* '|' around each */
    int64_t ns;
} duration_units[] = {
    {"||ms|milli|millis|millisecond|milliseconds|", NS_PER_MS},
    {"|d|day|days|", 86400LL * 1000 * NS_PER_MS},
    {"|h|hour|hours|", 3600LL * 1000 * NS_PER_MS},
    {"|m|min|minute|minutes|", 60LL * 1000 * NS_PER_MS},
    {"|s|sec|secs|second|seconds|", 1000LL * NS_PER_MS},
    {"|µs|micro|micros|microsecond|microseconds|", 1000},
    {"|ns|nano|nanos|nanosecond|nanoseconds|", 1},
};

static int64_t unit_ns(const char *unit, size_t len)
{
    char name[24];

    if (snprintf(name, sizeof(name), "|%.*s|", (int)len, unit) >= (int)sizeof(name))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++)
        if (strcasestr(duration_units[i].names, name))
            return duration_units[i].ns;
    return 0;
}

int time_parse_duration(const char *text, int64_t *ret_ms)
{
    const char *digits, *unit, *end;
    __int128 value = 0;
    int64_t ns;

    if (!text)
        return -EINVAL;
    digits = text + strspn(text, " \t\r\n");
    unit = digits + strspn(digits, "0123456789");
    if (unit == digits || unit - digits > 19)
        return -EINVAL;
    for (const char *c = digits; c < unit; c++)
        value = value * 10 + (*c - '0');
    unit += strspn(unit, " \t\r\n");
    end = unit + strlen(unit);
    while (end > unit && isspace((unsigned char)end[-1]))
        end--;
    if (end - unit > 20 || memchr(unit, '|', (size_t)(end - unit)))
        return -EINVAL;
    ns = unit_ns(unit, (size_t)(end - unit));
    value = value * ns / NS_PER_MS;
    if (!ns || value > INT64_MAX)
        return -EINVAL;
    *ret_ms = (int64_t)value;
    return 0;
}
