#include "common/store/query.h"

int watch_get(struct journal *j, const char *resource, const char *ns, char **rv, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err, "SELECT rv FROM watch WHERE resource = ? AND ns = ?", "ss", resource,
                   ns);
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    return r == 0 ? JOURNAL_E_NOTFOUND : query_copy(&q, 0, rv, err);
}

int watch_put(struct journal_tx *tx, const char *resource, const char *ns, const char *rv,
              struct error *err)
{
    if (!rv)
        return query_run(tx->journal, err, "DELETE FROM watch WHERE resource = ? AND ns = ?", "ss",
                         resource, ns);
    return query_run(tx->journal, err,
                     "INSERT INTO watch (resource, ns, rv) VALUES (?, ?, ?)"
                     " ON CONFLICT (resource, ns) DO UPDATE SET rv = excluded.rv",
                     "sss", resource, ns, rv);
}
