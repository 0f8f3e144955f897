#include "webhook/base64.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/evp.h>

char *base64_encode(const void *data, size_t len)
{
    char *text =
        len < INT_MAX / 2 ? malloc(len / 3 * 4 + 5) : NULL; /* 4 for each 3 begun, and a NUL */

    if (text)
        (void)EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    return text;
}
