/* Before an object is defaulted nobody has checked its types: the schema is applied after the
 * mutating webhook. What is read here must have the type it should have, as a typed client would
 * insist. The rest is the schema's. */
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/quantity.h"
#include "common/base/str.h"
#include "common/model/findings.h"

enum { PATH_SIZE = 256, PROBLEMS_MAX = 1000, SHOWN_MAX = 80 };

enum type { STRING, INTEGER, BOOLEAN, OBJECT, OBJECTS, STRINGS, STRING_MAP };

static const char *const type_names[] = {
    [STRING] = "a string",
    [INTEGER] = "an integer of 32 bits",
    [BOOLEAN] = "a boolean",
    [OBJECT] = "an object",
    [OBJECTS] = "a list of objects",
    [STRINGS] = "a list of strings",
    [STRING_MAP] = "a map of strings",
};

enum { SPEC = 1, JM = 2, TM = 4, JOB = 8 };

static const struct {
    const char *path;
    unsigned where;
    enum type type;
} fields[] = {
    {"flinkVersion", SPEC, STRING},
    {"image", SPEC, OBJECT},
    {"image.name", SPEC, STRING},
    {"image.pullPolicy", SPEC, STRING},
    {"image.pullSecrets", SPEC, OBJECTS},
    {"serviceAccountName", SPEC, STRING},
    {"batchSchedulerName", SPEC, STRING},
    {"batchScheduler", SPEC, OBJECT},
    {"batchScheduler.name", SPEC, STRING},
    {"batchScheduler.queue", SPEC, STRING},
    {"batchScheduler.priorityClassName", SPEC, STRING},
    {"podDisruptionBudget", SPEC, OBJECT},
    {"jobManager", SPEC, OBJECT},
    {"taskManager", SPEC, OBJECT},
    {"job", SPEC, OBJECT},
    {"envVars", SPEC, OBJECTS},
    {"envFrom", SPEC, OBJECTS},
    {"flinkProperties", SPEC, STRING_MAP},
    {"hadoopConfig", SPEC, OBJECT},
    {"hadoopConfig.configMapName", SPEC, STRING},
    {"hadoopConfig.mountPath", SPEC, STRING},
    {"gcpConfig", SPEC, OBJECT},
    {"gcpConfig.serviceAccount", SPEC, OBJECT},
    {"gcpConfig.serviceAccount.secretName", SPEC, STRING},
    {"gcpConfig.serviceAccount.keyFile", SPEC, STRING},
    {"gcpConfig.serviceAccount.mountPath", SPEC, STRING},
    {"logConfig", SPEC, STRING_MAP},
    {"revisionHistoryLimit", SPEC, INTEGER},
    {"recreateOnUpdate", SPEC, BOOLEAN},
    {"updateStrategy", SPEC, OBJECT},
    {"updateStrategy.rollback", SPEC, BOOLEAN},
    {"updateStrategy.progressDeadlineSeconds", SPEC, INTEGER},

    {"replicas", JM | TM, INTEGER},
    {"ports", JM | TM, OBJECT},
    {"ports.rpc", JM | TM, INTEGER},
    {"ports.query", JM | TM, INTEGER},
    {"ports.blob", JM, INTEGER},
    {"ports.ui", JM, INTEGER},
    {"ports.data", TM, INTEGER},
    {"extraPorts", JM | TM, OBJECTS},
    {"memoryOffHeapRatio", JM | TM, INTEGER},
    {"memoryProcessRatio", JM | TM, INTEGER},
    {"volumeClaimTemplates", JM | TM, OBJECTS},
    {"sidecars", JM | TM, OBJECTS},
    {"livenessProbe", JM | TM, OBJECT},
    {"readinessProbe", JM | TM, OBJECT},
    {"accessScope", JM, STRING},
    {"ServiceAnnotations", JM, STRING_MAP},
    {"ServiceLabels", JM, STRING_MAP},
    {"ingress", JM, OBJECT},
    {"ingress.hostFormat", JM, STRING},
    {"ingress.annotations", JM, STRING_MAP},
    {"ingress.useTls", JM, BOOLEAN},
    {"ingress.tlsSecretName", JM, STRING},
    {"deploymentType", TM, STRING},
    {"horizontalPodAutoscaler", TM, OBJECT},
    {"horizontalPodAutoscaler.minReplicas", TM, INTEGER},
    {"horizontalPodAutoscaler.maxReplicas", TM, INTEGER},
    {"horizontalPodAutoscaler.metrics", TM, OBJECTS},

    {"resources", JM | TM | JOB, OBJECT},
    {"resources.limits", JM | TM | JOB, OBJECT},
    {"resources.requests", JM | TM | JOB, OBJECT},
    {"volumes", JM | TM | JOB, OBJECTS},
    {"volumeMounts", JM | TM | JOB, OBJECTS},
    {"initContainers", JM | TM | JOB, OBJECTS},
    {"affinity", JM | TM | JOB, OBJECT},
    {"nodeSelector", JM | TM | JOB, STRING_MAP},
    {"tolerations", JM | TM | JOB, OBJECTS},
    {"podAnnotations", JM | TM | JOB, STRING_MAP},
    {"podLabels", JM | TM | JOB, STRING_MAP},
    {"securityContext", JM | TM | JOB, OBJECT},
    {"hostAliases", JM | TM | JOB, OBJECTS},

    {"mode", JOB, STRING},
    {"classPath", JOB, STRINGS},
    {"jarFile", JOB, STRING},
    {"className", JOB, STRING},
    {"pyFile", JOB, STRING},
    {"pyFiles", JOB, STRING},
    {"pyModule", JOB, STRING},
    {"args", JOB, STRINGS},
    {"fromSavepoint", JOB, STRING},
    {"allowNonRestoredState", JOB, BOOLEAN},
    {"savepointsDir", JOB, STRING},
    {"savepointFormatType", JOB, STRING},
    {"takeSavepointOnUpdate", JOB, BOOLEAN},
    {"maxStateAgeToRestoreSeconds", JOB, INTEGER},
    {"autoSavepointSeconds", JOB, INTEGER},
    {"autoSavepointSchedule", JOB, STRING},
    {"savepointGeneration", JOB, INTEGER},
    {"savepointRetention", JOB, OBJECT},
    {"savepointRetention.count", JOB, INTEGER},
    {"savepointRetention.maxAgeSeconds", JOB, INTEGER},
    {"savepointOnDeletion", JOB, BOOLEAN},
    {"drainOnCancel", JOB, BOOLEAN},
    {"suspend", JOB, BOOLEAN},
    {"restoreFrom", JOB, STRING},
    {"parallelism", JOB, INTEGER},
    {"noLoggingToStdout", JOB, BOOLEAN},
    {"restartPolicy", JOB, STRING},
    {"cancelRequested", JOB, BOOLEAN},
    {"cleanupPolicy", JOB, OBJECT},
    {"cleanupPolicy.afterJobSucceeds", JOB, STRING},
    {"cleanupPolicy.afterJobFails", JOB, STRING},
    {"cleanupPolicy.afterJobCancelled", JOB, STRING},
};

