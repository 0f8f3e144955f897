/* The resources that flinkd reads and writes. */
#ifndef COMMON_KUBE_RESOURCE_H
#define COMMON_KUBE_RESOURCE_H

#include "common/kube/client.h"

/* clang-format off */
/* X(ENUM, kind, apiVersion, plural) : all namespaced */
#define RESOURCE_LIST(X)                                                                           \
    X(FLINKCLUSTER, "FlinkCluster", "flinkoperator.k8s.io/v1beta1", "flinkclusters")               \
    X(CONFIGMAP, "ConfigMap", "v1", "configmaps")                                                  \
    X(SERVICE, "Service", "v1", "services")                                                        \
    X(POD, "Pod", "v1", "pods")                                                                    \
    X(PVC, "PersistentVolumeClaim", "v1", "persistentvolumeclaims")                                \
    X(EVENT, "Event", "v1", "events")                                                              \
    X(STATEFULSET, "StatefulSet", "apps/v1", "statefulsets")                                       \
    X(DEPLOYMENT, "Deployment", "apps/v1", "deployments")                                          \
    X(CONTROLLERREVISION, "ControllerRevision", "apps/v1", "controllerrevisions")                  \
    X(JOB, "Job", "batch/v1", "jobs")                                                              \
    X(INGRESS, "Ingress", "networking.k8s.io/v1", "ingresses")                                     \
    X(PDB, "PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")                             \
    X(HPA, "HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")                \
    X(PODGROUP, "PodGroup", "scheduling.volcano.sh/v1beta1", "podgroups")                          \
    X(LEASE, "Lease", "coordination.k8s.io/v1", "leases")
/* clang-format on */

enum resource_id {
#define X(id, kind, api, plural) RESOURCE_##id,
    RESOURCE_LIST(X)
#undef X
        RESOURCE_COUNT
};

const struct kube_resource *resource_get(enum resource_id id);
const struct kube_resource *resource_by_kind(const char *kind); /* NULL: unknown */

#endif
