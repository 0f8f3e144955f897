#include "common/model/spec_typed.h"

#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/admission.h"
#include "common/model/findings.h"

/* ---- what the types say ---- */

/* Maps: their members are the user's, whatever their values; an empty map isn't written. */
static const char *const maps[] = {
    "ServiceAnnotations",
    "ServiceLabels",
    "allocatedResourceStatuses",
    "allocatedResources",
    "annotations",
    "capacity",
    "flinkProperties",
    "labels",
    "limits",
    "logConfig",
    "matchLabels",
    "nodeSelector",
    "options",
    "podAnnotations",
    "podLabels",
    "requests",
    "userAnnotations",
    "volumeAttributes",
};

/* Numbers and booleans that aren't pointers in Go: zero is absent. */
static const char *const plain_zeros[] = {
    "chapAuthDiscovery",   "chapAuthSession",
    "failureThreshold",    "hostPort",
    "initialDelaySeconds", "partition",
    "periodSeconds",       "readOnly",
    "sslEnabled",          "stdin",
    "stdinOnce",           "successThreshold",
    "timeoutSeconds",      "tty",
};

/* Strings that are written when they are "": pointers, and mandatory ones. */
static const char *const kept_strings[] = {
    "batchSchedulerName",
    "className",
    "flinkVersion",
    "fromSavepoint",
    "jarFile",
    "key",
    "mountPath",
    "name",
    "pyFile",
    "pyFiles",
    "pyModule",
    "savepointsDir",
    "service",
    "serviceAccountName",
    "storageClassName",
    "topologyKey",
    "volumeAttributesClassName",
};

/* Empty, these say something that their absence doesn't. */
static const char *const telling_objects[] = {
    "ingress", "job", "labelSelector", "namespaceSelector", "podDisruptionBudget", "selector",
};
static const char *const telling_strings[] = {"storageClassName", "volumeAttributesClassName"};

static bool is_in(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; name && i < n; i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

#define IN(names, name) is_in(names, ARRAY_SIZE(names), name)

static bool is_plain_zero(const cJSON *item)
{
    return (cJSON_IsFalse(item) || (cJSON_IsNumber(item) && item->valuedouble == 0)) &&
           IN(plain_zeros, item->string);
}

static bool is_empty_string(const cJSON *item)
{
    return cJSON_IsString(item) && !*item->valuestring;
}

static bool is_dropped_typed(const cJSON *item)
{
    if (cJSON_IsNull(item) || is_plain_zero(item))
        return true;
    if (is_empty_string(item))
        return !IN(kept_strings, item->string);
    if (cJSON_IsObject(item) && IN(maps, item->string))
        return !item->child;
    return cJSON_IsArray(item) && !item->child;
}

/* Defaults of the CRD's schema inside embedded Kubernetes types: in any object, or item, of that
 * name. */
static const struct {
    const char *parent, *key, *text; /* parent NULL: any */
} embedded_defaults[] = {
    {"ports", "protocol", "TCP"},
    {"extraPorts", "protocol", "TCP"},
    {"azureDisk", "fsType", "ext4"},
    {"iscsi", "iscsiInterface", "default"},
    {"rbd", "keyring", "/etc/ceph/keyring"},
    {"rbd", "pool", "rbd"},
    {"rbd", "user", "admin"},
    {"scaleIO", "fsType", "xfs"},
    {"scaleIO", "storageMode", "ThinProvisioned"},
    {"resourceFieldRef", "divisor", "0"},
    {"jobManager", "memoryOffHeapMin", "0"},
    {"taskManager", "memoryOffHeapMin", "0"},
};

static bool is_embedded_default(const char *parent, const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);

    for (size_t i = 0; text && i < ARRAY_SIZE(embedded_defaults); i++)
        if (str_eq(embedded_defaults[i].parent, parent) &&
            str_eq(embedded_defaults[i].key, item->string) &&
            str_eq(embedded_defaults[i].text, text))
            return true;
    return cJSON_IsFalse(item) &&
           (str_eq(item->string, "optional") || str_eq(item->string, "readOnly"));
}

static bool is_dropped_normal(const char *parent, const cJSON *item)
{
    if (is_dropped_typed(item) || is_embedded_default(parent, item))
        return true;
    if (is_empty_string(item))
        return !IN(telling_strings, item->string);
    return cJSON_IsObject(item) && !item->child && !IN(telling_objects, item->string);
}

