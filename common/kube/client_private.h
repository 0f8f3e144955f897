/* Inside common/kube only. */
#ifndef COMMON_KUBE_CLIENT_PRIVATE_H
#define COMMON_KUBE_CLIENT_PRIVATE_H

#include "common/base/buf.h"
#include "common/kube/client.h"

enum {
    KUBE_URL_BYTES_MAX = 16 << 10,
    KUBE_LOG_BYTES_MAX = 4 << 20,
    KUBE_OBJECT_BYTES_MAX = 16 << 20,
    KUBE_LIST_BYTES_MAX = 128 << 20,
};

struct loop *kube_client_loop(const struct kube_client *client);

/* A 2xx body that doesn't end: handed over as it comes. No deadline, no retry. */
struct kube_stream {
    http_data_fn on_data; /* with kube_start_stream()'s userdata */
    int64_t idle_timeout_ms;
};
int kube_start_stream(struct kube_client *client, const struct kube_request *request,
                      const struct kube_stream *stream, kube_done_fn on_done, void *userdata,
                      struct kube_call **ret, struct error *err);

/* ---- request.c: what goes on the wire; pure ---- */
const char *kube_verb_method(enum kube_verb verb);
const char *kube_verb_name(enum kube_verb verb); /* for messages */
const char *kube_verb_content_type(enum kube_verb verb); /* NULL: no body */
/** URL of a request; -EINVAL says what is missing. */
int kube_url(const char *server, const struct kube_request *q, const char *field_manager,
             struct buf *url, struct error *err);
/** Percent-encode for a path segment or a query value. */
void kube_escape(struct buf *b, const char *text);
/** Whether trying again may help. */
bool kube_is_transient(int status);

#endif
