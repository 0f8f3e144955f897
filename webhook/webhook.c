#include "webhook/webhook.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "webhook/cert_store.h"

enum {
    BODY_MAX_BYTES = 3 * 1024 * 1024, /* what the API server takes for an object, twice */
    CONNECTIONS = 400, /* one address may have 300 of them: an API server has up to 200 writes under
                          way (kube-apiserver --max-mutating-requests-inflight) */
    IDLE_S = 100, /* an API server keeps idle connections for 90 s: it is to close them, not to find
                     them closed */
    CHECK_MS = 10 * 1000,
    DRAIN_MS = 1000, /* the API server may still be sent here for a moment */
};

/* ---- the certificate ---- */

static int make_cert(struct webhook *w, const struct cert *authority, struct cert *ret,
                     struct error *err)
{
    const struct webhook_config *c = w->config;
    struct error why = {0};
    int r;

    r = cert_make(authority, c->service_name, c->service_ns, (int)c->cert_days, time_now_ms(), ret,
                  err);
    if (r)
        return r;
    if (cert_store_save(c->cert_dir, ret, &why))
        log_warn("the new certificate is kept in memory only, a restart makes another: %s",
                 why.text);
    return 0;
}

/* Own, and to be replaced. */
static bool is_due(const struct webhook *w, const struct cert *cert)
{
    return cert_is_own(cert) && (time_now_ms() >= cert->renew_ms ||
                                 !cert_names(cert, w->config->service_name, w->config->service_ns));
}

/* Files that can't be used are an error when somebody else made them; own ones are made anew. */
static int first_cert(struct webhook *w, struct error *err)
{
    _cleanup_(cert_done) struct cert stored = {0};
    char path[4096];
    int r;

    r = cert_store_load(w->config->cert_dir, &stored, err);
    if (r < 0) {
        (void)snprintf(path, sizeof(path), "%s/ca.key", w->config->cert_dir);
        if (access(path, F_OK) != 0)
            return r;
        log_warn("%s; making another", err->text);
    }
    if (r || is_due(w, &stored))
        return make_cert(w, r ? NULL : &stored, &w->cert, err);
    w->cert = cert_take(&stored);
    return 0;
}

/* ---- serving ---- */

static int listen_https(struct webhook *w, struct error *err)
{
    struct httpd_config config = {
        .addr = w->config->addr,
        .cert_pem = w->cert.cert_pem,
        .key_pem = w->cert.key_pem,
        .max_body_bytes = BODY_MAX_BYTES,
        .max_connections = CONNECTIONS,
        .timeout_s = IDLE_S,
    };

    return httpd_new(w->loop, &config, webhook_dispatch, w, &w->server, err);
}

static void log_cert(const struct cert *cert)
{
    char until[32];

    time_rfc3339(cert->not_after_ms, until);
    log_info("serving certificate: %s, valid until %s",
             cert_is_own(cert) ? "made here" : "from the directory", until);
}

/* Serve with @next. */
static void on_swap(void *userdata)
{
    struct webhook *w = userdata;
    struct error err = {0};

    if (!w->next.cert_pem)
        return;
    if (httpd_set_certificate(w->server, w->next.cert_pem, w->next.key_pem, &err)) {
        log_error("%s; going on with the certificate from before, trying again in %d s", err.text,
                  CHECK_MS / 1000);
        loop_timer_arm(w->swap, CHECK_MS);
        return;
    }
    cert_done(&w->cert);
    w->cert = cert_take(&w->next);
    log_cert(&w->cert);
}

static void on_settled(bool known, void *userdata)
{
    struct webhook *w = userdata;

    if (!w->ready)
        log_info("ready%s", known ? "" : ", though no webhook configuration has the CA");
    w->ready = true;
    if (w->next.cert_pem)
        on_swap(w);
}

/* @next takes over: at once when the API server trusts it already, else when it was told of its CA.
 */
static void announce(struct webhook *w)
{
    bool same_ca = str_eq(w->next.ca_pem, w->cert.ca_pem);

    if (!same_ca && w->sync)
        ca_sync_set(w->sync, w->next.ca_pem);
    if (same_ca || !w->sync || !w->next.ca_pem || time_now_ms() >= w->cert.not_after_ms)
        on_swap(w);
}

static bool same_cert(const struct cert *a, const struct cert *b)
{
    return str_eq(a->cert_pem, b->cert_pem) && str_eq(a->key_pem, b->key_pem) &&
           str_eq(a->ca_pem, b->ca_pem);
}

/* The directory has another certificate than the one that is served: it was mounted, and replaced.
 */
