#include "common/model/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/admission.h"
#include "common/model/names.h"

/* ---- reading the journal ---- */

static int add_object(struct object *o, void *userdata)
{
    struct snapshot *s = userdata;
    cJSON *json = TAKE(o->json);

    if (!json)
        return -ENOMEM;
    if (str_eq(o->kind, "FlinkCluster")) {
        cJSON_Delete(s->cluster);
        s->cluster = json;
        return 0;
    }
    /* items of a list come without their kind */
    if (!json_has(json, "kind") && json_set_member_str(json, "kind", o->kind)) {
        cJSON_Delete(json);
        return -ENOMEM;
    }
    json_add_item(s->objects, json);
    return 0;
}

static int add_command(struct command *c, void *userdata)
{
    struct snapshot *s = userdata;
    cJSON *json = cJSON_CreateObject();

    if (!json)
        return -ENOMEM;
    (void)json_set_int(json, "id", c->id);
    (void)json_set_str(json, "kind", c->kind);
    (void)json_set_str(json, "key", c->key);
    if (c->args)
        (void)json_set(json, "args", TAKE(c->args));
    (void)json_set_str(json, "state", command_state_name(c->state));
    (void)json_set_int(json, "attempts", c->attempts);
    (void)json_set_int(json, "notBefore", c->not_before_ms);
    (void)json_set_int(json, "createdAt", c->created_ms);
    (void)json_set_int(json, "changedAt", c->changed_ms);
    if (c->result)
        (void)json_set(json, "result", TAKE(c->result));
    json_add_item(s->commands, json);
    return 0;
}

static int add_ha_object(struct journal *j, const char *ns, const char *name, struct snapshot *s,
                         struct error *err)
{
    _cleanup_(object_done) struct object o = {0};
    int r;

    if (snapshot_object(s, "ConfigMap", name))
        return 0; /* adopted */
    r = object_get(j, "ConfigMap", ns, name, &o, err);
    return r ? r < 0 ? r : 0 : add_object(&o, s);
}

/* Flink's HA ConfigMaps carry its cluster-id, not the FlinkCluster's name: one that has no owner
 * yet is looked up by its name (spec 03-children 14), those of its jobs and of Flink before 1.15
 * too. */
static int add_ha_objects(struct journal *j, const char *ns, struct snapshot *s, struct error *err)
{
    static const char *const names[] = {"%s-cluster-config-map", "%s-dispatcher-leader",
                                        "%s-resourcemanager-leader", "%s-restserver-leader"};
    const cJSON *properties = json_get(s->cluster, "spec.flinkProperties");
    const char *id = cJSON_GetStringValue(json_member(properties, "kubernetes.cluster-id"));
    const char *job = json_str(s->cluster, "status.components.job.id");
    char name[CHILD_NAME_MAX];
    int r = 0;

    if (!id || !cluster_ha_enabled(json_member(s->cluster, "spec")))
        return 0;
    for (size_t i = 0; !r && i < ARRAY_SIZE(names); i++) {
        child_name(name, names[i], id);
        r = add_ha_object(j, ns, name, s, err);
    }
    (void)snprintf(name, sizeof(name), "%.200s-%s-config-map", id, job ? job : "");
    if (!r && job)
        r = add_ha_object(j, ns, name, s, err);
    (void)snprintf(name, sizeof(name), "%.200s-%s-jobmanager-leader", id, job ? job : "");
    if (!r && job)
        r = add_ha_object(j, ns, name, s, err);
    return r;
}

int snapshot_load(struct journal *j, const char *ns, const char *name, const char *uid,
                  struct snapshot *ret, struct error *err)
{
    _cleanup_(journal_read_end) struct journal_read read = {0};
    struct snapshot s = {.objects = cJSON_CreateArray(), .commands = cJSON_CreateArray()};
    int r = s.objects && s.commands ? 0 : error_set(err, ENOMEM, "snapshot of %s/%s", ns, name);

