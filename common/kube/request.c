#include <string.h>

#include "common/base/str.h"
#include "common/kube/client_private.h"

static const struct {
    const char *name, *method, *content_type;
    bool has_name, writes;
} verbs[] = {
    [KUBE_GET] = {"get", "GET", NULL, true, false},
    [KUBE_LIST] = {"list", "GET", NULL, false, false},
    [KUBE_CREATE] = {"create", "POST", "application/json", false, true},
    [KUBE_APPLY] = {"apply", "PATCH", "application/apply-patch+yaml", true, true},
    [KUBE_MERGE_PATCH] = {"patch", "PATCH", "application/merge-patch+json", true, true},
    [KUBE_DELETE] = {"delete", "DELETE", "application/json", true, false},
    [KUBE_LOG] = {"log", "GET", NULL, true, false},
};

const char *kube_verb_method(enum kube_verb verb)
{
    return verbs[verb].method;
}

const char *kube_verb_name(enum kube_verb verb)
{
    return verbs[verb].name;
}

const char *kube_verb_content_type(enum kube_verb verb)
{
    return verbs[verb].content_type;
}

void kube_escape(struct buf *b, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~";

    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};

        if (strchr(plain, *p))
            (void)buf_add(b, p, 1);
        else
            (void)buf_add(b, escaped, sizeof(escaped));
    }
}

static void add_segment(struct buf *url, const char *segment)
{
    (void)buf_puts(url, "/");
    kube_escape(url, segment);
}

/* A segment that a server may take as "here" or "up". */
static bool is_unsafe(const char *segment)
{
    return str_eq(segment, ".") || str_eq(segment, "..");
}

static int check(const struct kube_request *q, struct error *err)
{
    const char *kind = q->resource ? q->resource->kind : NULL;
    const char *verb = verbs[q->verb].name;

    if (!kind)
        return error_set(err, EINVAL, "%s: no resource", verb);
    if (verbs[q->verb].has_name && str_empty(q->name))
        return error_set(err, EINVAL, "%s %s: no name", verb, kind);
    if (q->resource->namespaced && q->verb != KUBE_LIST && str_empty(q->ns))
        return error_set(err, EINVAL, "%s %s: no namespace", verb, kind);
    if (verbs[q->verb].writes && !q->body)
        return error_set(err, EINVAL, "%s %s: no body", verb, kind);
    if (is_unsafe(q->name) || is_unsafe(q->ns))
        return error_set(err, EINVAL, "%s %s: no valid name", verb, kind);
    return 0;
}

static void add_parameter(struct buf *url, char *separator, const char *key, const char *value)
{
    (void)buf_printf(url, "%c%s=", *separator, key);
    kube_escape(url, value);
    *separator = '&';
}

static void add_query(struct buf *url, const struct kube_request *q, const char *field_manager)
{
    char separator = '?';

    if (!str_empty(q->query)) {
        (void)buf_printf(url, "?%s", q->query);
        separator = '&';
    }
    if (verbs[q->verb].writes)
        add_parameter(url, &separator, "fieldManager", field_manager);
    if (q->verb == KUBE_APPLY)
        add_parameter(url, &separator, "force", "true");
    if (q->dry_run)
        add_parameter(url, &separator, "dryRun", "All");
}

int kube_url(const char *server, const struct kube_request *q, const char *field_manager,
             struct buf *url, struct error *err)
{
    int r = check(q, err);

    if (r)
        return r;
    (void)buf_printf(url, "%s/%s/%s", server,
                     strchr(q->resource->api_version, '/') ? "apis" : "api",
                     q->resource->api_version);
    if (q->resource->namespaced && !str_empty(q->ns)) {
        (void)buf_puts(url, "/namespaces");
        add_segment(url, q->ns);
    }
    add_segment(url, q->resource->plural);
    if (verbs[q->verb].has_name)
        add_segment(url, q->name);
    if (q->verb == KUBE_LOG)
        add_segment(url, "log");
    if (!str_empty(q->subresource))
        add_segment(url, q->subresource);
    add_query(url, q, field_manager);
    if (url->failed)
        return error_set(err, EINVAL, "%s %s: the URL is too long", verbs[q->verb].name,
                         q->resource->kind);
    return 0;
}

/* All of 5xx, as client-go sees it. A 501 isn't the API server's own (what it can't do is a 405):
 * it comes from a proxy, which may be another one next time. */
bool kube_is_transient(int status)
{
    return status == 0 || status == 429 || status >= 500;
}
