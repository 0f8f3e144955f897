#include "jobsubmitter/order.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"

enum { BACKOFF_MIN_MS = 500, BACKOFF_MAX_MS = 30000, TEXT_MAX = 4096 };

enum need {
    NEED_MANIFEST = 1,
    NEED_JOB = 2,
    NEED_TRIGGER = 4,
    NEED_DIRECTORY = 8,
    NEED_PATH = 16,
};

static const struct {
    const char *name;
    enum order_kind kind;
    unsigned needs;
} kinds[] = {
    {"submit", ORDER_SUBMIT, NEED_MANIFEST | NEED_JOB},
    {"savepoint", ORDER_SAVEPOINT, NEED_JOB | NEED_TRIGGER | NEED_DIRECTORY},
    {"stop", ORDER_STOP, NEED_JOB | NEED_TRIGGER | NEED_DIRECTORY},
    {"cancel", ORDER_CANCEL, NEED_JOB},
    {"dispose", ORDER_DISPOSE, NEED_TRIGGER | NEED_PATH},
};

static bool is_id(const char *text)
{
    return text && is_hex32(text);
}

static bool is_text(const char *text)
{
    return !str_blank(text) && strlen(text) <= TEXT_MAX;
}

static bool is_format(const char *text)
{
    return !text || str_eq(text, "CANONICAL") || str_eq(text, "NATIVE");
}

/* A Job, and nowhere else than where the cluster is. */
static bool is_manifest(const cJSON *manifest, const char *ns)
{
    return str_eq(json_str(manifest, "kind"), "Job") &&
           str_eq(json_str(manifest, "apiVersion"), "batch/v1") &&
           !str_empty(json_str(manifest, "metadata.name")) && !str_empty(ns) &&
           str_eq(json_str(manifest, "metadata.namespace"), ns);
}

static const char *missing(const struct order *o, unsigned needs, const char *ns)
{
    if (needs & NEED_MANIFEST && !is_manifest(o->manifest, ns))
        return "manifest";
    if (needs & NEED_JOB && !is_id(o->job_id))
        return "jobId";
    if (needs & NEED_TRIGGER && !is_id(o->trigger_id))
        return "triggerId";
    if (needs & NEED_DIRECTORY && !is_text(o->directory))
        return "directory";
    if (needs & NEED_PATH && !is_text(o->path))
        return "path";
    return is_format(o->format) ? NULL : "format";
}

int order_read(const struct command *c, struct order *ret, struct error *err)
{
    struct order o = {
        .manifest = json_member(c->args, "manifest"),
        .job_id = json_str(c->args, "jobId"),
        .trigger_id = json_str(c->args, "triggerId"),
        .directory = json_str(c->args, "directory"),
        .format = json_str(c->args, "format"),
        .path = json_str(c->args, "path"),
        .drain = json_bool(c->args, "drain", false),
        .flink_names = json_bool(c->args, "flinkNames", false),
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const char *bad;

        if (!str_eq(kinds[i].name, c->kind))
            continue;
        bad = missing(&o, kinds[i].needs, c->ns);
        if (bad)
            return error_set(err, EINVAL, "%s: argument %s is missing or wrong", c->kind, bad);
        o.kind = kinds[i].kind;
        *ret = o;
        return 0;
    }
    return error_set(err, EINVAL, "unknown kind of command");
}

int64_t order_backoff_ms(int attempts)
{
    int64_t ms = BACKOFF_MIN_MS;

    while (--attempts > 0 && ms < BACKOFF_MAX_MS)
        ms *= 2;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}
