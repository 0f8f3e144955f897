/* The Services of JobManager and TaskManagers (spec 03-children 5, 8). */
#include "reconciler/desired_internal.h"

/* spec.jobManager.accessScope */
static const struct scope {
    const char *name, *type;
    bool headless, internal;
} scopes[] = {
    {"Cluster", "ClusterIP", false, false},     {"VPC", "LoadBalancer", false, true},
    {"External", "LoadBalancer", false, false}, {"NodePort", "NodePort", false, false},
    {"Headless", "ClusterIP", true, false},
};

static const struct scope *scope_of(const cJSON *jobmanager)
{
    const char *name = json_str_or(jobmanager, "accessScope", "");

    for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
        if (str_eq(scopes[i].name, name))
            return &scopes[i];
    return &scopes[0];
}

static void add_port(cJSON *ports, const cJSON *part, const char *name, bool by_name)
{
    cJSON *port = cJSON_CreateObject();

    (void)json_set_str(port, "name", name);
    (void)json_set_int(port, "port", port_of(part, name));
    if (by_name)
        (void)json_set_str(port, "targetPort", name);
    json_add_item(ports, port);
}

/* Google Kubernetes Engine: not reachable from outside the network, whatever the user's annotations
 * say. */
static void set_annotations(cJSON *service, const cJSON *user, const struct scope *scope)
{
    json_foreach (item, user)
        set_annotation(service, item->string, cJSON_GetStringValue(item));
    if (!scope->internal)
        return;
    set_annotation(service, "networking.gke.io/load-balancer-type", "Internal");
    set_annotation(service, "networking.gke.io/internal-load-balancer-allow-global-access", "true");
}

cJSON *desired_jobmanager_service(const struct desired *d)
{
    const cJSON *part = d->jobmanager;
    const struct scope *scope = scope_of(part);
    cJSON *service = desired_object(d, "v1", "Service", NAME_JOBMANAGER);
    cJSON *labels = desired_labels(d, "jobmanager"), *ports = cJSON_CreateArray();

    (void)json_set(service, "spec.selector", json_copy(labels));
    merge_map(labels, json_member(part, "ServiceLabels"));
    set_labels(d, service, labels);
    set_annotations(service, json_member(part, "ServiceAnnotations"), scope);
    (void)json_set_str(service, "spec.type", scope->type);
    if (scope->headless)
        (void)json_set_str(service, "spec.clusterIP", "None");
    for (size_t i = 0; i < ARRAY_SIZE(jobmanager_ports); i++)
        add_port(ports, part, jobmanager_ports[i], true);
    (void)json_set(service, "spec.ports", ports);
    /* TaskManagers and the submitter reach a JobManager when it listens, not when it was probed. */
    (void)json_set_bool(service, "spec.publishNotReadyAddresses", true);
    return service;
}

cJSON *desired_taskmanager_service(const struct desired *d)
{
    cJSON *service = desired_object(d, "v1", "Service", NAME_TASKMANAGER);
    cJSON *ports = cJSON_CreateArray();

    set_labels(d, service, desired_labels(d, "taskmanager"));
    (void)json_set(service, "spec.selector", desired_labels(d, "taskmanager"));
    (void)json_set_str(service, "spec.type", "ClusterIP");
    (void)json_set_str(service, "spec.clusterIP", "None");
    for (size_t i = 0; i < ARRAY_SIZE(taskmanager_ports); i++)
        add_port(ports, d->taskmanager, taskmanager_ports[i], false);
    (void)json_set(service, "spec.ports", ports);
    return service;
}
