/* The JobManager as a StatefulSet (spec 03-children 4): session clusters, and jobs that are
 * submitted to it. */
#include "reconciler/desired_internal.h"

cJSON *desired_jobmanager(const struct desired *d)
{
    static const char *const args[] = {"jobmanager"};
    const cJSON *part = d->jobmanager;
    cJSON *set = desired_object(d, "apps/v1", "StatefulSet", NAME_JOBMANAGER);
    cJSON *labels = workload_labels(d, part, "jobmanager");
    cJSON *template = component_pod(d, part, "jobmanager", labels, string_array(args, 1));
    cJSON *claims = claim_templates(d, part);

    if (d->configured_by)
        set_annotation(template, ANNOTATION_CONFIGURED_BY, d->configured_by);
    copy_member(set, "spec.replicas", part, "replicas");
    set_name(set, "spec.serviceName", NAME_JOBMANAGER, d->name);
    (void)json_set(set, "spec.selector.matchLabels", json_copy(labels));
    (void)json_set(set, "spec.template", template);
    if (claims)
        (void)json_set(set, "spec.volumeClaimTemplates", claims);
    set_labels(d, set, labels);
    return set;
}
