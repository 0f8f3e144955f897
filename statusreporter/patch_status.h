/* Writes to the FlinkCluster: its status, and the user-control annotation when its request is
 * served. One write of a cluster is under way at a time; what is decided meanwhile is decided on
 * its outcome. */
#ifndef STATUSREPORTER_PATCH_STATUS_H
#define STATUSREPORTER_PATCH_STATUS_H

#include "common/kube/client.h"
#include "statusreporter/tracked.h"

enum {
    WRITE_BACKOFF_MS = 1000,
    WRITE_BACKOFF_MAX_MS = 60 * 1000,
    RECORD_WAIT_MS = 30 * 1000, /* for the watcher to record a write, or what it was refused for;
                                   then go on without */
};

struct status_write;

struct status_writer {
    struct kube_client *kube;
    struct status_write *first;
    int in_flight;
    int64_t latency_ms; /* how long the API server takes for a write lately */
    int64_t written, conflicts, failed, annotations; /* for the metrics */
    /* What was written (taken by the callee, as of the status; NULL: the annotation), or that it
     * failed: look again in @retry_ms (0: when the journal has news of it). @t is NULL when the
     * cluster was forgotten meanwhile. */
    void (*on_done)(void *userdata, const char *uid, cJSON *written, int64_t retry_ms);
    const struct tracked_table *clusters;
    void *userdata;
};

void status_writer_done(struct status_writer *w); /* ends what is under way */

/** The patch of the status subresource that turns what is recorded in @cluster into @status; NULL
 * when there is nothing to change. It carries uid and resourceVersion: made of an older state than
 * the API server's it is refused. */
cJSON *status_patch(const cJSON *cluster, const cJSON *status);
/** The patch of the FlinkCluster that removes the user-control annotation, of that very state. */
cJSON *control_patch(const cJSON *cluster);

/** Takes @patch. */
int status_write(struct status_writer *w, struct tracked *t, cJSON *patch, struct error *err);
int control_clear(struct status_writer *w, struct tracked *t, cJSON *patch, struct error *err);

/** Has the journal's FlinkCluster, at resourceVersion @recorded, our last write, or something newer
 * than what was refused? */
bool status_is_recorded(const struct tracked *t, const char *recorded);

#endif
