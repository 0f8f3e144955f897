#include "common/base/quantity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"

typedef __int128 i128;

/* What Kubernetes' parser takes into 64 bits without asking whether it fits. */
enum { DECIMAL_DIGITS = 18, BINARY_DIGITS = 14 };

static const char BLANKS[] = " \t\r\n";
static const i128 nano_per_unit = 1000000000;
static const i128 binary_max = INT64_MAX; /* more is cut to it, as the API server does */
static const i128 unit_max = (i128)1000000000000 * 1000000000000; /* of ours: a million E */

/* Longer first where one begins another. "" stays last: it matches everything. */
static const struct suffix {
    const char *text;
    char format;
    int base, exponent; /* the factor is base^exponent */
} suffixes[] = {
    {"Ki", 'b', 1024, 1}, {"Mi", 'b', 1024, 2}, {"Gi", 'b', 1024, 3}, {"Ti", 'b', 1024, 4},
    {"Pi", 'b', 1024, 5}, {"Ei", 'b', 1024, 6}, {"n", 'd', 10, -9},   {"u", 'd', 10, -6},
    {"m", 'd', 10, -3},   {"k", 'd', 10, 3},    {"M", 'd', 10, 6},    {"G", 'd', 10, 9},
    {"T", 'd', 10, 12},   {"P", 'd', 10, 15},   {"E", 'd', 10, 18},   {"", 'd', 10, 0},
};

/* Digits before they are scaled: mantissa x 10^exponent, and whether non-zero digits were dropped.
 */
