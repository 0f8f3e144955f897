/* A small HTTP(S) server on libmicrohttpd, driven by the loop, with limits against hostile clients.
 */
#ifndef COMMON_IO_HTTPD_H
#define COMMON_IO_HTTPD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/io/loop.h"

struct httpd;

struct httpd_request {
    const char *method, *path; /* path without the query */
    const char *body; /* NUL-terminated */
    size_t body_len;
};

struct httpd_answer {
    int status;
    const char *content_type; /* static string */
    char *body; /* malloc'ed; taken */
};

/* Fill @answer; called from the loop. */
typedef void (*httpd_fn)(const struct httpd_request *request, struct httpd_answer *answer,
                         void *userdata);

struct httpd_config {
    const char *addr; /* "host:port", ":port" = all interfaces, IPv4 and IPv6 */
    const char *cert_pem, *key_pem; /* both: HTTPS (TLS >= 1.2) */
    size_t max_body_bytes; /* 413 over it; 0: 64 KiB */
    unsigned max_connections; /* 0: 64; more make those leave that wait longest for nothing */
    unsigned timeout_s; /* of an idle or slow connection; 0: 10 */
};

/** -EINVAL: the address; -EADDRINUSE: taken. */
int httpd_new(struct loop *loop, const struct httpd_config *config, httpd_fn fn, void *userdata,
              struct httpd **ret, struct error *err);
struct httpd *httpd_free(struct httpd *httpd);
/** New connections get this certificate from now on. Those that there are aren't cut: each is
 * closed after its next answer, or when it has been silent for timeout_s. -EINVAL: it can't be
 * served; all stays as it was. */
int httpd_set_certificate(struct httpd *httpd, const char *cert_pem, const char *key_pem,
                          struct error *err);
int httpd_port(const struct httpd *httpd); /* the port it listens on (for port 0) */

/** Serve /healthz (200 while the loop turns) and /readyz (200 when *ready) at @addr; "" = nothing,
 * *ret NULL. */
int httpd_health(struct loop *loop, const char *addr, const bool *ready, struct httpd **ret,
                 struct error *err);

#endif