    /* The row is that of the same state: what is written meanwhile makes a decision stale, not
     * wrong. */
    if (!r)
        r = journal_read_begin(j, &read, err);
    if (!r)
        r = object_cluster_row(j, uid, &s.row, err);
    if (!r)
        r = object_each_of_cluster(j, ns, name, uid, add_object, &s, err);
    if (!r)
        r = add_ha_objects(j, ns, &s, err);
    if (!r)
        r = observation_all(j, uid, &s.observations, err);
    if (!r)
        r = command_each(j, uid, add_command, &s, err);
    if (r) {
        snapshot_done(&s);
        return r == -ENOMEM ? error_set(err, ENOMEM, "snapshot of %s/%s", ns, name) : r;
    }
    *ret = s;
    return 0;
}

void snapshot_done(struct snapshot *s)
{
    cJSON_Delete(s->cluster);
    cJSON_Delete(s->objects);
    cJSON_Delete(s->observations);
    cJSON_Delete(s->commands);
    *s = (struct snapshot){0};
}

/* ---- as one document ---- */

cJSON *snapshot_json(const struct snapshot *s)
{
    cJSON *json = cJSON_CreateObject();

    (void)json_set_int(json, "row", s->row);
    if (s->cluster)
        (void)json_set(json, "cluster", json_copy(s->cluster));
    (void)json_set(json, "objects", s->objects ? json_copy(s->objects) : cJSON_CreateArray());
    (void)json_set(json, "observations",
                   s->observations ? json_copy(s->observations) : cJSON_CreateObject());
    (void)json_set(json, "commands", s->commands ? json_copy(s->commands) : cJSON_CreateArray());
    return json;
}

static bool holds_objects_only(const cJSON *container)
{
    json_foreach (item, container)
        if (!cJSON_IsObject(item))
            return false;
    return true;
}

/* Absent (or null) is empty. */
static bool is_container(const cJSON *json, const char *key, cJSON_bool (*is)(const cJSON *))
{
    const cJSON *item = json_member(json, key);

    return !json_has(json, key) || (is(item) && holds_objects_only(item));
}

static cJSON *take(cJSON *json, const char *key)
{
    cJSON *item = json_member(json, key);

    return json_has(json, key) ? cJSON_DetachItemViaPointer(json, item) : NULL;
}

int snapshot_from_json(cJSON *json, struct snapshot *ret, struct error *err)
{
    const cJSON *cluster = json_member(json, "cluster");
    struct snapshot s;

    if (!cJSON_IsObject(json))
        return error_set(err, EPROTO, "a snapshot is an object");
    if (json_has(json, "cluster") && !cJSON_IsObject(cluster))
        return error_set(err, EPROTO, "snapshot: cluster is no object");
    if (!is_container(json, "objects", cJSON_IsArray) ||
        !is_container(json, "commands", cJSON_IsArray))
        return error_set(err, EPROTO, "snapshot: objects and commands are lists of objects");
    if (!is_container(json, "observations", cJSON_IsObject))
        return error_set(err, EPROTO, "snapshot: observations is an object of objects");
    s = (struct snapshot){
        .row = json_int(json, "row", 0),
        .cluster = take(json, "cluster"),
        .objects = take(json, "objects"),
        .observations = take(json, "observations"),
        .commands = take(json, "commands"),
    };
    if (!s.objects)
        s.objects = cJSON_CreateArray();
    if (!s.observations)
        s.observations = cJSON_CreateObject();
    if (!s.commands)
        s.commands = cJSON_CreateArray();
    if (!s.objects || !s.observations || !s.commands) {
        snapshot_done(&s);
        return error_set(err, ENOMEM, "snapshot");
    }
    *ret = s;
    return 0;
}

const cJSON *snapshot_object(const struct snapshot *s, const char *kind, const char *name)
{
    json_foreach (object, s->objects)
        if (str_eq(json_str(object, "kind"), kind) &&
            str_eq(json_str(object, "metadata.name"), name))
            return object;
    return NULL;
}
