#include "watcher/history.h"

#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"

enum { STATE_SIZE = 256 };

static void state_of_cluster(const cJSON *object, char *out)
{
    (void)snprintf(out, STATE_SIZE, "generation %lld, %s, job %s",
                   (long long)json_int(object, "metadata.generation", 0),
                   json_str_or(object, "status.state", "new"),
                   json_str_or(object, "status.components.job.state", "none"));
}

/* StatefulSet, Deployment */
static void state_of_workload(const cJSON *object, char *out)
{
    (void)snprintf(out, STATE_SIZE, "%lld/%lld ready",
                   (long long)json_int(object, "status.readyReplicas", 0),
                   (long long)json_int(object, "spec.replicas", 1));
}

static void state_of_job(const cJSON *object, char *out)
{
    if (json_int(object, "status.succeeded", 0) > 0)
        str_copy(out, STATE_SIZE, "succeeded");
    else if (json_int(object, "status.failed", 0) > 0)
        str_copy(out, STATE_SIZE, "failed");
    else
        str_copy(out, STATE_SIZE, json_int(object, "status.active", 0) > 0 ? "active" : "new");
}

/* The first container that isn't simply running or done, if any. */
static const char *container_trouble(const cJSON *statuses)
{
    json_foreach (status, statuses) {
        const char *reason = json_str(status, "state.waiting.reason");

        if (!reason && json_int(status, "state.terminated.exitCode", 0) != 0)
            reason = json_str_or(status, "state.terminated.reason", "Error");
        if (reason)
            return reason;
    }
    return NULL;
}

static bool is_ready(const cJSON *pod)
{
    json_foreach (condition, json_get(pod, "status.conditions")) {
        if (str_eq(json_str(condition, "type"), "Ready"))
            return str_eq(json_str(condition, "status"), "True");
    }
    return false;
}

static void state_of_pod(const cJSON *object, char *out)
{
    const char *trouble = container_trouble(json_get(object, "status.initContainerStatuses"));

    if (!trouble)
        trouble = container_trouble(json_get(object, "status.containerStatuses"));
    (void)snprintf(out, STATE_SIZE, "%s%s%s%s", json_str_or(object, "status.phase", "new"),
                   is_ready(object) ? ", ready" : "", trouble ? ", " : "", trouble ? trouble : "");
}

static const struct {
    const char *kind;
    void (*state)(const cJSON *object, char *out);
} states[] = {
    {"FlinkCluster", state_of_cluster},
    {"StatefulSet", state_of_workload},
    {"Deployment", state_of_workload},
    {"Job", state_of_job},
    {"Pod", state_of_pod},
};

cJSON *history_of_object(const char *kind, const char *name, const cJSON *object)
{
    cJSON *line = cJSON_CreateObject();
    char state[STATE_SIZE] = "there";

    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        if (str_eq(states[i].kind, kind))
            states[i].state(object, state);
    }
    if (json_has(object, "metadata.deletionTimestamp"))
        str_copy(state, sizeof(state), "being deleted");
    if (json_set_str(line, "kind", kind) || json_set_str(line, "name", name) ||
        json_set_str(line, "state", state)) {
        cJSON_Delete(line);
        return NULL;
    }
    return line;
}
