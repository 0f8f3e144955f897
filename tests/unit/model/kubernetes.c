/* Kubernetes: objects with uids and versions, and the controllers that make pods of them. */
#include <stdio.h>

#include "tests/unit/model/world.h"

enum { EXIT_JOB_FAILED = 1443 & 0xff };

const char *kube_label(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(json_member(json_get(object, "metadata.labels"), key));
}

cJSON *kube_find(const struct world *w, const char *kind, const char *name)
{
    json_foreach (object, w->objects)
        if (str_eq(json_str(object, "kind"), kind) &&
            str_eq(json_str(object, "metadata.name"), name))
            return object;
    return NULL;
}

cJSON *kube_find_uid(const struct world *w, const char *uid)
{
    json_foreach (object, w->objects)
        if (str_eq(json_str(object, "metadata.uid"), uid))
            return object;
    return NULL;
}

bool kube_is_controlled_by(const cJSON *object, const char *uid)
{
    json_foreach (owner, json_get(object, "metadata.ownerReferences"))
        if (str_eq(json_str(owner, "uid"), uid))
            return true;
    return false;
}

cJSON *kube_pod_of(const struct world *w, const char *component)
{
    json_foreach (object, w->objects)
        if (str_eq(json_str(object, "kind"), "Pod") &&
            str_eq(kube_label(object, LABEL_COMPONENT), component) && kube_is_running(object))
            return object;
    return NULL;
}

bool kube_is_running(const cJSON *pod)
{
    const cJSON *container = cJSON_GetArrayItem(json_get(pod, "status.containerStatuses"), 0);

    return json_has(container, "state.running") && !json_has(pod, "metadata.deletionTimestamp");
}

/* ---- the watches ---- */

static void tell(struct world *w, const cJSON *object, bool gone)
{
    const char *kind = json_str_or(object, "kind", "");
    cJSON *event = cJSON_CreateObject();
    int64_t delay = misfortune(w, 15) ? between(w, 2000, 20000) : between(w, 5, 300);

    json_set_bool(event, "gone", gone);
    json_set(event, "object", json_copy(object));
    if (!json_member(w->streams, kind))
        json_set_member(w->streams, kind, cJSON_CreateArray());
    json_add_item(json_member(w->streams, kind), event);
    happen_once(w, delay, EVENT_WATCH, kind);
    happen_once(w, between(w, 50, 1500), EVENT_CONTROLLERS, NULL);
}

static void set_version(struct world *w, cJSON *object)
{
    char version[24];

    (void)snprintf(version, sizeof version, "%lld", (long long)++w->version);
    json_set_str(object, "metadata.resourceVersion", version);
}

int64_t kube_version(const cJSON *object)
{
    int64_t version = 0;

    (void)str_to_i64(json_str_or(object, "metadata.resourceVersion", "0"), &version);
    return version;
}

void kube_touch(struct world *w, cJSON *object)
{
    set_version(w, object);
    tell(w, object, false);
}

void kube_remove(struct world *w, cJSON *object)
{
    if (str_eq(json_str(object, "metadata.name"), FLINK_HA_CONFIGMAP))
        w->n_store = 0;
    tell(w, object, true);
    cJSON_Delete(cJSON_DetachItemViaPointer(w->objects, object));
}

static cJSON *add(struct world *w, cJSON *object)
{
    char text[32];

    (void)snprintf(text, sizeof text, "uid-%d", ++w->uids);
    json_set_str(object, "metadata.uid", text);
    time_rfc3339(w->now_ms, text);
    json_set_str(object, "metadata.creationTimestamp", text);
    json_set_int(object, "metadata.generation", 1);
    json_add_item(w->objects, object);
    kube_touch(w, object);
    return object;
}

/* ---- what clients ask for ---- */

static bool is_live_component(const struct world *w, const cJSON *object)
{
    const char *kind = json_str(object, "kind"), *name = json_str(object, "metadata.name");

    if (str_eq(kind, "Job"))
        return str_ends(name, "-jobmanager") && flink_live(w) > 0;
    /* What only the HA store has gets its JobManager back by a change. */
    return (str_eq(kind, "StatefulSet") || str_eq(kind, "ConfigMap") || str_eq(kind, "Service")) &&
           flink_live(w) > 0 && flink_process(w);
}

