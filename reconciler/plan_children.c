/* The children: what is missing or differs is applied, what isn't wanted any more is deleted. While
 * an update waits for the job to end, the children are those of the current revision: no component
 * is touched before. */
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/names.h"
#include "common/model/pod.h"
#include "reconciler/desired.h"
#include "reconciler/plan_internal.h"

/* Every child that flinkd may delete when it isn't desired (spec 03-children 1). */
static const struct {
    const char *kind, *name;
} child_table[] = {
    {"ConfigMap", NAME_CONFIGMAP},    {"PodDisruptionBudget", NAME_SHARED},
    {"StatefulSet", NAME_JOBMANAGER}, {"Service", NAME_JOBMANAGER},
    {"Ingress", NAME_JOBMANAGER},     {"StatefulSet", NAME_TASKMANAGER},
    {"Deployment", NAME_TASKMANAGER}, {"HorizontalPodAutoscaler", NAME_SHARED},
    {"Service", NAME_TASKMANAGER},    {"PodGroup", NAME_SHARED},
};

static const char *map_value(const cJSON *object, const char *map, const char *key)
{
    return cJSON_GetStringValue(json_member(json_get(object, map), key));
}

static bool is_workload(const char *kind)
{
    return str_eq(kind, "StatefulSet") || str_eq(kind, "Deployment");
}

static bool is_by_flinkd(const cJSON *live)
{
    json_foreach (entry, json_get(live, "metadata.managedFields")) {
        if (str_eq(json_str(entry, "manager"), FIELD_MANAGER))
            return true;
    }
    return false;
}

/* A pod of the workload @name that is left from before @live (NULL: gone) was created. */
static bool has_pods_of(const struct planner *p, const char *name)
{
    const char *component = str_ends(name, "-taskmanager") ? POD_TASKMANAGER : POD_JOBMANAGER;

    json_foreach (object, p->v->snapshot->objects) {
        const cJSON *owner = cJSON_GetArrayItem(json_get(object, "metadata.ownerReferences"), 0);

        if (str_eq(json_str(object, "kind"), "Pod") && pod_is(object, component) &&
            !str_eq(json_str(owner, "kind"), "Job"))
            return true;
    }
    return false;
}

/* The pods were started with this configuration: a change of it restarts them (the usual checksum
 * annotation). */
static void mark_configuration(cJSON *children)
{
    char digest[33];
    const char *text = NULL;

    json_foreach (child, children) {
        const cJSON *data = json_member(child, "data");

        if (!str_eq(json_str(child, "kind"), "ConfigMap"))
            continue;
        text = cJSON_GetStringValue(json_member(data, "flink-conf.yaml"));
        if (!text)
            text = cJSON_GetStringValue(json_member(data, "config.yaml"));
    }
    if (!text)
        return;
    md5_hex(digest, text, NULL);
    json_foreach (child, children) {
        cJSON *metadata = json_get(child, "spec.template.metadata");

        if (!is_workload(json_str(child, "kind")) || !metadata)
            continue;
        if (!json_member(metadata, "annotations"))
            json_set(metadata, "annotations", cJSON_CreateObject());
        json_set_member_str(json_member(metadata, "annotations"), ANNOTATION_CONFIGURED_BY, digest);
    }
}

static cJSON *desired_now(struct planner *p)
{
    const struct view *v = p->v;
    const struct life *l = p->l;
    bool waits = l->update == UPDATE_PREPARING && !l->mends && v->revision.current_spec;
    char *number;
    struct desired_input in = {
        .view = v, .spec = v->spec, .revision = v->revision.next_name, .everything = true};
    cJSON *children;

    if (waits) {
        bool back = v->rolled_back && v->run_revision;

        str_copy(p->only, sizeof p->only, back ? v->run_revision : v->revision.current);
        number = back ? NULL : strrchr(p->only, '-');
        if (number)
            *number = '\0';
        in.spec = v->revision.current_spec;
        in.revision = p->only;
    }
    in.jobmanager = in.taskmanager = !(l->suspended && plan_is_recorded(p));
    if (l->cleanup && plan_is_recorded(p)) {
        in.everything = !str_eq(l->cleanup_policy, "DeleteCluster");
        in.taskmanager = str_eq(l->cleanup_policy, "KeepCluster");
    }
    children = desired_children(&in);
    mark_configuration(children);
    return children;
}

static struct action *apply(struct planner *p, const cJSON *manifest, const char *why)
{
    struct action *action =
        plan_add(p, ACTION_APPLY, "", json_str_or(manifest, "metadata.name", ""));