/* ---- types ---- */

static bool is_integer(const cJSON *value)
{
    return cJSON_IsNumber(value) && value->valuedouble >= INT32_MIN &&
           value->valuedouble <= INT32_MAX && value->valuedouble == (double)value->valueint;
}

static const cJSON *first_other_than(const cJSON *list, cJSON_bool (*is)(const cJSON *))
{
    json_foreach (item, list)
        if (!is(item))
            return item;
    return NULL;
}

/* NULL, or the value that is wrong: @value or one in it. */
static const cJSON *find_misfit(const cJSON *value, enum type type)
{
    switch (type) {
    case STRING:
        return cJSON_IsString(value) ? NULL : value;
    case INTEGER:
        return is_integer(value) ? NULL : value;
    case BOOLEAN:
        return cJSON_IsBool(value) ? NULL : value;
    case OBJECT:
        return cJSON_IsObject(value) ? NULL : value;
    case OBJECTS:
        return cJSON_IsArray(value) ? first_other_than(value, cJSON_IsObject) : value;
    case STRINGS:
        return cJSON_IsArray(value) ? first_other_than(value, cJSON_IsString) : value;
    case STRING_MAP:
        return cJSON_IsObject(value) ? first_other_than(value, cJSON_IsString) : value;
    }
    return NULL;
}