struct number {
    i128 mantissa;
    int exponent;
    bool inexact;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits and at most one point. Returns what follows, NULL without a digit. */
static const char *scan_number(const char *s, struct number *n)
{
    const i128 full =
        (i128)1 << 100; /* over 30 digits: what follows can't matter but for rounding */
    bool point = false, digits = false;

    for (; is_digit(*s) || (*s == '.' && !point); s++) {
        if (*s == '.') {
            point = true;
            continue;
        }
        digits = true;
        if (n->mantissa < full) {
            n->mantissa = n->mantissa * 10 + (*s - '0');
            n->exponent -= point;
        } else {
            n->inexact |= *s != '0';
            n->exponent += !point;
        }
    }
    while (n->mantissa && n->exponent < 0 && n->mantissa % 10 == 0) {
        n->mantissa /= 10;
        n->exponent++;
    }
    return digits ? s : NULL;
}

static int scan_suffix(const char *s, struct suffix *ret)
{
    int64_t exponent;

    if ((*s == 'e' || *s == 'E') && (is_digit(s[1]) || s[1] == '-' || s[1] == '+')) {
        if (str_to_i64(s + 1, &exponent))
            return -EINVAL;
        /* clamped: beyond it is zero or out of range anyway */
        exponent = exponent > 1000 ? 1000 : exponent < -1000 ? -1000 : exponent;
        *ret = (struct suffix){.format = 'e', .base = 10, .exponent = (int)exponent};
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (str_eq(s, suffixes[i].text)) {
            *ret = suffixes[i];
            return 0;
        }
    return -EINVAL;
}

/* *value x base^exponent; a division rounds up. -ERANGE. */
static int scale(i128 *value, int base, int exponent, bool inexact)
{
    for (; exponent > 0 && *value; exponent--)
        if (__builtin_mul_overflow(*value, (i128)base, value))
            return -ERANGE;
    for (; exponent < 0 && *value; exponent++) {
        inexact |= *value % base != 0;
        *value /= base;
    }
    *value += inexact;
    return 0;
}

int quantity_parse(const char *text, struct quantity *ret)
{
    struct number n = {0};
    struct suffix suffix;
    bool negative;
    int r;

    if (!text)
        return -EINVAL;
    negative = *text == '-';
    text = scan_number(text + (*text == '-' || *text == '+'), &n);
    if (!text || scan_suffix(text, &suffix))
        return -EINVAL;
    if (suffix.base == 10) {
        n.exponent += suffix.exponent;
    } else {
        r = scale(&n.mantissa, suffix.base, suffix.exponent, false);
        if (r)
            return r;
    }
    r = scale(&n.mantissa, 10, n.exponent + 9, n.inexact);
    if (r || n.mantissa > unit_max * nano_per_unit)
        return -ERANGE;
    if (suffix.format == 'b' && n.mantissa > binary_max * nano_per_unit)
        n.mantissa = binary_max * nano_per_unit;
    *ret = (struct quantity){.nano = negative ? -n.mantissa : n.mantissa, .format = suffix.format};
    return 0;
}

/* What @json says, without blanks around it; NULL: it is no text of a quantity. The caller's. */
static char *text_of(const cJSON *json)
{
    const char *s = cJSON_GetStringValue(json);
    size_t len;

    if (cJSON_IsNumber(json))
        return json_text(json);
    if (!s)
        return NULL;
    s += strspn(s, BLANKS);
    for (len = strlen(s); len && strchr(BLANKS, s[len - 1]); len--)
        ;
    return strndup(s, len);
}

int quantity_from_json(const cJSON *json, struct quantity *ret)
{
    _cleanup_(freep) char *text = text_of(json);

    return text ? quantity_parse(text, ret) : -EINVAL;
}

int64_t quantity_ceil(const struct quantity *q)
{
    i128 units = q->nano / nano_per_unit, rest = q->nano % nano_per_unit;

    /* away from zero, as Kubernetes' Value() */
    units += (rest > 0) - (rest < 0);
    return units > INT64_MAX ? INT64_MAX : units < INT64_MIN ? INT64_MIN : (int64_t)units;
}

int quantity_compare(const struct quantity *a, const struct quantity *b)
{
    return (a->nano > b->nano) - (a->nano < b->nano);
}

/* printf() has no 128 bits: the greatest number has 34 digits. */
static void print(char out[64], i128 value, const char *suffix)
{
    const i128 half = 1000000000000000; /* 15 digits */
    i128 size = value < 0 ? -value : value;
    long long high = (long long)(size / half), low = (long long)(size % half);
    const char *sign = value < 0 ? "-" : "";

    if (high)
        (void)snprintf(out, 64, "%s%lld%015lld%s", sign, high, low, suffix);
    else
        (void)snprintf(out, 64, "%s%lld%s", sign, low, suffix);
}

static const char *suffix_of(char format, int base, int exponent)
{
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (suffixes[i].format == format && suffixes[i].base == base &&
            suffixes[i].exponent == exponent)
            return suffixes[i].text;
    return "";
}

void quantity_canonical(const struct quantity *q, char out[64])
{
    i128 value = q->nano, units = q->nano / nano_per_unit;
    int exponent = -9;
    char suffix[16];

    if (q->format == 'b' && q->nano % nano_per_unit == 0 && (units >= 1024 || units <= -1024)) {
        for (exponent = 0; units % 1024 == 0; exponent++)
            units /= 1024;
        print(out, units, exponent ? suffix_of('b', 1024, exponent) : "");
        return;
    }
    for (; value && value % 1000 == 0 && (exponent < 18 || q->format == 'e'); exponent += 3)
        value /= 1000;
    if (!value || exponent == 0)
        suffix[0] = '\0';
    else if (q->format == 'e')
        (void)snprintf(suffix, sizeof(suffix), "e%d", exponent);
    else
        str_copy(suffix, sizeof(suffix), suffix_of('d', 10, exponent));
    print(out, value, suffix);
}

/* The last three of the digits are zero; a point may be among them. */
static bool ends_in_thousands(const char *digits, const char *end)
{
    int zeros = 0;

    for (; end > digits && (end[-1] == '0' || end[-1] == '.'); end--)
        zeros += end[-1] == '0';
    return zeros >= 3;
}

/* The digits before and behind the point, as many as Kubernetes' parser takes into 64 bits without
 * scaling: then it keeps the text. */
static bool is_kept(const char *text)
{
    size_t whole, fraction = 0;
    const char *digits, *last;
    struct suffix suffix;
    int scale;

    text += *text == '-' || *text == '+';
    digits = text + strspn(text, "0");
    whole = strspn(digits, "0123456789");
    last = digits + whole;
    if (*last == '.') {
        fraction = strspn(last + 1, "0123456789");
        last += 1 + fraction;
    }
    if (!whole || scan_suffix(last, &suffix))
        return false;
    if (suffix.format == 'b') /* 2^10 takes three digits */
        return !fraction && whole + (size_t)suffix.exponent * 3 <= BINARY_DIGITS &&
               strtoull(digits, NULL, 10) % 8 != 0;
    scale = suffix.exponent - (int)fraction;
    return whole + fraction <= DECIMAL_DIGITS && scale >= -9 && scale % 3 == 0 &&
           !ends_in_thousands(digits, last);
}

int quantity_text(const cJSON *json, char out[64])
{
    _cleanup_(freep) char *text = text_of(json);
    struct quantity q;
    int r = text ? quantity_parse(text, &q) : -EINVAL;

    if (r)
        return r;
    if (strlen(text) < 64 && is_kept(text))
        str_copy(out, 64, text);
    else
        quantity_canonical(&q, out);
    return 0;
}

bool quantity_json_equal(const cJSON *a, const cJSON *b)
{
    struct quantity x, y;

    if (quantity_from_json(a, &x) || quantity_from_json(b, &y))
        return json_equal(a, b);
    return quantity_compare(&x, &y) == 0;
}
