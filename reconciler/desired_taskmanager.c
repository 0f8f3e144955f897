/* The TaskManagers as a StatefulSet or a Deployment (spec 03-children 7). */
#include "reconciler/desired_internal.h"

/* A Deployment has no claim templates: each pod gets a volume of its own that lives as long as the
 * pod. */
static void add_ephemeral_volumes(const cJSON *part, const cJSON *labels, cJSON *pod)
{
    json_foreach (claim, json_member(part, "volumeClaimTemplates")) {
        cJSON *volume = cJSON_CreateObject();

        (void)json_set_str(volume, "name", json_str_or(claim, "metadata.name", ""));
        (void)json_set(volume, "ephemeral.volumeClaimTemplate.metadata.labels", json_copy(labels));
        copy_member(volume, "ephemeral.volumeClaimTemplate.spec", claim, "spec");
        json_add_item(array_of(pod, "volumes"), volume);
    }
}

static cJSON *new_workload(const struct desired *d, const char *kind, cJSON *take_labels)
{
    static const char *const args[] = {"taskmanager"};
    cJSON *workload = desired_object(d, "apps/v1", kind, NAME_TASKMANAGER);
    cJSON *template =
        component_pod(d, d->taskmanager, "taskmanager", take_labels, string_array(args, 1));

    if (d->configured_by)
        set_annotation(template, ANNOTATION_CONFIGURED_BY, d->configured_by);
    copy_member(workload, "spec.replicas", d->taskmanager, "replicas");
    (void)json_set(workload, "spec.selector.matchLabels", json_copy(take_labels));
    (void)json_set(workload, "spec.template", template);
    set_labels(d, workload, take_labels);
    return workload;
}

static cJSON *new_stateful_set(const struct desired *d, cJSON *take_labels)
{
    cJSON *set = new_workload(d, "StatefulSet", take_labels);
    cJSON *claims = claim_templates(d, d->taskmanager);

    set_name(set, "spec.serviceName", NAME_TASKMANAGER, d->name);
    (void)json_set_str(set, "spec.podManagementPolicy", "Parallel");
    if (claims)
        (void)json_set(set, "spec.volumeClaimTemplates", claims);
    return set;
}

static cJSON *new_deployment(const struct desired *d, cJSON *take_labels)
{
    cJSON *deployment = new_workload(d, "Deployment", take_labels);
    cJSON *pod_labels = json_get(deployment, "spec.template.metadata.labels");

    add_ephemeral_volumes(d->taskmanager, pod_labels, json_get(deployment, "spec.template.spec"));
    return deployment;
}

cJSON *desired_taskmanager(const struct desired *d)
{
    const char *type = json_str_or(d->taskmanager, "deploymentType", "");

    if (str_eq(type, "Deployment"))
        return new_deployment(d, workload_labels(d, d->taskmanager, "taskmanager"));
    if (str_eq(type, "StatefulSet"))
        return new_stateful_set(d, workload_labels(d, d->taskmanager, "taskmanager"));
    return NULL; /* admission refuses it */
}
