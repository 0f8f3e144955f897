#include "common/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

/* Messages are made apart first: the arguments may point into the very text they replace. */
__attribute__((format(printf, 3, 0))) static void format(char *out, size_t size, const char *fmt,
                                                         va_list ap)
{
    if (vsnprintf(out, size, fmt, ap) < 0)
        out[0] = '\0';
}

int(error_set)(struct error *err, int errnum, const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list ap;

    if (!err)
        return -errnum;
    va_start(ap, fmt);
    format(text, sizeof(text), fmt, ap);
    va_end(ap);
    err->code = -errnum;
    memcpy(err->text, text, sizeof(text));
    return -errnum;
}

int(error_wrap)(struct error *err, const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list ap;
    size_t len;

    if (!err)
        return -EIO;
    va_start(ap, fmt);
    format(text, sizeof(text), fmt, ap);
    va_end(ap);
    len = strlen(text);
    if (err->text[0]) {
        str_copy(text + len, sizeof(text) - len, ": ");
        len = strlen(text);
        str_copy(text + len, sizeof(text) - len, err->text);
    }
    memcpy(err->text, text, sizeof(text));
    if (!err->code)
        err->code = -EIO;
    return err->code;
}

int(error_no_memory)(struct error *err)
{
    return error_set(err, ENOMEM, "out of memory");
}
