/* The rules that hold for every FlinkCluster (spec 02-admission 3), new or changed. Where the
 * reference stops at the first that fails, all are reported, in its order. */
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/quantity.h"
#include "common/base/str.h"
#include "common/model/findings.h"
#include "common/model/kube_names.h"
#include "common/model/names.h"

enum { PORTS_MAX = 256 }; /* more than that in one pod aren't compared */

const struct component components[2] = {
    {
        .key = "jobManager",
        .name = "jobmanager",
        .ports = (const char *const[]){"rpc", "blob", "query", "ui", NULL},
        .annotations_rule = "C5",
        .labels_rule = "C6",
        .ports_rule = "C7",
        .resources_rule = "C8",
        .memory_rules = {"C9", "C10", "C11", "C12", "C13"},
    },
    {
        .key = "taskManager",
        .name = "taskmanager",
        .ports = (const char *const[]){"rpc", "data", "query", NULL},
        .annotations_rule = "C14",
        .labels_rule = "C15",
        .ports_rule = "C16",
        .resources_rule = "C17",
        .memory_rules = {"C18", "C19", "C20", "C21", "C22"},
    },
};

/* ---- metadata ---- */

static void validate_name(const char *name, struct findings *f)
{
    size_t len = name ? strlen(name) : 0;
    const char *problem;

    if (len == 0 || len > CLUSTER_NAME_MAX)
        finding_add(f, "C1", "metadata.name",
                    "%s: the cluster name size needs to be greater than 0 and less than 50, at "
                    "most %d: %zu now; choose a shorter name, since those of its pods and Services "
                    "are made from it",
                    quote(name).text, CLUSTER_NAME_MAX, len);
    if (!name || len == 0 || len > KUBE_LABEL_MAX)
        return;
    problem = kube_dns1035_label_problem(name);
    if (problem)
        finding_add(f, "C1b", "metadata.name", "%s is not a DNS-1035 label: %s", quote(name).text,
                    problem);
}

static void validate_namespace(const char *ns, struct findings *f)
{
    const char *problem = str_empty(ns) ? NULL : kube_dns1123_label_problem(ns);

    if (str_empty(ns))
        finding_add(f, "C2", "metadata.namespace",
                    "the cluster's namespace is unspecified; set it");
    else if (problem)
        finding_add(f, "C2", "metadata.namespace", "%s is not a valid namespace: %s",
                    quote(ns).text, problem);
}

static void validate_flink_version(const char *text, struct flink_version *version,
                                   struct findings *f)
{
    if (flink_version_parse(text, version))
        finding_add(
            f, "C3", "spec.flinkVersion",
            "malformed version: %s; write the version of Flink in the image, such as \"1.20\"",
            quote(text).text);
}

/* ---- spec.gcpConfig ---- */

static void validate_gcp(const cJSON *spec, struct findings *f)
{
    static const struct {
        const char *key, *what;
    } fields[] = {
        {"secretName", "secret name"},
        {"keyFile", "key file name"},
        {"mountPath", "volume mount path"},
    };
    const cJSON *account = json_get(spec, "gcpConfig.serviceAccount");
    const char *key_file, *mount_path;
    char field[128];

    if (!json_has(spec, "gcpConfig"))
        return;
    if (!cJSON_IsObject(account)) {
        finding_add(f, "C4b", "spec.gcpConfig.serviceAccount",
                    "GCP service account is unspecified, so gcpConfig has no effect; set its "
                    "secretName, keyFile and mountPath, or remove gcpConfig");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (!str_empty(json_str(account, fields[i].key)))
            continue;
        (void)snprintf(field, sizeof(field), "spec.gcpConfig.serviceAccount.%s", fields[i].key);
        finding_add(f, "C4", field, "GCP service account %s is unspecified; set it",
                    fields[i].what);
    }
    key_file = json_str(account, "keyFile");
    mount_path = json_str(account, "mountPath");
    if (!str_empty(key_file) && !str_empty(mount_path) && str_ends(mount_path, key_file))
        finding_add(f, "C4", "spec.gcpConfig.serviceAccount.mountPath",
                    "GCP service account volume mount path %s should not end with the key file "
                    "name %s; give the directory alone",
                    quote(mount_path).text, quote(key_file).text);
}

