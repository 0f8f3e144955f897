#include "common/base/json.h"
#include "common/base/str.h"
#include "common/kube/watch.h"

static const struct {
    const char *type;
    enum kube_watch_event event;
    bool bookmark;
} types[] = {
    {"ADDED", KUBE_ADDED, false},
    {"MODIFIED", KUBE_MODIFIED, false},
    {"DELETED", KUBE_DELETED, false},
    {"BOOKMARK", KUBE_MODIFIED, true},
};

static int server_error(const cJSON *status, struct error *err)
{
    const char *reason = json_str_or(status, "reason", "");

    if (json_int(status, "code", 0) == 410 || str_eq(reason, "Expired") || str_eq(reason, "Gone"))
        return KUBE_E_GONE;
    return error_set(err, EPROTO, "watch: the server says: %s %s", reason,
                     json_str_or(status, "message", ""));
}

static int check_object(const cJSON *object, bool bookmark, struct error *err)
{
    if (str_empty(json_str(object, "metadata.resourceVersion")))
        return error_set(err, EPROTO, "watch: an event without resourceVersion");
    if (!bookmark && str_empty(json_str(object, "metadata.name")))
        return error_set(err, EPROTO, "watch: an object without name");
    return 0;
}

int kube_watch_parse_line(const char *line, size_t len, enum kube_watch_event *event,
                          bool *bookmark, cJSON **object, struct error *err)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    const char *type;
    cJSON *inner;
    int r;

    r = json_parse(line, len, &json, err);
    if (r)
        return error_wrap(err, "watch");
    type = json_str_or(json, "type", "");
    inner = json_member(json, "object");
    if (str_eq(type, "ERROR"))
        return server_error(inner, err);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (!str_eq(type, types[i].type))
            continue;
        r = check_object(inner, types[i].bookmark, err);
        if (r)
            return r;
        *event = types[i].event;
        *bookmark = types[i].bookmark;
        *object = cJSON_DetachItemViaPointer(json, inner);
        return 0;
    }
    return error_set(err, EPROTO, "watch: an event of type \"%.32s\"", type);
}
