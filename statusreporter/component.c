/* One row a component. Each goes through the same cases: being updated, there, gone, never there.
 */
#include "statusreporter/component.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/names.h"
#include "common/model/pod.h"

#define READY     "Ready"
#define NOT_READY "NotReady"

enum { COUNTED = 1, ALWAYS_THERE = 2, NOT_IN_APPLICATION = 4, WORKLOAD = 8 };

struct row {
    const char *key; /* in status.components */
    const char *kind; /* NULL: the TaskManagers' */
    const char *name_format; /* "%s-…": the cluster's name comes first in all of them */
    void (*live)(const struct view *v, const cJSON *object,
                 cJSON *ret); /* fields of an object that is there */
    unsigned flags;
};

const char *component_taskmanager_kind(const struct view *v)
{
    const char *type = json_str(v->spec, "taskManager.deploymentType");

    return str_eq(type, "Deployment") ? "Deployment" : "StatefulSet";
}

static void set_state(cJSON *ret, bool ready)
{
    json_set_str(ret, "state", ready ? READY : NOT_READY);
}

static void live_configmap(const struct view *v, const cJSON *object, cJSON *ret)
{
    (void)v;
    (void)object;
    set_state(ret, true);
}

/* The controller has not looked at the present spec yet: its counts are those of the last one. */
static bool is_outdated(const cJSON *workload)
{
    int64_t seen = json_int(workload, "status.observedGeneration", 0);

    return seen > 0 && seen < json_int(workload, "metadata.generation", 0);
}

static void live_workload(const struct view *v, const cJSON *object, cJSON *ret)
{
    int64_t replicas = json_int(object, "status.replicas", 0);
    int64_t ready = json_int(object, "status.readyReplicas", 0);
    int64_t wanted = json_int(object, "spec.replicas", 1);
    char text[48];

    (void)v;
    (void)snprintf(text, sizeof text, "%lld/%lld", (long long)ready, (long long)replicas);
    json_set_str(ret, "ready", text);
    json_set_int(ret, "replicas", replicas);
    if (ready)
        json_set_int(ret, "readyReplicas", ready);
    set_state(ret, ready >= wanted && !is_outdated(object));
}

/* The reference operator's text, which podLabels may make wrong. An autoscaler counts the pods that
 * it selects, so beside one it has the labels that they really have. */
static void live_taskmanager(const struct view *v, const cJSON *object, cJSON *ret)
{
    const cJSON *labels = json_has(v->spec, "taskManager.horizontalPodAutoscaler")
                              ? json_get(object, "spec.selector.matchLabels")
                              : NULL;
    char selector[256];

    (void)snprintf(selector, sizeof selector, "app=%.63s,cluster=%.63s,component=%.63s",
                   json_str_or(labels, LABEL_APP, "flink"),
                   json_str_or(labels, LABEL_CLUSTER, v->name),
                   json_str_or(labels, LABEL_COMPONENT, POD_TASKMANAGER));
    live_workload(v, object, ret);
    json_set_str(ret, "selector", selector);
}

static int64_t ui_node_port(const cJSON *service)
{
    json_foreach (port, json_get(service, "spec.ports")) {
        if (str_eq(json_str(port, "name"), "ui"))
            return json_int(port, "nodePort", 0);
    }
    return 0;
}

static void live_service(const struct view *v, const cJSON *object, cJSON *ret)
{
    const char *type = json_str_or(object, "spec.type", "ClusterIP");
    bool ready = false;

    (void)v;
    if (str_eq(type, "ClusterIP")) {
        ready = !str_empty(json_str(object, "spec.clusterIP"));
    } else if (str_eq(type, "LoadBalancer")) {
        ready = json_count(object, "status.loadBalancer.ingress") > 0;
        if (ready)
            json_set(ret, "loadBalancerIngress",
                     json_copy(json_get(object, "status.loadBalancer.ingress")));
    } else if (str_eq(type, "NodePort")) {
        ready = json_count(object, "spec.ports") > 0;
        if (ui_node_port(object))
            json_set_int(ret, "nodePort", ui_node_port(object));
    }
    set_state(ret, ready);
}

/* ---- Ingress ---- */

static void add_url(cJSON *urls, const char *scheme, const char *host)
{
    char url[300];

    if (str_empty(host))
        return;
    (void)snprintf(url, sizeof url, "%s%.*s", scheme, 253, host);
    json_add_item(urls, cJSON_CreateString(url));
}

static const char *balancer_host(const cJSON *entry)
{
    const char *host = json_str(entry, "hostname");

    return str_empty(host) ? json_str(entry, "ip") : host;
}

