#include "common/kube/kubeconfig.h"

#include <string.h>

#include "common/base/base64.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/kube/yaml.h"

struct kubeconfig *kubeconfig_free(struct kubeconfig *config)
{
    if (!config)
        return NULL;
    free(config->source);
    free(config->dir);
    free(config->server);
    free(config->ns);
    free(config->token);
    free(config->token_file);
    cJSON_Delete(config->exec);
    cJSON_Delete(config->cluster);
    free(config->ca_file);
    free(config->cert_file);
    free(config->key_file);
    free(config->server_name);
    free(config->ca_pem);
    free(config->cert_pem);
    free(config->key_pem);
    free(config);
    return NULL;
}

void kubeconfig_freep(struct kubeconfig **config)
{
    kubeconfig_free(*config);
}

/* {"clusters": [{"name": N, "cluster": {…}}]}: the inner object of the entry @name. */
static cJSON *entry(const cJSON *root, const char *list, const char *inner, const char *name)
{
    json_foreach (item, json_member(root, list)) {
        if (str_eq(json_str(item, "name"), name))
            return json_member(item, inner);
    }
    return NULL;
}

static int copy_text(const cJSON *object, const char *key, char **ret, struct error *err)
{
    const cJSON *value = json_member(object, key);

    if (!value || cJSON_IsNull(value))
        return 0;
    if (!cJSON_IsString(value))
        return error_set(err, EINVAL, "%s must be a string", key);
    if (!*value->valuestring)
        return 0;
    *ret = strdup(value->valuestring);
    return *ret ? 0 : error_no_memory(err);
}

static int copy_path(const struct kubeconfig *config, const cJSON *object, const char *key,
                     char **ret, struct error *err)
{
    _cleanup_(freep) char *path = NULL;
    int r = copy_text(object, key, &path, err);

    if (r || !path)
        return r;
    *ret = *path == '/' ? TAKE(path) : str_printf("%s/%s", config->dir, path);
    return *ret ? 0 : error_no_memory(err);
}

static int copy_data(const cJSON *object, const char *key, char **ret, size_t *ret_len,
                     struct error *err)
{
    _cleanup_(freep) char *text = NULL;
    int r = copy_text(object, key, &text, err);

    if (r || !text)
        return r;
    r = base64_decode(text, ret, ret_len);
    return r ? error_set(err, -r, "%s: %s", key, r == -EINVAL ? "no base64" : strerror(-r)) : 0;
}

/* client-certificate or client-certificate-data: the data counts when both are there. */
struct pem_field {
    const char *file_key, *data_key;
    char **file, **data;
    const char **tls_file;
    const void **tls_data;
    size_t *tls_len;
};

static int read_pem(const struct kubeconfig *config, const cJSON *object,
                    const struct pem_field *field, struct error *err)
{
    int r = copy_data(object, field->data_key, field->data, field->tls_len, err);

    if (!r && !*field->data)
        r = copy_path(config, object, field->file_key, field->file, err);
    if (r)
        return r;
    *field->tls_file = *field->file;
    *field->tls_data = *field->data;
    return 0;
}

/* What can't be done is said at once, not as a refused connection later. */
static int refuse(const cJSON *object, const char *key, const char *why, struct error *err)
{
    const cJSON *value = json_member(object, key);

    if (!value || cJSON_IsNull(value) || (cJSON_IsString(value) && !*value->valuestring))
        return 0;
    return error_set(err, EINVAL, "%s isn't supported%s", key, why);
}

static int check_server(struct kubeconfig *config, struct error *err)
{
    size_t len;

    if (!config->server)
        return error_set(err, EINVAL, "server is missing");
    if (!str_starts(config->server, "https://") && !str_starts(config->server, "http://"))
        return error_set(err, EINVAL, "server must begin with https:// or http://");
    len = strlen(config->server);
    while (len && config->server[len - 1] == '/')
        config->server[--len] = '\0';
    return 0;
}

static int read_cluster(struct kubeconfig *c, const cJSON *cluster, struct error *err)
{
    const struct pem_field ca = {"certificate-authority",
                                 "certificate-authority-data",
                                 &c->ca_file,
                                 &c->ca_pem,
                                 &c->tls.ca_file,
                                 &c->tls.ca_pem,
                                 &c->tls.ca_pem_len};
    int r;

    if (!cJSON_IsObject(cluster))
        return error_set(err, EINVAL, "no such cluster");
    r = copy_text(cluster, "server", &c->server, err);
    if (!r)
        r = check_server(c, err);
    if (!r)
        r = copy_text(cluster, "tls-server-name", &c->server_name, err);
    if (!r)
        r = read_pem(c, cluster, &ca, err);
    if (!r)
        r = refuse(cluster, "proxy-url", ": set HTTPS_PROXY instead", err);
    if (r)
        return r;
    c->tls.server_name = c->server_name;
    c->tls.insecure = json_bool(cluster, "insecure-skip-tls-verify", false);
    c->cluster = json_copy(cluster);
    return c->cluster ? 0 : error_no_memory(err);
}

