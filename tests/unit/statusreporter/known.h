/* What is known of one FlinkCluster, for tests of what is said about it: JSON with ' for ". */
#ifndef TESTS_UNIT_STATUSREPORTER_KNOWN_H
#define TESTS_UNIT_STATUSREPORTER_KNOWN_H

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/life.h"
#include "common/model/snapshot.h"
#include "common/model/view.h"
#include "statusreporter/status.h"

#define NOW      1790000000000LL /* 2026-09-21T14:13:20Z */
#define NOW_TEXT "2026-09-21T14:13:20Z"
#define EARLIER  "2026-09-21T10:00:00Z"

struct known {
    struct snapshot snapshot;
    struct view v;
    struct life l; /* derived, then changed by the test */
    cJSON *status; /* what known_status() made */
};

static inline cJSON *parse(const char *text)
{
    _cleanup_(freep) char *copy = strdup(text);
    struct error err = {0};
    cJSON *json = NULL;

    for (char *at = copy; *at; at++) {
        if (*at == '\'')
            *at = '"';
    }
    cr_assert_eq(json_parse(copy, strlen(copy), &json, &err), 0, "%s: %s", err.text, text);
    return json;
}

static inline void known_done(struct known *k)
{
    cJSON_Delete(k->status);
    life_done(&k->l);
    if (k->v.snapshot)
        view_done(&k->v);
    snapshot_done(&k->snapshot);
    *k = (struct known){0};
}

/* @spec and @status: JSON objects; @status may be NULL. */
static inline void known_init(struct known *k, const char *spec, const char *status)
{
    cJSON *cluster = parse("{'apiVersion':'flinkoperator.k8s.io/v1beta1','kind':'FlinkCluster',"
                           "'metadata':{'name':'c','namespace':'ns','uid':'u','generation':3,"
                           "'resourceVersion':'7'},"
                           "'spec':{'flinkVersion':'1.20','image':{'name':'flink:1.20'},"
                           "'jobManager':{'resources':{'limits':{'cpu':'1','memory':'2Gi'}}},"
                           "'taskManager':{'replicas':1,"
                           "'resources':{'limits':{'cpu':'1','memory':'2Gi'}}}}}");
    cJSON *more = parse(spec);

    json_apply_merge(json_member(cluster, "spec"), more);
    cJSON_Delete(more);
    cr_assert_eq(cluster_default(cluster, NULL), 0);
    if (status)
        json_set(cluster, "status", parse(status));
    *k = (struct known){.snapshot = {.row = 1,
                                     .cluster = cluster,
                                     .objects = cJSON_CreateArray(),
                                     .observations = cJSON_CreateObject(),
                                     .commands = cJSON_CreateArray()}};
}

/* An object that the FlinkCluster controls. */
static inline cJSON *known_child(struct known *k, const char *kind, const char *name,
                                 const char *more)
{
    cJSON *object = parse("{'metadata':{'namespace':'ns','uid':'x','labels':{'cluster':'c'},"
                          "'ownerReferences':[{'uid':'u','controller':true}]}}");
    cJSON *merge = parse(more);

    json_set_str(object, "kind", kind);
    json_set_str(object, "metadata.name", name);
    json_apply_merge(object, merge);
    cJSON_Delete(merge);
    json_add_item(k->snapshot.objects, object);
    return object;
}

static inline cJSON *known_pod(struct known *k, const char *name, const char *component,
                               const char *more)
{
    cJSON *pod = known_child(k, "Pod", name, more);

    json_set_str(pod, "metadata.labels.component", component);
    return pod;
}

/* All components of a cluster with one TaskManager, ready. */
static inline void known_components(struct known *k)
{
    static const char ready[] = "{'spec':{'replicas':1},'status':{'replicas':1,'readyReplicas':1}}";

    known_child(k, "ConfigMap", "c-configmap", "{}");
    known_child(k, "StatefulSet", "c-jobmanager", ready);
    known_child(k, "StatefulSet", "c-taskmanager", ready);
    known_child(k, "Service", "c-jobmanager", "{'spec':{'clusterIP':'10.0.0.1'}}");
}

static inline void known_observe(struct known *k, const char *key, const char *json)
{
    json_set_member(k->snapshot.observations, key, parse(json));
}

/* Reads the facts; after this the test may change k->v and k->l. */
static inline void known_read(struct known *k)
{
    view_init(&k->v, &k->snapshot, NOW);
    life_derive(&k->v, &k->l);
}

/* The facts are read anew, as something has changed. */
static inline void known_forget(struct known *k)
{
    life_done(&k->l);
    view_done(&k->v);
    k->l = (struct life){0};
    k->v = (struct view){0};
}

/* The life of the job as the test wants it. */
static inline void known_job(struct known *k, enum job_state state)
{
    k->l.state = state;
    if (!k->l.job)
        k->l.job = cJSON_CreateObject();
    json_set_str(k->l.job, "state", job_state_name(state));
    k->l.reason[0] = '\0';
    k->l.cleanup = false;
    k->l.cleanup_policy = NULL;
}

static inline const cJSON *known_status(struct known *k)
{
    cJSON_Delete(k->status);
    k->status = status_make(&k->v, &k->l);
    return k->status;
}

static inline const cJSON *condition(const cJSON *status, const char *type)
{
    json_foreach (item, json_member(status, "conditions")) {
        if (str_eq(json_str(item, "type"), type))
            return item;
    }
    return NULL;
}

#define expect_json(json, path, text)                                                              \
    do {                                                                                           \
        _cleanup_(json_freep) cJSON *wanted_ = parse(text);                                        \
        _cleanup_(freep) char *found_ = json_text(json_get((json), (path)));                       \
        cr_expect(json_equal(json_get((json), (path)), wanted_), "%s: %s, not %s", (path),         \
                  found_ ? found_ : "absent", (text));                                             \
    } while (0)

#define expect_str(json, path, text)                                                               \
    cr_expect_str_eq(json_str_or((json), (path), "(absent)"), (text), "%s", (path))

#endif