static void describe_misfit(struct buf *problems, const char *field, const cJSON *value,
                            const cJSON *misfit, enum type type)
{
    _cleanup_(freep) char *text = json_text(misfit);

    buf_printf(problems, "%s%s: must be %s, but ", problems->len ? "; " : "", field,
               type_names[type]);
    if (misfit != value && misfit->string)
        buf_printf(problems, "%s ", quote(misfit->string).text);
    buf_printf(problems, "is %.*s", text ? (int)str_utf8_cut(text, SHOWN_MAX) : 0,
               text ? text : "");
}

static void check_fields(const cJSON *object, const char *prefix, unsigned where,
                         struct buf *problems)
{
    char field[PATH_SIZE];

    if (!cJSON_IsObject(object))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(fields) && !problems->failed; i++) {
        const cJSON *value = NULL, *misfit;

        if (fields[i].where & where)
            value = json_get(object, fields[i].path);
        misfit = value && !cJSON_IsNull(value) ? find_misfit(value, fields[i].type) : NULL;
        if (!misfit)
            continue;
        (void)snprintf(field, sizeof(field), "%s.%s", prefix, fields[i].path);
        describe_misfit(problems, field, value, misfit, fields[i].type);
    }
}

/* ---- quantities ---- */

/* Where quantities are: the named member of any object under the parent key; NULL: all members. */
static const struct {
    const char *parent, *member;
} quantity_places[] = {
    {"limits", NULL},
    {"requests", NULL},
    {"emptyDir", "sizeLimit"},
    {"resourceFieldRef", "divisor"},
    {"target", "averageValue"},
    {"target", "value"},
    {"scaleUp", "tolerance"},
    {"scaleDown", "tolerance"},
    {"capacity", NULL}, /* a claim's */
    {"allocatedResources", NULL},
    {"jobManager", "memoryOffHeapMin"},
    {"taskManager", "memoryOffHeapMin"},
};

/* Where a value is; the text of it is only made when there is something to say. */
struct place {
    const struct place *above; /* NULL: it is in spec itself */
    const cJSON *node;
    int index; /* in its list; negative: it is a member */
};

typedef void (*quantity_fn)(cJSON *parent, cJSON *value, const struct place *place,
                            struct buf *problems);

static bool holds_quantities(const cJSON *node)
{
    for (size_t i = 0; cJSON_IsObject(node) && i < ARRAY_SIZE(quantity_places); i++)
        if (str_eq(node->string, quantity_places[i].parent))
            return true;
    return false;
}

static bool is_quantity(const char *parent, const cJSON *value)
{
    if (cJSON_IsNull(value))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(quantity_places); i++)
        if (str_eq(parent, quantity_places[i].parent) &&
            (!quantity_places[i].member || str_eq(value->string, quantity_places[i].member)))
            return true;
    return false;
}

static void print_place(struct buf *out, const struct place *place)
{
    if (!place) {
        buf_puts(out, "spec");
        return;
    }
    print_place(out, place->above);
    if (place->index < 0)
        buf_printf(out, ".%s", place->node->string);
    else
        buf_printf(out, "[%d]", place->index);
}

static void check_quantity(cJSON *parent, cJSON *value, const struct place *place,
                           struct buf *problems)
{
    _cleanup_(freep) char *text = NULL;
    _cleanup_(buf_done) struct buf path = BUF_INIT(PATH_SIZE);
    struct quantity q;

    (void)parent;
    if (!quantity_from_json(value, &q))
        return;
    text = json_text(value);
    print_place(&path, place);
    buf_printf(
        problems,
        "%s%s: %.*s: quantities must match the regular expression "
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' and fit into 64 bits, such as 500m or 2Gi",
        problems->len ? "; " : "", buf_str(&path), text ? (int)str_utf8_cut(text, SHOWN_MAX) : 0,
        text ? text : "");
}

static void write_quantity(cJSON *parent, cJSON *value, const struct place *place,
                           struct buf *problems)
{
    char text[64];

