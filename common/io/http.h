/* HTTP requests over one libcurl multi handle: multiplexed, kept alive, each with a deadline. */
#ifndef COMMON_IO_HTTP_H
#define COMMON_IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/io/loop.h"

struct http;
struct http_transfer;

/* TLS of a peer; strings are borrowed for the life of the transfers that use it. PEM blobs or
 * files. */
struct http_tls {
    const char *ca_file;
    const void *ca_pem;
    size_t ca_pem_len;
    const char *cert_file, *key_file;
    const void *cert_pem, *key_pem;
    size_t cert_pem_len, key_pem_len;
    bool insecure; /* the user asked for it in the kubeconfig */
    const char *server_name; /* tls-server-name */
};

struct http_response {
    int status; /* HTTP status; 0: no answer, see error */
    int error; /* 0, or -errno: -ETIMEDOUT, -ECONNREFUSED, -EPROTO, -EFBIG, … */
    const char *error_text; /* what curl said; "" when error is 0 */
    const char *body; /* NUL-terminated; valid during the call; "" when streamed */
    size_t body_len;
    int64_t retry_after_ms; /* Retry-After, 0: none */
};

typedef void (*http_done_fn)(const struct http_response *response, void *userdata);
/* Streamed body; the first call has no bytes: a 2xx status has come. Return 0, or -errno to end the
 * transfer with that error. */
typedef int (*http_data_fn)(const char *data, size_t len, void *userdata);

struct http_request {
    const char *method; /* "GET", … */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL; copied. A body
                                   without Content-Type is application/json */
    const char *body; /* copied; NULL: none */
    size_t body_len;
    const char *bearer; /* token for Authorization; copied; never logged */
    const struct http_tls *tls; /* NULL: defaults */
    int64_t connect_timeout_ms; /* 0: 5 s */
    int64_t timeout_ms; /* whole transfer; 0: none (a watch), then idle_timeout_ms matters */
    int64_t idle_timeout_ms; /* end the transfer when no byte came for so long; 0: none */
    size_t max_body_bytes; /* more is -EFBIG; 0: 8 MiB; not applied to a streamed body */
    bool http2; /* negotiate HTTP/2 over TLS, multiplex */
    bool no_proxy; /* ignore the proxy variables */
    http_data_fn
        on_data; /* NULL: the body is collected. Only 2xx bodies are streamed; others collected. */
    http_done_fn on_done; /* exactly once unless cancelled; may start new transfers */
    void *userdata;
};

int http_new(struct loop *loop, struct http **ret, struct error *err);
struct http *http_free(struct http *http); /* cancels what is under way, without calling on_done */
/** Starts; the answer comes through on_done from the loop, never from inside this call.
 *  @ret may be NULL; else a handle valid until on_done or http_cancel(). */
int http_start(struct http *http, const struct http_request *request, struct http_transfer **ret,
               struct error *err);
void http_cancel(struct http_transfer *transfer); /* NULL-safe; on_done isn't called */
int http_active(const struct http *http); /* transfers under way */

#endif
