#include "watcher/flink_source.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "watcher/poll.h"

enum { CHANGED_MAX = 64 };

int flink_source_new(struct watcher *w, struct flink_source **ret, struct error *err)
{
    struct flink_source *source = calloc(1, sizeof(*source));

    if (!source)
        return error_set(err, ENOMEM, "out of memory");
    source->w = w;
    *ret = source;
    return 0;
}

static void on_removed(struct cluster *c, void *userdata)
{
    (void)userdata;
    poll_free(c->poll);
    c->poll = NULL;
}

struct flink_source *flink_source_free(struct flink_source *source)
{
    if (!source)
        return NULL;
    clusters_each(source->w->clusters, on_removed, source);
    free(source);
    return NULL;
}

void flink_source_add(struct flink_source *source, struct cluster *c, const cJSON *observations)
{
    c->poll = poll_new(source, c, observations);
    if (c->poll)
        triggers_sync(c->poll);
    else
        log_warn("cluster=%s: out of memory, its Flink isn't polled", c->uid);
}

void flink_source_remove(struct flink_source *source, struct cluster *c)
{
    on_removed(c, source);
}

void flink_source_changed(struct flink_source *source, struct cluster *c)
{
    (void)source;
    if (c->poll)
        poll_changed(c->poll);
}

void flink_source_sync(struct flink_source *source, struct cluster *c)
{
    (void)source;
    if (c->poll)
        triggers_sync(c->poll);
}

static void sweep_one(struct flink_source *source, const char *uid)
{
    const struct cluster *c = clusters_find_uid(source->w->clusters, uid);
    bool was_open;

    if (!c || !c->poll)
        return;
    was_open = poll_is_open(c->poll);
    triggers_sync(c->poll);
    if (poll_is_open(c->poll) && !was_open)
        poll_hurry(c->poll);
    else
        poll_schedule(c->poll);
}

void flink_source_sweep(struct flink_source *source)
{
    struct journal *journal = source->w->journal;
    struct changed_cluster changed[CHANGED_MAX];
    struct error err = {0};
    size_t n = CHANGED_MAX;
    int64_t newest = 0;
    int r;

    if (!journal)
        return;
    r = journal_last_row(journal, &newest, &err);
    while (!r && n == CHANGED_MAX && newest > source->swept_row) {
        r = object_changed_clusters(journal, source->swept_row, changed, CHANGED_MAX, &n,
                                    &source->swept_row, &err);
        for (size_t i = 0; i < n && !r; i++)
            sweep_one(source, changed[i].uid);
    }
    if (r)
        log_debug("sweep: %s", err.text);
}

void flink_source_reset(struct flink_source *source)
{
    clusters_each(source->w->clusters, on_removed, source);
    source->swept_row = 0;
}

static void check_idle(struct cluster *c, void *userdata)
{
    bool *idle = userdata;

    *idle = *idle && (!c->poll || poll_is_idle(c->poll));
}

bool flink_source_is_idle(struct flink_source *source)
{
    bool idle = true;

    clusters_each(source->w->clusters, check_idle, &idle);
    return idle;
}
