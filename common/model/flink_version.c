/* HashiCorp's version syntax, which users of the reference operator write (spec 02-admission 2.1):
 * v?N(.N)*, then optionally a pre-release (-x, or letters at once), then metadata (+x). */
#include <limits.h>
#include <stdint.h>

#include "common/model/admission.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '~';
}

/* What doesn't fit into an int counts as the greatest; into 64 bits, as none. */
static const char *scan_number(const char *p, int *ret)
{
    int64_t n = 0;

    if (!is_digit(*p))
        return NULL;
    for (; is_digit(*p); p++) {
        int digit = *p - '0';

        if (n > (INT64_MAX - digit) / 10)
            return NULL;
        n = n * 10 + digit;
    }
    *ret = n > INT_MAX ? INT_MAX : (int)n;
    return p;
}

/* x(.x)* of digits, letters, '-' and '~'. NULL: an empty part. */
static const char *scan_words(const char *p)
{
    for (;; p++) {
        const char *start = p;

        while (is_digit(*p) || is_letter(*p))
            p++;
        if (p == start)
            return NULL;
        if (*p != '.')
            return p;
    }
}

int flink_version_parse(const char *text, struct flink_version *ret)
{
    struct flink_version v = {0};
    const char *p = text;

    *ret = v;
    if (!text || !*text)
        return 0;
    if (*p == 'v')
        p++;
    for (size_t i = 0;; i++) {
        int number = 0;

        p = scan_number(p, &number);
        if (!p)
            return -EINVAL;
        if (i < ARRAY_SIZE(v.part))
            v.part[i] = number;
        if (*p != '.')
            break;
        p++;
    }
    if (*p && *p != '+') {
        v.prerelease = true;
        p = is_letter(*p) ? scan_words(p) : NULL;
    }
    if (p && *p == '+')
        p = scan_words(p + 1);
    if (!p || *p)
        return -EINVAL;
    v.known = true;
    *ret = v;
    return 0;
}

bool flink_version_at_least(const struct flink_version *v, int major, int minor)
{
    if (!v->known)
        return false;
    if (v->part[0] != major)
        return v->part[0] > major;
    if (v->part[1] != minor)
        return v->part[1] > minor;
    return !v->prerelease || v->part[2] > 0 || v->part[3] > 0;
}