static int read_exec(struct kubeconfig *c, const cJSON *user, struct error *err)
{
    const cJSON *exec = json_member(user, "exec");
    const char *api;

    if (!exec || cJSON_IsNull(exec))
        return 0;
    if (str_empty(json_str(exec, "command")))
        return error_set(err, EINVAL, "exec.command is missing");
    api = json_str_or(exec, "apiVersion", "");
    if (!str_eq(api, "client.authentication.k8s.io/v1") &&
        !str_eq(api, "client.authentication.k8s.io/v1beta1"))
        return error_set(err, EINVAL, "exec.apiVersion \"%s\" isn't supported", api);
    if (str_eq(json_str(exec, "interactiveMode"), "Always"))
        return error_set(err, EINVAL, "exec: a plugin that must ask a person can't be used");
    c->exec = json_copy(exec);
    return c->exec ? 0 : error_no_memory(err);
}

static int read_certificate(struct kubeconfig *c, const cJSON *user, struct error *err)
{
    const struct pem_field cert = {
        "client-certificate", "client-certificate-data", &c->cert_file,       &c->cert_pem,
        &c->tls.cert_file,    &c->tls.cert_pem,          &c->tls.cert_pem_len};
    const struct pem_field key = {"client-key",       "client-key-data", &c->key_file,
                                  &c->key_pem,        &c->tls.key_file,  &c->tls.key_pem,
                                  &c->tls.key_pem_len};
    bool has_cert, has_key;
    int r;

    r = read_pem(c, user, &cert, err);
    if (!r)
        r = read_pem(c, user, &key, err);
    if (r)
        return r;
    has_cert = c->cert_file || c->cert_pem;
    has_key = c->key_file || c->key_pem;
    if (has_cert != has_key)
        return error_set(err, EINVAL, "%s is missing",
                         has_cert ? "client-key" : "client-certificate");
    return 0;
}

static int read_user(struct kubeconfig *c, const cJSON *user, struct error *err)
{
    int r;

    if (!cJSON_IsObject(user))
        return error_set(err, EINVAL, "no such user");
    r = copy_text(user, "token", &c->token, err);
    if (!r)
        r = copy_path(c, user, "tokenFile", &c->token_file, err);
    if (!r)
        r = read_certificate(c, user, err);
    if (!r)
        r = read_exec(c, user, err);
    if (!r)
        r = refuse(user, "auth-provider", ": use an exec plugin", err);
    if (!r)
        r = refuse(user, "username", "", err);
    if (!r)
        r = refuse(user, "as", ": impersonation", err);
    return r;
}

static int read_context(struct kubeconfig *c, const cJSON *root, const char *name,
                        struct error *err)
{
    const cJSON *context;
    const char *cluster, *user;
    int r;

    if (str_empty(name))
        return error_set(err, EINVAL, "%s: current-context is missing", c->source);
    context = entry(root, "contexts", "context", name);
    if (!cJSON_IsObject(context))
        return error_set(err, EINVAL, "%s: no context \"%s\"", c->source, name);
    cluster = json_str_or(context, "cluster", "");
    user = json_str_or(context, "user", "");
    r = copy_text(context, "namespace", &c->ns, err);
    if (r)
        return error_wrap(err, "%s: context \"%s\"", c->source, name);
    r = read_cluster(c, entry(root, "clusters", "cluster", cluster), err);
    if (r)
        return error_wrap(err, "%s: cluster \"%s\"", c->source, cluster);
    r = *user ? read_user(c, entry(root, "users", "user", user), err) : 0;
    return r ? error_wrap(err, "%s: user \"%s\"", c->source, user) : 0;
}

static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int kubeconfig_parse(const char *text, size_t len, const char *source, const char *context,
                     struct kubeconfig **ret, struct error *err)
{
    _cleanup_(kubeconfig_freep) struct kubeconfig *config = calloc(1, sizeof(*config));
    _cleanup_(json_freep) cJSON *root = NULL;
    int r;

    if (!config)
        return error_no_memory(err);
    config->source = strdup(source);
    config->dir = dir_of(source);
    if (!config->source || !config->dir)
        return error_no_memory(err);
    if (len > KUBECONFIG_BYTES_MAX)
        return error_set(err, EINVAL, "%s: too big", source);
    r = yaml_parse(text, len, &root, err);
    if (r)
        return error_wrap(err, "%s", source);
    r = read_context(config, root, context ? context : json_str(root, "current-context"), err);
    if (r)
        return r;
    *ret = TAKE(config);
    return 0;
}
