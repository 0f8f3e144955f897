/* Inside common/kube/watch*.c only. */
#ifndef COMMON_KUBE_WATCH_PRIVATE_H
#define COMMON_KUBE_WATCH_PRIVATE_H

#include "common/base/buf.h"
#include "common/io/loop.h"
#include "common/kube/watch.h"

struct kube_watch {
    struct kube_client *client;
    const struct kube_resource *resource;
    struct kube_watch_handler handler;
    void *userdata;
    char *ns, *label_selector, *field_selector; /* NULL: none */
    int page_size;
    int64_t missing_retry_ms;

    char *rv; /* NULL: list */
    char *next_page; /* continue token of the list under way; NULL: from the start */
    struct kube_call *call; /* the page or the stream under way */
    struct loop_timer *retry;
    struct loop_timer *drain; /* lines are there */
    struct buf lines;
    size_t scanned; /* no line end before this */
    int64_t opened_ms; /* monotonic: the stream */
    int64_t listed_ms; /* the last complete list; 0: none */
    int failures; /* in a row; for the backoff */
    int refusals; /* of this rv */
    bool synced;
    bool busy; /* inside a handler: */
    bool dead; /* freed there, to be done when it has returned */
};

/* ---- watch.c ---- */
/** To be called around everything that calls handlers; the watch may be gone after watch_leave().
 */
void watch_enter(struct kube_watch *w);
void watch_leave(struct kube_watch *w);
void watch_retry(struct kube_watch *w, int64_t delay_ms);
/** Tell of it, then try again: after a delay that grows, or as long as a missing resource is left
 * alone. */
void watch_trouble(struct kube_watch *w, int status, const char *message);
/** What the rv stood for is gone (410): list again; at once, unless that happens all the time. */
void watch_gone(struct kube_watch *w);
/** NULL: forget. Out of memory forgets, too: a list is always right. */
void watch_set_rv(struct kube_watch *w, const char *rv);
/** Hands over and frees @object. */
void watch_deliver(struct kube_watch *w, enum kube_watch_event event, cJSON *object,
                   bool from_list);
/** namespace and selectors, for watch and list alike. */
void watch_selectors(const struct kube_watch *w, struct buf *query);
struct kube_request watch_request(const struct kube_watch *w, const struct buf *query);

/* ---- watch_list.c, watch_stream.c: the next attempt ---- */
void watch_list(struct kube_watch *w);
void watch_stream(struct kube_watch *w);
void watch_on_drain(void *userdata);

enum { WATCH_LINE_BYTES_MAX = 16 << 20 };

#endif
