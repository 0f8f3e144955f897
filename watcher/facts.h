/* What the watcher itself has to know of a FlinkCluster, a JobManager pod and a submitter Job.
 * Pure. */
#ifndef WATCHER_FACTS_H
#define WATCHER_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/flink/job_state.h"

enum { FLINK_ID_SIZE = 33 };

struct cluster_facts {
    bool has_job; /* a job cluster */
    bool latest_state; /* restores from the newest checkpoint too: checkpoints are looked at */
    int port; /* of Flink's REST API */
    enum job_state state; /* recorded */
    char job_id[FLINK_ID_SIZE]; /* recorded; "" none. Ids that aren't 32 hex digits are none. */
    /* The recorded savepoint that is under way; "" none. */
    char savepoint_job[FLINK_ID_SIZE];
    char savepoint_trigger[FLINK_ID_SIZE];
};
void facts_of_cluster(const cJSON *cluster, struct cluster_facts *ret);

struct jobmanager_facts {
    bool running; /* its JobManager container runs and it isn't being deleted */
    int64_t restarts; /* of that container */
    int64_t created_ms;
};
/** False: no JobManager pod. */
bool facts_of_jobmanager(const cJSON *pod, struct jobmanager_facts *ret);

/** The Flink job id that a submitter or Application Job carries; "" none. @ret holds
 *  FLINK_ID_SIZE bytes. */
void facts_of_submitter(const cJSON *job, char *ret);
/** Is @name that of the submitter or Application Job of @cluster? */
bool facts_is_submitter(const char *name, const char *cluster);

/* Members with dots in their names. */
const char *facts_label(const cJSON *object, const char *key); /* NULL: none */
const char *facts_annotation(const cJSON *object, const char *key);
/** uid of the controller owner if that is a FlinkCluster; NULL. */
const char *facts_owner(const cJSON *object);
const char *facts_owner_name(const cJSON *object); /* the same owner's name */

#endif
