#include "watcher/notice.h"

#include "common/base/log.h"
#include "common/base/str.h"
#include "watcher/clusters.h"
#include "watcher/crash.h"
#include "watcher/failed_create.h"
#include "watcher/flink_source.h"
#include "watcher/record.h"

static void notice_child(struct watcher *w, struct cluster *c, const struct object *o, bool gone)
{
    cluster_child(c, o->kind, o->name, o->json, gone);
    if (str_eq(o->kind, "Pod"))
        crash_look(w->crash, c, o->json, gone);
    if (!gone)
        failed_create_look(w, c, o);
}

/* Of a new cluster the journal may have children already. */
struct loading {
    struct watcher *w;
    struct cluster *cluster;
};

static int on_child(struct object *o, void *userdata)
{
    const struct loading *loading = userdata;

    if (!str_eq(o->kind, "FlinkCluster"))
        notice_child(loading->w, loading->cluster, o, false);
    return 0;
}

static void load_cluster(struct watcher *w, struct cluster *c)
{
    _cleanup_(json_freep) cJSON *observations = NULL;
    struct loading loading = {.w = w, .cluster = c};
    struct error err = {0};
    int r = 0;

    if (w->journal)
        r = observation_all(w->journal, c->uid, &observations, &err);
    flink_source_add(w->flink_source, c, observations);
    crash_known(w->crash, observations);
    failed_create_known(c, observations);
    if (w->journal && !r)
        r = object_each_of_cluster(w->journal, c->ns, c->name, c->uid, on_child, &loading, &err);
    if (r < 0)
        log_warn("cluster=%s: %s", c->uid, err.text);
}

static void forget_cluster(struct watcher *w, struct cluster *c)
{
    flink_source_remove(w->flink_source, c);
    record_observation(w->record, c->uid, NULL, NULL);
    clusters_remove(w->clusters, c);
}

static void notice_cluster(struct watcher *w, const struct object *o, bool gone)
{
    struct cluster *c = clusters_find(w->clusters, o->ns, o->name);
    bool is_new;

    if (c && (gone ? str_eq(c->uid, o->uid) : !str_eq(c->uid, o->uid)))
        forget_cluster(w, c);
    if (gone)
        return;
    c = clusters_put(w->clusters, o->ns, o->name, o->uid, o->json, &is_new);
    if (!c)
        return;
    if (is_new)
        load_cluster(w, c);
    else
        flink_source_sync(w->flink_source, c);
    flink_source_changed(w->flink_source, c);
}

void notice_object(struct watcher *w, const struct object *o, bool gone)
{
    struct cluster *c;

    if (str_eq(o->kind, "FlinkCluster")) {
        notice_cluster(w, o, gone);
        return;
    }
    c = str_empty(o->cluster_uid) ? clusters_find(w->clusters, o->ns, o->cluster_name)
                                  : clusters_find_uid(w->clusters, o->cluster_uid);
    if (!c)
        return;
    notice_child(w, c, o, gone);
    flink_source_changed(w->flink_source, c);
}

static int on_cluster(struct object *o, void *userdata)
{
    notice_cluster(userdata, o, false);
    return 0;
}

int notice_journal(struct watcher *w, struct error *err)
{
    return object_each(w->journal, "FlinkCluster", w->config->common.ns, on_cluster, w, err);
}
