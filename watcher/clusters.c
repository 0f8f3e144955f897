#include "watcher/clusters.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "watcher/index.h"

enum { BUCKETS = 1024 };

struct clusters {
    struct cluster *by_name[BUCKETS];
    struct cluster *by_uid[BUCKETS];
};

static size_t name_bucket(const char *ns, const char *name)
{
    return index_key(ns, name, "") % BUCKETS;
}

static size_t uid_bucket(const char *uid)
{
    return index_key(uid, "", "") % BUCKETS;
}

static void pod_free(struct jobmanager_pod *pod)
{
    free(pod->name);
    free(pod->uid);
    free(pod);
}

static void cluster_free(struct cluster *c)
{
    struct jobmanager_pod *pod;

    while ((pod = c->pods)) {
        c->pods = pod->next;
        pod_free(pod);
    }
    free(c->ns);
    free(c->name);
    free(c->uid);
    free(c);
}

struct clusters *clusters_new(void)
{
    return calloc(1, sizeof(struct clusters));
}

struct clusters *clusters_free(struct clusters *table)
{
    if (!table)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (table->by_name[i])
            clusters_remove(table, table->by_name[i]);
    }
    free(table);
    return NULL;
}

struct cluster *clusters_find(const struct clusters *table, const char *ns, const char *name)
{
    struct cluster *c = table->by_name[name_bucket(ns, name)];

    while (c && !(str_eq(c->name, name) && str_eq(c->ns, ns)))
        c = c->next_name;
    return c;
}

struct cluster *clusters_find_uid(const struct clusters *table, const char *uid)
{
    struct cluster *c = table->by_uid[uid_bucket(uid)];

    while (c && !str_eq(c->uid, uid))
        c = c->next_uid;
    return c;
}

static struct cluster *cluster_new(struct clusters *table, const char *ns, const char *name,
                                   const char *uid)
{
    struct cluster *c = calloc(1, sizeof(*c));
    size_t by_name = name_bucket(ns, name), by_uid = uid_bucket(uid);

    if (!c)
        return NULL;
    c->ns = strdup(ns);
    c->name = strdup(name);
    c->uid = strdup(uid);
    if (!c->ns || !c->name || !c->uid) {
        cluster_free(c);
        return NULL;
    }
    c->next_name = table->by_name[by_name];
    table->by_name[by_name] = c;
    c->next_uid = table->by_uid[by_uid];
    table->by_uid[by_uid] = c;
    return c;
}

struct cluster *clusters_put(struct clusters *table, const char *ns, const char *name,
                             const char *uid, const cJSON *json, bool *is_new)
{
    struct cluster *c = clusters_find(table, ns, name);

    *is_new = false;
    if (c && !str_eq(c->uid, uid)) {
        clusters_remove(table, c);
        c = NULL;
    }
    if (!c) {
        c = cluster_new(table, ns, name, uid);
        *is_new = c != NULL;
    }
    if (c)
        facts_of_cluster(json, &c->facts);
    return c;
}

void clusters_remove(struct clusters *table, struct cluster *c)
{
    struct cluster **link = &table->by_name[name_bucket(c->ns, c->name)];

    while (*link != c)
        link = &(*link)->next_name;
    *link = c->next_name;
    link = &table->by_uid[uid_bucket(c->uid)];
    while (*link != c)
        link = &(*link)->next_uid;
    *link = c->next_uid;
    cluster_free(c);
}

void clusters_each(struct clusters *table, void (*fn)(struct cluster *c, void *userdata),
                   void *userdata)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct cluster *c = table->by_name[i]; c; c = c->next_name)
            fn(c, userdata);
    }
}

static struct jobmanager_pod *pod_add(struct cluster *c, const char *name, const char *uid)
{
    struct jobmanager_pod *pod = calloc(1, sizeof(*pod));

    if (!pod)
        return NULL;
    pod->name = strdup(name);
    pod->uid = strdup(uid);
    if (!pod->name || !pod->uid) {
        pod_free(pod);
        return NULL;
    }
    pod->next = c->pods;
    c->pods = pod;
    return pod;
}

static struct jobmanager_pod *pod_find(const struct cluster *c, const char *name)
{
    struct jobmanager_pod *pod = c->pods;

    while (pod && !str_eq(pod->name, name))
        pod = pod->next;
    return pod;
}

static void pod_remove(struct cluster *c, struct jobmanager_pod *pod)
{
    struct jobmanager_pod **link = &c->pods;

    while (*link != pod)
        link = &(*link)->next;
    *link = pod->next;
    pod_free(pod);
}

static void put_pod(struct cluster *c, const char *name, const cJSON *json, bool gone)
{
    const char *uid = json_str_or(json, "metadata.uid", "");
    struct jobmanager_pod *pod = pod_find(c, name);
    struct jobmanager_facts facts;

    if (pod && (gone || !str_eq(pod->uid, uid))) {
        pod_remove(c, pod);
        pod = NULL;
    }
    if (gone || !facts_of_jobmanager(json, &facts))
        return;
    if (!pod)
        pod = pod_add(c, name, uid);
    if (pod)
        pod->facts = facts;
}

void cluster_child(struct cluster *c, const char *kind, const char *name, const cJSON *json,
                   bool gone)
{
    if (str_eq(kind, "Pod")) {
        put_pod(c, name, json, gone);
        return;
    }
    if (!str_eq(kind, "Job") || !facts_is_submitter(name, c->name))
        return;
    if (gone)
        c->submitter_job_id[0] = '\0';
    else
        facts_of_submitter(json, c->submitter_job_id);
}

const struct jobmanager_pod *cluster_jobmanager(const struct cluster *c)
{
    const struct jobmanager_pod *best = NULL;

    for (const struct jobmanager_pod *pod = c->pods; pod; pod = pod->next) {
        if (!pod->facts.running)
            continue;
        if (!best || pod->facts.created_ms < best->facts.created_ms ||
            (pod->facts.created_ms == best->facts.created_ms && strcmp(pod->name, best->name) < 0))
            best = pod;
    }
    return best;
}