enum form { TYPED, NORMAL };

/* Inside out, so that an object whose last member goes can go itself. @name: the object's, or its
 * list's. */
static void prune(cJSON *node, const char *name, enum form form)
{
    cJSON *next;

    for (cJSON *item = node->child; item; item = next) {
        const char *item_name = item->string ? item->string : name;

        next = item->next;
        if ((cJSON_IsObject(item) || cJSON_IsArray(item)) &&
            !(item->string && IN(maps, item->string)))
            prune(item, item_name, form);
        if (!item->string) /* an item of a list stays: its place counts */
            continue;
        if (form == TYPED ? is_dropped_typed(item) : is_dropped_normal(name, item))
            cJSON_Delete(cJSON_DetachItemViaPointer(node, item));
    }
}

/* ---- the typed form ---- */

static void add_object(cJSON *parent, const char *key)
{
    if (cJSON_IsObject(parent) && !json_has(parent, key))
        (void)json_set_member(parent, key, cJSON_CreateObject());
}

static void add_string(cJSON *parent, const char *key, const char *value)
{
    if (cJSON_IsObject(parent) && !json_has(parent, key))
        (void)json_set_member_str(parent, key, value);
}

static void complete_component(cJSON *part)
{
    add_object(part, "ports");
    add_object(part, "resources");
    add_string(part, "memoryOffHeapMin", "0");
    json_foreach (claim, json_member(part, "volumeClaimTemplates"))
        add_object(claim, "metadata");
}

cJSON *spec_typed(const cJSON *spec)
{
    cJSON *typed = cJSON_IsObject(spec) ? json_copy(spec) : cJSON_CreateObject();

    if (!typed)
        return NULL;
    prune(typed, NULL, TYPED);
    cluster_canonical(typed);
    add_string(typed, "flinkVersion", "");
    add_object(typed, "image");
    add_string(json_member(typed, "image"), "name", "");
    complete_component(json_member(typed, "jobManager"));
    complete_component(json_member(typed, "taskManager"));
    add_object(json_member(typed, "job"), "resources");
    return typed;
}

/* ---- defaults ---- */

/* Defaults of the CRD's schema. */
static const struct {
    const char *path;
    const char *text; /* NULL: the number */
    int number;
} defaults[] = {
    {"image.pullPolicy", "Always", 0},
    {"hadoopConfig.mountPath", "/etc/hadoop/conf", 0},
    {"jobManager.replicas", NULL, 1},
    {"jobManager.accessScope", "Cluster", 0},
    {"jobManager.ports.rpc", NULL, 6123},
    {"jobManager.ports.blob", NULL, 6124},
    {"jobManager.ports.query", NULL, 6125},
    {"jobManager.ports.ui", NULL, 8081},
    {"taskManager.deploymentType", "StatefulSet", 0},
    {"taskManager.replicas", NULL, 3},
    {"taskManager.ports.data", NULL, 6121},
    {"taskManager.ports.rpc", NULL, 6122},
    {"taskManager.ports.query", NULL, 6125},
    {"job.mode", "Detached", 0},
};

static const struct {
    const char *path;
    bool value;
} default_bools[] = {
    {"recreateOnUpdate", true},
    {"jobManager.ingress.useTls", false},
    {"job.allowNonRestoredState", false},
    {"job.noLoggingToStdout", false},
};

static bool has_parent(const cJSON *spec, const char *path)
{
    char parent[64];
    const char *dot = strrchr(path, '.');

    if (!dot)
        return true;
    str_copy(parent, (size_t)(dot - path) + 1, path);
    return cJSON_IsObject(json_get(spec, parent));
}

static void fill_defaults(cJSON *spec)
{
    add_object(spec, "jobManager");
    add_object(spec, "taskManager");
    add_object(json_member(spec, "jobManager"), "ports");
    add_object(json_member(spec, "taskManager"), "ports");
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        const char *path = defaults[i].path, *text = defaults[i].text;

        if (json_has(spec, path) || !has_parent(spec, path))
            continue;
        if (text)
            (void)json_set_str(spec, path, text);
        else
            (void)json_set_int(spec, path, defaults[i].number);
    }
}

/* The typed form has a "0" where nothing was ever set. @said: what it was made from, if that tells;
 * NULL: then the webhook, which adds the ratio too, tells. */
