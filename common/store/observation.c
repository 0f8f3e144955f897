#include "common/base/json.h"
#include "common/base/str.h"
#include "common/store/query.h"

/* *same: that value is there already. */
static int compare(struct journal *j, const char *cluster_uid, const char *key, const char *text,
                   bool *same, struct error *err)
{
    int64_t equal = 0;
    int r = query_int(j, &equal, err,
                      "SELECT json = ?3 FROM job_observation WHERE cluster_uid = ?1 AND key = ?2",
                      "sss", cluster_uid, key, text);

    if (r < 0)
        return r;
    *same = equal != 0;
    return 0;
}

int observation_put(struct journal_tx *tx, const char *cluster_uid, const char *key,
                    const cJSON *json, int64_t now_ms, int64_t *row, struct error *err)
{
    _cleanup_(freep) char *text = json_text(json);
    int64_t next = 0;
    bool same;
    int r;

    if (!text)
        return error_set(err, ENOMEM, "journal: out of memory");
    r = compare(tx->journal, cluster_uid, key, text, &same, err);
    if (r)
        return r;
    if (same) {
        *row = 0;
        return query_run(tx->journal, err,
                         "UPDATE job_observation SET observed_ms = ?"
                         " WHERE cluster_uid = ? AND key = ?",
                         "iss", now_ms, cluster_uid, key);
    }
    r = change_next(tx, &next, err);
    if (!r)
        r = query_run(tx->journal, err,
                      "INSERT INTO job_observation (cluster_uid, key, row, observed_ms, json)"
                      " VALUES (?, ?, ?, ?, ?) ON CONFLICT (cluster_uid, key) DO UPDATE SET"
                      " row = excluded.row, observed_ms = excluded.observed_ms,"
                      " json = excluded.json",
                      "ssiis", cluster_uid, key, next, now_ms, text);
    if (!r)
        r = change_cluster(tx, cluster_uid, "", "", next, err);
    if (!r)
        *row = next;
    return r;
}

int observation_delete(struct journal_tx *tx, const char *cluster_uid, const char *key,
                       struct error *err)
{
    int64_t row;
    int r;

    r = query_run(tx->journal, err,
                  "DELETE FROM job_observation WHERE cluster_uid = ?1 AND key = ifnull(?2, key)",
                  "sn", cluster_uid, key);
    if (r || sqlite3_changes(tx->journal->db) == 0)
        return r;
    r = change_next(tx, &row, err);
    return r ?: change_cluster(tx, cluster_uid, "", "", row, err);
}

static int add_value(struct query *q, cJSON *all, struct error *err)
{
    _cleanup_(json_freep) cJSON *value = NULL;
    int r;

    r = query_json(q, 1, &value, err);
    if (r)
        return r;
    if (!cJSON_IsObject(value)) {
        cJSON *wrapped = cJSON_CreateObject();

        json_set_member(wrapped, "value", TAKE(value));
        value = wrapped;
    }
    r = json_set_int(value, "observedAt", sqlite3_column_int64(q->stmt, 2));
    if (!r)
        r = json_set_member(all, query_text(q, 0), TAKE(value));
    return r ? error_set(err, ENOMEM, "journal: out of memory") : 0;
}

int observation_all(struct journal *j, const char *cluster_uid, cJSON **ret, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    _cleanup_(json_freep) cJSON *all = cJSON_CreateObject();
    int r;

    if (!all)
        return error_set(err, ENOMEM, "journal: out of memory");
    r = query_open(j, &q, err,
                   "SELECT key, json, observed_ms FROM job_observation WHERE cluster_uid = ?"
                   " ORDER BY key",
                   "s", cluster_uid);
    if (r)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        r = add_value(&q, all, err);
        if (r)
            return r;
    }
    if (!r)
        *ret = TAKE(all);
    return r;
}