static void violate_change(struct world *w, const cJSON *before, const cJSON *after)
{
    _cleanup_(json_freep) cJSON *patch =
        json_merge_patch(json_member(before, "spec"), json_member(after, "spec"));
    _cleanup_(freep) char *text = json_text(patch);

    violate(w, "%s %s is changed while a job runs: %.300s", json_str(before, "kind"),
            json_str(before, "metadata.name"), text ? text : "");
}

void kube_apply(struct world *w, const cJSON *manifest)
{
    const char *kind = json_str_or(manifest, "kind", ""),
               *name = json_str_or(manifest, "metadata.name", "");
    cJSON *object = kube_find(w, kind, name);
    const cJSON *spec = json_member(manifest, "spec"), *data = json_member(manifest, "data");
    const cJSON *template = json_get(spec, "template");

    if (!object) {
        (void)kube_create(w, manifest);
        return;
    }
    if ((template && !json_equal(template, json_get(object, "spec.template"))) ||
        (data && !json_equal(data, json_member(object, "data")))) {
        if (is_live_component(w, object))
            violate_change(w, object, manifest);
    }
    json_set(object, "metadata.labels", json_copy(json_get(manifest, "metadata.labels")));
    if (spec && !json_equal(spec, json_member(object, "spec"))) {
        json_set(object, "spec", json_copy(spec));
        json_set_int(object, "metadata.generation", json_int(object, "metadata.generation", 0) + 1);
    }
    if (data)
        json_set(object, "data", json_copy(data));
    kube_touch(w, object);
}

bool kube_create(struct world *w, const cJSON *manifest)
{
    cJSON *object, *managers, *manager;

    if (kube_find(w, json_str_or(manifest, "kind", ""), json_str_or(manifest, "metadata.name", "")))
        return false;
    object = json_copy(manifest);
    managers = cJSON_CreateArray();
    manager = cJSON_CreateObject();
    json_set_str(manager, "manager", FIELD_MANAGER);
    json_add_item(managers, manager);
    json_set(object, "metadata.managedFields", managers);
    add(w, object);
    return true;
}

/* Background propagation: the object goes at once, what it controls later. */
void kube_delete(struct world *w, cJSON *object)
{
    if (is_live_component(w, object) && w->cluster)
        violate(w, "%s %s is deleted while a job runs", json_str(object, "kind"),
                json_str(object, "metadata.name"));
    kube_remove(w, object);
}

void kube_delete_cluster(struct world *w)
{
    char now[32];

    if (json_count(w->cluster, "metadata.finalizers") > 0) {
        time_rfc3339(w->now_ms, now);
        json_set_str(w->cluster, "metadata.deletionTimestamp", now);
        kube_touch(w, w->cluster);
        return;
    }
    trace(w, "kubernetes: the FlinkCluster is gone");
    if (json_bool(w->cluster, "spec.job.savepointOnDeletion", false) && !w->bad_luck &&
        flink_running(w))
        violate(w, "the FlinkCluster is gone without the savepoint of its job");
    tell(w, w->cluster, true);
    cJSON_Delete(w->cluster);
    w->cluster = NULL;
}

/* ---- pods ---- */

static void template_hash(char out[33], const cJSON *owner)
{
    _cleanup_(freep) char *text = json_text(json_get(owner, "spec.template"));

    md5_hex(out, text, NULL);
}

