#include "watcher/facts.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/flink/url.h"
#include "common/model/names.h"
#include "common/model/pod.h"

static void copy_id(char *ret, const char *id)
{
    str_copy(ret, FLINK_ID_SIZE, id && is_hex32(id) ? id : "");
}

void facts_of_cluster(const cJSON *cluster, struct cluster_facts *ret)
{
    const cJSON *job = json_get(cluster, "status.components.job");
    const cJSON *savepoint = json_get(cluster, "status.savepoint");

    *ret = (struct cluster_facts){
        .has_job = json_has(cluster, "spec.job"),
        .latest_state = str_eq(json_str(cluster, "spec.job.restoreFrom"), "LatestState"),
        .port = flink_url_port(cluster),
        .state = job_state_parse(json_str(job, "state")),
    };
    copy_id(ret->job_id, json_str(job, "id"));
    if (!str_eq(json_str(savepoint, "state"), "InProgress"))
        return;
    copy_id(ret->savepoint_job, json_str(savepoint, "jobID"));
    copy_id(ret->savepoint_trigger, json_str(savepoint, "triggerID"));
}

static const char *metadata_value(const cJSON *object, const char *map, const char *key)
{
    return cJSON_GetStringValue(
        json_member(json_member(json_member(object, "metadata"), map), key));
}

const char *facts_label(const cJSON *object, const char *key)
{
    return metadata_value(object, "labels", key);
}

const char *facts_annotation(const cJSON *object, const char *key)
{
    return metadata_value(object, "annotations", key);
}

static const cJSON *owner_of(const cJSON *object)
{
    json_foreach (owner, json_get(object, "metadata.ownerReferences")) {
        if (json_bool(owner, "controller", false) &&
            str_eq(json_str(owner, "kind"), "FlinkCluster"))
            return owner;
    }
    return NULL;
}

const char *facts_owner(const cJSON *object)
{
    return json_str(owner_of(object), "uid");
}

const char *facts_owner_name(const cJSON *object)
{
    return json_str(owner_of(object), "name");
}

/* In Application mode too the container is called "jobmanager"; a sidecar may be named anything. */
static const cJSON *jobmanager_container(const cJSON *pod)
{
    const cJSON *containers = json_get(pod, "status.containerStatuses");

    json_foreach (container, containers) {
        if (str_eq(json_str(container, "name"), "jobmanager"))
            return container;
    }
    return containers ? containers->child : NULL;
}

bool facts_of_jobmanager(const cJSON *pod, struct jobmanager_facts *ret)
{
    const cJSON *container = jobmanager_container(pod);

    if (!pod_is(pod, POD_JOBMANAGER))
        return false;
    /* A pod on its way out is no longer behind the Service. Without container statuses (a pod that
     * no kubelet looks after) the phase has to do. */
    *ret = (struct jobmanager_facts){
        .running = !json_has(pod, "metadata.deletionTimestamp") &&
                   (container ? json_has(container, "state.running")
                              : str_eq(json_str(pod, "status.phase"), "Running")),
        .restarts = json_int(container, "restartCount", 0),
        .created_ms = time_parse_rfc3339(json_str(pod, "metadata.creationTimestamp")),
    };
    return true;
}

void facts_of_submitter(const cJSON *job, char *ret)
{
    const char *id = facts_annotation(job, LABEL_JOB_ID);

    copy_id(ret, id ? id : facts_label(job, LABEL_JOB_ID));
}

bool facts_is_submitter(const char *name, const char *cluster)
{
    static const char *const patterns[] = {"-job-submitter", "-jobmanager"};
    size_t len = strlen(cluster);

    if (!str_starts(name, cluster))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        if (str_eq(name + len, patterns[i]))
            return true;
    }
    return false;
}
