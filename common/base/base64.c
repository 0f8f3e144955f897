#include "common/base/base64.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/base/cleanup.h"

char *base64_encode(const void *data, size_t len)
{
    char *text =
        len < INT_MAX / 2 ? malloc(len / 3 * 4 + 5) : NULL; /* 4 for each 3 begun, and a NUL */

    if (text)
        (void)EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    return text;
}

/* EVP_DecodeBlock() takes padding anywhere and counts it as bytes: look for it here. */
static size_t strip(const char *text, char *out)
{
    size_t len = 0;

    for (const char *p = text; *p; p++) {
        if (!strchr(" \t\r\n", *p))
            out[len++] = *p;
    }
    out[len] = '\0';
    return len;
}

int base64_decode(const char *text, char **ret, size_t *ret_len)
{
    _cleanup_(freep) char *clean = malloc(strlen(text) + 1);
    _cleanup_(freep) unsigned char *out = NULL;
    size_t len, padding = 0;
    int n;

    if (!clean)
        return -ENOMEM;
    len = strip(text, clean);
    if (len == 0 || len % 4 != 0 || len > INT_MAX)
        return -EINVAL;
    while (padding < 2 && clean[len - 1 - padding] == '=')
        padding++;
    if (strcspn(clean, "=") != len - padding)
        return -EINVAL;
    out = malloc(len / 4 * 3 + 1);
    if (!out)
        return -ENOMEM;
    n = EVP_DecodeBlock(out, (const unsigned char *)clean, (int)len);
    if (n < 0)
        return -EINVAL;
    *ret_len = (size_t)n - padding;
    out[*ret_len] = '\0';
    *ret = (char *)TAKE(out);
    return 0;
}
