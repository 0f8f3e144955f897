#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/kube/exec.h"
#include "common/kube/kubeconfig.h"
#include "common/kube/yaml.h"

static struct error err;

/* ---- YAML ---- */

static void expect_yaml(const char *text, const char *expected)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    _cleanup_(freep) char *result = NULL;

    cr_assert_eq(yaml_parse(text, strlen(text), &json, &err), 0, "%s: %s", text, err.text);
    result = json_text(json);
    cr_expect_str_eq(result, expected);
}

Test(yaml, becomes_json)
{
    expect_yaml(
        "a: b\nc:\n- d\n- e: [f, 'true']\nx: {y: true, z: ~}\n",
        "{\"a\":\"b\",\"c\":[\"d\",{\"e\":[\"f\",\"true\"]}],\"x\":{\"y\":true,\"z\":null}}");
    expect_yaml("{\"json\": [\"is\", \"YAML\", false]}", "{\"json\":[\"is\",\"YAML\",false]}");
    expect_yaml("number: 1.20\n", "{\"number\":\"1.20\"}");
    expect_yaml("plain", "\"plain\"");
}

Test(yaml, refuses_what_a_kubeconfig_never_has)
{
    static const char *const bad[] = {
        "",       "a: b: c", "a: &x 1\nb: *x", "a: 1\n---\nb: 2\n",
        "[a",     "\t- a",   "? [a]\n: b",     "\xff\xfe\xff",
        "a: \"x", "*x",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cJSON *json = NULL;

        cr_expect_eq(yaml_parse(bad[i], strlen(bad[i]), &json, &err), -EINVAL, "%s", bad[i]);
        cr_expect_null(json);
    }
}

Test(yaml, bounds_the_depth)
{
    char text[1000];
    cJSON *json = NULL;

    memset(text, '[', sizeof(text));
    cr_expect_eq(yaml_parse(text, sizeof(text), &json, &err), -EINVAL);
    cr_expect_not_null(strstr(err.text, "deeply"), "%s", err.text);
}

/* ---- the kubeconfig ---- */

/* One cluster "k", one user "u", and contexts "c" (of both) and "other" (of none). */
static char *make(const char *cluster, const char *user)
{
    return str_printf("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                      "contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: flink}\n"
                      "- name: other\n  context: {cluster: nowhere, user: u}\n"
                      "clusters:\n- name: k\n  cluster: {%s}\n"
                      "users:\n- name: u\n  user: {%s}\n",
                      cluster, user);
}

static int parse(const char *cluster, const char *user, const char *context,
                 struct kubeconfig **ret)
{
    _cleanup_(freep) char *text = make(cluster, user);

    return kubeconfig_parse(text, strlen(text), "/etc/kube/config", context, ret, &err);
}

Test(kubeconfig, gives_server_namespace_and_token)
{
    _cleanup_(kubeconfig_freep) struct kubeconfig *c = NULL;

    cr_assert_eq(
        parse("server: 'https://k:6443/', certificate-authority: ca.crt", "token: t", NULL, &c), 0,
        "%s", err.text);
    cr_expect_str_eq(c->server, "https://k:6443");
    cr_expect_str_eq(c->ns, "flink");
    cr_expect_str_eq(c->token, "t");
    cr_expect_str_eq(c->tls.ca_file, "/etc/kube/ca.crt", "beside the kubeconfig");
    cr_expect_not(c->tls.insecure);
    cr_expect_null(c->tls.cert_file);
}

