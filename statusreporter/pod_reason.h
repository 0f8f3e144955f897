/* Why pods of a cluster don't run, from what the kubelet and the scheduler say in their status.
 * Pure. */
#ifndef STATUSREPORTER_POD_REASON_H
#define STATUSREPORTER_POD_REASON_H

#include "statusreporter/problem.h"

enum {
    POD_NOT_STARTING_MS = 2 * 60 * 1000, /* scheduled so long ago, and no container was created */
    CRASH_LOG_BYTES = 600, /* of the last lines of a log */
};

/** One problem for each kind of trouble in each component: the JobManager's first, as the others
 * wait for it. Pods of the same component with the same trouble count as one. */
void pod_reasons(const struct view *v, struct problems *ret);

#endif
