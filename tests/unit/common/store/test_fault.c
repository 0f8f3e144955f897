/* link: -Wl,--wrap=sqlite3_step */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

#include "common/base/json.h"
#include "tests/lib/journal_fixture.h"

static struct error err;

/* The countdown-th step from now fails with @failure; 0: none. */
static int countdown, failure, fired;

int __real_sqlite3_step(sqlite3_stmt *stmt);
int __wrap_sqlite3_step(sqlite3_stmt *stmt);

int __wrap_sqlite3_step(sqlite3_stmt *stmt)
{
    if (countdown > 0 && --countdown == 0) {
        fired = 1;
        return failure;
    }
    return __real_sqlite3_step(stmt);
}

TestSuite(journal_fault, .init = journal_fixture_open, .fini = journal_fixture_close,
          .timeout = 60);

/* All that a daemon writes in one transaction. */
static int write_all(struct journal_tx *tx)
{
    _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();
    char kind[] = "savepoint", key[] = "savepoint/1", uid[] = "uid-a", ns[] = "ns", name[] = "a";
    char object_kind[] = "FlinkCluster", rv[] = "2";
    struct object o = {.kind = object_kind,
                       .ns = ns,
                       .name = name,
                       .uid = uid,
                       .resource_version = rv,
                       .json = json};
    struct command c = {.cluster_uid = uid,
                        .ns = ns,
                        .cluster_name = name,
                        .kind = kind,
                        .key = key,
                        .decided_row = 1};
    struct leader l = {.holder = "p"};
    int64_t row;
    int r;

    r = object_put(tx, &o, &row, &err);
    if (!r)
        r = command_add(tx, &c, &row, &err);
    if (!r)
        r = observation_put(tx, uid, "overview", json, 1, &row, &err);
    if (!r)
        r = cursor_set(tx, "reconciler", 2, &err);
    if (!r)
        r = claim_take(tx, "a", "r1", 1, 1, &err);
    if (!r)
        r = watch_put(tx, "pods", "", "5", &err);
    if (!r)
        r = leader_put(tx, &l, &err);
    if (!r)
        r = event_add(tx, 1, "reconciler", uid, "decided", NULL, &err);
    return r;
}

static int record_failing_at(int step, int with)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    int r;

    countdown = step;
    failure = with;
    fired = 0;
    r = journal_begin(fixture(), false, &tx, &err);
    if (!r)
        r = write_all(&tx);
    if (!r)
        r = journal_commit(&tx, &err);
    countdown = 0;
    return r;
}

static int64_t written(void)
{
    return fixture_count("SELECT (SELECT count(*) FROM command) + (SELECT count(*) FROM event)"
                         " + (SELECT count(*) FROM cursor) + (SELECT count(*) FROM watch)"
                         " + (SELECT count(*) FROM claim) + (SELECT count(*) FROM leader)"
                         " + (SELECT count(*) FROM job_observation)"
                         " + (SELECT count(*) FROM object WHERE resource_version = '2')"
                         " + (SELECT row - 1 FROM counter)");
}

static void expect_all_or_nothing(int with, int expected)
{
    int step = 1, r;

    fixture_put_cluster("a", "uid-a", "1");
    while ((r = record_failing_at(step, with)) != 0) {
        cr_expect(fired, "step %d", step);
        cr_expect_eq(r, expected, "step %d: %d %s", step, r, err.text);
        cr_expect_eq(written(), 0, "step %d left something behind", step);
        step++;
        cr_assert_lt(step, 100);
    }
    cr_expect_not(fired, "every failure is noticed: step %d", step);
    cr_expect_gt(step, 15, "%d", step);
    cr_expect_eq(written(), 11, "%lld", (long long)written());
}

Test(journal_fault, a_full_disk_changes_nothing_and_is_survived)
{
    expect_all_or_nothing(SQLITE_FULL, -ENOSPC);
}

Test(journal_fault, an_io_error_changes_nothing_and_is_survived)
{
    expect_all_or_nothing(SQLITE_IOERR_WRITE, -EIO);
}

Test(journal_fault, no_memory_changes_nothing_and_is_survived)
{
    expect_all_or_nothing(SQLITE_NOMEM, -ENOMEM);
}

Test(journal_fault, a_busy_journal_is_told_from_a_broken_one)
{
    fixture_put_cluster("a", "uid-a", "1");
    cr_expect_eq(record_failing_at(1, SQLITE_BUSY), -EBUSY, "%s", err.text);
    cr_expect_not(journal_moved(fixture()));
}

Test(journal_fault, a_corrupt_page_puts_the_file_aside)
{
    cr_expect_eq(record_failing_at(5, SQLITE_CORRUPT), -EUCLEAN, "%s", err.text);
    cr_expect_not_null(strstr(err.text, "put aside as"), "%s", err.text);
    cr_expect(journal_moved(fixture()));
    fixture_reopen();
    cr_expect_gt(fixture_put_cluster("a", "uid-a", "1"), 0);
}

static int ignore(struct object *o, void *userdata)
{
    (void)o;
    ++*(int *)userdata;
    return 0;
}

Test(journal_fault, reads_report_what_they_could_not_read)
{
    int n = 0;

    fixture_put_cluster("a", "uid-a", "1");
    fixture_put_cluster("b", "uid-b", "1");
    countdown = 2;
    failure = SQLITE_IOERR_READ;
    cr_expect_eq(object_each(fixture(), "FlinkCluster", "", ignore, &n, &err), -EIO);
    cr_expect_eq(n, 1);
    cr_expect_eq(object_each(fixture(), "FlinkCluster", "", ignore, &n, &err), 0);
    cr_expect_eq(n, 3);
}

Test(journal_fault, opening_fails_cleanly_at_every_step)
{
    for (int step = 1; step < 100; step++) {
        struct journal *j = NULL;
        int r;

        countdown = step;
        failure = SQLITE_FULL;
        fired = 0;
        r = journal_open(fixture_path(), NULL, &j, NULL, &err);
        countdown = 0;
        journal_close(j);
        if (!fired)
            return;
        cr_expect_eq(r, -ENOSPC, "step %d: %d %s", step, r, err.text);
        cr_expect_null(j);
    }
    cr_expect_fail("it never succeeded");
}