static cJSON *ingress_urls(const cJSON *ingress)
{
    bool tls = json_count(ingress, "spec.tls") > 0;
    const char *scheme = tls ? "https://" : "http://";
    cJSON *urls = cJSON_CreateArray();

    json_foreach (entry, json_get(ingress, "spec.tls")) {
        json_foreach (host, json_member(entry, "hosts"))
            add_url(urls, scheme, cJSON_GetStringValue(host));
    }
    if (!tls) {
        json_foreach (rule, json_get(ingress, "spec.rules"))
            add_url(urls, scheme, json_str(rule, "host"));
    }
    if (cJSON_GetArraySize(urls) == 0) {
        json_foreach (entry, json_get(ingress, "status.loadBalancer.ingress"))
            add_url(urls, scheme, balancer_host(entry));
    }
    return urls;
}

static void live_ingress(const struct view *v, const cJSON *object, cJSON *ret)
{
    cJSON *urls = ingress_urls(object);
    bool ready = false;

    (void)v;
    json_foreach (entry, json_get(object, "status.loadBalancer.ingress"))
        ready |= !str_empty(balancer_host(entry));
    set_state(ret, ready);
    if (cJSON_GetArraySize(urls) > 0)
        json_set(ret, "urls", urls);
    else
        cJSON_Delete(urls);
}

/* ---- the rows ---- */

static const struct row rows[] = {
    {"configMap", "ConfigMap", NAME_CONFIGMAP, live_configmap, 0},
    {"jobManager", "StatefulSet", NAME_JOBMANAGER, live_workload,
     COUNTED | NOT_IN_APPLICATION | WORKLOAD},
    {"jobManagerService", "Service", NAME_JOBMANAGER, live_service, COUNTED | ALWAYS_THERE},
    {"jobManagerIngress", "Ingress", NAME_JOBMANAGER, live_ingress, 0},
    {"taskManager", NULL, NAME_TASKMANAGER, live_taskmanager, COUNTED | WORKLOAD},
};

static bool is_required(const struct view *v, const struct row *row)
{
    return !str_eq(row->key, "jobManagerIngress") || json_has(v->spec, "jobManager.ingress");
}

/* The object is of the old revision, or its new one isn't made yet. */
static bool is_behind(const struct view *v, const struct row *row, const cJSON *object)
{
    const cJSON *labels = json_get(object, "metadata.labels");

    if (!v->revision.update_triggered)
        return false;
    if (!object)
        return is_required(v, row);
    return !str_eq(cJSON_GetStringValue(json_member(labels, LABEL_REVISION)),
                   v->revision.next_name);
}

static cJSON *gone(const struct row *row, const char *name)
{
    cJSON *ret = cJSON_CreateObject();

    json_set_str(ret, "name", name);
    if (row->flags & WORKLOAD) {
        json_set_str(ret, "ready", "");
        json_set_int(ret, "replicas", 0);
    }
    if (str_eq(row->key, "taskManager"))
        json_set_str(ret, "selector", "");
    json_set_str(ret, "state", "Deleted");
    return ret;
}

static cJSON *never_there(const struct row *row)
{
    cJSON *ret;

    if (!(row->flags & ALWAYS_THERE))
        return NULL;
    ret = cJSON_CreateObject();
    json_set_str(ret, "name", "");
    json_set_str(ret, "state", "");
    return ret;
}

static cJSON *component(const struct view *v, const struct life *l, const struct row *row,
                        const cJSON *object, const char *name)
{
    const cJSON *recorded = json_member(json_member(v->status, "components"), row->key);
    const char *recorded_name = json_str(recorded, "name");
    cJSON *ret;

    if (l->cluster_must_update && !str_empty(recorded_name) && is_behind(v, row, object)) {
        ret = json_copy(recorded);
        json_set_str(ret, "state", "Updating");
        return ret;
    }
    if (object) {
        ret = cJSON_CreateObject();
        json_set_str(ret, "name", name);
        row->live(v, object, ret);
        return ret;
    }
    return str_empty(recorded_name) ? never_there(row) : gone(row, recorded_name);
}

void components_make(const struct view *v, const struct life *l, struct components *ret)
{
    *ret = (struct components){.json = cJSON_CreateObject(), .pods_gone = true};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        const cJSON *object;
        cJSON *made;
        char name[300];

        if (v->mode == MODE_APPLICATION && (row->flags & NOT_IN_APPLICATION))
            continue;
        (void)snprintf(name, sizeof name, "%s%s", v->name, row->name_format + strlen("%s"));
        object = view_child(v, row->kind ? row->kind : component_taskmanager_kind(v), name, NULL);
        made = component(v, l, row, object, name);
        if (row->flags & COUNTED) {
            ret->total++;
            ret->ready += str_eq(json_str(made, "state"), READY);
        }
        if ((row->flags & WORKLOAD) && object)
            ret->pods_gone = false;
        if (made)
            json_set_member(ret->json, row->key, made);
    }
}
