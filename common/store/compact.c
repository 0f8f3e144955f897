/* Old history goes in small transactions, so that no daemon waits for it. */
#include "common/store/query.h"

enum {
    BATCH_ROWS = 500, /* of each table, in one call */
    COMMANDS_KEPT = 50, /* of a live cluster, whatever their age */
    DAY_MS = 24 * 3600 * 1000,
    EVENT_ROWS = 100000,
    TOMBSTONE_AGE_MS = 3600 * 1000,
};

static const int64_t week_ms = (int64_t)7 * DAY_MS;

/* Runs a deletion of at most BATCH_ROWS rows; a full batch means that there may be more. */
#define DELETE_BATCH(tx, more, err, sql, types, ...)                                               \
    deleted(tx, more, query_run((tx)->journal, err, sql, types, __VA_ARGS__))

static int deleted(const struct journal_tx *tx, bool *more, int r)
{
    if (!r && sqlite3_changes(tx->journal->db) >= BATCH_ROWS)
        *more = true;
    return r;
}

/* Ids and times grow together, so the oldest events are the first ones. */
static int compact_events(struct journal_tx *tx, const struct retention *keep, int64_t now_ms,
                          bool *more, struct error *err)
{
    int64_t before_ms = now_ms - (keep->event_age_ms ?: week_ms);
    int64_t rows = keep->event_rows ?: EVENT_ROWS;

    return DELETE_BATCH(tx, more, err,
                        "DELETE FROM event WHERE id IN (SELECT id FROM"
                        " (SELECT id, time_ms FROM event ORDER BY id LIMIT ?1)"
                        " WHERE time_ms < ?2 OR id <= (SELECT max(id) FROM event) - ?3)",
                        "iii", (int64_t)BATCH_ROWS, before_ms, rows);
}

static int compact_tombstones(struct journal_tx *tx, int64_t before_ms, bool *more,
                              struct error *err)
{
    return DELETE_BATCH(tx, more, err,
                        "DELETE FROM object WHERE id IN (SELECT id FROM object"
                        " WHERE deleted AND changed_ms < ?1 ORDER BY changed_ms LIMIT ?2)",
                        "ii", before_ms, (int64_t)BATCH_ROWS);
}

static int compact_commands(struct journal_tx *tx, const struct retention *keep, int64_t now_ms,
                            bool *more, struct error *err)
{
    int64_t before_ms = now_ms - (keep->command_age_ms ?: week_ms);

    return DELETE_BATCH(
        tx, more, err,
        "DELETE FROM command WHERE id IN (SELECT id FROM command AS c"
        " WHERE state >= 2 AND changed_ms < ?1 AND (NOT EXISTS (SELECT 1 FROM object"
        "  WHERE kind = 'FlinkCluster' AND uid = c.cluster_uid AND NOT deleted)"
        " OR (SELECT count(*) FROM (SELECT 1 FROM command WHERE cluster_uid = c.cluster_uid"
        "  AND id > c.id LIMIT ?2)) >= ?2)"
        " ORDER BY changed_ms LIMIT ?3)",
        "iii", before_ms, (int64_t)COMMANDS_KEPT, (int64_t)BATCH_ROWS);
}

/* What is left of a cluster of which no object and no open command is there any more. */
static int compact_clusters(struct journal_tx *tx, int64_t before_ms, bool *more, struct error *err)
{
    int r;

    r = DELETE_BATCH(tx, more, err,
                     "DELETE FROM job_observation WHERE rowid IN (SELECT rowid"
                     " FROM job_observation AS o WHERE observed_ms < ?1 AND NOT EXISTS"
                     " (SELECT 1 FROM object WHERE cluster_uid = o.cluster_uid) LIMIT ?2)",
                     "ii", before_ms, (int64_t)BATCH_ROWS);
    if (r)
        return r;
    return DELETE_BATCH(tx, more, err,
                        "DELETE FROM cluster_change WHERE cluster_uid IN (SELECT cluster_uid"
                        " FROM cluster_change AS c WHERE"
                        " NOT EXISTS (SELECT 1 FROM object WHERE cluster_uid = c.cluster_uid)"
                        " AND NOT EXISTS (SELECT 1 FROM job_observation"
                        "  WHERE cluster_uid = c.cluster_uid)"
                        " AND NOT EXISTS (SELECT 1 FROM command"
                        "  WHERE cluster_uid = c.cluster_uid AND state < 2) LIMIT ?1)",
                        "i", (int64_t)BATCH_ROWS);
}

static int compact_rows(struct journal_tx *tx, const struct retention *keep, int64_t now_ms,
                        bool *more, struct error *err)
{
    int64_t before_ms = now_ms - (keep->tombstone_age_ms ?: TOMBSTONE_AGE_MS);
    int r;

    r = compact_events(tx, keep, now_ms, more, err);
    if (!r)
        r = compact_tombstones(tx, before_ms, more, err);
    if (!r)
        r = compact_commands(tx, keep, now_ms, more, err);
    if (!r)
        r = compact_clusters(tx, before_ms, more, err);
    if (!r)
        r = query_run(tx->journal, err, "DELETE FROM claim WHERE until_ms < ?", "i", before_ms);
    return r;
}

/* Gives pages of deleted rows back to the file system; *more: some are left. */
static int vacuum(struct journal *j, bool *more, struct error *err)
{
    int64_t before = 0, after = 0;
    int r;

    r = query_int(j, &before, err, "PRAGMA freelist_count", "");
    if (!r && before)
        r = query_run(j, err, "PRAGMA incremental_vacuum(256)", "");
    if (!r && before)
        r = query_int(j, &after, err, "PRAGMA freelist_count", "");
    if (!r && after && after < before)
        *more = true;
    return r;
}

int journal_compact(struct journal *j, const struct retention *keep, int64_t now_ms, bool *more,
                    struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    bool left = false;
    int r;

    r = journal_begin(j, false, &tx, err);
    if (!r)
        r = compact_rows(&tx, keep, now_ms, &left, err);
    if (!r)
        r = journal_commit(&tx, err);
    if (!r)
        r = vacuum(j, &left, err);
    if (!r)
        *more = left;
    return r;
}

int journal_copy(struct journal *j, const char *path, struct error *err)
{
    return query_run(j, err, "VACUUM INTO ?", "s", path);
}
