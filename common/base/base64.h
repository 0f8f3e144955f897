#ifndef COMMON_BASE_BASE64_H
#define COMMON_BASE_BASE64_H

#include <stddef.h>

/** Standard base64 in one line; free(). NULL without memory. */
char *base64_encode(const void *data, size_t len);
/** Standard base64, white space ignored. free(*ret); a NUL follows the bytes. 0, -EINVAL or
 * -ENOMEM. */
int base64_decode(const char *text, char **ret, size_t *ret_len);

#endif
