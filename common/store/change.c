/* One counter numbers every change; cluster_change keeps the newest number of each FlinkCluster. As
 * writers take turns, numbers are committed in order and a reader that goes on after the last one
 * it saw misses none. */
#include "common/base/str.h"
#include "common/store/query.h"

int change_next(struct journal_tx *tx, int64_t *row, struct error *err)
{
    int r = query_int(tx->journal, row, err, "UPDATE counter SET row = row + 1 RETURNING row", "");

    return r > 0 ? error_set(err, EPROTO, "journal: its counter is gone") : r;
}

int change_cluster(struct journal_tx *tx, const char *uid, const char *ns, const char *name,
                   int64_t row, struct error *err)
{
    if (str_empty(uid))
        return 0;
    return query_run(tx->journal, err,
                     "INSERT INTO cluster_change (cluster_uid, row, ns, name)"
                     " VALUES (?1, ?2, ?3, ?4)"
                     " ON CONFLICT (cluster_uid) DO UPDATE SET row = excluded.row,"
                     " ns = CASE excluded.name WHEN '' THEN ns ELSE excluded.ns END,"
                     " name = CASE excluded.name WHEN '' THEN name ELSE excluded.name END",
                     "siss", uid, row, ns, name);
}

int object_changed_clusters(struct journal *j, int64_t row, struct changed_cluster *out, size_t max,
                            size_t *n, int64_t *last, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    size_t found = 0;
    int r;

    r = query_open(j, &q, err,
                   "SELECT row, cluster_uid, ns, name FROM cluster_change"
                   " WHERE row > ? ORDER BY row LIMIT ?",
                   "ii", row, (int64_t)max);
    if (r)
        return r;
    while (found < max && (r = query_step(&q, err)) > 0) {
        struct changed_cluster *c = &out[found++];

        c->row = sqlite3_column_int64(q.stmt, 0);
        str_copy(c->uid, sizeof(c->uid), query_text(&q, 1));
        str_copy(c->ns, sizeof(c->ns), query_text(&q, 2));
        str_copy(c->name, sizeof(c->name), query_text(&q, 3));
    }
    if (r < 0)
        return r;
    *n = found;
    *last = found ? out[found - 1].row : row;
    return 0;
}

int object_cluster_row(struct journal *j, const char *cluster_uid, int64_t *row, struct error *err)
{
    int64_t found = 0;
    int r = query_int(j, &found, err, "SELECT row FROM cluster_change WHERE cluster_uid = ?", "s",
                      cluster_uid);

    if (r < 0)
        return r;
    *row = found;
    return 0;
}

int journal_last_row(struct journal *j, int64_t *row, struct error *err)
{
    int r = query_int(j, row, err, "SELECT row FROM counter", "");

    return r > 0 ? error_set(err, EPROTO, "journal %s: its counter is gone", j->path) : r;
}