/* ---- spec.hadoopConfig ---- */

static void validate_hadoop(const cJSON *spec, struct findings *f)
{
    if (json_has(spec, "hadoopConfig") && str_empty(json_str(spec, "hadoopConfig.configMapName")))
        finding_add(f, "C4c", "spec.hadoopConfig.configMapName",
                    "Hadoop's ConfigMap is unspecified, so hadoopConfig has no effect; set "
                    "configMapName, or remove hadoopConfig");
}

/* ---- labels and annotations of pods ---- */

static void validate_annotations(const cJSON *annotations, const char *field, const char *rule,
                                 struct findings *f)
{
    size_t total = 0;

    if (!cJSON_IsObject(annotations))
        return;
    json_foreach (item, annotations) {
        const char *problem = kube_annotation_key_problem(item->string);

        if (problem)
            finding_add(f, rule, field, "invalid key %s: %s", quote(item->string).text, problem);
        total += strlen(item->string) + (cJSON_IsString(item) ? strlen(item->valuestring) : 0);
    }
    if (total > KUBE_ANNOTATIONS_MAX)
        finding_add(f, rule, field,
                    "too long: %zu bytes, must have at most %d bytes together; remove some", total,
                    KUBE_ANNOTATIONS_MAX);
}

static void validate_labels(const cJSON *labels, const char *field, const char *rule,
                            struct findings *f)
{
    if (!cJSON_IsObject(labels))
        return;
    json_foreach (item, labels) {
        const char *value = cJSON_IsString(item) ? item->valuestring : "";
        const char *problem = kube_qualified_name_problem(item->string);

        if (problem)
            finding_add(f, rule, field, "invalid key %s: %s", quote(item->string).text, problem);
        problem = kube_label_value_problem(value);
        if (problem)
            finding_add(f, rule, field, "invalid value %s of %s: %s", quote(value).text,
                        quote(item->string).text, problem);
    }
}

void validate_pod_metadata(const cJSON *spec, const char *key, const char *annotations_rule,
                           const char *labels_rule, struct findings *f)
{
    const cJSON *part = json_member(spec, key);
    char field[128];

    (void)snprintf(field, sizeof(field), "spec.%s.podAnnotations", key);
    validate_annotations(json_member(part, "podAnnotations"), field, annotations_rule, f);
    (void)snprintf(field, sizeof(field), "spec.%s.podLabels", key);
    validate_labels(json_member(part, "podLabels"), field, labels_rule, f);
}

/* ---- ports ---- */

struct port_list {
    const char *name[PORTS_MAX];
    int64_t number[PORTS_MAX];
    size_t n;
};

static void add_port(struct port_list *list, const struct component *component, const char *field,
                     const char *name, int64_t number, struct findings *f)
{
    size_t i;

    for (i = 0; i < list->n && list->number[i] != number; i++)
        ;
    if (i < list->n)
        finding_add(f, component->ports_rule, field,
                    "duplicate containerPort %lld in %s, each port number of ports and extraPorts "
                    "must be unique; choose another",
                    (long long)number, component->name);
    for (i = 0; i < list->n && (str_empty(name) || !str_eq(list->name[i], name)); i++)
        ;
    if (i < list->n)
        finding_add(f, component->ports_rule, field,
                    "duplicate port name %.63s in %s, each port name of ports and extraPorts must "
                    "be unique; choose another",
                    name, component->name);
    if (list->n < PORTS_MAX) {
        list->name[list->n] = name;
        list->number[list->n++] = number;
    }
}

