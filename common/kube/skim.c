#include "common/kube/skim.h"

#include <string.h>

/* A position in JSON text. Strings are told from the rest, nothing more is checked: whoever needs
 * more parses. */
struct text {
    const char *at, *end;
};

/* Behind the string that begins at the quote; NULL: it doesn't end. */
static const char *string_end(const char *quote, const char *end)
{
    for (const char *at = quote + 1; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return NULL;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at) && *at)
        at++;
    return at;
}

/* Behind the object or array that begins at @at; NULL: it doesn't end. */
static const char *container_end(const char *at, const char *end)
{
    int depth = 0;

    while (at < end) {
        char c = *at;

        if (c == '"') {
            at = string_end(at, end);
            if (!at)
                return NULL;
            continue;
        }
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        at++;
        if (depth == 0)
            return at;
    }
    return NULL;
}

/* Behind the value that begins at @at; NULL: it doesn't end. */
static const char *value_end(const char *at, const char *end)
{
    if (at == end)
        return NULL;
    if (*at == '"')
        return string_end(at, end);
    if (*at == '{' || *at == '[')
        return container_end(at, end);
    while (at < end && *at && !strchr(",}] \t\r\n", *at))
        at++;
    return at;
}

static bool is_name(const char *from, const char *to, const char *name)
{
    size_t len = strlen(name);

    return (size_t)(to - from) == len + 2 && memcmp(from + 1, name, len) == 0;
}

/* The value of that member of the object at the position, which moves there. */
static bool enter(struct text *t, const char *name)
{
    const char *at = skip_blanks(t->at, t->end), *key, *after;

    if (at == t->end || *at++ != '{')
        return false;
    for (;;) {
        key = skip_blanks(at, t->end);
        after = key < t->end && *key == '"' ? string_end(key, t->end) : NULL;
        at = after ? skip_blanks(after, t->end) : NULL;
        if (!at || at == t->end || *at != ':')
            return false;
        at = skip_blanks(at + 1, t->end);
        if (is_name(key, after, name)) {
            t->at = at;
            return at < t->end;
        }
        at = value_end(at, t->end);
        at = at ? skip_blanks(at, t->end) : NULL;
        if (!at || at == t->end || *at++ != ',')
            return false;
    }
}

bool skim_version(const char *json, size_t len, char out[KUBE_VERSION_SIZE])
{
    struct text t = {json, json + len};
    const char *end;
    size_t n;

    out[0] = '\0';
    if (!enter(&t, "metadata") || !enter(&t, "resourceVersion") || *t.at != '"')
        return false;
    end = string_end(t.at, t.end);
    n = end ? (size_t)(end - t.at) - 2 : 0;
    if (n == 0 || n >= KUBE_VERSION_SIZE || memchr(t.at + 1, '\\', n))
        return false;
    memcpy(out, t.at + 1, n);
    out[n] = '\0';
    return true;
}

/* "null" and blanks, which are no longer than what was there. */
static void blank(char *from, const char *to)
{
    static const char null[] = {'n', 'u', 'l', 'l'};
    size_t len = (size_t)(to - from);

    if (len < sizeof(null))
        return;
    memset(from, ' ', len);
    memcpy(from, null, sizeof(null));
}

/* In each item of the array. */
static void blank_fields(char *json, const char *array, const char *end)
{
    const char *at = array + 1;

    for (;;) {
        struct text item;
        const char *to;

        at = skip_blanks(at, end);
        to = value_end(at, end);
        if (!to || to == at)
            return;
        item = (struct text){at, to};
        if (enter(&item, "fieldsV1") && *item.at == '{') {
            const char *close = container_end(item.at, to);

            if (close)
                blank(json + (item.at - json), close);
        }
        at = skip_blanks(to, end);
        if (at == end || *at++ != ',')
            return;
    }
}

void skim_managed_fields(char *json, size_t len)
{
    struct text t = {json, json + len}, event = t;
    const char *end;

    /* A line of a watch has the object inside. */
    if (enter(&event, "object"))
        t = event;
    if (!enter(&t, "metadata") || !enter(&t, "managedFields") || *t.at != '[')
        return;
    end = container_end(t.at, t.end);
    if (end)
        blank_fields(json, t.at, end);
}
