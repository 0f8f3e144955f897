#include "common/store/schema.h"

#include <stdio.h>

enum { JOURNAL_APPLICATION_ID = 0x666c6e6b }; /* "flnk", in SQLite's header */

/* Step n brings schema n to n + 1. A step that was released is never edited: add one.
 * JSON comes last in a row, so that reading the other columns doesn't touch its overflow pages. */
static const char *const steps[JOURNAL_SCHEMA] = {
    /* 0 -> 1 */
    "CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), row INTEGER NOT NULL);"
    "INSERT INTO counter VALUES (1, 0);"

    "CREATE TABLE object ("
    " id INTEGER PRIMARY KEY, row INTEGER NOT NULL, kind TEXT NOT NULL, ns TEXT NOT NULL,"
    " name TEXT NOT NULL, uid TEXT NOT NULL, resource_version TEXT NOT NULL,"
    " cluster_uid TEXT NOT NULL, cluster_name TEXT NOT NULL,"
    " by_label INTEGER NOT NULL," /* cluster_uid was found by the label, not by an owner reference
                                   */
    " deleted INTEGER NOT NULL, changed_ms INTEGER NOT NULL, json TEXT NOT NULL,"
    " UNIQUE (kind, ns, name));"
    "CREATE INDEX object_cluster ON object (cluster_uid);"
    "CREATE INDEX object_label ON object (ns, cluster_name);"
    "CREATE INDEX object_flinkcluster ON object (uid) WHERE kind = 'FlinkCluster';"
    "CREATE INDEX object_tombstone ON object (changed_ms) WHERE deleted;"

    "CREATE TABLE cluster_change ("
    " cluster_uid TEXT PRIMARY KEY, row INTEGER NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE INDEX cluster_change_row ON cluster_change (row);"

    "CREATE TABLE job_observation ("
    " cluster_uid TEXT NOT NULL, key TEXT NOT NULL, row INTEGER NOT NULL,"
    " observed_ms INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (cluster_uid, key));"

    "CREATE TABLE command ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, cluster_uid TEXT NOT NULL, ns TEXT NOT NULL,"
    " cluster_name TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, state INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " due_ms INTEGER NOT NULL," /* wanted: the earliest try; claimed: the claim's end */
    " decided_row INTEGER NOT NULL, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"
    " claimed_by TEXT NOT NULL DEFAULT '', args TEXT, result TEXT, UNIQUE (cluster_uid, key));"
    "CREATE INDEX command_open ON command (due_ms) WHERE state < 2;"
    "CREATE INDEX command_ended ON command (changed_ms) WHERE state >= 2;"

    "CREATE TABLE event ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, source TEXT NOT NULL,"
    " cluster_uid TEXT NOT NULL, what TEXT NOT NULL, payload TEXT);"
    "CREATE INDEX event_cluster ON event (cluster_uid, id);"

    "CREATE TABLE watch (resource TEXT, ns TEXT, rv TEXT NOT NULL, PRIMARY KEY (resource, ns))"
    " WITHOUT ROWID;"
    "CREATE TABLE claim (what TEXT PRIMARY KEY, who TEXT NOT NULL, until_ms INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE cursor (consumer TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE leader ("
    " id INTEGER PRIMARY KEY CHECK (id = 1), holder TEXT NOT NULL, ours INTEGER NOT NULL,"
    " until_ms INTEGER NOT NULL);",
};

static const struct schema ours = {.steps = steps, .version = JOURNAL_SCHEMA};

static int schema_version(struct journal *j, const struct schema *schema, int64_t *version,
                          struct error *err)
{
    int64_t application = 0, tables = 0;
    int r;

    r = query_int(j, version, err, "PRAGMA user_version", "");
    if (!r)
        r = query_int(j, &application, err, "PRAGMA application_id", "");
    if (!r)
        r = query_int(j, &tables, err, "SELECT count(*) FROM sqlite_schema", "");
    if (r)
        return r;
    if (application != JOURNAL_APPLICATION_ID && (tables || *version))
        return error_set(err, EPROTO, "journal %s: a database of another program", j->path);
    if (*version > schema->version)
        return error_set(err, EPROTO, "journal %s: schema %lld is newer than this binary's %d",
                         j->path, (long long)*version, schema->version);
    return 0;
}

int schema_check(struct journal *j, struct error *err)
{
    int64_t version;
    int r = schema_version(j, &ours, &version, err);

    if (r)
        return r;
    if (version < JOURNAL_SCHEMA)
        return error_set(err, EPROTO, "journal %s: schema %lld is older than this binary's %d",
                         j->path, (long long)version, JOURNAL_SCHEMA);
    return 0;
}

static int run_step(struct journal *j, const char *sql, struct error *err)
{
    int rc = sqlite3_exec(j->db, sql, NULL, NULL, NULL);

    return rc ? query_fail(j, rc, err, "migrate") : 0;
}

static int migrate_from(struct journal *j, const struct schema *to, int64_t version,
                        struct error *err)
{
    char mark[96];
    int r = 0;

    for (int64_t i = version; i < to->version && !r; i++)
        r = run_step(j, to->steps[i], err);
    if (r)
        return r;
    (void)snprintf(mark, sizeof(mark), "PRAGMA user_version = %d; PRAGMA application_id = %d;",
                   to->version, JOURNAL_APPLICATION_ID);
    return run_step(j, mark, err);
}

int schema_migrate_to(struct journal *j, const struct schema *to, struct error *err)
{
    int64_t version;
    int r;

    r = schema_version(j, to, &version, err);
    if (r || version == to->version)
        return r;
    r = run_step(j, "BEGIN IMMEDIATE", err);
    if (r)
        return r;
    r = schema_version(j, to, &version, err); /* another connection may have been faster */
    if (!r && version < to->version)
        r = migrate_from(j, to, version, err);
    if (!r)
        r = run_step(j, "COMMIT", err);
    if (r)
        sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

int schema_migrate(struct journal *j, struct error *err)
{
    return schema_migrate_to(j, &ours, err);
}