    if (action) {
        action->manifest = json_copy(manifest);
        action->object_kind = json_str_or(action->manifest, "kind", "");
    }
    plan_why(action, "%s", why);
    return action;
}

/* The reconciler found an object of that name which isn't ours, and not labelled like ours either:
 * the watcher doesn't see it. */
static bool was_taken(const struct planner *p, const char *kind, const char *name)
{
    char key[CHILD_NAME_MAX + 64];

    (void)snprintf(key, sizeof key, "failedapply/%s/%s", kind, name);
    return str_eq(json_str(json_member(p->v->snapshot->observations, key), "reason"), "NameTaken");
}

static void create(struct planner *p, const cJSON *manifest)
{
    struct action *action = apply(p, manifest, "it doesn't exist");

    if (action)
        action->is_new = true;
    if (action && was_taken(p, action->object_kind, action->name)) {
        p->children_settling = true;
        plan_block(p, "NameTaken", "%s %s exists and belongs to somebody else: delete or rename it",
                   action->object_kind, action->name);
    }
}

/* Between the revision that @live is at and the one that is wanted is nothing that its pods, or the
 * job, see. */
static bool is_changed_in_place(const struct planner *p, const cJSON *live, bool other_revision)
{
    const char *revision = map_value(live, "metadata.labels", LABEL_REVISION);
    const cJSON *object = revision ? view_child(p->v, "ControllerRevision", revision, NULL) : NULL;
    const cJSON *spec = json_get(object, "data.spec");

    if (!other_revision)
        return true;
    return spec && !(revision_change(spec, p->v->spec) & (CHANGE_JOB | CHANGE_PODS | CHANGE_MODE));
}

/* Pods that the reference operator specified aren't restarted for the sake of flinkd's own form:
 * they get it with the next update that restarts the job, or pods, anyway. */
static bool keeps_pods(const struct planner *p, const cJSON *live, bool other_revision)
{
    const cJSON *annotations = json_get(live, "spec.template.metadata.annotations");

    return is_workload(json_str(live, "kind")) &&
           !json_member(annotations, ANNOTATION_CONFIGURED_BY) &&
           is_changed_in_place(p, live, other_revision);
}

static const cJSON *find_child(const cJSON *children, const char *kind, const char *name)
{
    json_foreach (child, children)
        if (str_eq(json_str(child, "kind"), kind) && str_eq(json_str(child, "metadata.name"), name))
            return child;
    return NULL;
}

/* What the revision that @live was written for had and the new one hasn't would else be taken for
 * something that somebody added. */
static bool loses_something(const struct planner *p, const cJSON *manifest, const cJSON *live)
{
    const char *label = map_value(live, "metadata.labels", LABEL_REVISION);
    const cJSON *revision = view_child(p->v, "ControllerRevision", label ? label : "", NULL), *was;
    struct desired_input in = {.view = p->v,
                               .spec = json_get(revision, "data.spec"),
                               .revision = label,
                               .jobmanager = true,
                               .taskmanager = true,
                               .everything = true};
    _cleanup_(json_freep) cJSON *children = NULL;

    if (!in.spec || str_eq(label, map_value(manifest, "metadata.labels", LABEL_REVISION)))
        return false;
    children = desired_children(&in);
    mark_configuration(children);
    was = find_child(children, json_str(live, "kind"), json_str(live, "metadata.name"));
    return was && !json_equal(json_get(was, "spec.template"), json_get(manifest, "spec.template"));
}

/* A manifest without a template leaves it as it is. */
static bool changes_template(const struct planner *p, const cJSON *manifest, const cJSON *live)
{
    const cJSON *wanted = json_get(manifest, "spec.template");

    return wanted && is_workload(json_str(manifest, "kind")) &&
           (!desired_matches(wanted, json_get(live, "spec.template")) ||
            loses_something(p, manifest, live));
}

/* Does an update need this workload gone first? In recreate mode its pods all start anew; and
 * fields that a StatefulSet or Deployment can't change always do. */
static bool needs_recreation(const struct planner *p, const cJSON *manifest, const cJSON *live)
{
    static const char *const fixed[] = {"spec.selector", "spec.serviceName",
                                        "spec.podManagementPolicy", "spec.volumeClaimTemplates"};
    bool by_mode = p->v->job && !job_state_is_active(p->l->state) &&
                   json_bool(p->v->spec, "recreateOnUpdate", true);

    if (!is_workload(json_str(manifest, "kind")))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
        const cJSON *wanted = json_get(manifest, fixed[i]);

        if (wanted && !desired_matches(wanted, json_get(live, fixed[i])))
            return true;
        if (!wanted && i == 3 && json_count(live, fixed[i]) > 0)
            return true;
    }
    return by_mode && changes_template(p, manifest, live);
}

