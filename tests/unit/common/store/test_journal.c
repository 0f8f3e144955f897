#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

#include "common/base/str.h"
#include "tests/lib/journal_fixture.h"

static struct error err;

TestSuite(journal, .init = journal_fixture_open, .fini = journal_fixture_close, .timeout = 60);

static size_t files_like(const char *suffix)
{
    _cleanup_(freep) char *pattern = str_printf("%s%s", fixture_path(), suffix);
    glob_t found;
    size_t n;

    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    n = found.gl_pathc;
    globfree(&found);
    return n;
}

static void overwrite(const char *path, long offset, size_t len)
{
    static const char garbage[64] = "this is no database";
    int fd = open(path, O_WRONLY);

    cr_assert_geq(fd, 0);
    for (size_t done = 0; done < len; done += sizeof(garbage))
        cr_assert_eq(pwrite(fd, garbage, sizeof(garbage), offset + (long)done),
                     (ssize_t)sizeof(garbage));
    close(fd);
}

static void run_sql(const char *sql)
{
    sqlite3 *db;

    cr_assert_eq(sqlite3_open(fixture_path(), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* ---- opening ---- */

Test(journal, keeps_what_was_committed)
{
    struct object o = {0};

    fixture_put_cluster("c", "uid-c", "7");
    fixture_reopen();
    cr_assert_eq(object_get(fixture(), "FlinkCluster", "ns", "c", &o, &err), 0, "%s", err.text);
    cr_expect_str_eq(o.uid, "uid-c");
    cr_expect_str_eq(o.resource_version, "7");
    object_done(&o);
}

Test(journal, forgets_what_was_not)
{
    struct journal_tx tx = {0};
    int64_t row;

    cr_assert_eq(journal_begin(fixture(), true, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(cursor_set(&tx, "reconciler", 9, &err), 0, "%s", err.text);
    journal_abort(&tx);
    cr_assert_null(tx.journal);
    cr_assert_eq(cursor_get(fixture(), "reconciler", &row, &err), 0);
    cr_expect_eq(row, 0);
}

Test(journal, a_copy_has_all_that_was_committed)
{
    struct journal_options options = {.read_only = true};
    _cleanup_(freep) char *path = str_printf("%s.copy", fixture_path());
    struct journal *reader = NULL, *copy = NULL;
    struct object o = {0};

    fixture_put_cluster("c", "uid-c", "7");
    cr_assert_eq(journal_open(fixture_path(), &options, &reader, NULL, &err), 0, "%s", err.text);
    cr_assert_eq(journal_copy(reader, path, &err), 0, "%s", err.text);
    journal_close(reader);
    cr_assert_eq(journal_open(path, &options, &copy, NULL, &err), 0, "%s", err.text);
    cr_expect_eq(object_get(copy, "FlinkCluster", "ns", "c", &o, &err), 0, "%s", err.text);
    object_done(&o);
    journal_close(copy);
    cr_expect_lt(journal_copy(fixture(), path, &err), 0, "a file that is there is not replaced");
    (void)unlink(path);
}

Test(journal, takes_one_transaction_at_a_time)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct journal_tx second = {0};

    cr_assert_eq(journal_begin(fixture(), false, &tx, &err), 0);
    cr_expect_eq(journal_begin(fixture(), false, &second, &err), -EINVAL);
}

Test(journal, makes_a_writer_wait_no_longer_than_it_is_told)
{
    const struct journal_options options = {.busy_timeout_ms = 50};
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct journal_tx second = {0};
    struct journal *other;

    cr_assert_eq(journal_open(fixture_path(), &options, &other, NULL, &err), 0, "%s", err.text);
    cr_assert_eq(journal_begin(fixture(), false, &tx, &err), 0);
    cr_expect_eq(journal_begin(other, false, &second, &err), -EBUSY, "%s", err.text);
    journal_close(other);
}

Test(journal, refuses_a_schema_newer_than_the_binary)
{
    struct journal *j = NULL;

    run_sql("PRAGMA user_version = 99");
    cr_expect_eq(journal_open(fixture_path(), NULL, &j, NULL, &err), -EPROTO);
    cr_expect_not_null(strstr(err.text, "99"), "%s", err.text);
    cr_expect_eq(files_like(".corrupt-*"), 0, "it isn't ours to throw away");
}

Test(journal, refuses_the_database_of_another_program)
{
    _cleanup_(freep) char *path = str_printf("%s-other", fixture_path());
    struct journal *j = NULL;
    sqlite3 *db;

    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    cr_expect_eq(journal_open(path, NULL, &j, NULL, &err), -EPROTO, "%s", err.text);
}

Test(journal, says_when_its_folder_is_missing)
{
    struct journal *j = NULL;

    cr_expect_eq(journal_open("/nonexistent/journal.db", NULL, &j, NULL, &err), -ENOENT);
    cr_expect_not_null(strstr(err.text, "/nonexistent/"), "%s", err.text);
}

Test(journal, read_only_neither_creates_nor_writes)
{
    const struct journal_options options = {.read_only = true};
    _cleanup_(freep) char *missing = str_printf("%s-missing", fixture_path());
    struct journal_tx tx = {0};
    struct journal *j = NULL;
    int64_t row;

    cr_expect_neq(journal_open(missing, &options, &j, NULL, &err), 0);
    cr_expect_eq(access(missing, F_OK), -1);
    fixture_put_cluster("c", "uid-c", "1");
    cr_assert_eq(journal_open(fixture_path(), &options, &j, NULL, &err), 0, "%s", err.text);
    cr_expect_eq(journal_last_row(j, &row, &err), 0);
    cr_expect_eq(row, 1);
    cr_expect_eq(journal_begin(j, false, &tx, &err), -EROFS, "%s", err.text);
    journal_close(j);
}

/* ---- corrupt, moved ---- */

Test(journal, puts_a_file_that_is_no_database_aside)
{
    struct journal *j = NULL;
    bool rebuilt = false;

    fixture_put_cluster("c", "uid-c", "1");
    fixture_reopen(); /* the WAL is in the file now */
    overwrite(fixture_path(), 0, 4096);
    cr_assert_eq(journal_open(fixture_path(), NULL, &j, &rebuilt, &err), 0, "%s", err.text);
    cr_expect(rebuilt);
    cr_expect(journal_moved(fixture()));
    cr_expect_not(journal_moved(j));
    cr_expect_eq(files_like(".corrupt-*Z"), 1, "the old file is kept");
    journal_close(j);
}

static void put_pods(int n)
{
    for (int i = 0; i < n; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "pod-%d", i);
        fixture_put_child("Pod", name, "1", NULL, NULL);
    }
}

Test(journal, finds_damage_inside_when_it_opens)
{
    struct journal *j = NULL;
    bool rebuilt = false;

    put_pods(1000);
    fixture_reopen();
    overwrite(fixture_path(), 4096L * 30, 4096L * 10);
    cr_assert_eq(journal_open(fixture_path(), NULL, &j, &rebuilt, &err), 0, "%s", err.text);
    cr_expect(rebuilt);
    journal_close(j);
}

static int ignore(struct object *o, void *userdata)
{
    (void)o;
    (void)userdata;
    return 0;
}

Test(journal, puts_a_file_that_goes_bad_while_it_is_open_aside)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct journal *other;

    put_pods(1000);
    fixture_reopen();
    cr_assert_eq(journal_open(fixture_path(), NULL, &other, NULL, &err), 0, "%s", err.text);
    overwrite(fixture_path(), 4096L * 30, 4096L * 10);
    /* A change by another makes it read again what it had in its cache. */
    cr_assert_eq(journal_begin(other, false, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(cursor_set(&tx, "x", 1, &err), 0, "%s", err.text);
    cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
    cr_assert_eq(object_each(fixture(), "Pod", "", ignore, NULL, &err), -EUCLEAN, "%s", err.text);
    cr_expect_not_null(strstr(err.text, "put aside as"), "%s", err.text);
    cr_expect(journal_moved(fixture()));
    cr_expect(journal_moved(other));
    journal_close(other);
    fixture_reopen();
    cr_expect_gt(fixture_put_cluster("c", "uid-c", "1"), 0);
    cr_expect_eq(files_like(".corrupt-*Z"), 1);
}

/* Opens when the pipe is closed; exits with 1 when it rebuilt the file, 0 when it found a good one.
 */
static void open_on_start(int start)
{
    struct journal *j = NULL;
    bool rebuilt = false;
    char byte;
    int r;

    (void)!read(start, &byte, 1);
    r = journal_open(fixture_path(), NULL, &j, &rebuilt, &err);
    journal_close(j);
    _exit(r ? 100 : rebuilt);
}

static void expect_one_rebuilds(void)
{
    enum { PROCESSES = 16 };
    int start[2], status, rebuilt = 0;

    cr_assert_eq(pipe(start), 0);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            close(start[1]);
            open_on_start(start[0]);
        }
    }
    close(start[0]);
    close(start[1]);
    for (int i = 0; i < PROCESSES; i++) {
        cr_assert_gt(wait(&status), 0);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) <= 1, "%d", WEXITSTATUS(status));
        rebuilt += WEXITSTATUS(status);
    }
    cr_expect_eq(rebuilt, 1);
}