static void pod_create(struct world *w, const cJSON *owner, const char *name)
{
    cJSON *pod = cJSON_CreateObject(), *owners = cJSON_CreateArray(),
          *reference = cJSON_CreateObject();
    const cJSON *template = json_get(owner, "spec.template");
    char hash[33];

    template_hash(hash, owner);
    json_set_str(pod, "kind", "Pod");
    json_set_str(pod, "metadata.name", name);
    json_set_str(pod, "metadata.namespace", "ns");
    json_set(pod, "metadata.labels", json_copy(json_get(template, "metadata.labels")));
    json_set_member_str(json_get(pod, "metadata.labels"), "controller-revision-hash", hash);
    if (str_eq(json_str(owner, "kind"), "Job"))
        json_set_member_str(json_get(pod, "metadata.labels"), "job-name",
                            json_str(owner, "metadata.name"));
    json_set_str(reference, "kind", json_str(owner, "kind"));
    json_set_str(reference, "uid", json_str(owner, "metadata.uid"));
    json_set_bool(reference, "controller", true);
    json_add_item(owners, reference);
    json_set(pod, "metadata.ownerReferences", owners);
    json_set(pod, "spec.containers", json_copy(json_get(template, "spec.containers")));
    add(w, pod);
    trace(w, "kubernetes: pod %s (%s)", name, json_str(pod, "metadata.uid"));
    happen(w, between(w, 500, 8000), EVENT_POD_START, 0, json_str(pod, "metadata.uid"), NULL);
}

static void pod_delete(struct world *w, cJSON *pod)
{
    char now[32];

    if (json_has(pod, "metadata.deletionTimestamp"))
        return;
    time_rfc3339(w->now_ms, now);
    json_set_str(pod, "metadata.deletionTimestamp", now);
    kube_touch(w, pod);
    happen(w, between(w, 200, 20000), EVENT_POD_GONE, 0, json_str(pod, "metadata.uid"), NULL);
    happen_once(w, between(w, 10, 500), EVENT_JOBS, NULL);
}

static const char *image_of(const cJSON *pod)
{
    return json_str_or(cJSON_GetArrayItem(json_get(pod, "spec.containers"), 0), "image", "");
}

static void set_container(cJSON *pod, const char *state, int64_t restarts)
{
    cJSON *container = cJSON_CreateObject(), *list = cJSON_CreateArray();

    json_set_str(container, "name",
                 json_str(cJSON_GetArrayItem(json_get(pod, "spec.containers"), 0), "name"));
    json_set_int(container, "restartCount", restarts);
    json_set(container, state, cJSON_CreateObject());
    json_add_item(list, container);
    json_set(pod, "status.containerStatuses", list);
}

void kube_pod_start(struct world *w, const char *uid)
{
    cJSON *pod = kube_find_uid(w, uid);
    const char *component = kube_label(pod, LABEL_COMPONENT);

    if (!pod || json_has(pod, "metadata.deletionTimestamp"))
        return;
    if (str_ends(image_of(pod), "broken")) {
        set_container(pod, "state.waiting", 0);
        json_set_str(json_get(pod, "status.containerStatuses")->child, "state.waiting.reason",
                     "ImagePullBackOff");
        kube_touch(w, pod);
        return;
    }
    set_container(pod, "state.running", 0);
    json_set_str(pod, "status.phase", "Running");
    kube_touch(w, pod);
    if (str_eq(component, "jobmanager"))
        flink_start(w, uid, 0);
    else if (!component)
        happen(w, between(w, 100, 3000), EVENT_SUBMITTER, 0, uid, NULL);
    happen_once(w, between(w, 500, 3000), EVENT_JOBS, NULL);
}

void kube_pod_gone(struct world *w, const char *uid)
{
    cJSON *pod = kube_find_uid(w, uid);

    if (!pod)
        return;
    flink_stop(w, uid);
    kube_remove(w, pod);
    happen_once(w, 10, EVENT_JOBS, NULL);
}

/* The main container of a Job's pod ends. */
void kube_pod_ends(struct world *w, cJSON *pod, int code, const char *message)
{
    cJSON *container;

    if (json_has(cJSON_GetArrayItem(json_get(pod, "status.containerStatuses"), 0),
                 "state.terminated"))
        return;
    set_container(pod, "state.terminated", 0);
    container = json_get(pod, "status.containerStatuses")->child;
    json_set_int(container, "state.terminated.exitCode", code);
    json_set_str(container, "state.terminated.message", message);
    json_set_str(pod, "status.phase", code ? "Failed" : "Succeeded");
    trace(w, "kubernetes: pod %s ends with %d", json_str(pod, "metadata.name"), code);
    kube_touch(w, pod);
}

/* ---- controllers ---- */