static bool is_headless(const cJSON *service)
{
    return str_eq(json_str(service, "spec.clusterIP"), "None");
}

/* Whether a Service has an address is settled when it is created. */
static bool changes_headless(const cJSON *manifest, const cJSON *live)
{
    return str_eq(json_str(manifest, "kind"), "Service") &&
           is_headless(manifest) != is_headless(live);
}

/* Not everything of the new pods is there yet: an old JobManager could still take a submission. */
static bool is_rolling(const struct planner *p, const cJSON *live)
{
    const char *update = json_str(live, "status.updateRevision");

    if (!str_eq(json_str(live, "kind"), "StatefulSet") ||
        !str_ends(json_str(live, "metadata.name"), "-jobmanager") || !p->v->jobmanager_pod)
        return false;
    if (json_int(live, "status.observedGeneration", 0) < json_int(live, "metadata.generation", 0))
        return true;
    json_foreach (object, p->v->snapshot->objects) {
        const char *hash = map_value(object, "metadata.labels", "controller-revision-hash");

        if (str_eq(json_str(object, "kind"), "Pod") && update && hash &&
            pod_is(object, POD_JOBMANAGER) && !str_eq(hash, update))
            return true;
    }
    return false;
}

static bool is_ready(const cJSON *pod)
{
    json_foreach (condition, json_get(pod, "status.conditions")) {
        if (str_eq(json_str(condition, "type"), "Ready"))
            return str_eq(json_str(condition, "status"), "True");
    }
    return str_eq(json_str(pod, "status.phase"), "Running");
}

/* The StatefulSet has seen its newest template, and the pod is of an older one. */
static bool is_outdated(const cJSON *pod, const cJSON *live)
{
    const char *update = json_str(live, "status.updateRevision");
    const char *hash = map_value(pod, "metadata.labels", "controller-revision-hash");

    return json_int(live, "status.observedGeneration", 0) >=
               json_int(live, "metadata.generation", 0) &&
           update && hash && !str_eq(hash, update);
}

/* Kubernetes replaces a pod of an ordered StatefulSet only once it is ready. One that can't get
 * ready stays, whatever its template says by now, unless the StatefulSet goes. */
static bool is_stuck(const struct planner *p, const cJSON *manifest, const cJSON *live)
{
    if (!str_eq(json_str(live, "kind"), "StatefulSet") ||
        str_eq(json_str(live, "spec.podManagementPolicy"), "Parallel"))
        return false;
    json_foreach (object, p->v->snapshot->objects) {
        const cJSON *owner = cJSON_GetArrayItem(json_get(object, "metadata.ownerReferences"), 0);

        if (str_eq(json_str(object, "kind"), "Pod") &&
            str_eq(json_str(owner, "uid"), json_str(live, "metadata.uid")) &&
            !json_has(object, "metadata.deletionTimestamp") && !is_ready(object) &&
            (is_outdated(object, live) || changes_template(p, manifest, live)))
            return true;
    }
    return false;
}

static bool is_held(const struct planner *p, const cJSON *live)
{
    return p->only[0] && !str_eq(p->only, map_value(live, "metadata.labels", LABEL_REVISION));
}

/* A service account that isn't wanted any more has to be said to be empty: the API server keeps its
 * name under an older key too, and takes it back from there. */
static void apply_update(struct planner *p, const cJSON *manifest, const cJSON *live)
{
    static const char pod[] = "spec.template.spec", name[] = "serviceAccountName";
    _cleanup_(json_freep) cJSON *update = json_copy(manifest);
    cJSON *spec = json_get(update, pod);

    if (spec && !json_has(spec, name) && json_has(json_get(live, pod), name)) {
        json_set_str(spec, name, "");
        json_set_str(spec, "serviceAccount", "");
    }
    (void)apply(p, update, "an update changes it");
}

