#include <string.h>

#include "common/store/object_row.h"

static int walk(struct query *q, object_fn fn, void *userdata, struct error *err)
{
    int r;

    while ((r = query_step(q, err)) > 0) {
        _cleanup_(object_done) struct object o = {0};

        r = object_load(q, &o, err);
        if (!r)
            r = fn(&o, userdata);
        if (r)
            return r;
    }
    return r;
}

int object_each(struct journal *j, const char *kind, const char *ns, object_fn fn, void *userdata,
                struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err,
                   "SELECT " OBJECT_COLUMNS " FROM object"
                   " WHERE kind = ?1 AND ?2 IN ('', ns) AND NOT deleted ORDER BY ns, name",
                   "ss", kind, ns);
    return r ?: walk(&q, fn, userdata, err);
}

int object_each_of_cluster(struct journal *j, const char *ns, const char *name, const char *uid,
                           object_fn fn, void *userdata, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    /* In a fixed order: the same journal gives the same snapshot. */
    r = query_open(j, &q, err,
                   "SELECT " OBJECT_COLUMNS " FROM object"
                   " WHERE cluster_uid = ?3 AND ?3 <> '' AND NOT deleted UNION ALL"
                   " SELECT " OBJECT_COLUMNS " FROM object"
                   " WHERE ns = ?1 AND cluster_name = ?2 AND cluster_uid = '' AND NOT deleted"
                   " ORDER BY kind, name",
                   "sss", ns, name, uid);
    return r ?: walk(&q, fn, userdata, err);
}

/* The objects that a relist didn't see: gathered first, as the walk must not see its own deletions.
 */
struct gone {
    struct gone *next;
    struct object object; /* without JSON */
};

static void gone_freep(struct gone **list)
{
    while (*list) {
        struct gone *g = *list;

        *list = g->next;
        object_done(&g->object);
        free(g);
    }
}

static int gone_add(struct query *q, struct gone ***tail, struct error *err)
{
    _cleanup_(gone_freep) struct gone *g = calloc(1, sizeof(*g));
    int r;

    if (!g)
        return error_set(err, ENOMEM, "journal: out of memory");
    r = query_copy(q, 0, &g->object.ns, err);
    if (!r)
        r = query_copy(q, 1, &g->object.name, err);
    if (!r)
        r = query_copy(q, 2, &g->object.uid, err);
    if (r)
        return r;
    **tail = g;
    *tail = &g->next;
    g = NULL;
    return 0;
}

typedef bool (*seen_fn)(const char *ns, const char *name, const char *uid, void *userdata);

static int gone_find(struct journal *j, const char *kind, const char *ns, seen_fn seen,
                     void *userdata, struct gone **list, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err,
                   "SELECT ns, name, uid FROM object"
                   " WHERE kind = ?1 AND ?2 IN ('', ns) AND NOT deleted ORDER BY ns, name",
                   "ss", kind, ns);
    if (r)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        if (seen(query_text(&q, 0), query_text(&q, 1), query_text(&q, 2), userdata))
            continue;
        r = gone_add(&q, &list, err);
        if (r)
            break;
    }
    return r;
}

static int retire(struct journal_tx *tx, const char *kind, const struct object *key,
                  object_fn on_deleted, void *userdata, struct error *err)
{
    _cleanup_(object_done) struct object o = {0};
    int64_t row;
    int r = 0;

    if (on_deleted)
        r = object_get(tx->journal, kind, key->ns, key->name, &o, err);
    if (!r)
        r = object_delete(tx, kind, key->ns, key->name, key->uid, &row, err);
    if (r == JOURNAL_E_NOTFOUND) /* the caller's @seen or @on_deleted removed it */
        return 0;
    if (r || !on_deleted)
        return r;
    o.row = row;
    o.deleted = true;
    return on_deleted(&o, userdata);
}

int object_retain(struct journal_tx *tx, const char *kind, const char *ns, seen_fn seen,
                  void *userdata, object_fn on_deleted, struct error *err)
{
    _cleanup_(gone_freep) struct gone *list = NULL;
    int r;

    r = gone_find(tx->journal, kind, ns, seen, userdata, &list, err);
    for (struct gone *g = list; g && !r; g = g->next)
        r = retire(tx, kind, &g->object, on_deleted, userdata, err);
    return r;
}
