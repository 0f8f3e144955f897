/* PodDisruptionBudget and HorizontalPodAutoscaler (spec 03-children 9). */
#include "reconciler/desired_internal.h"

cJSON *desired_pdb(const struct desired *d)
{
    const cJSON *spec = json_member(d->spec, "podDisruptionBudget");
    cJSON *pdb, *labels;

    if (!cJSON_IsObject(spec))
        return NULL;
    pdb = desired_object(d, "policy/v1", "PodDisruptionBudget", NAME_SHARED);
    labels = desired_labels(d, NULL);
    set_labels(d, pdb, json_copy(labels));
    (void)json_set_member(pdb, "spec", json_copy(spec));
    if (!json_has(pdb, "spec.selector.matchLabels"))
        (void)json_set(pdb, "spec.selector.matchLabels", cJSON_CreateObject());
    merge_map(json_get(pdb, "spec.selector.matchLabels"), labels);
    cJSON_Delete(labels);
    return pdb;
}

/* It scales the FlinkCluster, whose number of TaskManagers then goes to the workload. */
cJSON *desired_hpa(const struct desired *d)
{
    static const char *const fields[] = {"minReplicas", "maxReplicas", "metrics", "behavior"};
    const cJSON *spec = json_member(d->taskmanager, "horizontalPodAutoscaler");
    cJSON *hpa, *target;

    if (!cJSON_IsObject(spec))
        return NULL;
    hpa = desired_object(d, "autoscaling/v2", "HorizontalPodAutoscaler", NAME_SHARED);
    set_labels(d, hpa, desired_labels(d, NULL));
    target = cJSON_CreateObject();
    (void)json_set_str(target, "apiVersion", "flinkoperator.k8s.io/v1beta1");
    (void)json_set_str(target, "kind", "FlinkCluster");
    (void)json_set_str(target, "name", d->name);
    (void)json_set(hpa, "spec.scaleTargetRef", target);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        copy_member(json_member(hpa, "spec"), fields[i], spec, fields[i]);
    return hpa;
}
