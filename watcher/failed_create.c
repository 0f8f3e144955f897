#include "watcher/failed_create.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/pod.h"
#include "watcher/clusters.h"
#include "watcher/record.h"

enum { KEY_SIZE = 320, MESSAGE_MAX = 1024 };

static bool make_key(char *out, const char *kind, const char *name)
{
    int n = snprintf(out, KEY_SIZE, "failedcreate/%s/%s", kind, name);

    return n > 0 && n < KEY_SIZE;
}

static int64_t last_seen_ms(const cJSON *event)
{
    static const char *const fields[] = {"series.lastObservedTime", "lastTimestamp", "eventTime",
                                         "metadata.creationTimestamp"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        int64_t ms = time_parse_rfc3339(json_str(event, fields[i]));

        if (ms)
            return ms;
    }
    return 0;
}

static cJSON *observation_of(const cJSON *event)
{
    cJSON *json = cJSON_CreateObject();
    char message[MESSAGE_MAX];

    str_copy(message, sizeof(message), json_str_or(event, "message", ""));
    (void)json_set_str(json, "reason", json_str_or(event, "reason", ""));
    (void)json_set_str(json, "message", message);
    (void)json_set_int(json, "count", json_int(event, "count", 1));
    (void)json_set_int(json, "lastSeen", last_seen_ms(event));
    return json;
}

void failed_create_event(struct watcher *w, const cJSON *event, bool gone)
{
    const char *kind = json_str_or(event, "involvedObject.kind", "");
    const char *name = json_str_or(event, "involvedObject.name", "");
    char cluster_name[256], key[KEY_SIZE];
    struct cluster *c;

    if (!workload_component(kind, name, cluster_name, sizeof(cluster_name)) ||
        !make_key(key, kind, name))
        return;
    c = clusters_find(w->clusters, json_str_or(event, "involvedObject.namespace", ""),
                      cluster_name);
    if (!c)
        return;
    c->failed_create = true;
    record_observation(w->record, c->uid, key, gone ? NULL : observation_of(event));
}

/* Has the object the pods that it is for? */
static bool has_pods(const char *kind, const cJSON *json)
{
    if (str_eq(kind, "StatefulSet"))
        return json_int(json, "status.replicas", 0) >= json_int(json, "spec.replicas", 1);
    return str_eq(kind, "Job") &&
           (json_int(json, "status.active", 0) > 0 || json_int(json, "status.succeeded", 0) > 0);
}

void failed_create_look(struct watcher *w, const struct cluster *c, const struct object *o)
{
    char key[KEY_SIZE];

    if (c->failed_create && has_pods(o->kind, o->json) && make_key(key, o->kind, o->name))
        record_observation(w->record, c->uid, key, NULL);
}

void failed_create_known(struct cluster *c, const cJSON *observations)
{
    json_foreach (observation, observations)
        c->failed_create = c->failed_create || str_starts(observation->string, "failedcreate/");
}