static void look_for_files(struct webhook *w)
{
    _cleanup_(cert_done) struct cert stored = {0};
    struct error err = {0};
    int r;

    r = cert_store_load(w->config->cert_dir, &stored, &err);
    if (r < 0 && !w->unusable)
        log_warn("%s; going on with the one from before", err.text);
    w->unusable = r < 0;
    if (r || same_cert(&stored, &w->cert) || same_cert(&stored, &w->next))
        return;
    log_info("the certificate in %s was replaced", w->config->cert_dir);
    cert_done(&w->next);
    w->next = cert_take(&stored);
    announce(w);
}

static void renew(struct webhook *w)
{
    struct error err = {0};

    if (w->next.cert_pem || !is_due(w, &w->cert))
        return;
    if (make_cert(w, &w->cert, &w->next, &err)) {
        log_error("%s; going on with the certificate from before", err.text);
        return;
    }
    log_info("the serving certificate is due, and was made anew");
    announce(w);
}

static void on_check(void *userdata)
{
    struct webhook *w = userdata;
    bool expired = time_now_ms() >= w->cert.not_after_ms;

    look_for_files(w);
    renew(w);
    if (expired && w->next.cert_pem) /* better one whose CA isn't known everywhere yet */
        on_swap(w);
    if (expired && !w->expired)
        log_error("the serving certificate has expired: the API server will not call this webhook");
    w->expired = expired;
    loop_timer_arm(w->check, CHECK_MS);
}

/* ---- the daemon ---- */

/* Without a Kubernetes configuration the CA is somebody else's to announce. */
static int open_kube(struct webhook *w, struct error *err)
{
    struct kube_options options = {.kubeconfig = w->config->common.kubeconfig,
                                   .context = w->config->common.context,
                                   .user_agent = "flinkd-webhook"};
    struct ca_sync_config sync = {.loop = w->loop,
                                  .mutating = w->config->mutating,
                                  .validating = w->config->validating,
                                  .on_settled = on_settled,
                                  .userdata = w};
    int r;

    r = http_new(w->loop, &w->http, err);
    if (!r)
        r = kube_client_new(w->http, w->loop, &options, &w->kube, err);
    if (r == -ENOENT && !options.kubeconfig) {
        log_warn("%s; caBundle is left as it is", err->text);
        return 0;
    }
    if (r)
        return r;
    sync.kube = w->kube;
    return ca_sync_new(&sync, &w->sync, err);
}

static int open_admission(struct webhook *w, struct error *err)
{
    int r;

    w->check = loop_timer_new(w->loop, on_check, w);
    w->swap = loop_timer_new(w->loop, on_swap, w);
    if (!w->check || !w->swap)
        return error_set(err, ENOMEM, "no memory for timers");
    r = first_cert(w, err);
    if (!r)
        r = open_kube(w, err);
    if (!r)
        r = listen_https(w, err);
    if (r)
        return r;
    log_cert(&w->cert);
    loop_timer_arm(w->check, CHECK_MS);
    if (w->sync && w->cert.ca_pem)
        ca_sync_set(w->sync, w->cert.ca_pem);
    else
        w->ready = true;
    return 0;
}

int webhook_new(const struct webhook_config *config, struct webhook **ret, struct error *err)
{
    _cleanup_(webhook_freep) struct webhook *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return error_set(err, ENOMEM, "no memory for a webhook");
    w->config = config;
    r = loop_new(&w->loop, err);
    if (!r)
        r = httpd_health(w->loop, config->common.health_addr, &w->ready, &w->health, err);
    if (!r && config->enabled)
        r = open_admission(w, err);
    if (r)
        return r;
    if (!config->enabled) {
        log_info("webhooks are switched off (FLINK_OPERATOR_ENABLE_WEBHOOKS): serving health only");
        w->ready = true;
    }
    *ret = TAKE(w);
    return 0;
}

struct webhook *webhook_free(struct webhook *w)
{
    if (!w)
        return NULL;
    httpd_free(w->server);
    ca_sync_free(w->sync);
    kube_client_free(w->kube);
    httpd_free(w->health);
    loop_timer_free(w->check);
    loop_timer_free(w->swap);
    http_free(w->http);
    loop_free(w->loop);
    cert_done(&w->cert);
    cert_done(&w->next);
    free(w);
    return NULL;
}

void webhook_freep(struct webhook **w)
{
    webhook_free(*w);
}

int webhook_run(struct webhook *w, struct error *err)
{
    int64_t until_ms;
    int r;

    if (w->server)
        log_info("serving admission at %s (port %d)", w->config->addr, httpd_port(w->server));
    r = loop_run(w->loop, err);
    w->ready = false;
    until_ms = time_monotonic_ms() + (w->requests ? DRAIN_MS : 0);
    while (!r && time_monotonic_ms() < until_ms)
        r = loop_step(w->loop, (int)(until_ms - time_monotonic_ms()), err);
    return r;
}
