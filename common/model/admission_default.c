/* The defaults that depend on other fields, so that a schema can't have them (spec 02-admission 2).
 */

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/findings.h"

enum { OFF_HEAP_RATIO = 25, PROCESS_RATIO = 80 };
static const char off_heap_min[] = "600M";

static const struct probe_default {
    const char *key;
    int initial_delay_s, timeout_s, period_s, failures;
} probes[] = {
    {"livenessProbe", 5, 10, 60, 5},
    {"readinessProbe", 5, 10, 5, 60},
};

static const cJSON *rpc_port(const cJSON *part)
{
    const cJSON *port = json_get(part, "ports.rpc");

    return cJSON_IsNumber(port) ? port : NULL;
}

/* What a Go client takes for unset. */
static bool is_zero(const cJSON *value)
{
    return !value || cJSON_IsNull(value) || cJSON_IsFalse(value) ||
           (cJSON_IsNumber(value) && value->valuedouble == 0) ||
           (cJSON_IsString(value) && !*value->valuestring);
}

static void default_int(cJSON *object, const char *key, int64_t value)
{
    if (is_zero(json_member(object, key)))
        json_set_int(object, key, value);
}

/* A probe has one handler. The user's replaces the default one; a port is filled in where theirs
 * has none. */
static void default_probe(cJSON *part, const struct probe_default *d, const cJSON *port)
{
    cJSON *probe = json_member(part, d->key);

    if (!cJSON_IsObject(probe)) {
        if (json_set_member(part, d->key, cJSON_CreateObject()))
            return;
        probe = json_member(part, d->key);
    }
    if (!json_has(probe, "httpGet") && !json_has(probe, "exec") && !json_has(probe, "grpc") &&
        is_zero(json_get(probe, "tcpSocket.port")))
        json_set(probe, "tcpSocket.port", json_copy(port));
    default_int(probe, "initialDelaySeconds", d->initial_delay_s);
    default_int(probe, "timeoutSeconds", d->timeout_s);
    default_int(probe, "periodSeconds", d->period_s);
    default_int(probe, "failureThreshold", d->failures);
}

static void default_memory(cJSON *part, const struct flink_version *version)
{
    bool old_model = !flink_version_at_least(version, 1, 10);

    if (!json_has(part, "memoryOffHeapMin"))
        json_set_str(part, "memoryOffHeapMin", old_model ? off_heap_min : "0");
    if (old_model && !json_has(part, "memoryOffHeapRatio"))
        json_set_int(part, "memoryOffHeapRatio", OFF_HEAP_RATIO);
    if (!old_model && !json_has(part, "memoryProcessRatio"))
        json_set_int(part, "memoryProcessRatio", PROCESS_RATIO);
}

static void default_component(cJSON *spec, const struct component *component,
                              const struct flink_version *version)
{
    const cJSON *port;
    cJSON *part;

    if (!json_has(spec, component->key))
        json_set_member(spec, component->key, cJSON_CreateObject());
    part = json_member(spec, component->key);
    default_memory(part, version);
    port = rpc_port(part);
    for (size_t i = 0; port && i < ARRAY_SIZE(probes); i++)
        default_probe(part, &probes[i], port);
}

/* The deprecated name replaces the whole object, as it always did. */
static void default_batch_scheduler(cJSON *spec)
{
    const char *name = json_str(spec, "batchSchedulerName");
    cJSON *scheduler;

    if (!name)
        return;
    scheduler = cJSON_CreateObject();
    json_set_member_str(scheduler, "name", name);
    json_set_member(spec, "batchScheduler", scheduler);
}

int cluster_fill_defaults(cJSON *cluster, struct error *err)
{
    cJSON *spec = json_member(cluster, "spec");
    struct flink_version version;
    int r;

    r = cluster_check_types(cluster, err);
    if (r)
        return r;
    if (!cJSON_IsObject(spec))
        return 0; /* the schema's to refuse */
    default_batch_scheduler(spec);
    /* Absent, these two are refused by the schema with the wrong name, or shouldn't be refused at
     * all: the reference stores a cluster without a version. */
    if (!json_has(spec, "flinkVersion"))
        json_set_str(spec, "flinkVersion", "");
    if (!json_has(spec, "image"))
        json_set(spec, "image", cJSON_CreateObject());
    (void)flink_version_parse(json_str(spec, "flinkVersion"), &version); /* malformed: as none */
    for (size_t i = 0; i < ARRAY_SIZE(components); i++)
        default_component(spec, &components[i], &version);
    return 0;
}

