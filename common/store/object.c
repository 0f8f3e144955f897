/* One row for each Kubernetes object, its last state as JSON. A deleted one stays as a tombstone
 * for a while. */
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/store/object_row.h"

static const char *const flinkcluster = "FlinkCluster";

void object_done(struct object *o)
{
    free(o->kind);
    free(o->ns);
    free(o->name);
    free(o->uid);
    free(o->resource_version);
    free(o->cluster_uid);
    free(o->cluster_name);
    cJSON_Delete(o->json);
    *o = (struct object){0};
}

int object_load(struct query *q, struct object *ret, struct error *err)
{
    struct object o = {0};
    char **const texts[] = {&o.kind,        &o.ns,          &o.name, &o.uid, &o.resource_version,
                            &o.cluster_uid, &o.cluster_name};
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(texts) && !r; i++)
        r = query_copy(q, (int)i, texts[i], err);
    if (!r)
        r = query_json(q, 7, &o.json, err);
    if (r) {
        r = error_wrap(err, "object %s %s/%s", o.kind ?: "", o.ns ?: "", o.name ?: "");
        object_done(&o);
        return r;
    }
    o.row = sqlite3_column_int64(q->stmt, 8);
    o.deleted = sqlite3_column_int(q->stmt, 9) != 0;
    *ret = o;
    return 0;
}

/* What a put has to know of the row that is there. */
struct stored {
    int64_t id; /* 0: none */
    bool same; /* nothing to write */
    char cluster_uid[JOURNAL_UID_MAX + 1];
};

static int stored_find(struct journal *j, const struct object *o, struct stored *ret,
                       struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err,
                   "SELECT id, cluster_uid, NOT deleted AND uid = ?4 AND resource_version = ?5"
                   " AND ?5 <> '' AND ?6 IN ('', cluster_uid)"
                   " FROM object WHERE kind = ?1 AND ns = ?2 AND name = ?3",
                   "ssssss", o->kind, o->ns, o->name, o->uid, o->resource_version, o->cluster_uid);
    if (!r)
        r = query_step(&q, err);
    if (r <= 0)
        return r;
    ret->id = sqlite3_column_int64(q.stmt, 0);
    str_copy(ret->cluster_uid, sizeof(ret->cluster_uid), query_text(&q, 1));
    ret->same = sqlite3_column_int(q.stmt, 2) != 0;
    return 0;
}

int object_cluster_uid(struct journal *j, const char *ns, const char *name, char out[64],
                       struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err,
                   "SELECT uid FROM object WHERE kind = 'FlinkCluster' AND ns = ? AND name = ?"
                   " AND NOT deleted",
                   "ss", ns, name);
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    if (r == 0)
        return JOURNAL_E_NOTFOUND;
    str_copy(out, JOURNAL_UID_MAX + 1, query_text(&q, 0));
    return 0;
}

static bool is_owned_by(const cJSON *json, const char *uid)
{
    json_foreach (owner, json_get(json, "metadata.ownerReferences")) {
        if (str_eq(json_str(owner, "uid"), uid))
            return true;
    }
    return false;
}

/* Which cluster, by which name, and how that is known. */
struct belonging {
    char uid[JOURNAL_UID_MAX + 1];
    const char *name;
    bool by_label;
};

static int belonging_find(struct journal *j, const struct object *o, struct belonging *ret,
                          struct error *err)
{
    int r;

    ret->name = o->cluster_name;
    if (str_eq(o->kind, flinkcluster)) {
        ret->name = o->name;
        str_copy(ret->uid, sizeof(ret->uid), o->uid);
        return 0;
    }
    if (!str_empty(o->cluster_uid)) {
        str_copy(ret->uid, sizeof(ret->uid), o->cluster_uid);
        ret->by_label = !is_owned_by(o->json, o->cluster_uid);
        return 0;
    }
    if (str_empty(o->cluster_name))
        return 0;
    r = object_cluster_uid(j, o->ns, o->cluster_name, ret->uid, err);
    ret->by_label = r == 0;
    return r < 0 ? r : 0;
}

static int object_write(struct journal_tx *tx, const struct object *o, const struct belonging *to,
                        int64_t row, struct error *err)
{
    _cleanup_(freep) char *text = json_text(o->json);

    if (!text)
        return error_set(err, ENOMEM, "journal: out of memory");
    return query_run(
        tx->journal, err,
        "INSERT INTO object (row, kind, ns, name, uid, resource_version, cluster_uid,"
        " cluster_name, by_label, deleted, changed_ms, json)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)"
        " ON CONFLICT (kind, ns, name) DO UPDATE SET row = excluded.row, uid = excluded.uid,"
        " resource_version = excluded.resource_version, cluster_uid = excluded.cluster_uid,"
        " cluster_name = excluded.cluster_name, by_label = excluded.by_label, deleted = 0,"
        " changed_ms = excluded.changed_ms, json = excluded.json",
        "isssssssiis", row, o->kind, o->ns, o->name, o->uid, o->resource_version, to->uid, to->name,
        (int64_t)to->by_label, time_now_ms(), text);
}

