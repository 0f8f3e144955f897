/* Cron expressions, as Kubernetes' CronJob reads them: when both days are restricted, either
 * matches. */
#include "common/base/time.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/base/str.h"

enum {
    MINUTE,
    HOUR,
    DAY,
    MONTH,
    WEEKDAY,
    FIELDS,
    YEARS_MAX = 12 /* from one Feb 29 to the next: 8 */
};

static const struct field {
    int min, max;
    const char *names; /* three letters each, the first is min */
} fields[FIELDS] = {
    [MINUTE] = {0, 59, ""},
    [HOUR] = {0, 23, ""},
    [DAY] = {1, 31, ""},
    [MONTH] = {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    [WEEKDAY] = {0, 7, "sunmontuewedthufrisat"}, /* 7 is Sunday too */
};

static const char *const macros[][2] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

struct cron {
    uint64_t bits[FIELDS]; /* bit n: n matches */
    bool star[FIELDS]; /* the field is just '*' */
};

static bool scan_value(const char **s, const struct field *f, int *ret)
{
    int value = 0, digits = 0;

    for (; isdigit((unsigned char)**s) && digits < 3; ++*s, digits++)
        value = value * 10 + (**s - '0');
    if (!digits) {
        const char *name = f->names;

        while (*name && strncasecmp(name, *s, 3) != 0)
            name += 3;
        if (!*name)
            return false;
        value = f->min + (int)(name - f->names) / 3;
        *s += 3;
    }
    *ret = value;
    return value >= f->min && value <= f->max;
}

/* "*", "3", "1-5", each with "/step". */
static bool scan_range(const char **s, const struct field *f, uint64_t *bits)
{
    int from = f->min, to = f->max, step = 1;
    bool single = false;

    if (**s == '*' || **s == '?') {
        ++*s;
    } else {
        if (!scan_value(s, f, &from))
            return false;
        single = **s != '-';
        to = from;
        if (!single && (++*s, !scan_value(s, f, &to) || to < from))
            return false;
    }
    if (**s == '/') {
        ++*s;
        if (!scan_value(s, &(struct field){1, 99, ""}, &step))
            return false;
        to = single ? f->max : to;
    }
    for (int i = from; i <= to; i += step)
        *bits |= 1ULL << i;
    return true;
}

static bool scan_field(const char **s, int i, struct cron *cron)
{
    const char *begin;

    *s += strspn(*s, " \t");
    begin = *s;
    do {
        if (!scan_range(s, &fields[i], &cron->bits[i]))
            return false;
    } while (**s == ',' && ++*s);
    cron->star[i] = *s == begin + 1 && (*begin == '*' || *begin == '?');
    return !**s || isspace((unsigned char)**s);
}

static int parse(const char *s, struct cron *cron)
{
    for (size_t i = 0; i < ARRAY_SIZE(macros); i++)
        if (str_eq_nocase(s, macros[i][0]))
            s = macros[i][1];
    for (int i = 0; i < FIELDS; i++)
        if (!scan_field(&s, i, cron))
            return -EINVAL;
    if (cron->bits[WEEKDAY] & 1 << 7)
        cron->bits[WEEKDAY] |= 1;
    return str_blank(s) ? 0 : -EINVAL;
}

static bool has(const struct cron *cron, int field, int value)
{
    return cron->bits[field] >> value & 1;
}

static bool day_matches(const struct cron *cron, const struct tm *tm)
{
    bool day = has(cron, DAY, tm->tm_mday), weekday = has(cron, WEEKDAY, tm->tm_wday);

    return cron->star[DAY] || cron->star[WEEKDAY] ? day && weekday : day || weekday;
}

/* Move to the next time that may match: the coarsest field that doesn't is advanced. */
static bool advance(const struct cron *cron, struct tm *tm)
{
    if (!has(cron, MONTH, tm->tm_mon + 1)) {
        tm->tm_mon++;
        tm->tm_mday = 1;
        tm->tm_hour = tm->tm_min = 0;
    } else if (!day_matches(cron, tm)) {
        tm->tm_mday++;
        tm->tm_hour = tm->tm_min = 0;
    } else if (!has(cron, HOUR, tm->tm_hour)) {
        tm->tm_hour++;
        tm->tm_min = 0;
    } else if (!has(cron, MINUTE, tm->tm_min)) {
        tm->tm_min++;
    } else {
        return false;
    }
    return true;
}

int time_cron_next(const char *expression, int64_t after_ms, int64_t *ret_ms)
{
    struct cron cron = {0};
    struct tm tm;
    time_t at = after_ms / 60000 * 60 + 60;
    int last_year;

    if (!expression || parse(expression, &cron) || !gmtime_r(&at, &tm))
        return -EINVAL;
    last_year = tm.tm_year + YEARS_MAX;
    while (advance(&cron, &tm)) {
        at = timegm(&tm); /* normalises, and finds the weekday */
        if (tm.tm_year > last_year)
            return -EINVAL; /* February 30 */
    }
    *ret_ms = (int64_t)at * 1000;
    return 0;
}
