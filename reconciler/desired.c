#include "reconciler/desired_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/model/spec_typed.h"

/* ---- what is to be rendered ---- */

static enum job_mode mode_of(const cJSON *job)
{
    const char *mode = json_str_or(job, "mode", "");

    if (!job)
        return MODE_SESSION;
    if (str_eq(mode, "Application"))
        return MODE_APPLICATION;
    return str_eq(mode, "Blocking") ? MODE_BLOCKING : MODE_DETACHED;
}

int desired_init(struct desired *d, const struct view *view, const cJSON *spec,
                 const char *revision)
{
    *d = (struct desired){
        .view = view,
        .name = view->name,
        .ns = view->ns,
        .uid = view->uid,
        .revision = revision,
        .spec = spec_defaulted(spec),
    };
    if (!d->spec)
        return -ENOMEM;
    d->jobmanager = json_member(d->spec, "jobManager");
    d->taskmanager = json_member(d->spec, "taskManager");
    d->job = json_member(d->spec, "job");
    d->mode = mode_of(d->job);
    (void)flink_version_parse(json_str(d->spec, "flinkVersion"), &d->version);
    d->volcano = str_eq(json_str(d->spec, "batchScheduler.name"), "volcano");
    return 0;
}

void desired_done(struct desired *d)
{
    cJSON_Delete(d->spec);
    d->spec = NULL;
}

/* ---- objects ---- */

void set_name(cJSON *object, const char *path, const char *format, const char *name)
{
    char text[CHILD_NAME_MAX];

    child_name(text, format, name);
    (void)json_set_str(object, path, text);
}

cJSON *owner_references(const struct desired *d)
{
    cJSON *owners = cJSON_CreateArray(), *owner = cJSON_CreateObject();

    (void)json_set_str(owner, "apiVersion", "flinkoperator.k8s.io/v1beta1");
    (void)json_set_str(owner, "kind", "FlinkCluster");
    (void)json_set_str(owner, "name", d->name);
    (void)json_set_str(owner, "uid", d->uid);
    (void)json_set_bool(owner, "controller", true);
    (void)json_set_bool(owner, "blockOwnerDeletion", false);
    json_add_item(owners, owner);
    return owners;
}

cJSON *desired_object(const struct desired *d, const char *api_version, const char *kind,
                      const char *name_format)
{
    cJSON *object = cJSON_CreateObject();

    (void)json_set_str(object, "apiVersion", api_version);
    (void)json_set_str(object, "kind", kind);
    set_name(object, "metadata.name", name_format, d->name);
    (void)json_set_str(object, "metadata.namespace", d->ns);
    (void)json_set(object, "metadata.ownerReferences", owner_references(d));
    return object;
}

cJSON *desired_labels(const struct desired *d, const char *component)
{
    cJSON *labels = cJSON_CreateObject();

    (void)json_set_member_str(labels, LABEL_CLUSTER, d->name);
    (void)json_set_member_str(labels, LABEL_APP, "flink");
    (void)json_set_member_str(labels, LABEL_COMPONENT, component);
    return labels;
}

void merge_map(cJSON *to, const cJSON *from)
{
    json_foreach (item, from)
        if (!cJSON_IsNull(item))
            (void)json_set_member(to, item->string, json_copy(item));
}

void set_labels(const struct desired *d, cJSON *object, cJSON *take)
{
    (void)json_set_member_str(take, LABEL_REVISION, d->revision);
    (void)json_set(object, "metadata.labels", take);
}

void set_annotation(cJSON *object, const char *key, const char *value)
{
    cJSON *annotations;

    if (!json_has(object, "metadata.annotations"))
        (void)json_set(object, "metadata.annotations", cJSON_CreateObject());
    annotations = json_get(object, "metadata.annotations");
    (void)json_set_member_str(annotations, key, value);
}

cJSON *workload_labels(const struct desired *d, const cJSON *part, const char *component)
{
    cJSON *labels = desired_labels(d, component);

    merge_map(labels, json_member(part, "podLabels"));
    return labels;
}

/* ---- JSON ---- */

void copy_member(cJSON *to, const char *to_path, const cJSON *from, const char *path)
{
    if (json_has(from, path))
        (void)json_set(to, to_path, json_copy(json_get(from, path)));
}

cJSON *array_of(cJSON *object, const char *key)
{
    if (!cJSON_IsArray(json_member(object, key)))
        (void)json_set_member(object, key, cJSON_CreateArray());
    return json_member(object, key);
}

cJSON *string_array(const char *const *items, size_t n)
{
    cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; i < n; i++)
        json_add_item(array, cJSON_CreateString(items[i]));
    return array;
}

cJSON *find_item(const cJSON *array, const char *key, const char *value)
{
    json_foreach (item, array)
        if (str_eq(json_str(item, key), value))
            return item;
    return NULL;
}

int port_of(const cJSON *part, const char *name)
{
    return (int)json_int(json_member(part, "ports"), name, 0);
}

/* ---- the list ---- */

static void add_workloads(const struct desired_input *in, const struct desired *d, cJSON *children)
{
    if (in->jobmanager && d->mode != MODE_APPLICATION)
        json_add_item(children, desired_jobmanager(d));
    if (in->taskmanager)
        json_add_item(children, desired_taskmanager(d));
}

/* The Services before the pods that look them up: a name that isn't there yet is remembered by
 * resolvers. */
cJSON *desired_children(const struct desired_input *in)
{
    _cleanup_(desired_done) struct desired d = {0};
    _cleanup_(json_freep) cJSON *workloads = NULL;
    cJSON *children = cJSON_CreateArray();

    if (!in->everything || !children)
        return children;
    if (desired_init(&d, in->view, in->spec, in->revision)) {
        cJSON_Delete(children);
        return NULL;
    }
    d.configured_by = in->configured_by;
    workloads = cJSON_CreateArray();
    add_workloads(in, &d, workloads);

    json_add_item(children, desired_configmap(&d));
    json_add_item(children, desired_podgroup(&d, workloads));
    json_add_item(children, desired_jobmanager_service(&d));
    json_add_item(children, desired_taskmanager_service(&d));
    json_add_item(children, desired_pdb(&d));
    while (workloads && workloads->child)
        json_add_item(children, cJSON_DetachItemFromArray(workloads, 0));
    json_add_item(children, desired_hpa(&d));
    json_add_item(children, desired_ingress(&d));
    return children;
}