/* Rows that only the label ties to the cluster follow its name, from one FlinkCluster to the next.
 */
static int attach(struct journal_tx *tx, const struct object *cluster, int64_t row,
                  struct error *err)
{
    return query_run(tx->journal, err,
                     "UPDATE object SET cluster_uid = ?1, by_label = 1, row = ?2"
                     " WHERE ns = ?3 AND cluster_name = ?4 AND (cluster_uid = '' OR by_label)"
                     " AND cluster_uid <> ?1 AND kind <> 'FlinkCluster' AND NOT deleted",
                     "siss", cluster->uid, row, cluster->ns, cluster->name);
}

static int check_names(const struct object *o, struct error *err)
{
    if (str_empty(o->kind) || str_empty(o->name) || str_empty(o->uid) || !o->json)
        return error_set(err, EINVAL, "journal: an object without kind, name, uid or JSON");
    if (strlen(o->uid) > JOURNAL_UID_MAX ||
        (o->cluster_uid && strlen(o->cluster_uid) > JOURNAL_UID_MAX))
        return error_set(err, EINVAL, "journal: %s %s: uid too long", o->kind, o->name);
    return 0;
}

int object_put(struct journal_tx *tx, const struct object *o, int64_t *row, struct error *err)
{
    struct stored old = {0};
    struct belonging to = {0};
    int64_t next = 0;
    int r;

    r = check_names(o, err);
    if (!r)
        r = stored_find(tx->journal, o, &old, err);
    if (r)
        return r;
    if (old.same) {
        *row = 0;
        return 0;
    }
    r = belonging_find(tx->journal, o, &to, err);
    if (!r)
        r = change_next(tx, &next, err);
    if (!r)
        r = object_write(tx, o, &to, next, err);
    if (!r)
        r = change_cluster(tx, to.uid, o->ns, to.name, next, err);
    if (!r && !str_eq(old.cluster_uid, to.uid))
        r = change_cluster(tx, old.cluster_uid, "", "", next, err);
    if (!r && str_eq(o->kind, flinkcluster))
        r = attach(tx, o, next, err);
    if (!r)
        *row = next;
    return r;
}

static int stored_live(struct journal *j, const char *kind, const char *ns, const char *name,
                       const char *uid, struct stored *ret, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err,
                   "SELECT id, cluster_uid FROM object WHERE kind = ?1 AND ns = ?2 AND name = ?3"
                   " AND NOT deleted AND uid = ifnull(?4, uid)",
                   "sssn", kind, ns, name, uid);
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    if (r == 0)
        return JOURNAL_E_NOTFOUND;
    ret->id = sqlite3_column_int64(q.stmt, 0);
    str_copy(ret->cluster_uid, sizeof(ret->cluster_uid), query_text(&q, 1));
    return 0;
}

int object_delete(struct journal_tx *tx, const char *kind, const char *ns, const char *name,
                  const char *uid, int64_t *row, struct error *err)
{
    struct stored old = {0};
    int64_t next = 0;
    int r;

    r = stored_live(tx->journal, kind, ns, name, uid, &old, err);
    if (!r)
        r = change_next(tx, &next, err);
    if (!r)
        r = query_run(tx->journal, err,
                      "UPDATE object SET deleted = 1, row = ?, changed_ms = ? WHERE id = ?", "iii",
                      next, time_now_ms(), old.id);
    if (!r)
        r = change_cluster(tx, old.cluster_uid, "", "", next, err);
    if (!r)
        *row = next;
    return r;
}

int object_get(struct journal *j, const char *kind, const char *ns, const char *name,
               struct object *ret, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err,
                   "SELECT " OBJECT_COLUMNS " FROM object"
                   " WHERE kind = ? AND ns = ? AND name = ? AND NOT deleted",
                   "sss", kind, ns, name);
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    return r == 0 ? JOURNAL_E_NOTFOUND : object_load(&q, ret, err);
}

int object_version(struct journal *j, const char *kind, const char *ns, const char *name,
                   char uid[64], char version[64], struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err,
                   "SELECT uid, resource_version FROM object"
                   " WHERE kind = ? AND ns = ? AND name = ? AND NOT deleted",
                   "sss", kind, ns, name);
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    if (r == 0)
        return JOURNAL_E_NOTFOUND;
    str_copy(uid, JOURNAL_UID_MAX + 1, query_text(&q, 0));
    str_copy(version, JOURNAL_UID_MAX + 1, query_text(&q, 1));
    return 0;
}

int object_count(struct journal *j, const char *kind, int64_t *n, struct error *err)
{
    return query_int(j, n, err, "SELECT count(*) FROM object WHERE kind = ? AND NOT deleted", "s",
                     kind);
}
