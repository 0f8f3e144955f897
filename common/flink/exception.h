/* Java's exceptions as texts: what they say, "Caused by: …", with many stack frames between. */
#ifndef COMMON_FLINK_EXCEPTION_H
#define COMMON_FLINK_EXCEPTION_H

#include <stddef.h>

/* Copy @text as far as it fits into @size bytes. One that doesn't fit as it is loses its stack
 * frames first: so the causes, which come last, are kept. */
void exception_copy(char *out, size_t size, const char *text);

#endif
