#include "common/model/text_digest.h"

#include <string.h>

#include "common/base/str.h"

static const char prefix[] = "md5:";

bool text_is_digested(const char *text)
{
    return strnlen(text, TEXT_DIGEST_OVER_BYTES + 1) > TEXT_DIGEST_OVER_BYTES;
}

void text_digest(char out[TEXT_DIGEST_SIZE], const char *text)
{
    char hex[33];

    md5_hex(hex, text, NULL);
    memcpy(out, prefix, sizeof(prefix) - 1);
    memcpy(out + sizeof(prefix) - 1, hex, sizeof(hex));
}

bool text_is_kept_as(const char *text, const char *kept)
{
    char digest[TEXT_DIGEST_SIZE];

    if (str_eq(text, kept))
        return true;
    if (!text || !kept || !text_is_digested(text) || !str_starts(kept, prefix))
        return false;
    text_digest(digest, text);
    return str_eq(digest, kept);
}
