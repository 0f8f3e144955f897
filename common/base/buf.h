/* A growing byte string with a hard maximum; always NUL-terminated once something was added. */
#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"

struct buf {
    char *data; /* NULL while empty */
    size_t len; /* without the NUL */
    size_t cap;
    size_t max; /* most bytes it may hold */
    bool failed; /* an add failed (out of memory, over max): sticky, checked once at the end */
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_done(struct buf *b); /* frees; usable as _cleanup_(buf_done) */
void buf_reset(struct buf *b); /* len = 0, memory kept */
/* Each returns 0, -ENOMEM, or -EFBIG (over max), and sets b->failed. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *text);
/* Mostly there is room: inline for those who write byte by byte. */
static inline int buf_putc(struct buf *b, char c)
{
    if (b->failed || b->len + 1 >= b->cap || b->len >= b->max)
        return buf_add(b, &c, 1);
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
    return 0;
}
int buf_printf(struct buf *b, const char *fmt, ...) _printf_(2, 3);
/* The bytes become the caller's (free()); "" (allocated) when empty; NULL when b->failed. */
char *buf_take(struct buf *b);
/* "" when empty */
const char *buf_str(const struct buf *b);

#endif
