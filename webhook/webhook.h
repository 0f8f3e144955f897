/* flinkd-webhook: admission. AdmissionReviews in, AdmissionReviews out; no journal, no bus, no
 * state but its certificate. */
#ifndef WEBHOOK_WEBHOOK_H
#define WEBHOOK_WEBHOOK_H

#include "common/io/httpd.h"
#include "common/kube/client.h"
#include "webhook/ca_sync.h"
#include "webhook/cert.h"
#include "webhook/config.h"

struct webhook {
    const struct webhook_config *config;
    struct loop *loop;
    struct http *http;
    struct kube_client *kube; /* NULL: no configuration; then nobody is told of the CA */
    struct httpd *health;
    struct httpd *server;
    struct ca_sync *sync;
    struct cert cert; /* being served */
    struct cert next; /* made or found; served once its CA is known to the API server */
    struct loop_timer *check; /* of the certificate: is it due, did its files change */
    struct loop_timer *swap; /* tries again to serve with @next */
    int64_t requests;
    bool unusable; /* the directory's files were complained about */
    bool expired; /* the certificate was complained about */
    bool ready;
};

int webhook_new(const struct webhook_config *config, struct webhook **ret, struct error *err);
struct webhook *webhook_free(struct webhook *w);
void webhook_freep(struct webhook **w);
/** 0 on SIGTERM. */
int webhook_run(struct webhook *w, struct error *err);

/** dispatch.c: one request to its review. */
void webhook_dispatch(const struct httpd_request *request, struct httpd_answer *answer,
                      void *userdata);

#endif
