#include "common/store/query.h"

int claim_take(struct journal_tx *tx, const char *what, const char *who, int64_t now_ms,
               int64_t lease_ms, struct error *err)
{
    int r = query_run(tx->journal, err,
                      "INSERT INTO claim (what, who, until_ms) VALUES (?1, ?2, ?4)"
                      " ON CONFLICT (what) DO UPDATE SET who = ?2, until_ms = ?4"
                      " WHERE who = ?2 OR until_ms <= ?3",
                      "ssii", what, who, now_ms, now_ms + lease_ms);

    if (r)
        return r;
    return sqlite3_changes(tx->journal->db) == 0 ? JOURNAL_E_CLAIMED : 0;
}

int claim_release(struct journal_tx *tx, const char *what, const char *who, struct error *err)
{
    return query_run(tx->journal, err,
                     "DELETE FROM claim WHERE (?1 = '' OR what = ?1) AND who = ?2", "ss", what,
                     who);
}