    (void)place;
    (void)problems;
    if (!quantity_text(value, text) && !str_eq(cJSON_GetStringValue(value), text))
        json_set_member(parent, value->string, cJSON_CreateString(text));
}

static void write_canonical(cJSON *parent, cJSON *value, const struct place *place,
                            struct buf *problems)
{
    struct quantity q;
    char text[64];

    (void)place;
    (void)problems;
    if (quantity_from_json(value, &q))
        return;
    quantity_canonical(&q, text);
    json_set_member(parent, value->string, cJSON_CreateString(text));
}

/* As deep as JSON may be. */
static void each_quantity(cJSON *node, const struct place *above, quantity_fn fn,
                          struct buf *problems)
{
    bool in_list = cJSON_IsArray(node), holds = holds_quantities(node);
    int index = 0;
    cJSON *next;

    if (!cJSON_IsObject(node) && !in_list)
        return;
    for (cJSON *item = node->child; item && !(problems && problems->failed); item = next) {
        const struct place place = {above, item, in_list ? index++ : -1};

        next = item->next;
        if (holds && is_quantity(node->string, item))
            fn(node, item, &place, problems);
        else
            each_quantity(item, &place, fn, problems);
    }
}

int cluster_check_types(const cJSON *cluster, struct error *err)
{
    _cleanup_(buf_done) struct buf problems = BUF_INIT(PROBLEMS_MAX);
    cJSON *spec = json_member(cluster, "spec");

    if (!cJSON_IsObject(cluster))
        return error_set(err, EINVAL, "cannot decode the FlinkCluster: it is no object");
    if (spec && !cJSON_IsObject(spec) && !cJSON_IsNull(spec))
        return error_set(err, EINVAL, "cannot decode the FlinkCluster: spec: must be an object");
    check_fields(spec, "spec", SPEC, &problems);
    check_fields(json_member(spec, "jobManager"), "spec.jobManager", JM, &problems);
    check_fields(json_member(spec, "taskManager"), "spec.taskManager", TM, &problems);
    check_fields(json_member(spec, "job"), "spec.job", JOB, &problems);
    each_quantity(spec, NULL, check_quantity, &problems);
    if (problems.len || problems.failed)
        return error_set(err, EINVAL, "cannot decode the FlinkCluster: %s", buf_str(&problems));
    return 0;
}

/* ---- the canonical form ---- */

static void add_empty(cJSON *object, const char *key)
{
    if (cJSON_IsObject(object) && !json_has(object, key))
        json_set_member(object, key, cJSON_CreateObject());
}

static void complete_claim(cJSON *claim)
{
    add_empty(claim, "metadata");
    add_empty(claim, "spec");
    add_empty(json_member(claim, "spec"), "resources");
}

/* Objects that typed clients of Kubernetes write even when they are empty. */
static void complete_pod(cJSON *part)
{
    static const char *const containers[] = {"initContainers", "sidecars"};

    for (size_t i = 0; i < ARRAY_SIZE(containers); i++)
        json_foreach (container, json_member(part, containers[i]))
            add_empty(container, "resources");
    json_foreach (claim, json_member(part, "volumeClaimTemplates")) {
        complete_claim(claim);
        add_empty(claim, "status");
    }
    json_foreach (volume, json_member(part, "volumes"))
        complete_claim(json_get(volume, "ephemeral.volumeClaimTemplate"));
}

/* As deep as JSON may be. */
static void complete_resource_refs(cJSON *node)
{
    if (!cJSON_IsObject(node) && !cJSON_IsArray(node))
        return;
    if (cJSON_IsObject(node) && str_eq(node->string, "resourceFieldRef") &&
        !json_has(node, "divisor"))
        json_set_member_str(node, "divisor", "0");
    json_foreach (item, node)
        complete_resource_refs(item);
}

void cluster_canonical(cJSON *spec)
{
    complete_pod(json_member(spec, "jobManager"));
    complete_pod(json_member(spec, "taskManager"));
    complete_pod(json_member(spec, "job"));
    complete_resource_refs(spec);
    each_quantity(spec, NULL, write_quantity, NULL);
}

void cluster_canonical_quantities(cJSON *spec)
{
    each_quantity(spec, NULL, write_canonical, NULL);
}