Test(journal, of_many_that_notice_at_once_one_makes_the_new_file)
{
    for (size_t round = 1; round <= 5; round++) {
        fixture_reopen();
        overwrite(fixture_path(), 0, 4096);
        expect_one_rebuilds();
        cr_expect_eq(files_like(".corrupt-*Z") + files_like(".corrupt-*Z-[0-9]"), round);
    }
}

Test(journal, refuses_to_write_to_a_file_that_was_replaced)
{
    struct journal_tx tx = {0};

    cr_expect_not(journal_moved(fixture()));
    cr_assert_eq(unlink(fixture_path()), 0);
    cr_expect(journal_moved(fixture()));
    cr_expect_eq(journal_begin(fixture(), false, &tx, &err), -ESTALE, "%s", err.text);
    fixture_reopen();
    cr_expect_eq(journal_begin(fixture(), false, &tx, &err), 0, "%s", err.text);
    journal_abort(&tx);
}

Test(journal, closing_the_old_file_leaves_the_new_one_alone)
{
    struct journal *j = NULL;
    struct object o = {0};

    fixture_put_cluster("old", "uid-old", "1");
    cr_assert_eq(unlink(fixture_path()), 0);
    cr_assert_eq(journal_open(fixture_path(), NULL, &j, NULL, &err), 0, "%s", err.text);
    journal_close(j);
    fixture_reopen();
    fixture_put_cluster("new", "uid-new", "1");
    cr_expect_eq(object_get(fixture(), "FlinkCluster", "ns", "old", &o, &err), JOURNAL_E_NOTFOUND);
    cr_assert_eq(object_get(fixture(), "FlinkCluster", "ns", "new", &o, &err), 0);
    object_done(&o);
}

