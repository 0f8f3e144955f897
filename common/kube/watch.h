/* Paged list and watch of one resource, for ever: bookmarks, resume from a stored resourceVersion,
 * 410 Gone -> relist without dropping what was known, reconnect with backoff. */
#ifndef COMMON_KUBE_WATCH_H
#define COMMON_KUBE_WATCH_H

#include "common/kube/client.h"

struct kube_watch;

enum kube_watch_event { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED };

struct kube_watch_handler {
    /* A list begins: what isn't seen between list_begin and list_end is gone. */
    void (*list_begin)(void *userdata);
    /* An item of a list (event KUBE_ADDED, from_list) or a watch event. @object may be TAKE()n (set
     * *object NULL). */
    void (*object)(enum kube_watch_event event, cJSON **object, bool from_list, void *userdata);
    /* The list is complete at @rv. */
    void (*list_end)(const char *rv, void *userdata);
    /* Everything up to @rv was delivered (bookmark, or end of a batch of events): store it to
     * resume. */
    void (*progress)(const char *rv, void *userdata);
    /* For logs and readiness: @transient problems are retried by themselves (in @retry_ms). status
     * 404: the resource doesn't exist (CRD not installed): tried again every 60 s
     * (missing_retry_ms). */
    void (*trouble)(int status, const char *message, int64_t retry_ms, void *userdata);
};

struct kube_watch_config {
    const struct kube_resource *resource;
    const char *ns; /* "" or NULL: all */
    const char *label_selector; /* NULL: none */
    const char *field_selector;
    const char *resume_rv; /* NULL: list first */
    int page_size; /* 0: 500 */
    int64_t missing_retry_ms; /* 0: 60 s */
};

int kube_watch_start(struct kube_client *client, const struct kube_watch_config *config,
                     const struct kube_watch_handler *handler, void *userdata,
                     struct kube_watch **ret, struct error *err);
struct kube_watch *kube_watch_free(struct kube_watch *watch);
bool kube_watch_synced(const struct kube_watch *watch); /* a list or a resumed watch was accepted */

/* One line of a watch stream, exposed for the fuzzer. Returns 0 (event or bookmark), KUBE_E_GONE
 * (410), -EPROTO. */
enum { KUBE_E_GONE = 1 };
int kube_watch_parse_line(const char *line, size_t len, enum kube_watch_event *event,
                          bool *bookmark, cJSON **object, struct error *err);

#endif
