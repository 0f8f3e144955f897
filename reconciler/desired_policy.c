/* PodDisruptionBudget and HorizontalPodAutoscaler (spec 03-children 9). */
#include "reconciler/desired_internal.h"

/* Kubernetes counts a share of the pods (or all but a number) by their controllers' replicas. A Job
 * has none: one pod of a Job among them, finished or not, and no eviction is allowed any more. So
 * the submitter's pod, which has no component, isn't covered; nor is a JobManager that is a Job's
 * where it is counted like that. */
static void leave_out_jobs(const struct desired *d, cJSON *pdb)
{
    static const char *const taskmanager[] = {"taskmanager"};
    bool counts_replicas =
        json_has(pdb, "spec.maxUnavailable") || json_str(pdb, "spec.minAvailable");
    bool is_jobmanager_left_out = d->mode == MODE_APPLICATION && counts_replicas;
    cJSON *expression;

    if (d->mode == MODE_SESSION)
        return;
    expression = cJSON_CreateObject();
    (void)json_set_str(expression, "key", LABEL_COMPONENT);
    (void)json_set_str(expression, "operator", is_jobmanager_left_out ? "In" : "Exists");
    if (is_jobmanager_left_out)
        (void)json_set(expression, "values", string_array(taskmanager, 1));
    json_add_item(array_of(json_get(pdb, "spec.selector"), "matchExpressions"), expression);
}

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
    leave_out_jobs(d, pdb);
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
