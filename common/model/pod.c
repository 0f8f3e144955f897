#include "common/model/pod.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/names.h"

static const struct {
    const char *kind;
    const char *suffix; /* of the name, after the cluster's */
    const char *component;
    bool hash; /* "-<hash>" follows */
} workloads[] = {
    {"StatefulSet", "-jobmanager", POD_JOBMANAGER, false},
    {"StatefulSet", "-taskmanager", POD_TASKMANAGER, false},
    {"Job", "-job-submitter", POD_SUBMITTER, false},
    {"Job", "-jobmanager", POD_JOBMANAGER, false},
    {"ReplicaSet", "-taskmanager", POD_TASKMANAGER, true},
};

static size_t without_hash(const char *name)
{
    const char *dash = strrchr(name, '-');

    return dash ? (size_t)(dash - name) : 0;
}

const char *workload_component(const char *kind, const char *name, char *cluster, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(workloads); i++) {
        size_t len = workloads[i].hash ? without_hash(name) : strlen(name);
        size_t suffix = strlen(workloads[i].suffix);

        if (!str_eq(workloads[i].kind, kind) || len <= suffix || len - suffix >= size ||
            strncmp(name + len - suffix, workloads[i].suffix, suffix) != 0)
            continue;
        memcpy(cluster, name, len - suffix);
        cluster[len - suffix] = '\0';
        return workloads[i].component;
    }
    return NULL;
}

static const char *by_controller(const cJSON *pod, char *cluster, size_t size)
{
    json_foreach (owner, json_get(pod, "metadata.ownerReferences"))
        if (json_bool(owner, "controller", false))
            return workload_component(json_str_or(owner, "kind", ""),
                                      json_str_or(owner, "name", ""), cluster, size);
    return NULL;
}

const char *pod_component(const cJSON *pod)
{
    const cJSON *labels = json_get(pod, "metadata.labels");
    char cluster[CHILD_NAME_MAX];
    const char *component = by_controller(pod, cluster, sizeof cluster);

    return component ? component : cJSON_GetStringValue(json_member(labels, LABEL_COMPONENT));
}

bool pod_is(const cJSON *pod, const char *component)
{
    return str_eq(pod_component(pod), component);
}

bool pod_cluster(const cJSON *pod, char *out, size_t size)
{
    return by_controller(pod, out, size) != NULL;
}
