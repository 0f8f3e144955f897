/* One error on the caller's stack: failing can't itself fail. 0 done, -errno failed (err filled),
 * positive: a condition that the called function's header names. */
#ifndef COMMON_BASE_ERROR_H
#define COMMON_BASE_ERROR_H

#include <errno.h>

#include "common/base/cleanup.h"

struct error {
    int code; /* -errno, 0: none */
    char text[1024];
};

/** Fill @err (may be NULL) and return -@errnum. The text is cut at the size of error.text. */
int error_set(struct error *err, int errnum, const char *fmt, ...) _printf_(3, 4);

/** Put "what: " before the text; returns err->code (or -EIO when it was never set). */
int error_wrap(struct error *err, const char *fmt, ...) _printf_(2, 3);

/** What every failed allocation says. */
int error_no_memory(struct error *err);

/* Never 0 and never positive, and compilers and analyzers see that in the caller. */
static inline int error_negative(int r)
{
    return r < 0 ? r : -EIO;
}
#define error_set(err, ...)  error_negative(error_set(err, __VA_ARGS__))
#define error_wrap(err, ...) error_negative(error_wrap(err, __VA_ARGS__))
#define error_no_memory(err) error_negative(error_no_memory(err))

#endif
