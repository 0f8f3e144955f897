/* The Ingress of Flink's web UI (spec 03-children 6). */
#include "reconciler/desired_internal.h"

#include <string.h>

enum { HOST_MAX = 1024 };

/* What follows "{{ $clusterName }}" (white space as one likes) at @text; NULL: something else is
 * there. */
static const char *skip_placeholder(const char *text)
{
    static const char variable[] = "$clusterName", space[] = " \t\r\n\f";

    if (!str_starts(text, "{{"))
        return NULL;
    text += 2;
    text += strspn(text, space);
    if (!str_starts(text, variable))
        return NULL;
    text += strlen(variable);
    text += strspn(text, space);
    return str_starts(text, "}}") ? text + 2 : NULL;
}

static char *host_of(const char *format, const char *name)
{
    _cleanup_(buf_done) struct buf host = BUF_INIT(HOST_MAX);

    while (*format) {
        const char *after = skip_placeholder(format);

        if (after)
            (void)buf_puts(&host, name);
        else
            (void)buf_add(&host, format++, 1);
        if (after)
            format = after;
    }
    return buf_take(&host);
}

static cJSON *rule_of(const struct desired *d, const char *host)
{
    cJSON *rule = cJSON_CreateObject(), *path = cJSON_CreateObject();

    if (!str_empty(host))
        (void)json_set_str(rule, "host", host);
    (void)json_set_str(path, "path", "/");
    (void)json_set_str(path, "pathType", "Prefix");
    set_name(path, "backend.service.name", NAME_JOBMANAGER, d->name);
    (void)json_set_str(path, "backend.service.port.name", "ui");
    (void)json_set(rule, "http.paths", cJSON_CreateArray());
    json_add_item(json_get(rule, "http.paths"), path);
    return rule;
}

/* NULL: none */
static cJSON *tls_of(const cJSON *ingress, const char *host)
{
    const char *secret = json_str_or(ingress, "tlsSecretName", "");
    cJSON *tls;

    if (!json_bool(ingress, "useTls", false) || (str_empty(host) && !*secret))
        return NULL;
    tls = cJSON_CreateObject();
    if (!str_empty(host))
        (void)json_set(tls, "hosts", string_array(&host, 1));
    if (*secret)
        (void)json_set_str(tls, "secretName", secret);
    return tls;
}

cJSON *desired_ingress(const struct desired *d)
{
    const cJSON *spec = json_member(d->jobmanager, "ingress");
    _cleanup_(freep) char *host = NULL;
    cJSON *ingress, *tls;

    if (!cJSON_IsObject(spec))
        return NULL;
    host = host_of(json_str_or(spec, "hostFormat", ""), d->name);
    ingress = desired_object(d, "networking.k8s.io/v1", "Ingress", NAME_JOBMANAGER);
    set_labels(d, ingress, desired_labels(d, "jobmanager"));
    copy_member(ingress, "metadata.annotations", spec, "annotations");
    tls = tls_of(spec, host);
    if (tls)
        (void)json_set(ingress, "spec.tls", cJSON_CreateArray());
    json_add_item(json_get(ingress, "spec.tls"), tls);
    (void)json_set(ingress, "spec.rules", cJSON_CreateArray());
    json_add_item(json_get(ingress, "spec.rules"), rule_of(d, host));
    return ingress;
}