int cluster_default(cJSON *cluster, struct error *err)
{
    int r = cluster_fill_defaults(cluster, err);

    if (!r)
        cluster_canonical(json_member(cluster, "spec"));
    return r;
}

/* ---- on update ---- */

/* The user didn't touch it, and it is what the default was. */
static bool is_old_default(const cJSON *part, const cJSON *old_part, const char *key,
                           const cJSON *value)
{
    return json_equal(json_member(part, key), value) &&
           json_equal(json_member(old_part, key), value);
}

static void redefault_memory(cJSON *part, const cJSON *old_part, bool old_model)
{
    cJSON *ratio = cJSON_CreateNumber(old_model ? OFF_HEAP_RATIO : PROCESS_RATIO);
    cJSON *min = cJSON_CreateString(old_model ? off_heap_min : "0");
    const char *key = old_model ? "memoryOffHeapRatio" : "memoryProcessRatio";

    if (is_old_default(part, old_part, key, ratio))
        json_remove(part, key);
    if (is_old_default(part, old_part, "memoryOffHeapMin", min))
        json_remove(part, "memoryOffHeapMin");
    cJSON_Delete(ratio);
    cJSON_Delete(min);
}

static void redefault_probes(cJSON *part, const cJSON *old_part)
{
    const cJSON *port = rpc_port(part), *old_port = rpc_port(old_part);

    if (!port || !old_port || json_equal(port, old_port))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
        cJSON *socket = json_get(json_member(part, probes[i].key), "tcpSocket");
        const cJSON *old_socket = json_get(json_member(old_part, probes[i].key), "tcpSocket");

        if (socket && is_old_default(socket, old_socket, "port", old_port))
            json_remove(socket, "port");
    }
}

void cluster_redefault(cJSON *cluster, const cJSON *old)
{
    const cJSON *spec = json_member(cluster, "spec"), *old_spec = json_member(old, "spec");
    struct flink_version version, old_version;
    bool old_model;

    (void)flink_version_parse(json_str(spec, "flinkVersion"), &version);
    (void)flink_version_parse(json_str(old_spec, "flinkVersion"), &old_version);
    old_model = !flink_version_at_least(&old_version, 1, 10);
    for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
        cJSON *part = json_member(spec, components[i].key);
        const cJSON *old_part = json_member(old_spec, components[i].key);

        redefault_probes(part, old_part);
        if (old_model == flink_version_at_least(&version, 1, 10))
            redefault_memory(part, old_part, old_model);
    }
}

const char *cluster_batch_scheduler(const cJSON *spec)
{
    const char *deprecated = json_str(spec, "batchSchedulerName");

    return deprecated ? deprecated : json_str(spec, "batchScheduler.name");
}

static bool ha_enabled_by(const cJSON *properties, const char *type_key)
{
    const char *type = cJSON_GetStringValue(json_member(properties, type_key));

    return type && !str_eq_nocase(type, "none") &&
           !str_blank(cJSON_GetStringValue(json_member(properties, "kubernetes.cluster-id"))) &&
           !str_blank(
               cJSON_GetStringValue(json_member(properties, "high-availability.storageDir")));
}

bool cluster_ha_enabled(const cJSON *spec)
{
    const cJSON *properties = json_member(spec, "flinkProperties");

    if (cJSON_IsString(json_member(properties, "high-availability.type")))
        return ha_enabled_by(properties, "high-availability.type");
    return cluster_ha_enabled_classic(spec);
}

bool cluster_ha_enabled_classic(const cJSON *spec)
{
    return ha_enabled_by(json_member(spec, "flinkProperties"), "high-availability");
}
