#include "statusreporter/status.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "statusreporter/cluster_state.h"
#include "statusreporter/component.h"
#include "statusreporter/conditions.h"
#include "statusreporter/problem.h"

/* ---- bounds: the status is stored with every change, and etcd has limits ---- */

static void bound_text(cJSON *object, const char *key, size_t max_bytes)
{
    const char *text = json_str(object, key);
    _cleanup_(freep) char *cut = NULL;

    if (!text || strlen(text) <= max_bytes)
        return;
    cut = malloc(max_bytes + 1);
    if (!cut)
        return;
    str_copy(cut, max_bytes + 1, text);
    json_set_str(object, key, cut);
}

static void bound_array(cJSON *array, int max)
{
    while (cJSON_GetArraySize(array) > max)
        cJSON_DeleteItemFromArray(array, max);
}

static cJSON *bounded_reasons(const cJSON *reasons)
{
    cJSON *ret = cJSON_CreateArray();

    json_foreach (reason, reasons) {
        char text[STATUS_FAILURE_REASON_BYTES + 1];

        if (cJSON_GetArraySize(ret) == STATUS_FAILURE_REASONS_MAX)
            break;
        str_copy(text, sizeof text, cJSON_IsString(reason) ? reason->valuestring : "");
        json_add_item(ret, cJSON_CreateString(text));
    }
    return ret;
}

static cJSON *job_status(const struct life *l)
{
    cJSON *job = json_copy(l->job);

    if (json_has(job, "failureReasons"))
        json_set(job, "failureReasons", bounded_reasons(json_member(job, "failureReasons")));
    return job;
}

/* ---- parts ---- */

static enum cluster_state next_state(const struct view *v, const struct life *l,
                                     const struct components *components)
{
    struct cluster_facts facts = {
        .must_update = l->cluster_must_update,
        .update_triggered = v->revision.update_triggered && l->update != UPDATE_FINISHED,
        .job_stopped = job_state_is_stopped(l->state) && !l->will_restart,
        .stops = l->suspended ||
                 (l->cleanup && l->cleanup_policy && !str_eq(l->cleanup_policy, "KeepCluster")),
        .ready = components->ready,
        .total = components->total,
    };

    /* A suspended cluster keeps its Services, so that it comes back under the same addresses. */
    if (l->suspended && components->pods_gone)
        facts.ready = 0;
    return cluster_state_next(cluster_state_parse(json_str(v->status, "state")), &facts);
}

/* The revision that runs, the one that is wanted (spec 04-status 6). */
static cJSON *revision_status(const struct view *v, const struct life *l)
{
    const struct revision_sync *sync = &v->revision;
    bool there = l->update == UPDATE_FINISHED || !sync->update_triggered;
    cJSON *ret = cJSON_CreateObject();

    json_set_str(ret, "currentRevision", there ? sync->next : sync->current);
    json_set_str(ret, "nextRevision", sync->next);
    if (sync->collision_count)
        json_set_int(ret, "collisionCount", sync->collision_count);
    return ret;
}

static void set_copy(cJSON *status, const char *key, const cJSON *value)
{
    if (value)
        json_set_member(status, key, json_copy(value));
}

static void set_last_update_time(cJSON *status, const struct view *v)
{
    const cJSON *recorded = json_member(v->status, "lastUpdateTime");
    char now[32];

    set_copy(status, "lastUpdateTime", recorded);
    if (recorded && json_equal(status, v->status))
        return;
    time_rfc3339(v->now_ms, now);
    json_set_str(status, "lastUpdateTime", now);
}

cJSON *status_make(const struct view *v, const struct life *l)
{
    cJSON *ret = cJSON_CreateObject();
    struct components components;
    struct problems problems;
    struct conditions_input in = {v, l, &components, &problems, CLUSTER_CREATING};

    components_make(v, l, &components);
    problems_find(v, l, &problems);
    in.state = next_state(v, l, &components);
    json_set_str(ret, "state", cluster_state_name(in.state));
    json_set(ret, "conditions", conditions_make(&in));
    if (l->job)
        json_set_member(components.json, "job", job_status(l));
    json_set_member(ret, "components", components.json);
    set_copy(ret, "control", l->control);
    bound_text(json_member(ret, "control"), "message", STATUS_MESSAGE_BYTES);
    set_copy(ret, "savepoint", l->savepoint);
    bound_text(json_member(ret, "savepoint"), "message", STATUS_MESSAGE_BYTES);
    set_copy(ret, "savepoints", l->savepoints);
    bound_array(json_member(ret, "savepoints"), STATUS_SAVEPOINTS_MAX);
    json_set(ret, "revision", revision_status(v, l));
    json_set_int(ret, "observedGeneration",
                 json_int(v->snapshot->cluster, "metadata.generation", 0));
    set_last_update_time(ret, v);
    return ret;
}
