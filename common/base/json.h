/* cJSON with paths and bounds. Paths are dot-separated; a key that has dots itself is reached with
 * json_member(). A path that crosses something that isn't an object finds nothing. */
#ifndef COMMON_BASE_JSON_H
#define COMMON_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"

enum { JSON_DEPTH_MAX = 100 };

/** Parse all of @len bytes (nothing but white space may follow). Deeper than JSON_DEPTH_MAX:
 * -EPROTO.
 *  @ret is the caller's: cJSON_Delete() or _cleanup_(json_freep). Returns 0, -EPROTO or -ENOMEM. */
int json_parse(const char *data, size_t len, cJSON **ret, struct error *err);
char *json_text(const cJSON *json); /* compact; free(); NULL without memory */
/* Compact, keys sorted by bytes at every level, `<>&` and U+2028/9 as \u escapes, integers without
 * exponent: the form of Go's json.Marshal (spec 05-lifecycle 3.1). free(). */
char *json_canonical(const cJSON *json);

/* Reading: NULL-safe; never case-folding. All pointers borrow from @json. */
cJSON *json_member(const cJSON *object, const char *key); /* direct child */
cJSON *json_get(const cJSON *json, const char *path);
const char *json_str(const cJSON *json, const char *path); /* NULL when absent or no string */
const char *json_str_or(const cJSON *json, const char *path, const char *fallback);
int64_t json_int(const cJSON *json, const char *path,
                 int64_t fallback); /* fractions, out of range: fallback */
bool json_bool(const cJSON *json, const char *path, bool fallback);
bool json_has(const cJSON *json, const char *path); /* present and not null */
int json_count(const cJSON *json, const char *path); /* items of an array or object, else 0 */

/* Writing: objects on the way are created. Setting NULL/absent things is a no-op where noted.
 * Out of memory is reported by the final NULL of json_text(); single sets return 0 or -ENOMEM. */
int json_set(cJSON *object, const char *path, cJSON *take); /* replaces; takes ownership always */
int json_set_str(cJSON *object, const char *path, const char *value); /* NULL value: no-op */
int json_set_int(cJSON *object, const char *path, int64_t value);
int json_set_bool(cJSON *object, const char *path, bool value);
int json_set_member(cJSON *object, const char *key, cJSON *take); /* key may have dots */
int json_set_member_str(cJSON *object, const char *key, const char *value);
void json_remove(cJSON *object, const char *path);
void json_add_item(cJSON *array, cJSON *take); /* NULL take: no-op */
cJSON *json_copy(const cJSON *json); /* deep; NULL -> NULL */

/* Equality: objects regardless of order; numbers by value. NULL equals only NULL. */
bool json_equal(const cJSON *a, const cJSON *b);
/* RFC 7386: what turns @from into @to; NULL when equal (nothing to patch). Caller's. */
cJSON *json_merge_patch(const cJSON *from, const cJSON *to);
/* Apply an RFC 7386 patch in place. */
void json_apply_merge(cJSON *target, const cJSON *patch);

#define json_foreach(item, parent)                                                                 \
    for (cJSON *item = (parent) ? (parent)->child : NULL; item; item = item->next)

#endif