static void reconcile_existing(struct planner *p, const cJSON *manifest, const cJSON *live)
{
    _cleanup_(json_freep) cJSON *without_template = NULL;
    const char *wanted = map_value(manifest, "metadata.labels", LABEL_REVISION);
    bool other_revision =
        wanted && !str_eq(wanted, map_value(live, "metadata.labels", LABEL_REVISION));

    if (json_has(live, "metadata.deletionTimestamp")) {
        p->children_settling = true;
        return;
    }
    if (is_held(p, live))
        return;
    /* What somebody else wrote for this revision (the reference operator) stays as it is. */
    if (!other_revision && !is_by_flinkd(live))
        return;
    if (keeps_pods(p, live, other_revision)) {
        manifest = without_template = json_copy(manifest);
        json_remove(without_template, "spec.template");
    }
    if (other_revision && needs_recreation(p, manifest, live)) {
        p->children_settling = true;
        plan_delete(p, live, "an update recreates it");
        return;
    }
    if (is_stuck(p, manifest, live)) {
        p->children_settling = true;
        plan_delete(p, live, "its pod doesn't get ready, so it wouldn't be replaced");
        return;
    }
    if (changes_headless(manifest, live)) {
        p->children_settling = true;
        plan_delete(p, live, "accessScope makes it another kind of Service");
        return;
    }
    if (other_revision || !desired_matches(manifest, live)) {
        if (other_revision)
            apply_update(p, manifest, live);
        else
            (void)apply(p, manifest, "it differs from what is specified");
        if (p->v->jobmanager_pod && changes_template(p, manifest, live))
            p->children_settling = true;
        return;
    }
    if (is_rolling(p, live))
        p->children_settling = true;
}

/* Pods of its predecessor are still there; or, a JobManager, it would bring back the run before. */
static bool meets_the_past(struct planner *p, const char *name)
{
    return has_pods_of(p, name) || (str_ends(name, "-jobmanager") && !plan_ha_is_clear(p));
}

static void reconcile_child(struct planner *p, const cJSON *manifest)
{
    const char *kind = json_str_or(manifest, "kind", ""),
               *name = json_str_or(manifest, "metadata.name", "");
    bool foreign;
    const cJSON *live = view_child(p->v, kind, name, &foreign);

    if (foreign) {
        p->children_settling = true;
        plan_block(p, "NameTaken", "%s %s exists and belongs to somebody else: delete or rename it",
                   kind, name);
    } else if (live) {
        reconcile_existing(p, manifest, live);
    } else if (is_workload(kind) && meets_the_past(p, name)) {
        p->children_settling = true;
    } else {
        create(p, manifest);
    }
}

static void remove_undesired(struct planner *p, const cJSON *children)
{
    for (size_t i = 0; i < ARRAY_SIZE(child_table); i++) {
        char name[CHILD_NAME_MAX];
        const cJSON *live;

        child_name(name, child_table[i].name, p->v->name);
        live = view_child(p->v, child_table[i].kind, name, NULL);
        if (!live || is_held(p, live) || find_child(children, child_table[i].kind, name))
            continue;
        if (is_workload(child_table[i].kind))
            p->children_settling = true;
        plan_delete(p, live, "it isn't specified, or the clean-up policy removes it");
    }
}

/* Claims that the reference operator gave to a StatefulSet would die with it: back to the
 * FlinkCluster first (spec 03-children 13, weakness). Done only when something is about to be
 * deleted. */
static void keep_claims(struct planner *p)
{
    bool cleans_up = p->l->cleanup && !str_eq(p->l->cleanup_policy, "KeepCluster");

    if (!p->l->job_must_update && !cleans_up && !p->l->suspended)
        return;
    json_foreach (object, p->v->snapshot->objects) {
        const cJSON *owner = cJSON_GetArrayItem(json_get(object, "metadata.ownerReferences"), 0);
        struct action *action;

        if (!str_eq(json_str(object, "kind"), "PersistentVolumeClaim") ||
            !str_eq(json_str(owner, "kind"), "StatefulSet"))
            continue;
        action = plan_add(p, ACTION_PATCH, "PersistentVolumeClaim",
                          json_str_or(object, "metadata.name", ""));
        if (!action)
            return;
        action->manifest = cJSON_CreateObject();
        json_set(action->manifest, "metadata.ownerReferences", plan_owned_by_cluster(p));
        json_set_str(action->manifest, "metadata.uid", json_str(object, "metadata.uid"));
        plan_why(action, "the claim must outlive its StatefulSet");
        p->children_settling = true;
    }
}

void plan_children(struct planner *p)
{
    _cleanup_(json_freep) cJSON *children = NULL;

    /* The job is down for the update, but that isn't recorded yet: its savepoint could still get
     * lost. */
    if (p->l->job_must_update && !plan_is_recorded(p)) {
        p->children_settling = true;
        return;
    }
    if (p->l->job_must_update && plan_awaits_submitter(p)) {
        p->children_settling = true;
        return;
    }
    /* What the children are to be until the job is down isn't known. */
    if (p->l->update == UPDATE_PREPARING && !p->l->mends && !p->v->revision.current_spec)
        return;
    plan_ha_adopt(p);
    keep_claims(p);
    children = desired_now(p);
    json_foreach (child, children) {
        reconcile_child(p, child);
    }
    remove_undesired(p, children);
}