/* ---- many processes ---- */

/* Adds one to the cursor, again and again. */
static void count_up(const char *name, int times)
{
    struct journal *j = NULL;

    if (journal_open(fixture_path(), NULL, &j, NULL, &err))
        _exit(1);
    for (int i = 0; i < times; i++) {
        struct journal_tx tx = {0};
        int64_t row = 0;

        if (journal_begin(j, i % 2, &tx, &err) || cursor_get(j, name, &row, &err) ||
            cursor_set(&tx, name, row + 1, &err) || journal_commit(&tx, &err))
            _exit(2);
    }
    journal_close(j);
    _exit(0);
}

Test(journal, many_processes_write_at_once)
{
    static const int64_t total = 800;
    enum { PROCESSES = 8 };
    pid_t children[PROCESSES];
    int64_t row;
    int status;

    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0)
            count_up("shared", (int)(total / PROCESSES));
    }
    for (int i = 0; i < PROCESSES; i++) {
        cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "exit %d", WEXITSTATUS(status));
    }
    cr_assert_eq(cursor_get(fixture(), "shared", &row, &err), 0);
    cr_expect_eq(row, total, "%lld", (long long)row);
}

/* Two cursors in one transaction: whoever reads them between finds them equal. */
static void write_pairs(int ready)
{
    struct journal *j = NULL;

    if (journal_open(fixture_path(), NULL, &j, NULL, &err))
        _exit(1);
    for (int64_t i = 1;; i++) {
        struct journal_tx tx = {0};

        if (journal_begin(j, i % 3 == 0, &tx, &err) || cursor_set(&tx, "left", i, &err) ||
            cursor_set(&tx, "right", i, &err) || journal_commit(&tx, &err))
            _exit(2);
        if (i == 1)
            (void)!write(ready, "", 1);
    }
}

Test(journal, a_writer_that_is_killed_leaves_it_consistent)
{
    for (int round = 0; round < 10; round++) {
        int64_t left, right;
        int ready[2];
        char byte;
        pid_t child;

        cr_assert_eq(pipe(ready), 0);
        child = fork();
        if (child == 0)
            write_pairs(ready[1]);
        cr_assert_eq(read(ready[0], &byte, 1), 1);
        usleep((unsigned)(round * 700)); /* anywhere within a transaction */
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, NULL, 0), child);
        close(ready[0]);
        close(ready[1]);
        cr_assert_eq(cursor_get(fixture(), "left", &left, &err), 0, "%s", err.text);
        cr_assert_eq(cursor_get(fixture(), "right", &right, &err), 0, "%s", err.text);
        cr_expect_eq(left, right);
        cr_expect_gt(fixture_put_cluster("c", "uid-c", byte ? "x" : ""), 0);
    }
    fixture_reopen();
}