static void unset_off_heap_min(cJSON *part, const cJSON *said)
{
    bool unset = said ? !json_has(said, "memoryOffHeapMin") : !json_has(part, "memoryOffHeapRatio");

    if (unset && str_eq(json_str(part, "memoryOffHeapMin"), "0"))
        json_remove(part, "memoryOffHeapMin");
}

/* @said: @spec, unless it is in the typed form already. */
static cJSON *defaulted_spec(const cJSON *spec, const cJSON *said)
{
    cJSON *cluster = cJSON_CreateObject(), *defaulted = spec_typed(spec);

    if (!defaulted || json_set_member(cluster, "spec", defaulted)) {
        cJSON_Delete(cluster);
        return NULL;
    }
    json_remove(defaulted, "$patch");
    fill_defaults(defaulted);
    unset_off_heap_min(json_member(defaulted, "jobManager"), json_member(said, "jobManager"));
    unset_off_heap_min(json_member(defaulted, "taskManager"), json_member(said, "taskManager"));
    (void)cluster_fill_defaults(cluster,
                                NULL); /* a spec that can't be defaulted is used as it is */
    defaulted = cJSON_DetachItemViaPointer(cluster, json_member(cluster, "spec"));
    cJSON_Delete(cluster);
    complete_component(json_member(defaulted, "jobManager"));
    complete_component(json_member(defaulted, "taskManager"));
    return defaulted;
}

cJSON *spec_defaulted(const cJSON *spec)
{
    return defaulted_spec(spec, json_has(spec, "$patch") ? NULL : spec);
}

/* ---- the form for comparing ---- */

void spec_strip_job(cJSON *spec)
{
    /* The reference operator's five, then flinkd's own: none of them changes what runs. */
    static const char *const names[] = {
        "cancelRequested",     "cleanupPolicy",        "restartPolicy",
        "savepointFormatType", "savepointGeneration",  "suspend",
        "savepointOnDeletion", "drainOnCancel",        "restoreFrom",
        "savepointRetention",  "autoSavepointSchedule"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        json_remove(json_member(spec, "job"), names[i]);
    json_remove(spec, "updateStrategy");
}

static void drop_defaults(cJSON *spec)
{
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        const cJSON *item = json_get(spec, defaults[i].path);

        if (defaults[i].text ? str_eq(cJSON_GetStringValue(item), defaults[i].text)
                             : cJSON_IsNumber(item) && item->valuedouble == defaults[i].number)
            json_remove(spec, defaults[i].path);
    }
    for (size_t i = 0; i < ARRAY_SIZE(default_bools); i++) {
        const cJSON *item = json_get(spec, default_bools[i].path);

        if (cJSON_IsBool(item) && cJSON_IsTrue(item) == default_bools[i].value)
            json_remove(spec, default_bools[i].path);
    }
}

cJSON *spec_normal(const cJSON *spec)
{
    cJSON *normal = defaulted_spec(spec, NULL); /* both sides in the typed form */

    if (!normal)
        return NULL;
    spec_strip_job(normal);
    cluster_canonical_quantities(normal);
    drop_defaults(normal);
    prune(normal, NULL, NORMAL);
    return normal;
}

/* Members are borrowed. */
static cJSON *without(const cJSON *spec, const bool *left_out)
{
    cJSON *rest = cJSON_CreateObject();

    json_foreach (item, spec) {
        bool left = false;

        for (size_t i = 0; i < ARRAY_SIZE(components); i++)
            left |= left_out[i] && str_eq(item->string, components[i].key);
        if (!left)
            (void)cJSON_AddItemReferenceToObject(rest, item->string, item);
    }
    return rest;
}

/* They are the largest part of a spec, and nothing outside of them but the version says what their
 * defaults are. */
void spec_normal_pair(const cJSON *a, const cJSON *b, cJSON **ret_a, cJSON **ret_b)
{
    bool same_version = json_equal(json_member(a, "flinkVersion"), json_member(b, "flinkVersion"));
    bool same[ARRAY_SIZE(components)];
    _cleanup_(json_freep) cJSON *rest_a = NULL;
    _cleanup_(json_freep) cJSON *rest_b = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(components); i++)
        same[i] = same_version &&
                  json_equal(json_member(a, components[i].key), json_member(b, components[i].key));
    rest_a = without(a, same);
    rest_b = without(b, same);
    *ret_a = spec_normal(rest_a);
    *ret_b = spec_normal(rest_b);
}
