/* The cluster's state from the one that is recorded (spec 04-status 2). Pure. */
#ifndef STATUSREPORTER_CLUSTER_STATE_H
#define STATUSREPORTER_CLUSTER_STATE_H

#include <stdbool.h>

enum cluster_state {
    CLUSTER_CREATING,
    CLUSTER_RUNNING,
    CLUSTER_RECONCILING,
    CLUSTER_UPDATING,
    CLUSTER_STOPPING,
    CLUSTER_PARTIALLY_STOPPED,
    CLUSTER_STOPPED,
};

struct cluster_facts {
    bool must_update; /* components are being replaced */
    bool update_triggered; /* the present revision isn't the one that runs */
    bool job_stopped; /* for good: no restart is due */
    bool stops; /* the components are taken down: clean-up policy, or suspended */
    int ready, total; /* components */
};

const char *cluster_state_name(enum cluster_state state);
/** NULL, "" or a strange one: CLUSTER_CREATING. */
enum cluster_state cluster_state_parse(const char *name);
enum cluster_state cluster_state_next(enum cluster_state recorded,
                                      const struct cluster_facts *facts);

#endif
