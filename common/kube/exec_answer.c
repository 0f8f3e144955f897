#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/exec.h"

void exec_answer_done(struct exec_answer *answer)
{
    free(answer->token);
    free(answer->cert_pem);
    free(answer->key_pem);
    *answer = (struct exec_answer){0};
}

static int copy(const cJSON *status, const char *key, char **ret, struct error *err)
{
    const char *text = json_str(status, key);

    if (str_empty(text))
        return 0;
    /* Goes into a header line. */
    if (str_eq(key, "token") && text[strcspn(text, "\r\n")])
        return error_set(err, EPROTO, "exec plugin: a token of several lines");
    *ret = strdup(text);
    return *ret ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int read_status(const cJSON *status, struct exec_answer *ret, struct error *err)
{
    const char *expires = json_str(status, "expirationTimestamp");
    int r;

    r = copy(status, "token", &ret->token, err);
    if (!r)
        r = copy(status, "clientCertificateData", &ret->cert_pem, err);
    if (!r)
        r = copy(status, "clientKeyData", &ret->key_pem, err);
    if (r)
        return r;
    if (!ret->cert_pem != !ret->key_pem)
        return error_set(err, EPROTO, "exec plugin: a certificate and its key come together");
    if (!ret->token && !ret->cert_pem)
        return error_set(err, EPROTO, "exec plugin: neither token nor certificate in its answer");
    ret->expires_ms = time_parse_rfc3339(expires);
    if (!str_empty(expires) && !ret->expires_ms)
        return error_set(err, EPROTO, "exec plugin: expirationTimestamp is no time");
    return 0;
}

int exec_parse(const char *text, size_t len, struct exec_answer *ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    struct exec_answer answer = {0};
    int r;

    r = json_parse(text, len, &json, err);
    if (r)
        return error_wrap(err, "exec plugin");
    if (!str_eq(json_str(json, "kind"), "ExecCredential"))
        return error_set(err, EPROTO, "exec plugin: its answer is no ExecCredential");
    r = read_status(json_member(json, "status"), &answer, err);
    if (r) {
        exec_answer_done(&answer);
        return r;
    }
    *ret = answer;
    return 0;
}
