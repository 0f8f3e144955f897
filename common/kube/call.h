/* Inside common/kube/{client,call}.c only. */
#ifndef COMMON_KUBE_CALL_H
#define COMMON_KUBE_CALL_H

#include "common/kube/auth.h"
#include "common/kube/client_private.h"

struct kube_client {
    struct http *http;
    struct loop *loop;
    struct kubeconfig *config;
    struct auth *auth;
    struct error auth_error; /* why the last exec plugin failed */
    char *user_agent; /* a header line */
    char *field_manager;
    int64_t timeout_ms;
    struct kube_call *calls;
    int sending; /* attempts under way */
    int sending_max;
    struct kube_call *queue, *queue_tail; /* calls that wait for one of them to end */
    int active;
};

/* ---- call.c ---- */
/** An exec plugin has ended: the calls that waited for it go on. */
void calls_resume(struct kube_client *client, const struct error *err);

#endif
