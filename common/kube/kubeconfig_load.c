/* Which kubeconfig counts, in the order that kubectl and the reference operator use. */
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "common/kube/file.h"
#include "common/kube/kubeconfig.h"

enum { NAMESPACE_BYTES_MAX = 253 };

static const char service_account_dir[] = "/var/run/secrets/kubernetes.io/serviceaccount";

static int load_file(const char *path, const char *context, struct kubeconfig **ret,
                     struct error *err)
{
    _cleanup_(freep) char *text = NULL;
    size_t len = 0;
    int r = file_read(path, KUBECONFIG_BYTES_MAX, &text, &len, err);

    return r ?: kubeconfig_parse(text, len, path, context, ret, err);
}

/* *ret stays NULL when no file of the list exists. */
static int load_list(const char *list, const char *context, struct kubeconfig **ret,
                     struct error *err)
{
    while (*list) {
        size_t len = strcspn(list, ":");
        _cleanup_(freep) char *path = strndup(list, len);

        if (!path)
            return error_set(err, ENOMEM, "out of memory");
        if (len && access(path, F_OK) == 0)
            return load_file(path, context, ret, err);
        list += len + (list[len] == ':');
    }
    return 0;
}

/* NULL without one: some pods mount only a token. */
static char *read_namespace(const char *dir)
{
    _cleanup_(freep) char *path = str_printf("%s/namespace", dir);
    _cleanup_(freep) char *text = NULL;

    if (!path || file_read(path, NAMESPACE_BYTES_MAX, &text, NULL, NULL))
        return NULL;
    text[strcspn(text, " \t\r\n")] = '\0';
    return *text ? TAKE(text) : NULL;
}

static int load_in_cluster(const char *host, const char *port, struct kubeconfig **ret,
                           struct error *err)
{
    _cleanup_(kubeconfig_freep) struct kubeconfig *c = calloc(1, sizeof(*c));
    const char *dir = getenv("FLINKD_SERVICE_ACCOUNT_DIR");
    bool ipv6 = strchr(host, ':');

    if (!dir)
        dir = service_account_dir;
    if (!c)
        return error_set(err, ENOMEM, "out of memory");
    c->source = strdup("service account");
    c->dir = strdup(dir);
    c->server = str_printf(ipv6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
    c->token_file = str_printf("%s/token", dir);
    c->ca_file = str_printf("%s/ca.crt", dir);
    if (!c->source || !c->dir || !c->server || !c->token_file || !c->ca_file)
        return error_set(err, ENOMEM, "out of memory");
    c->tls.ca_file = c->ca_file;
    if (access(c->token_file, R_OK) < 0)
        return error_set(err, EINVAL, "service account: %s: %s", c->token_file, strerror(errno));
    c->ns = read_namespace(dir);
    *ret = TAKE(c);
    return 0;
}

/* "" when not set */
static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "";
}

int kubeconfig_load(const char *path, const char *context, struct kubeconfig **ret,
                    struct error *err)
{
    const char *list = environment("KUBECONFIG"), *home = environment("HOME");
    const char *host = environment("KUBERNETES_SERVICE_HOST");
    const char *port = environment("KUBERNETES_SERVICE_PORT");
    _cleanup_(freep) char *fallback = NULL;
    struct kubeconfig *found = NULL;
    int r = 0;

    if (path)
        return load_file(path, context, ret, err);
    if (*list)
        r = load_list(list, context, &found, err);
    if (!r && !found && *host && *port)
        r = load_in_cluster(host, port, &found, err);
    if (!r && !found && *home) {
        fallback = str_printf("%s/.kube/config", home);
        if (!fallback)
            return error_set(err, ENOMEM, "out of memory");
        if (access(fallback, F_OK) == 0)
            r = load_file(fallback, context, &found, err);
    }
    if (r)
        return r;
    if (!found)
        return error_set(err, ENOENT,
                         "no kubeconfig: not given, not in $KUBECONFIG, no service account, no "
                         "~/.kube/config");
    *ret = found;
    return 0;
}
