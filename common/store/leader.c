#include "common/base/str.h"
#include "common/store/query.h"

int leader_get(struct journal *j, struct leader *ret, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err, "SELECT holder, ours, until_ms FROM leader", "");
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    *ret = (struct leader){0};
    if (r == 0)
        return 0;
    str_copy(ret->holder, sizeof(ret->holder), query_text(&q, 0));
    ret->ours = sqlite3_column_int(q.stmt, 1) != 0;
    ret->until_ms = sqlite3_column_int64(q.stmt, 2);
    return 0;
}

int leader_put(struct journal_tx *tx, const struct leader *l, struct error *err)
{
    return query_run(tx->journal, err,
                     "INSERT INTO leader (id, holder, ours, until_ms) VALUES (1, ?, ?, ?)"
                     " ON CONFLICT (id) DO UPDATE SET holder = excluded.holder,"
                     " ours = excluded.ours, until_ms = excluded.until_ms",
                     "sii", l->holder, (int64_t)l->ours, l->until_ms);
}
