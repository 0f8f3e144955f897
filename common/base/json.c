#include "common/base/json.h"

#include <math.h>
#include <string.h>

#include "common/base/str.h"

/* ---- parsing ---- */

/* Most of a text is inside strings, and means nothing there. Returns where that ends, @len at most.
 */
static size_t skip_text(const char *data, size_t i, size_t len)
{
    static const bool plain[256] = {
        [' ' ... '!'] = true, ['#' ... '['] = true, [']' ... 0xFF] = true};

    while (i < len && plain[(unsigned char)data[i]])
        i++;
    return i;
}

/* What cJSON lets pass: it recurses (its own limit, 1000, is a build-time setting), takes control
 * characters for white space, and a NUL for the end. NULL: nothing is wrong. */
static const char *scan(const char *data, size_t len)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < len; i++) {
        char c;

        if (in_string)
            i = skip_text(data, i, len);
        if (i == len)
            break;
        c = data[i];
        if ((unsigned char)c < 0x20 && (in_string || (c != '\n' && c != '\r' && c != '\t')))
            return "a control character";
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']'))
            depth--;
        if (depth > JSON_DEPTH_MAX)
            return "nested too deep";
    }
    return NULL;
}

/* 1e999 is infinite by now, and would be printed as null. */
static bool has_infinity(const cJSON *json)
{
    if (cJSON_IsNumber(json))
        return !isfinite(json->valuedouble);
    json_foreach (item, json)
        if (has_infinity(item))
            return true;
    return false;
}

int json_parse(const char *data, size_t len, cJSON **ret, struct error *err)
{
    const char *end = data, *wrong = scan(data, len);
    _cleanup_(json_freep) cJSON *json = NULL;

    if (wrong)
        return error_set(err, EPROTO, "no valid JSON: %s", wrong);
    errno = 0;
    json = cJSON_ParseWithLengthOpts(data, len, &end, false);
    if (!json && errno == ENOMEM)
        return error_set(err, ENOMEM, "no memory for %zu bytes of JSON", len);
    if (!json)
        return error_set(err, EPROTO, "no valid JSON at byte %td of %zu", end - data, len);
    while (end < data + len && strchr(" \t\r\n", *end))
        end++;
    if (end < data + len)
        return error_set(err, EPROTO, "bytes after the JSON at byte %td of %zu", end - data, len);
    if (has_infinity(json))
        return error_set(err, EPROTO, "no valid JSON: a number is out of range");
    *ret = TAKE(json);
    return 0;
}

/* ---- reading ---- */

static int type_of(const cJSON *json)
{
    return json->type & 0xFF; /* without cJSON's ownership flags */
}

cJSON *json_member(const cJSON *object, const char *key)
{
    if (!object || type_of(object) != cJSON_Object)
        return NULL;
    json_foreach (item, object)
        if (str_eq(item->string, key))
            return item;
    return NULL;
}

/* The length of @key when it is what @path has up to its next dot, or its end; else 0. */
static size_t step_along(const char *path, const char *key)
{
    size_t i = 0;

    while (path[i] && path[i] != '.' && path[i] == key[i])
        i++;
    return !key[i] && (path[i] == '.' || !path[i]) ? i : 0;
}

/* The member that @path has next, and its length. */
static cJSON *next_member(const cJSON *object, const char *path, size_t *len)
{
    if (!object || type_of(object) != cJSON_Object)
        return NULL;
    json_foreach (item, object) /* mostly the first byte tells */
        if (item->string && item->string[0] == *path && (*len = step_along(path, item->string)))
            return item;
    return NULL;
}

cJSON *json_get(const cJSON *json, const char *path)
{
    const cJSON *at = json;
    size_t len = 0;

    while (at && *path) {
        at = next_member(at, path, &len);
        path += len + (at && path[len] == '.');
    }
    return (cJSON *)(uintptr_t)at; /* as constant as the caller's tree is */
}

const char *json_str(const cJSON *json, const char *path)
{
    return cJSON_GetStringValue(json_get(json, path));
}

const char *json_str_or(const cJSON *json, const char *path, const char *fallback)
{
    const char *value = json_str(json, path);

    return value ? value : fallback;
}

int64_t json_int(const cJSON *json, const char *path, int64_t fallback)
{
    const cJSON *item = json_get(json, path);
    double value;

    if (!cJSON_IsNumber(item))
        return fallback;
    value = item->valuedouble;
    if (!(value >= -0x1p63 && value < 0x1p63) || trunc(value) != value)
        return fallback;
    return (int64_t)value;
}

