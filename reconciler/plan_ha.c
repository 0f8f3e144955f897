/* What Flink's Kubernetes HA leaves behind. A JobManager that starts brings back every job that the
 * HA ConfigMaps of its cluster-id tell of (spec 03-children 14, weakness): after a run that was
 * given up they go, before another run's JobManager starts. */
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/names.h"
#include "reconciler/plan_internal.h"

cJSON *plan_owned_by_cluster(const struct planner *p)
{
    cJSON *owners = cJSON_CreateArray(), *owner = cJSON_CreateObject();

    json_set_str(owner, "apiVersion", "flinkoperator.k8s.io/v1beta1");
    json_set_str(owner, "kind", "FlinkCluster");
    json_set_str(owner, "name", p->v->name);
    json_set_str(owner, "uid", p->v->uid);
    json_set_bool(owner, "controller", true);
    json_set_bool(owner, "blockOwnerDeletion", false);
    json_add_item(owners, owner);
    return owners;
}

static bool is_ha_metadata(const cJSON *object)
{
    const cJSON *labels = json_get(object, "metadata.labels");

    return str_eq(json_str(object, "kind"), "ConfigMap") &&
           str_eq(cJSON_GetStringValue(json_member(labels, LABEL_CONFIGMAP_TYPE)),
                  CONFIGMAP_TYPE_HA);
}

bool plan_has_ha_metadata(const struct planner *p)
{
    json_foreach (object, p->v->snapshot->objects)
        if (p->v->ha && is_ha_metadata(object))
            return true;
    return false;
}

/* Flink's HA metadata goes with the FlinkCluster, unless somebody else owns it. */
void plan_ha_adopt(struct planner *p)
{
    if (!p->v->ha)
        return;
    json_foreach (object, p->v->snapshot->objects) {
        struct action *action;

        if (!is_ha_metadata(object) || json_count(object, "metadata.ownerReferences") > 0)
            continue;
        action = plan_add(p, ACTION_PATCH, "ConfigMap", json_str_or(object, "metadata.name", ""));
        if (!action)
            return;
        action->manifest = cJSON_CreateObject();
        json_set(action->manifest, "metadata.ownerReferences", plan_owned_by_cluster(p));
        json_set_str(action->manifest, "metadata.uid", json_str(object, "metadata.uid"));
        plan_why(action, "Flink's HA metadata is to go with the FlinkCluster");
    }
}

/* The run that the metadata tells of is over, as the status says, and the next has another id. One
 * that is tried again under its own id may be in there: Flink then knows it. */
static bool is_of_a_run_before(const struct planner *p)
{
    const char *id = json_str(p->v->rec_job, "id");

    return !str_empty(id) && plan_is_recorded(p) && job_state_is_pending(p->l->state) &&
           !plan_was_never_seen(p);
}

/* Some JobManager is using it. */
static bool is_in_use(const struct planner *p)
{
    char name[CHILD_NAME_MAX];

    child_name(name, NAME_JOBMANAGER, p->v->name);
    return p->v->jobmanager_pod || view_child(p->v, "StatefulSet", name, NULL) ||
           view_child(p->v, "Job", name, NULL);
}

bool plan_ha_is_clear(struct planner *p)
{
    bool clear = true;

    if (!p->v->ha || !is_of_a_run_before(p) || is_in_use(p))
        return true;
    json_foreach (object, p->v->snapshot->objects) {
        /* Somebody else's isn't touched; one without an owner is adopted first. */
        if (!is_ha_metadata(object) ||
            (json_count(object, "metadata.ownerReferences") > 0 &&
             !view_child(p->v, "ConfigMap", json_str_or(object, "metadata.name", ""), NULL)))
            continue;
        clear = false;
        if (json_count(object, "metadata.ownerReferences") > 0)
            plan_delete(p, object, "it would bring back the run before");
    }
    return clear;
}