static void statefulset(struct world *w, cJSON *set)
{
    int64_t generation = json_int(set, "metadata.generation", 0);
    char name[300], hash[33];
    cJSON *pod;

    if (json_int(set, "status.observedGeneration", 0) != generation) {
        template_hash(hash, set);
        json_set_str(set, "status.updateRevision", hash);
        json_set_int(set, "status.observedGeneration", generation);
        kube_touch(w, set);
    }
    str_copy(hash, sizeof hash, json_str_or(set, "status.updateRevision", ""));
    (void)snprintf(name, sizeof name, "%s-0", json_str(set, "metadata.name"));
    pod = kube_find(w, "Pod", name);
    if (!pod) {
        pod_create(w, set, name);
        json_set_int(set, "status.replicas", 1);
        kube_touch(w, set);
    } else if (!str_eq(kube_label(pod, "controller-revision-hash"), hash) &&
               (str_eq(json_str(set, "spec.podManagementPolicy"), "Parallel") ||
                str_eq(json_str(pod, "status.phase"), "Running"))) /* an ordered one waits for it */
        pod_delete(w, pod);
}

static void end_job(struct world *w, cJSON *job, bool succeeded)
{
    cJSON *condition = cJSON_CreateObject(), *conditions = cJSON_CreateArray();
    char now[32];

    time_rfc3339(w->now_ms, now);
    json_set_int(job, "status.active", 0);
    json_set_int(job, succeeded ? "status.succeeded" : "status.failed", 1);
    if (succeeded)
        json_set_str(job, "status.completionTime", now);
    json_set_str(condition, "type", succeeded ? "Complete" : "Failed");
    json_set_str(condition, "status", "True");
    json_set_str(condition, "lastTransitionTime", now);
    json_add_item(conditions, condition);
    json_set(job, "status.conditions", conditions);
    kube_touch(w, job);
}

static cJSON *pod_of_job(const struct world *w, const cJSON *job)
{
    cJSON *last = NULL;

    json_foreach (object, w->objects)
        if (str_eq(json_str(object, "kind"), "Pod") &&
            kube_is_controlled_by(object, json_str(job, "metadata.uid")))
            last = object;
    return last;
}

static void batch_job(struct world *w, cJSON *job)
{
    cJSON *pod = pod_of_job(w, job);
    const cJSON *terminated = json_get(
        cJSON_GetArrayItem(json_get(pod, "status.containerStatuses"), 0), "state.terminated");
    int64_t pods = json_int(job, "status.pods", 0);
    int64_t code = json_int(terminated, "exitCode", 0);
    bool failed = (!pod && pods > 0) || code != 0;
    bool for_good = pods > json_int(job, "spec.backoffLimit", 0) ||
                    (code == EXIT_JOB_FAILED && json_has(job, "spec.podFailurePolicy"));
    char name[300];

    if (json_int(job, "status.succeeded", 0) || json_int(job, "status.failed", 0))
        return;
    if (failed ? for_good : terminated != NULL) {
        end_job(w, job, !failed);
    } else if (pods == 0 || failed) {
        json_set_int(job, "status.pods", pods + 1);
        json_set_int(job, "status.active", 1);
        kube_touch(w, job);
        (void)snprintf(name, sizeof name, "%s-%d", json_str(job, "metadata.name"), w->uids);
        pod_create(w, job, name);
    }
}

static void collect(struct world *w, cJSON *object)
{
    json_foreach (owner, json_get(object, "metadata.ownerReferences")) {
        const char *uid = json_str(owner, "uid");

        if (str_eq(uid, json_str(w->cluster, "metadata.uid")) || kube_find_uid(w, uid))
            return;
        if (str_eq(json_str(object, "kind"), "Pod"))
            pod_delete(w, object);
        else
            kube_remove(w, object);
        return;
    }
}

void kube_controllers(struct world *w)
{
    for (cJSON *object = w->objects->child, *next; object; object = next) {
        next = object->next;
        collect(w, object);
    }
    for (cJSON *object = w->objects->child, *next; object; object = next) {
        next = object->next;
        if (str_eq(json_str(object, "kind"), "StatefulSet"))
            statefulset(w, object);
        else if (str_eq(json_str(object, "kind"), "Job"))
            batch_job(w, object);
    }
}
