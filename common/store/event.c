#include "common/base/json.h"
#include "common/store/query.h"

int event_add(struct journal_tx *tx, int64_t now_ms, const char *source, const char *cluster_uid,
              const char *what, const cJSON *payload, struct error *err)
{
    _cleanup_(freep) char *text = payload ? json_text(payload) : NULL;

    if (payload && !text)
        return error_set(err, ENOMEM, "journal: out of memory");
    return query_run(tx->journal, err,
                     "INSERT INTO event (time_ms, source, cluster_uid, what, payload)"
                     " VALUES (?, ?, ?, ?, ?)",
                     "isssn", now_ms, source, cluster_uid, what, text);
}

static int open_events(struct journal *j, const char *cluster_uid, int64_t after_id,
                       struct query *q, struct error *err)
{
    if (!cluster_uid)
        return query_open(j, q, err,
                          "SELECT id, time_ms, source, cluster_uid, what, payload FROM event"
                          " WHERE id > ? ORDER BY id",
                          "i", after_id);
    return query_open(j, q, err,
                      "SELECT id, time_ms, source, cluster_uid, what, payload FROM event"
                      " WHERE id > ? AND cluster_uid = ? ORDER BY id",
                      "is", after_id, cluster_uid);
}

int event_each(struct journal *j, const char *cluster_uid, int64_t after_id, event_fn fn,
               void *userdata, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = open_events(j, cluster_uid, after_id, &q, err);
    if (r)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        struct event e = {
            .id = sqlite3_column_int64(q.stmt, 0),
            .time_ms = sqlite3_column_int64(q.stmt, 1),
            .source = query_text(&q, 2),
            .cluster_uid = query_text(&q, 3),
            .what = query_text(&q, 4),
        };

        if (sqlite3_column_type(q.stmt, 5) != SQLITE_NULL)
            e.payload = query_text(&q, 5);
        r = fn(&e, userdata);
        if (r)
            return r;
    }
    return r;
}
