#include "common/base/str.h"
#include "common/base/time.h"
#include "common/store/query.h"

/* A watcher writes that this suite works, outside a pod for good. */
#define HOW_TO_GO_ON                                                                               \
    "; flinkd-watcher --once (outside a pod) brings the journal up to date and lets it act, "      \
    "--dry-run shows what it would do"

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

int leader_require(struct journal *j, int64_t now_ms, struct error *err)
{
    struct leader l = {0};
    char until[32];
    int r = j ? leader_get(j, &l, err) : error_set(err, EIO, "the journal isn't open");

    if (r)
        return r;
    if (l.ours && l.until_ms > now_ms)
        return 0;
    if (l.ours) { /* copied, mostly */
        time_rfc3339(l.until_ms, until);
        return error_set(err, EPERM,
                         "nothing is done: %s worked with this journal until %s, since then no "
                         "watcher renewed that" HOW_TO_GO_ON,
                         l.holder, until);
    }
    if (!str_empty(l.holder))
        return error_set(err, EPERM, "nothing is done: %s holds the Lease and works" HOW_TO_GO_ON,
                         l.holder);
    return error_set(err, EPERM,
                     "nothing is done: no watcher has listed anything here yet, or it "
                     "doesn't lead" HOW_TO_GO_ON);
}
