#include "webhook/json_patch.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/json.h"

enum { POINTER_MAX = 64 * 1024 };

struct patch {
    cJSON *ops;
    struct buf pointer; /* where the walk is, RFC 6901 */
    bool failed;
};

static void patch_done(struct patch *p)
{
    cJSON_Delete(p->ops);
    buf_done(&p->pointer);
}

static void add_op(struct patch *p, const char *op, const cJSON *value)
{
    cJSON *item = cJSON_CreateObject();

    p->failed |= json_set_member_str(item, "op", op) != 0;
    p->failed |= json_set_member_str(item, "path", buf_str(&p->pointer)) != 0;
    if (value)
        p->failed |= json_set_member(item, "value", json_copy(value)) != 0;
    json_add_item(p->ops, item);
}

static size_t enter_key(struct patch *p, const char *key)
{
    size_t len = p->pointer.len;

    buf_puts(&p->pointer, "/");
    for (; *key; key++) {
        if (*key == '~' || *key == '/')
            buf_puts(&p->pointer, *key == '~' ? "~0" : "~1");
        else
            buf_add(&p->pointer, key, 1);
    }
    return len;
}

static void leave(struct patch *p, size_t len)
{
    if (!p->pointer.data)
        return;
    p->pointer.len = len;
    p->pointer.data[len] = '\0';
}

static void walk(struct patch *p, const cJSON *from, const cJSON *to);

static void walk_object(struct patch *p, const cJSON *from, const cJSON *to)
{
    json_foreach (item, to) {
        const cJSON *old = json_member(from, item->string);
        size_t len = enter_key(p, item->string);

        if (old)
            walk(p, old, item);
        else
            add_op(p, "add", item);
        leave(p, len);
    }
    json_foreach (item, from) {
        size_t len;

        if (json_member(to, item->string))
            continue;
        len = enter_key(p, item->string);
        add_op(p, "remove", NULL);
        leave(p, len);
    }
}

static void walk_array(struct patch *p, const cJSON *from, const cJSON *to)
{
    const cJSON *old = from->child;
    int index = 0;

    json_foreach (item, to) {
        size_t len = p->pointer.len;

        buf_printf(&p->pointer, "/%d", index++);
        walk(p, old, item);
        leave(p, len);
        old = old->next;
    }
}

/* As deep as JSON may be (JSON_DEPTH_MAX). */
static void walk(struct patch *p, const cJSON *from, const cJSON *to)
{
    if (json_equal(from, to) || p->pointer.failed)
        return;
    if (cJSON_IsObject(from) && cJSON_IsObject(to))
        walk_object(p, from, to);
    else if (cJSON_IsArray(from) && cJSON_IsArray(to) &&
             cJSON_GetArraySize(from) == cJSON_GetArraySize(to))
        walk_array(p, from, to);
    else
        add_op(p, "replace", to);
}

int json_patch(const cJSON *from, const cJSON *to, cJSON **ret, struct error *err)
{
    _cleanup_(patch_done) struct patch p = {.pointer = BUF_INIT(POINTER_MAX)};

    p.ops = cJSON_CreateArray();
    if (p.ops)
        walk(&p, from, to);
    if (!p.ops || p.failed || p.pointer.failed)
        return error_set(err, ENOMEM, "no memory for a JSON patch");
    *ret = TAKE(p.ops);
    return 0;
}
