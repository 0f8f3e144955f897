#include "common/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BUF_FIRST_CAP = 64 };

static int fail(struct buf *b, int errnum)
{
    b->failed = true;
    return -errnum;
}

/* Room for @len more bytes and a NUL. */
static int reserve(struct buf *b, size_t len)
{
    size_t cap = b->cap ? b->cap : BUF_FIRST_CAP;
    char *data;

    if (b->failed)
        return -EFBIG;
    if (len > b->max - b->len)
        return fail(b, EFBIG);
    if (b->len + len < b->cap)
        return 0;
    while (cap <= b->len + len) {
        if (cap > SIZE_MAX / 2)
            return fail(b, ENOMEM);
        cap *= 2;
    }
    data = realloc(b->data, cap);
    if (!data)
        return fail(b, ENOMEM);
    b->data = data;
    b->cap = cap;
    return 0;
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

int buf_add(struct buf *b, const void *data, size_t len)
{
    int r = reserve(b, len);

    if (r)
        return r;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int buf_puts(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int len, r;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0)
        return fail(b, ENOMEM);
    r = reserve(b, (size_t)len);
    if (r)
        return r;
    va_start(ap, fmt);
    (void)vsnprintf(b->data + b->len, (size_t)len + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)len;
    return 0;
}

char *buf_take(struct buf *b)
{
    char *data = NULL;

    if (!b->failed && (b->data || !reserve(b, 0)))
        data = TAKE(b->data);
    if (data)
        data[b->len] = '\0';
    buf_done(b);
    return data;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}
