#include "common/base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

bool str_eq_nocase(const char *a, const char *b)
{
    return a == b || (a && b && strcasecmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t len = s ? strlen(s) : 0, tail = strlen(suffix);

    return s && len >= tail && strcmp(s + len - tail, suffix) == 0;
}

bool str_blank(const char *s)
{
    return !s || s[strspn(s, " \t\r\n\v\f")] == '\0';
}

bool str_empty(const char *s)
{
    return !s || !*s;
}

char *str_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vasprintf(&text, fmt, ap);
    va_end(ap);
    return len < 0 ? NULL : text;
}

int str_to_i64(const char *s, int64_t *ret)
{
    long long value;
    char *end;

    /* strtoll skips white space, which is not part of a number here */
    if (str_empty(s) || isspace((unsigned char)*s))
        return -EINVAL;
    errno = 0;
    value = strtoll(s, &end, 10);
    if (end == s || *end)
        return -EINVAL;
    if (errno == ERANGE)
        return -ERANGE;
    *ret = value;
    return 0;
}

int str_to_double(const char *s, double *ret)
{
    double value;
    char *end;

    /* decimal only: strtod also takes hexadecimal, "inf" and "nan" */
    if (str_empty(s) || s[strspn(s, "+-0123456789.eE")])
        return -EINVAL;
    value = strtod(s, &end);
    if (end == s || *end)
        return -EINVAL;
    if (!isfinite(value))
        return -ERANGE;
    *ret = value;
    return 0;
}

void str_copy(char *dst, size_t size, const char *src)
{
    size_t len;

    if (!size)
        return;
    len = str_utf8_cut(src, size - 1);
    memcpy(dst, src, len);
    dst[len] = '\0';
}

size_t str_utf8_cut(const char *s, size_t max_bytes)
{
    size_t len = strnlen(s, max_bytes);

    if (len < max_bytes || !s[len])
        return len;
    while (len > 0 && ((unsigned char)s[len] & 0xC0) == 0x80)
        len--;
    return len;
}

enum { FNV_PRIME = 16777619 };
static const uint32_t fnv_offset = 2166136261U;

uint32_t fnv1_32(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t hash = fnv_offset;

    for (size_t i = 0; i < len; i++)
        hash = (hash * FNV_PRIME) ^ p[i];
    return hash;
}

uint32_t fnv1a_32(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t hash = fnv_offset;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * FNV_PRIME;
    return hash;
}

void md5_hex(char out[33], ...)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const char *part, *separator = "";
    va_list ap;
    int ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL);

    va_start(ap, out);
    while ((part = va_arg(ap, const char *))) {
        ok = ok && EVP_DigestUpdate(ctx, separator, strlen(separator)) &&
             EVP_DigestUpdate(ctx, part, strlen(part));
        separator = "\n";
    }
    va_end(ap);
    ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    /* No memory, or an OpenSSL without MD5. A wrong name would be a second act: better to die. */
    if (!ok)
        abort();
    for (size_t i = 0; i < 16; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[32] = '\0';
}

bool is_hex32(const char *s)
{
    return s && strspn(s, "0123456789abcdef") == 32 && s[32] == '\0';
}
