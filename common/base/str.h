/* Strings, checked numbers and digests. */
#ifndef COMMON_BASE_STR_H
#define COMMON_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/cleanup.h"

/* NULL equals only NULL. Asked so often that the first byte is compared in place. */
static inline bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && *a == *b && strcmp(a, b) == 0);
}
bool str_eq_nocase(const char *a, const char *b); /* ASCII */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_blank(const char *s); /* NULL, "" or only white space */
bool str_empty(const char *s); /* NULL or "" */
/* asprintf that returns NULL on failure; free() by the caller. */
char *str_printf(const char *fmt, ...) _printf_(1, 2);
/* The whole string as a decimal number; 0, -EINVAL (not a number) or -ERANGE. */
int str_to_i64(const char *s, int64_t *ret);
int str_to_double(const char *s, double *ret);
/* Copy, cut at a UTF-8 boundary at or before size-1 bytes. */
void str_copy(char *dst, size_t size, const char *src);
/* Last position <= max_bytes at which @s may be cut without splitting a UTF-8 sequence. */
size_t str_utf8_cut(const char *s, size_t max_bytes);

uint32_t fnv1_32(const void *data, size_t len); /* FNV-1 (spec 05-lifecycle 3.1) */
uint32_t fnv1a_32(const void *data, size_t len); /* FNV-1a (spec 07-operator 3) */
/* Lower-case hex MD5 of the parts joined by '\n'; the list ends with NULL. out holds 33 bytes.
 * Used for names chosen before an act (job ids, trigger ids), not for secrecy. */
void md5_hex(char out[33], ...) __attribute__((sentinel));
bool is_hex32(const char *s); /* exactly 32 lower-case hex digits: a Flink job or trigger id */

#endif
