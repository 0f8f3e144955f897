/* Printing by ourselves, because cJSON writes 10^15 as 1e+15, which a Kubernetes int64 field
 * refuses, and can't sort. Numbers and escapes are those of Go's json.Marshal. */
#include "common/base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"

enum { JSON_TEXT_MAX = 256 << 20, SHORTEST_MAX = 32 };

struct printer {
    struct buf out;
    bool canonical; /* sorted keys, HTML-safe */
};

static void print(struct printer *p, const cJSON *json);

/* The shortest digits (without the sign) that read back as the same number; returns the decimal
 * exponent of the first. */
static int shortest(double value, char digits[SHORTEST_MAX])
{
    char text[SHORTEST_MAX], *exponent;
    int precision = 0;

    do
        (void)snprintf(text, sizeof(text), "%.*e", precision, value);
    while (precision++ < 17 && strtod(text, NULL) != value);
    exponent = strchr(text, 'e');
    *exponent++ = '\0';
    for (char *c = text; *c; c++)
        if (*c != '.' && *c != '-')
            *digits++ = *c;
    *digits = '\0';
    return (int)strtol(exponent, NULL, 10);
}

static void print_integer(struct buf *out, long long value)
{
    char text[24], *at = text + sizeof(text);
    long long left = value < 0 ? -value : value; /* at most 2^53 */

    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        *--at = '-';
    (void)buf_add(out, at, (size_t)(text + sizeof(text) - at));
}

