#include "statusreporter/problem.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/flink_memory.h"
#include "common/model/names.h"
#include "statusreporter/component.h"
#include "statusreporter/pod_reason.h"

struct problem *problem_add(struct problems *problems, const char *reason, const char *object)
{
    struct problem *p;

    if (problems->n == PROBLEMS_MAX)
        return NULL;
    p = &problems->items[problems->n++];
    *p = (struct problem){0};
    str_copy(p->reason, sizeof p->reason, reason);
    str_copy(p->object, sizeof p->object, object);
    return p;
}

static void add_invalid(const struct view *v, struct problems *ret)
{
    struct problem *p;

    if (!v->invalid)
        return;
    p = problem_add(ret, "InvalidSpec", "spec");
    if (p)
        str_copy(p->message, sizeof p->message, v->invalid_text);
}

/* ---- creates that the API server refused (quota, a webhook, a missing CRD) ---- */

/* All pods of it are there, so an old refusal says nothing any more. */
static bool has_its_pods(const cJSON *object)
{
    const char *kind = json_str(object, "kind");

    if (str_eq(kind, "Job"))
        return json_int(object, "status.active", 0) + json_int(object, "status.succeeded", 0) +
                   json_int(object, "status.failed", 0) >
               0;
    if (str_eq(kind, "StatefulSet") || str_eq(kind, "Deployment"))
        return json_int(object, "status.replicas", 0) >= json_int(object, "spec.replicas", 1);
    return true;
}

/* Who was refused: a workload's controller (its pods), or the reconciler (the object itself; it
 * forgets it then). */
static const struct {
    const char *prefix, *words;
    bool of_pods;
} refusals[] = {
    {"failedcreate/", "can't be created", true},
    {"failedapply/", "can't be written", false},
};

static void add_taken(const char *kind, const char *name, struct problems *ret)
{
    struct problem *p;
    char object[400];

    (void)snprintf(object, sizeof object, "%s/%s", kind, name);
    p = problem_add(ret, "NameTaken", object);
    if (p)
        (void)snprintf(p->message, sizeof p->message,
                       "%s %.300s exists already and isn't controlled by this FlinkCluster: remove "
                       "it, or use another name for the FlinkCluster",
                       kind, name);
}

static void add_refusal(const struct view *v, size_t i, const char *what, const cJSON *seen,
                        struct problems *ret)
{
    const char *slash = strchr(what, '/');
    const char *reason = json_str_or(seen, "reason", ""),
               *message = json_str_or(seen, "message", "");
    char kind[64];
    const cJSON *object;
    struct problem *p;

    if (!slash || (size_t)(slash - what) >= sizeof kind)
        return;
    str_copy(kind, (size_t)(slash - what) + 1, what);
    object = snapshot_object(v->snapshot, kind, slash + 1);
    if (refusals[i].of_pods && object && has_its_pods(object))
        return;
    if (str_eq(reason, "NameTaken")) {
        add_taken(kind, slash + 1, ret);
        return;
    }
    if (str_eq(kind, "PodGroup") && !object && str_eq(reason, "NotFound")) {
        p = problem_add(ret, "VolcanoMissing", what);
        message = "spec.batchScheduler is volcano, but its CRD podgroups.scheduling.volcano.sh "
                  "isn't installed";
    } else {
        p = problem_add(ret, "FailedCreate", what);
    }
    if (p)
        (void)snprintf(p->message, sizeof p->message, "%s%s%s %s: %.700s",
                       refusals[i].of_pods && object ? "pods of " : "", kind, slash,
                       refusals[i].words, message);
}

static void add_refusals(const struct view *v, struct problems *ret)
{
    json_foreach (seen, v->snapshot->observations) {
        for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
            if (str_starts(seen->string, refusals[i].prefix))
                add_refusal(v, i, seen->string + strlen(refusals[i].prefix), seen, ret);
        }
    }
}

