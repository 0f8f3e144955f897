#include "tests/lib/journal_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

static struct journal *journal;
static char dir[64], path[128];

struct journal *fixture(void)
{
    return journal;
}

const char *fixture_path(void)
{
    return path;
}

void fixture_reopen(void)
{
    struct error err = {0};

    journal = journal_close(journal);
    cr_assert_eq(journal_open(path, NULL, &journal, NULL, &err), 0, "%s", err.text);
}

void journal_fixture_open(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/flinkd-journal-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/journal.db", dir);
    fixture_reopen();
}

void journal_fixture_close(void)
{
    char name[512];
    DIR *d;

    journal = journal_close(journal);
    d = opendir(dir);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        (void)snprintf(name, sizeof(name), "%s/%s", dir, e->d_name);
        (void)remove(name);
    }
    if (d)
        closedir(d);
    (void)remove(dir);
}

int64_t fixture_put(const struct object *o)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct error err = {0};
    int64_t row = -1;

    cr_assert_eq(journal_begin(journal, false, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(object_put(&tx, o, &row, &err), 0, "%s", err.text);
    cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
    return row;
}

static int64_t put(const char *kind, const char *name, const char *uid, const char *rv,
                   const char *cluster_uid, const char *cluster_name)
{
    _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();
    char text[6][64] = {{0}};
    const char *const from[] = {kind, name, uid, rv, cluster_uid, cluster_name};
    struct object o = {.json = json};
    char ns[] = "ns";

    for (size_t i = 0; i < ARRAY_SIZE(from); i++)
        (void)snprintf(text[i], sizeof(text[i]), "%s", from[i] ? from[i] : "");
    cJSON_AddStringToObject(json, "rv", rv);
    o.kind = text[0];
    o.ns = ns;
    o.name = text[1];
    o.uid = text[2];
    o.resource_version = text[3];
    o.cluster_uid = text[4];
    o.cluster_name = text[5];
    return fixture_put(&o);
}

int64_t fixture_put_child(const char *kind, const char *name, const char *rv,
                          const char *cluster_uid, const char *cluster_name)
{
    return put(kind, name, name, rv, cluster_uid, cluster_name);
}

int64_t fixture_put_cluster(const char *name, const char *uid, const char *rv)
{
    return put("FlinkCluster", name, uid, rv, uid, name);
}

int64_t fixture_count(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t n;

    cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW, "%s", sqlite3_errmsg(db));
    n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}
