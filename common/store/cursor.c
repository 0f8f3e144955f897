#include "common/store/query.h"

int cursor_get(struct journal *j, const char *consumer, int64_t *row, struct error *err)
{
    int64_t found = 0;
    int r = query_int(j, &found, err, "SELECT row FROM cursor WHERE consumer = ?", "s", consumer);

    if (r < 0)
        return r;
    *row = found;
    return 0;
}

int cursor_set(struct journal_tx *tx, const char *consumer, int64_t row, struct error *err)
{
    return query_run(tx->journal, err,
                     "INSERT INTO cursor (consumer, row) VALUES (?, ?)"
                     " ON CONFLICT (consumer) DO UPDATE SET row = excluded.row",
                     "si", consumer, row);
}