/* Why the reconciler's last plan doesn't go on (see reconciler/work.c). */
static void add_blocked(const struct view *v, struct problems *ret)
{
    const cJSON *seen = json_member(v->snapshot->observations, "plan");
    const char *reason = json_str(seen, "blocked");
    struct problem *p;

    if (!reason || str_eq(reason, "NameTaken") || str_eq(reason, "InvalidSpec"))
        return; /* said with more detail */
    p = problem_add(ret, reason, "plan");
    if (p)
        str_copy(p->message, sizeof p->message, json_str_or(seen, "message", ""));
}

/* ---- names that are taken ---- */

static const struct {
    const char *kind; /* NULL: the TaskManagers' workload */
    const char *name_format;
} children[] = {
    {"ConfigMap", NAME_CONFIGMAP}, {"StatefulSet", NAME_JOBMANAGER}, {"Service", NAME_JOBMANAGER},
    {"Ingress", NAME_JOBMANAGER},  {NULL, NAME_TASKMANAGER},         {"Service", NAME_TASKMANAGER},
    {"Job", NAME_SUBMITTER},
};

/* In Application mode the JobManager is a Job; a StatefulSet of that name is a mode change's, on
 * its way out. */
static bool may_be_there(const struct view *v, size_t i)
{
    bool application = v->mode == MODE_APPLICATION;

    if (str_eq(children[i].kind, "Job"))
        return v->mode != MODE_SESSION && !application;
    return !(application && str_eq(children[i].kind, "StatefulSet"));
}

static void add_foreign(const struct view *v, struct problems *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        const char *kind = children[i].kind ? children[i].kind : component_taskmanager_kind(v);
        bool foreign;
        char name[300];

        if (!may_be_there(v, i))
            continue;
        (void)snprintf(name, sizeof name, "%s%s", v->name, children[i].name_format + strlen("%s"));
        (void)view_child(v, kind, name, &foreign);
        if (foreign)
            add_taken(kind, name, ret);
    }
}

/* ---- memory ---- */

/* Said before the pods crash, and as long as none of them got ready with it. */
static void add_memory(const struct view *v, const struct life *l, struct problems *ret)
{
    static const char *const keys[] = {"jobManager", "taskManager"};
    static const char *const formats[] = {NAME_JOBMANAGER, NAME_TASKMANAGER};

    if (l->suspended || job_state_is_stopped(l->state))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *kind = i ? component_taskmanager_kind(v) : "StatefulSet";
        char text[PROBLEM_TEXT_MAX], name[300];
        struct problem *p;

        (void)snprintf(name, sizeof name, "%s%s", v->name, formats[i] + strlen("%s"));
        if (json_int(view_child(v, kind, name, NULL), "status.readyReplicas", 0) > 0)
            continue;
        if (!flink_memory_check(v->spec, keys[i], text, sizeof text))
            continue;
        p = problem_add(ret, "InvalidMemory", keys[i]);
        if (p)
            str_copy(p->message, sizeof p->message, text);
    }
}

/* ---- the job ---- */

/* No trouble, or said already. */
static bool is_said(const struct view *v, const struct life *l)
{
    return !l->reason[0] || l->suspended || (v->invalid && str_eq(l->reason, "InvalidSpec"));
}

static void add_life(const struct view *v, const struct life *l, struct problems *ret)
{
    struct problem *p = is_said(v, l) ? NULL : problem_add(ret, l->reason, "job");

    if (p)
        str_copy(p->message, sizeof p->message, l->message);
}

void problems_find(const struct view *v, const struct life *l, struct problems *ret)
{
    *ret = (struct problems){.wake_ms = l->wake_ms};
    add_invalid(v, ret);
    add_memory(v, l, ret);
    pod_reasons(v, ret);
    add_refusals(v, ret);
    add_foreign(v, ret);
    add_blocked(v, ret);
    add_life(v, l, ret);
}