static void print_number(struct buf *out, double value)
{
    char digits[SHORTEST_MAX];
    int exponent, count;

    if (!isfinite(value)) { /* not JSON; a tree that was parsed has none */
        (void)buf_puts(out, "null");
        return;
    }
    if (fabs(value) <= 0x1p53 && trunc(value) == value) {
        print_integer(out, (long long)value);
        return;
    }
    exponent = shortest(value, digits);
    count = (int)strlen(digits);
    if (value < 0)
        (void)buf_puts(out, "-");
    if (exponent < -6 || exponent >= 21) /* Go's limits */
        (void)buf_printf(out, "%c%s%se%+d", digits[0], count > 1 ? "." : "", digits + 1, exponent);
    else if (exponent < 0)
        (void)buf_printf(out, "0.%.*s%s", -exponent - 1, "000000", digits);
    else if (exponent >= count - 1)
        (void)buf_printf(out, "%s%.*s", digits, exponent + 1 - count, "000000000000000000000");
    else
        (void)buf_printf(out, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
}

/* Most characters stand for themselves, some not in HTML: told at a glance. */
enum { PLAIN = 1, PLAIN_IN_HTML = 2, PLAIN_EVERYWHERE = PLAIN | PLAIN_IN_HTML };

static const unsigned char plain_bytes[256] = {
    [' ' ... '!'] = PLAIN_EVERYWHERE,
    ['#' ... '%'] = PLAIN_EVERYWHERE,
    ['&'] = PLAIN,
    ['\'' ... ';'] = PLAIN_EVERYWHERE,
    ['<'] = PLAIN,
    ['='] = PLAIN_EVERYWHERE,
    ['>'] = PLAIN,
    ['?' ... '['] = PLAIN_EVERYWHERE,
    [']' ... 0xE1] = PLAIN_EVERYWHERE,
    [0xE2] = PLAIN, /* may begin U+2028 */
    [0xE3 ... 0xFF] = PLAIN_EVERYWHERE,
};

/* Behind the bytes that stand for themselves. */
static const char *skip_plain(const struct printer *p, const char *text)
{
    unsigned char wanted = p->canonical ? PLAIN_IN_HTML : PLAIN;

    while (plain_bytes[(unsigned char)*text] & wanted)
        text++;
    return text;
}

/* How the character at @s is escaped: the bytes it takes there, 0 when it stands for itself. */
static size_t escape(const struct printer *p, const char *s, char out[8])
{
    static const char plain[] = "\"\\\n\r\t", names[] = "\"\\nrt";
    const char *at = strchr(plain, *s);
    size_t len = 1;
    unsigned code = (unsigned char)*s;

    if (at) {
        (void)snprintf(out, 8, "\\%c", names[at - plain]);
        return 1;
    }
    if (p->canonical && (strncmp(s, "\u2028", 3) == 0 || strncmp(s, "\u2029", 3) == 0)) {
        code = 0x2000 + ((unsigned char)s[2] & 0x3FU);
        len = 3;
    } else if (code >= 0x20 && !(p->canonical && strchr("<>&", *s))) {
        return 0;
    }
    (void)snprintf(out, 8, "\\u%04x", code & 0xFFFF);
    return len;
}

static void print_string(struct printer *p, const char *text)
{
    const char *from = text; /* what stands for itself goes out in one piece */
    char escaped[8];

    (void)buf_putc(&p->out, '"');
    while (*(text = skip_plain(p, text))) {
        size_t len = escape(p, text, escaped);

        if (!len) {
            text++;
            continue;
        }
        (void)buf_add(&p->out, from, (size_t)(text - from));
        (void)buf_puts(&p->out, escaped);
        from = text += len;
    }
    (void)buf_add(&p->out, from, (size_t)(text - from));
    (void)buf_putc(&p->out, '"');
}

static void print_member(struct printer *p, const cJSON *item, bool first)
{
    if (!first)
        (void)buf_putc(&p->out, ',');
    if (item->string) {
        print_string(p, item->string);
        (void)buf_putc(&p->out, ':');
    }
    print(p, item);
}

static int by_key(const void *a, const void *b)
{
    const cJSON *const *x = a, *const *y = b;

    return strcmp((*x)->string, (*y)->string);
}

static void print_sorted(struct printer *p, const cJSON *object)
{
    size_t n = (size_t)cJSON_GetArraySize(object), i = 0;
    _cleanup_(freep) const cJSON **items = calloc(n + 1, sizeof(const cJSON *));

    if (!items) {
        p->out.failed = true;
        return;
    }
    json_foreach (item, object)
        items[i++] = item;
    qsort(items, n, sizeof(const cJSON *), by_key);
    for (i = 0; i < n; i++)
        print_member(p, items[i], i == 0);
}

static void print_children(struct printer *p, const cJSON *json)
{
    bool object = cJSON_IsObject(json);

    (void)buf_putc(&p->out, object ? '{' : '[');
    if (object && p->canonical)
        print_sorted(p, json);
    else
        json_foreach (item, json)
            print_member(p, item, item == json->child);
    (void)buf_putc(&p->out, object ? '}' : ']');
}

/* Recursion: parsed trees are bounded by JSON_DEPTH_MAX. */
static void print(struct printer *p, const cJSON *json)
{
    switch (json->type & 0xFF) {
    case cJSON_False:
        (void)buf_puts(&p->out, "false");
        break;
    case cJSON_True:
        (void)buf_puts(&p->out, "true");
        break;
    case cJSON_Number:
        print_number(&p->out, json->valuedouble);
        break;
    case cJSON_String:
        print_string(p, json->valuestring);
        break;
    case cJSON_Raw:
        (void)buf_puts(&p->out, json->valuestring);
        break;
    case cJSON_Array:
    case cJSON_Object:
        print_children(p, json);
        break;
    default:
        (void)buf_puts(&p->out, "null");
        break;
    }
}

static char *print_text(const cJSON *json, bool canonical)
{
    struct printer p = {.out = BUF_INIT(JSON_TEXT_MAX), .canonical = canonical};

    if (!json)
        return NULL;
    print(&p, json);
    return buf_take(&p.out);
}

char *json_text(const cJSON *json)
{
    return print_text(json, false);
}

char *json_canonical(const cJSON *json)
{
    return print_text(json, true);
}
