/* flinkd-watcher: everything we know. Kubernetes and Flink in, journal rows and `observed` messages
 * out; it also holds the leader Lease. */
#ifndef WATCHER_WATCHER_H
#define WATCHER_WATCHER_H

#include "common/flink/rest.h"
#include "common/io/bus.h"
#include "common/io/httpd.h"
#include "common/kube/client.h"
#include "common/store/journal.h"
#include "watcher/config.h"

struct watcher {
    const struct watcher_config *config;
    struct loop *loop;
    struct http *http;
    struct kube_client *kube;
    struct flink_client *flink;
    struct journal *journal; /* NULL with --dry-run, and while it can't be opened */
    struct bus *bus;
    struct httpd *health;
    struct clusters *clusters;
    struct record *record;
    struct kube_source *kube_source;
    struct flink_source *flink_source;
    struct crash *crash;
    struct election *election; /* NULL: --once or --dry-run */
    struct loop_timer
        *housekeeping; /* every 2 s: is the journal still there, what did others write */
    struct loop_timer *compaction;
    bool ready; /* all watches are synced and stored */
};

int watcher_new(const struct watcher_config *config, struct watcher **ret, struct error *err);
struct watcher *watcher_free(struct watcher *w);
void watcher_freep(struct watcher **w);
/** 0 on SIGTERM, or with --once when everything is stored. */
int watcher_run(struct watcher *w, struct error *err);
/** The journal was lost or replaced: open it anew and list everything again. */
void watcher_reopen(struct watcher *w);

/* dispatch.c */
void watcher_dispatch(const struct message *m, void *userdata);

#endif