bool json_bool(const cJSON *json, const char *path, bool fallback)
{
    const cJSON *item = json_get(json, path);

    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

bool json_has(const cJSON *json, const char *path)
{
    const cJSON *item = json_get(json, path);

    return item && !cJSON_IsNull(item);
}

int json_count(const cJSON *json, const char *path)
{
    const cJSON *item = json_get(json, path);

    return cJSON_IsArray(item) || cJSON_IsObject(item) ? cJSON_GetArraySize(item) : 0;
}

/* ---- writing ---- */

int json_set_member(cJSON *object, const char *key, cJSON *take)
{
    bool done;

    if (!take || !object) {
        cJSON_Delete(take);
        return object ? -ENOMEM : -EINVAL;
    }
    if (json_member(object, key))
        done = cJSON_ReplaceItemInObjectCaseSensitive(object, key, take);
    else
        done = cJSON_AddItemToObject(object, key, take);
    if (!done)
        cJSON_Delete(take);
    return done ? 0 : -ENOMEM;
}

/* The object under that key, made when there is something else or nothing; NULL without memory. */
static cJSON *member_object(cJSON *object, const char *key)
{
    cJSON *item = json_member(object, key);

    if (cJSON_IsObject(item))
        return item;
    return json_set_member(object, key, cJSON_CreateObject()) ? NULL : json_member(object, key);
}

/* The object that holds the last member of @path, and the name of that. */
static cJSON *parent_object(cJSON *object, const char **path)
{
    const char *dot;

    while (object && (dot = strchr(*path, '.'))) {
        size_t len = 0;
        cJSON *item = next_member(object, *path, &len);

        if (!cJSON_IsObject(item)) {
            _cleanup_(freep) char *key = strndup(*path, (size_t)(dot - *path));

            item = key ? member_object(object, key) : NULL;
        }
        object = item;
        *path = dot + 1;
    }
    return object;
}

int json_set(cJSON *object, const char *path, cJSON *take)
{
    cJSON *parent = parent_object(object, &path);

    if (parent || !object)
        return json_set_member(parent, path, take);
    cJSON_Delete(take);
    return -ENOMEM;
}

int json_set_str(cJSON *object, const char *path, const char *value)
{
    return value ? json_set(object, path, cJSON_CreateString(value)) : 0;
}

int json_set_int(cJSON *object, const char *path, int64_t value)
{
    return json_set(object, path, cJSON_CreateNumber((double)value));
}

int json_set_bool(cJSON *object, const char *path, bool value)
{
    return json_set(object, path, cJSON_CreateBool(value));
}

int json_set_member_str(cJSON *object, const char *key, const char *value)
{
    return value ? json_set_member(object, key, cJSON_CreateString(value)) : 0;
}

void json_remove(cJSON *object, const char *path)
{
    const char *last = strrchr(path, '.');
    cJSON *parent = object, *item = json_get(object, path);
    _cleanup_(freep) char *above = last ? strndup(path, (size_t)(last - path)) : NULL;

    if (above)
        parent = json_get(object, above);
    if (item && parent && item != parent)
        cJSON_Delete(cJSON_DetachItemViaPointer(parent, item));
}

void json_add_item(cJSON *array, cJSON *take)
{
    if (take && !cJSON_AddItemToArray(array, take))
        cJSON_Delete(take);
}

cJSON *json_copy(const cJSON *json)
{
    return json ? cJSON_Duplicate(json, true) : NULL;
}

/* ---- comparing, patching ---- */

static bool children_equal(const cJSON *a, const cJSON *b)
{
    const cJSON *next = b->child;
    bool object = cJSON_IsObject(a);
    int left = cJSON_GetArraySize(b);

    if (cJSON_GetArraySize(a) != left)
        return false;
    json_foreach (item, a) {
        const cJSON *peer = next;

        /* mostly both are in the same order, and there is nothing to look up */
        if (object && !(peer && str_eq(peer->string, item->string)))
            peer = json_member(b, item->string);
        if (!peer || !json_equal(item, peer))
            return false;
        next = peer->next;
    }
    return true;
}

bool json_equal(const cJSON *a, const cJSON *b)
{
    if (!a || !b || type_of(a) != type_of(b))
        return a == b;
    switch (type_of(a)) {
    case cJSON_Number:
        return a->valuedouble == b->valuedouble;
    case cJSON_String:
    case cJSON_Raw:
        return str_eq(a->valuestring, b->valuestring);
    case cJSON_Array:
    case cJSON_Object:
        return children_equal(a, b);
    default:
        return true; /* null, true, false: the type is all there is */
    }
}

static cJSON *changed_members(const cJSON *from, const cJSON *to)
{
    cJSON *patch = cJSON_CreateObject();

    json_foreach (item, from)
        if (!cJSON_IsNull(item) && !json_has(json_member(to, item->string), ""))
            (void)json_set_member(patch, item->string, cJSON_CreateNull());
    json_foreach (item, to) {
        /* a null can't be patched in: it means absent, as in the API server */
        cJSON *change =
            cJSON_IsNull(item) ? NULL : json_merge_patch(json_member(from, item->string), item);

        if (change)
            (void)json_set_member(patch, item->string, change);
    }
    if (patch && !patch->child) {
        cJSON_Delete(patch);
        patch = NULL;
    }
    return patch;
}

cJSON *json_merge_patch(const cJSON *from, const cJSON *to)
{
    if (!to)
        return from ? cJSON_CreateNull() : NULL;
    if (cJSON_IsObject(from) && cJSON_IsObject(to))
        return changed_members(from, to);
    return json_equal(from, to) ? NULL : json_copy(to);
}

void json_apply_merge(cJSON *target, const cJSON *patch)
{
    json_foreach (change, patch) {
        cJSON *item = json_member(target, change->string);

        if (cJSON_IsNull(change)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(target, item));
        } else if (cJSON_IsObject(change)) {
            item = member_object(target, change->string);
            json_apply_merge(item, change);
        } else {
            (void)json_set_member(target, change->string, json_copy(change));
        }
    }
}