Test(kubeconfig, data_goes_before_files)
{
    _cleanup_(kubeconfig_freep) struct kubeconfig *c = NULL;

    cr_assert_eq(parse("server: 'https://k', certificate-authority: /x, "
                       "certificate-authority-data: YWJj, tls-server-name: s, "
                       "insecure-skip-tls-verify: true",
                       "client-certificate-data: YQ==, client-key: key.pem", NULL, &c),
                 0, "%s", err.text);
    cr_expect_eq(c->tls.ca_pem_len, 3);
    cr_expect_eq(memcmp(c->tls.ca_pem, "abc", 3), 0);
    cr_expect_null(c->tls.ca_file);
    cr_expect_str_eq(c->tls.server_name, "s");
    cr_expect(c->tls.insecure);
    cr_expect_eq(c->tls.cert_pem_len, 1);
    cr_expect_str_eq(c->tls.key_file, "/etc/kube/key.pem");
}

Test(kubeconfig, names_what_is_wrong)
{
    static const char ok[] = "server: 'https://k'";
    static const struct {
        const char *cluster, *user, *context, *message;
    } rows[] = {
        {ok, "token: t", "missing", "no context \"missing\""},
        {ok, "token: t", "other", "cluster \"nowhere\": no such cluster"},
        {"a: b", "token: t", NULL, "cluster \"k\": server is missing"},
        {"server: 'k:6443'", "token: t", NULL, "https://"},
        {"server: 'https://k', proxy-url: 'http://p'", "", NULL, "proxy-url isn't supported"},
        {"server: 'https://k', certificate-authority-data: '*'", "", NULL,
         "certificate-authority-data: no base64"},
        {ok, "token: [1]", NULL, "user \"u\": token must be a string"},
        {ok, "client-certificate: x", NULL, "client-key is missing"},
        {ok, "client-key-data: YQ==", NULL, "client-certificate is missing"},
        {ok, "auth-provider: {name: gcp}", NULL, "auth-provider isn't supported"},
        {ok, "username: me, password: x", NULL, "username isn't supported"},
        {ok, "exec: {apiVersion: client.authentication.k8s.io/v1}", NULL, "exec.command"},
        {ok, "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: c}", NULL,
         "v1alpha1"},
        {ok,
         "exec: {apiVersion: client.authentication.k8s.io/v1, command: c, "
         "interactiveMode: Always}",
         NULL, "must ask a person"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct kubeconfig *c = NULL;

        cr_expect_eq(parse(rows[i].cluster, rows[i].user, rows[i].context, &c), -EINVAL, "%zu", i);
        cr_expect_not_null(strstr(err.text, rows[i].message), "%zu: %s", i, err.text);
        cr_expect_not_null(strstr(err.text, "/etc/kube/config"), "%zu: %s", i, err.text);
        cr_expect_null(c);
    }
}

Test(kubeconfig, needs_a_current_context)
{
    static const char text[] = "kind: Config\n";
    struct kubeconfig *c = NULL;

    cr_expect_eq(kubeconfig_parse(text, strlen(text), "f", NULL, &c, &err), -EINVAL);
    cr_expect_str_eq(err.text, "f: current-context is missing");
}

/* ---- which one ---- */

static char dir[64];

static void write_file(const char *name, const char *text)
{
    _cleanup_(freep) char *path = str_printf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void set_path(const char *name, const char *format)
{
    _cleanup_(freep) char *value = str_printf("%s%s", dir, format);

    cr_assert_eq(setenv(name, value, 1), 0);
}

static void empty_environment(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/flinkd-config-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
    set_path("HOME", "");
}

static void remove_files(void)
{
    static const char *const names[] = {"a",     "b", "token", "namespace", ".kube/config",
                                        ".kube", ""};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_(freep) char *path = str_printf("%s/%s", dir, names[i]);

        (void)remove(path);
    }
}

TestSuite(kubeconfig_load, .init = empty_environment, .fini = remove_files);

static void expect_server(const char *path, const char *server)
{
    _cleanup_(kubeconfig_freep) struct kubeconfig *c = NULL;

    cr_assert_eq(kubeconfig_load(path, NULL, &c, &err), 0, "%s", err.text);
    cr_expect_str_eq(c->server, server);
}

static void write_config(const char *name, const char *server)
{
    _cleanup_(freep) char *cluster = str_printf("server: '%s'", server);
    _cleanup_(freep) char *text = make(cluster, "token: t");

    write_file(name, text);
}

Test(kubeconfig_load, takes_the_first_source_there_is)
{
    _cleanup_(freep) char *path = str_printf("%s/a", dir);
    _cleanup_(freep) char *list = str_printf("%s/none::%s/b:%s/a", dir, dir, dir);
    _cleanup_(freep) char *home = str_printf("%s/.kube", dir);
    struct kubeconfig *c = NULL;

    cr_expect_eq(kubeconfig_load(NULL, NULL, &c, &err), -ENOENT);
    cr_assert_eq(mkdir(home, 0700), 0);
    write_config(".kube/config", "https://home");
    expect_server(NULL, "https://home");

    setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    set_path("FLINKD_SERVICE_ACCOUNT_DIR", "");
    cr_expect_eq(kubeconfig_load(NULL, NULL, &c, &err), -EINVAL, "no token: told of, not skipped");
    cr_expect_not_null(strstr(err.text, "/token"), "%s", err.text);
    write_file("token", "t\n");
    expect_server(NULL, "https://10.0.0.1:443");

    write_config("a", "https://a");
    write_config("b", "https://b");
    setenv("KUBECONFIG", list, 1);
    expect_server(NULL, "https://b");
    expect_server(path, "https://a");
}

Test(kubeconfig_load, a_service_account_has_token_ca_and_namespace)
{
    _cleanup_(kubeconfig_freep) struct kubeconfig *c = NULL;

    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    set_path("FLINKD_SERVICE_ACCOUNT_DIR", "");
    write_file("token", "t");
    write_file("namespace", "flink-system\n");
    cr_assert_eq(kubeconfig_load(NULL, NULL, &c, &err), 0, "%s", err.text);
    cr_expect_str_eq(c->server, "https://[fd00::1]:443");
    cr_expect_str_eq(c->ns, "flink-system");
    cr_expect(str_ends(c->token_file, "/token"));
    cr_expect(str_ends(c->tls.ca_file, "/ca.crt"));
}

Test(kubeconfig_load, a_given_file_that_is_missing_is_an_error)
{
    struct kubeconfig *c = NULL;

    cr_expect_eq(kubeconfig_load("/nonexistent", NULL, &c, &err), -ENOENT);
    cr_expect_not_null(strstr(err.text, "/nonexistent"), "%s", err.text);
}

/* ---- what a plugin prints ---- */

Test(exec_answer, is_a_token_or_a_certificate)
{
    static const char token[] = "{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\","
                                "\"expirationTimestamp\":\"2026-01-02T03:04:05Z\"}}";
    static const char cert[] = "{\"kind\":\"ExecCredential\",\"status\":"
                               "{\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\"}}";
    struct exec_answer a = {0};

    cr_assert_eq(exec_parse(token, strlen(token), &a, &err), 0, "%s", err.text);
    cr_expect_str_eq(a.token, "t");
    cr_expect_eq(a.expires_ms, 1767323045000);
    exec_answer_done(&a);
    cr_assert_eq(exec_parse(cert, strlen(cert), &a, &err), 0, "%s", err.text);
    cr_expect_str_eq(a.key_pem, "k");
    cr_expect_eq(a.expires_ms, 0);
    exec_answer_done(&a);
}

Test(exec_answer, anything_else_is_refused)
{
    static const char *const bad[] = {
        "",
        "login please",
        "{}",
        "{\"kind\":\"ExecCredential\"}",
        "{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"\"}}",
        "{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"a\\r\\nX: y\"}}",
        "{\"kind\":\"ExecCredential\",\"status\":{\"clientKeyData\":\"k\"}}",
        "{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\",\"expirationTimestamp\":\"x\"}}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct exec_answer a = {0};

        cr_expect_eq(exec_parse(bad[i], strlen(bad[i]), &a, &err), -EPROTO, "%s", bad[i]);
        cr_expect_null(a.token);
    }
}
