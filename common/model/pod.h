/* Which FlinkCluster a pod belongs to, and as what. Its labels tell, but users' podLabels may
 * override them; the name of the workload that controls it can't be. Pure. */
#ifndef COMMON_MODEL_POD_H
#define COMMON_MODEL_POD_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#define POD_JOBMANAGER  "jobmanager"
#define POD_TASKMANAGER "taskmanager"
#define POD_SUBMITTER   "submitter"

/** What the workload @name (of @kind: StatefulSet, Job, ReplicaSet) could be, by its name: one of
 * POD_; its cluster's name goes into @cluster (@size bytes). NULL: none, or the name doesn't
 * fit. */
const char *workload_component(const char *kind, const char *name, char *cluster, size_t size);
/** By its controller, else by its label; NULL. Borrowed. */
const char *pod_component(const cJSON *pod);
bool pod_is(const cJSON *pod, const char *component);
/** Name of the cluster by its controller into @out; false: that doesn't tell. */
bool pod_cluster(const cJSON *pod, char *out, size_t size);

#endif
