#include "common/flink/url.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/str.h"

enum { URL_MAX = 2048 };

struct token {
    const char *name;
    const char *value;
};

const char *flink_url_domain(void)
{
    const char *domain = getenv("CLUSTER_DOMAIN");

    return str_empty(domain) ? "cluster.local" : domain;
}

/* Copies @template to @out (NULL: only checks) with the tokens replaced. Returns the unknown
 * token's place, or NULL. */
static const char *expand(const char *template, const struct token *tokens, size_t n,
                          struct buf *out)
{
    const char *p = template;

    while (*p) {
        size_t plain = strcspn(p, "{");
        const struct token *found = NULL;

        if (out)
            (void)buf_add(out, p, plain); /* a failure sticks: buf_take() tells */
        p += plain;
        if (!*p)
            break;
        for (size_t i = 0; i < n && !found; i++)
            found = str_starts(p, tokens[i].name) ? &tokens[i] : NULL;
        if (!found)
            return p;
        if (out)
            (void)buf_puts(out, found->value);
        p += strlen(found->name);
    }
    return NULL;
}

int flink_url_check(const char *template, struct error *err)
{
    static const struct token known[] = {
        {"{name}", ""}, {"{namespace}", ""}, {"{domain}", ""}, {"{port}", ""}};
    const char *bad;

    if (!str_starts(template, "http://") && !str_starts(template, "https://"))
        return error_set(err, EINVAL, "Flink URL template '%s': neither http:// nor https://",
                         template ? template : "");
    bad = expand(template, known, ARRAY_SIZE(known), NULL);
    if (bad)
        return error_set(err, EINVAL,
                         "Flink URL template: unknown token at '%s' (there are {name}, "
                         "{namespace}, {domain}, {port})",
                         bad);
    return 0;
}

char *flink_url(const char *template, const char *ns, const char *name, const char *domain,
                int port)
{
    _cleanup_(buf_done) struct buf out = BUF_INIT(URL_MAX);
    char number[16];
    const struct token tokens[] = {
        {"{name}", name}, {"{namespace}", ns}, {"{domain}", domain}, {"{port}", number}};

    (void)snprintf(number, sizeof(number), "%d", port);
    if (expand(template, tokens, ARRAY_SIZE(tokens), &out))
        return NULL;
    while (out.len > 0 && out.data[out.len - 1] == '/')
        out.data[--out.len] = '\0';
    return buf_take(&out);
}

int flink_url_port(const cJSON *cluster)
{
    int64_t port = json_int(cluster, "spec.jobManager.ports.ui", FLINK_UI_PORT);

    return port > 0 && port <= UINT16_MAX ? (int)port : FLINK_UI_PORT;
}
