/* status.components but the job's (spec 04-status 1). Pure. */
#ifndef STATUSREPORTER_COMPONENT_H
#define STATUSREPORTER_COMPONENT_H

#include "common/model/life.h"
#include "common/model/view.h"

struct components {
    cJSON *json; /* {"configMap", "jobManager", …}; the caller's */
    int ready; /* of jobManager, jobManagerService, taskManager: how many are Ready */
    int total; /* how many there are: 3, in Application mode 2 */
    bool pods_gone; /* neither JobManager nor TaskManagers are left */
};

void components_make(const struct view *v, const struct life *l, struct components *ret);
/** Kind of the TaskManagers' workload: "StatefulSet" or "Deployment". */
const char *component_taskmanager_kind(const struct view *v);

#endif
