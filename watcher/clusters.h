/* The FlinkClusters that are there, by name and by uid, with what polling their Flink needs to
 * know. Filled from what is recorded; after a restart from the journal. */
#ifndef WATCHER_CLUSTERS_H
#define WATCHER_CLUSTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "watcher/facts.h"

struct clusters;
struct poll; /* flink_source.c */

struct jobmanager_pod {
    struct jobmanager_pod *next;
    char *name, *uid;
    struct jobmanager_facts facts;
};

struct cluster {
    struct cluster *next_name, *next_uid; /* of the hash chains */
    char *ns, *name, *uid;
    struct cluster_facts facts;
    struct jobmanager_pod *pods;
    char submitter_job_id[FLINK_ID_SIZE]; /* "" none */
    bool failed_create; /* a FailedCreate was observed at some time */
    struct poll *poll; /* owned by the flink source */
};

struct clusters *clusters_new(void); /* NULL without memory */
struct clusters *clusters_free(struct clusters *table); /* the polls must be gone */

/** NULL: not there. */
struct cluster *clusters_find(const struct clusters *table, const char *ns, const char *name);
struct cluster *clusters_find_uid(const struct clusters *table, const char *uid);
/** Add or update from a FlinkCluster; one of the same name and another uid is replaced. *is_new
 * tells whether it wasn't there. NULL without memory. */
struct cluster *clusters_put(struct clusters *table, const char *ns, const char *name,
                             const char *uid, const cJSON *json, bool *is_new);
void clusters_remove(struct clusters *table, struct cluster *c);
void clusters_each(struct clusters *table, void (*fn)(struct cluster *c, void *userdata),
                   void *userdata);

/** A child was seen (a JobManager pod, a submitter Job; others are nothing) or is @gone. */
void cluster_child(struct cluster *c, const char *kind, const char *name, const cJSON *json,
                   bool gone);
/** The JobManager to talk to: of those that run the oldest; NULL: none runs. */
const struct jobmanager_pod *cluster_jobmanager(const struct cluster *c);

#endif
