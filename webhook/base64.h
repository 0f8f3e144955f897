#ifndef WEBHOOK_BASE64_H
#define WEBHOOK_BASE64_H

#include <stddef.h>

/** Standard base64 in one line; free(). NULL without memory. */
char *base64_encode(const void *data, size_t len);

#endif
