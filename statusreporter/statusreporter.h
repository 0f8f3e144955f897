/* flinkd-statusreporter: everything we say. Journal in; status subresource, Kubernetes Events and
 * metrics out. */
#ifndef STATUSREPORTER_STATUSREPORTER_H
#define STATUSREPORTER_STATUSREPORTER_H

#include "common/io/bus.h"
#include "common/io/httpd.h"
#include "common/kube/client.h"
#include "common/store/journal.h"
#include "statusreporter/config.h"
#include "statusreporter/history.h"
#include "statusreporter/k8s_event.h"
#include "statusreporter/patch_status.h"
#include "statusreporter/tracked.h"

struct statusreporter {
    const struct statusreporter_config *config;
    struct loop *loop;
    struct http *http;
    struct kube_client *kube; /* NULL with --dry-run */
    struct journal *journal; /* NULL while it can't be opened */
    struct bus *bus;
    struct httpd *health, *metrics;
    struct tracked_table clusters;
    struct event_sender *events; /* NULL with --dry-run */
    struct status_writer writer;
    struct history history;
    struct loop_timer *read_timer; /* what changed? */
    struct loop_timer *report_timer; /* the next cluster is due */
    struct loop_timer *sweep_timer; /* as if a message had come */
    struct loop_timer *history_timer; /* something was said */
    int64_t next_due_ms; /* for which report_timer is armed; 0: it isn't */
    int64_t cursor; /* the journal was read up to here */
    int64_t told_row; /* up to here an earlier run has read: ends of clusters were told */
    int64_t read_ms; /* when the journal was read last (monotonic) */
    int waiting; /* clusters with changes that aren't looked at yet */
    int64_t reports; /* clusters looked at, for the metrics */
    int64_t failures; /* looks and writes that failed, for --once */
    bool leads; /* this suite holds the Lease (or nothing is written anyway) */
    bool ready;
};

int statusreporter_new(const struct statusreporter_config *config, struct statusreporter **ret,
                       struct error *err);
struct statusreporter *statusreporter_free(struct statusreporter *sr);
void statusreporter_freep(struct statusreporter **sr);
/** 0 on SIGTERM, or with --once when everything is said. */
int statusreporter_run(struct statusreporter *sr, struct error *err);

/** Look at the journal soon: something was written there. */
void statusreporter_wake(struct statusreporter *sr);
/** Look at the cluster in @delay_ms, or earlier if that was arranged already. */
void statusreporter_due(struct statusreporter *sr, struct tracked *t, int64_t delay_ms);

/** Many clusters change. */
bool statusreporter_is_busy(const struct statusreporter *sr);

/* dispatch.c */
void statusreporter_dispatch(const struct message *m, void *userdata);

/* report.c */
/** Derive what is to be said of the cluster and start saying it. The cluster may be forgotten on
 * return. */
int statusreporter_report(struct statusreporter *sr, struct tracked *t, struct error *err);

#endif
