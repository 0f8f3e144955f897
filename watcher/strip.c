#include "watcher/strip.h"

#include <errno.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/text_digest.h"
#include "watcher/facts.h"

static const char *const last_applied = "kubectl.kubernetes.io/last-applied-configuration";
static const char *const leader_record = "control-plane.alpha.kubernetes.io/leader";

static bool lists(const cJSON *managers, const char *manager, const char *operation)
{
    json_foreach (entry, managers) {
        if (str_eq(json_str(entry, "manager"), manager) &&
            str_eq(json_str(entry, "operation"), operation))
            return true;
    }
    return false;
}

/* [{"manager", "operation"}], each pair once: who wrote it, not which fields. */
static int strip_managers(cJSON *object)
{
    const cJSON *fields = json_get(object, "metadata.managedFields");
    cJSON *managers;

    if (!fields)
        return 0;
    managers = cJSON_CreateArray();
    json_foreach (field, fields) {
        const char *manager = json_str_or(field, "manager", "");
        const char *operation = json_str_or(field, "operation", "");
        cJSON *entry;

        if (lists(managers, manager, operation))
            continue;
        entry = cJSON_CreateObject();
        (void)json_set_str(entry, "manager", manager);
        (void)json_set_str(entry, "operation", operation);
        json_add_item(managers, entry);
    }
    return json_set(object, "metadata.managedFields", managers);
}

static void remove_annotation(cJSON *object, const char *key)
{
    cJSON *annotations = json_get(object, "metadata.annotations");

    cJSON_DeleteItemFromObjectCaseSensitive(annotations, key);
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (str_eq(name, *names))
            return true;
    }
    return false;
}

/* Removes all members but the named ones. */
static void keep_only(cJSON *object, const char *const *names)
{
    cJSON *next;

    for (cJSON *member = object ? object->child : NULL; member; member = next) {
        next = member->next;
        if (!is_one_of(member->string ? member->string : "", names))
            cJSON_Delete(cJSON_DetachItemViaPointer(object, member));
    }
}

static void strip_containers(cJSON *containers)
{
    static const char *const container[] = {"name", "resources", NULL};
    static const char *const resources[] = {"limits", NULL};

    json_foreach (c, containers) {
        keep_only(c, container);
        keep_only(json_member(c, "resources"), resources);
    }
}

static void strip_pod(cJSON *pod)
{
    static const char *const metadata[] = {"name",
                                           "namespace",
                                           "uid",
                                           "labels",
                                           "annotations",
                                           "ownerReferences",
                                           "generateName",
                                           "resourceVersion",
                                           "deletionTimestamp",
                                           "creationTimestamp",
                                           "managedFields",
                                           NULL};
    static const char *const spec[] = {"nodeName", "restartPolicy", "containers", "initContainers",
                                       NULL};

    keep_only(json_member(pod, "metadata"), metadata);
    keep_only(json_member(pod, "spec"), spec);
    strip_containers(json_get(pod, "spec.containers"));
    strip_containers(json_get(pod, "spec.initContainers"));
}

/* Nobody reads them, they are compared. */
static int strip_texts(cJSON *data)
{
    json_foreach (item, data) {
        char digest[TEXT_DIGEST_SIZE];

        if (!cJSON_IsString(item) || !text_is_digested(item->valuestring))
            continue;
        text_digest(digest, item->valuestring);
        if (!cJSON_SetValuestring(item, digest))
            return -ENOMEM;
    }
    return 0;
}

bool strip_is_ha(const cJSON *object)
{
    return str_eq(facts_label(object, "configmap-type"), "high-availability");
}

/* flinkd doesn't report its status, and the measurements in it keep changing. */
static bool has_foreign_status(const char *kind)
{
    return str_eq(kind, "HorizontalPodAutoscaler");
}

bool strip_is_noisy(const char *kind, const cJSON *object)
{
    return has_foreign_status(kind) || (str_eq(kind, "ConfigMap") && strip_is_ha(object));
}

int strip_object(const char *kind, cJSON *object)
{
    int r = strip_managers(object);

    remove_annotation(object, last_applied);
    if (str_eq(kind, "Pod"))
        strip_pod(object);
    if (has_foreign_status(kind))
        cJSON_DeleteItemFromObjectCaseSensitive(object, "status");
    if (str_eq(kind, "ConfigMap") && strip_is_ha(object)) {
        cJSON_DeleteItemFromObjectCaseSensitive(object, "data");
        cJSON_DeleteItemFromObjectCaseSensitive(object, "binaryData");
        remove_annotation(object, leader_record);
    } else if (str_eq(kind, "ConfigMap") && !r) {
        r = strip_texts(json_member(object, "data"));
    }
    return r;
}