static void validate_ports(const cJSON *spec, const struct component *component, struct findings *f)
{
    const cJSON *part = json_member(spec, component->key);
    struct port_list list = {.n = 0};
    char field[128];
    int index = 0;

    for (const char *const *name = component->ports; *name; name++) {
        const cJSON *ports = json_member(part, "ports");

        (void)snprintf(field, sizeof(field), "spec.%s.ports.%s", component->key, *name);
        if (json_has(ports, *name))
            add_port(&list, component, field, *name, json_int(ports, *name, 0), f);
    }
    json_foreach (port, json_member(part, "extraPorts")) {
        (void)snprintf(field, sizeof(field), "spec.%s.extraPorts[%d]", component->key, index++);
        if (json_has(port, "containerPort"))
            add_port(&list, component, field, json_str(port, "name"),
                     json_int(port, "containerPort", 0), f);
    }
}

/* ---- resources ---- */

/* The resource is there and not zero, as a limit or a request. */
static bool has_resource(const cJSON *resources, const char *name)
{
    static const char *const lists[] = {"limits", "requests"};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        const cJSON *value = json_member(json_member(resources, lists[i]), name);
        struct quantity q;

        if (value && !quantity_from_json(value, &q) && q.nano != 0)
            return true;
    }
    return false;
}

static void validate_resources(const cJSON *spec, const struct component *component,
                               struct findings *f)
{
    const cJSON *resources = json_member(json_member(spec, component->key), "resources");
    char field[128];

    (void)snprintf(field, sizeof(field), "spec.%s.resources", component->key);
    if (!json_has(resources, "limits") && !json_has(resources, "requests")) {
        finding_add(f, component->resources_rule, field,
                    "%s resource requests/limits are unspecified; set cpu and memory",
                    component->name);
        return;
    }
    if (!has_resource(resources, "cpu"))
        finding_add(f, component->resources_rule, field,
                    "%s cpu request/limit is unspecified; set limits.cpu or requests.cpu",
                    component->name);
    if (!has_resource(resources, "memory"))
        finding_add(f, component->resources_rule, field,
                    "%s memory request/limit is unspecified; set limits.memory or requests.memory",
                    component->name);
}

void validate_component(const cJSON *spec, const struct component *component,
                        const struct flink_version *version, struct findings *f)
{
    validate_pod_metadata(spec, component->key, component->annotations_rule, component->labels_rule,
                          f);
    validate_ports(spec, component, f);
    validate_resources(spec, component, f);
    validate_memory(spec, component, version, f);
}

static void validate_deployment_type(const cJSON *spec, struct findings *f)
{
    const char *type = json_str(spec, "taskManager.deploymentType");

    if (!str_empty(type) && !str_eq(type, "StatefulSet") && !str_eq(type, "Deployment"))
        finding_add(
            f, "C22b", "spec.taskManager.deploymentType",
            "%s is not a deploymentType, no TaskManager would run; use StatefulSet or Deployment",
            quote(type).text);
}

void cluster_validate(const cJSON *cluster, const cJSON *old, int64_t now_ms, struct findings *ret)
{
    const cJSON *spec = json_member(cluster, "spec");
    const cJSON *old_spec = json_member(old, "spec");
    struct flink_version version;
    bool settled = false;

    ret->n_errors = 0;
    ret->n_warnings = 0;
    if (old)
        validate_update(cluster, old, now_ms, ret, &settled);
    if (!settled) {
        validate_name(json_str(cluster, "metadata.name"), ret);
        validate_namespace(json_str(cluster, "metadata.namespace"), ret);
        validate_flink_version(json_str(spec, "flinkVersion"), &version, ret);
        validate_gcp(spec, ret);
        validate_hadoop(spec, ret);
        for (size_t i = 0; i < ARRAY_SIZE(components); i++)
            validate_component(spec, &components[i], &version, ret);
        validate_deployment_type(spec, ret);
        validate_job(spec, old_spec, ret);
    }
}
