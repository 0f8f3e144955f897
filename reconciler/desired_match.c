/* Does a live object say what its manifest says? What the API server, or somebody else, has added
 * doesn't count, or an object would be written for ever: so lists that are merged by a key are
 * compared by that key. */
#include "reconciler/desired_internal.h"

#include "common/base/quantity.h"
#include "common/model/text_digest.h"

/* Lists that server-side apply merges, and their keys (x-kubernetes-list-map-keys; of several, the
 * one that tells). */
static const struct {
    const char *list, *key;
} merged_lists[] = {
    {"containers", "name"},       {"initContainers", "name"},    {"env", "name"},
    {"volumes", "name"},          {"volumeMounts", "mountPath"}, {"volumeDevices", "devicePath"},
    {"imagePullSecrets", "name"}, {"hostAliases", "ip"},         {"ownerReferences", "uid"},
    {"resourceClaims", "name"},
};

/* Maps of quantities, and members that are one. */
static const char *const quantity_maps[] = {"limits", "requests", "minResources", "capacity"};
static const struct {
    const char *parent, *key;
} quantities[] = {
    {"emptyDir", "sizeLimit"},
    {"resourceFieldRef", "divisor"},
    {"target", "value"},
    {"target", "averageValue"},
};

/* Immutable, or taken as a whole: more of it is something else. */
static bool is_exact_map(const char *name)
{
    return str_eq(name, "matchLabels") || str_eq(name, "selector");
}

static bool holds_quantities(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(quantity_maps); i++)
        if (str_eq(quantity_maps[i], name))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(quantities); i++)
        if (str_eq(quantities[i].parent, name))
            return true;
    return false;
}

static bool is_quantity(const char *parent, const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(quantity_maps); i++)
        if (str_eq(quantity_maps[i], parent))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(quantities); i++)
        if (str_eq(quantities[i].parent, parent) && str_eq(quantities[i].key, key))
            return true;
    return false;
}

static const char *merge_key(const char *list)
{
    for (size_t i = 0; i < ARRAY_SIZE(merged_lists); i++)
        if (str_eq(merged_lists[i].list, list))
            return merged_lists[i].key;
    return NULL;
}

/* Empty is what the API server may have left out. */
static bool is_empty(const cJSON *json)
{
    if (!json || cJSON_IsNull(json))
        return true;
    if (cJSON_IsString(json))
        return !*json->valuestring;
    return (cJSON_IsObject(json) || cJSON_IsArray(json)) && !json->child;
}

static bool matches(const cJSON *desired, const cJSON *live, const char *name);

static bool object_matches(const cJSON *desired, const cJSON *live, const char *name)
{
    bool holds = holds_quantities(name);
    int n = 0;

    json_foreach (item, desired) {
        const cJSON *peer = json_member(live, item->string);

        n += !cJSON_IsNull(item);
        if (holds && is_quantity(name, item->string) ? !quantity_json_equal(item, peer)
                                                     : !matches(item, peer, item->string))
            return false;
    }
    return !is_exact_map(name) || cJSON_GetArraySize(live) == n;
}

/* A port of a container or a Service: its number and protocol are its key. */
static const cJSON *find_port(const cJSON *ports, const cJSON *port)
{
    const char *key = json_has(port, "containerPort") ? "containerPort" : "port";

    json_foreach (item, ports)
        if (json_int(item, key, -1) == json_int(port, key, 0) &&
            str_eq(json_str_or(item, "protocol", "TCP"), json_str_or(port, "protocol", "TCP")))
            return item;
    return NULL;
}

static bool is_merged(const cJSON *desired, const char *name)
{
    const char *key = merge_key(name);

    return cJSON_IsObject(desired->child) &&
           (str_eq(name, "ports") || (key && json_str(desired->child, key)));
}

/* Peers of merged items are looked up, those of others have the same place. */
static bool array_matches(const cJSON *desired, const cJSON *live, const char *name)
{
    bool merged = is_merged(desired, name);
    const char *key = merge_key(name);
    const cJSON *next = live->child;

    json_foreach (item, desired) {
        const cJSON *peer = !merged ? next
                            : key   ? find_item(live, key, json_str_or(item, key, ""))
                                    : find_port(live, item);

        if (!peer || !matches(item, peer, name))
            return false;
        next = peer->next;
    }
    return merged || !next;
}

/* @name: the member's, or its list's */
static bool matches(const cJSON *desired, const cJSON *live, const char *name)
{
    if (is_empty(desired) && is_empty(live))
        return true;
    if (cJSON_IsNull(desired))
        return true;
    if (cJSON_IsObject(desired) && cJSON_IsObject(live))
        return object_matches(desired, live, name);
    if (cJSON_IsArray(desired) && cJSON_IsArray(live))
        return array_matches(desired, live, name);
    if (cJSON_IsString(desired) && cJSON_IsString(live)) /* a ConfigMap's may be a digest */
        return text_is_kept_as(desired->valuestring, live->valuestring);
    return json_equal(desired, live);
}

bool desired_matches(const cJSON *desired, const cJSON *live)
{
    return !desired || matches(desired, live, desired->string);
}
