/* One file for all daemons, in WAL mode: readers never wait, writers queue up on BEGIN IMMEDIATE.
 * Opening happens under the lock of aside.h; after that the lock is only taken to put a corrupt
 * file aside and to close. */
#include "common/store/journal.h"

#include <string.h>
#include <sys/stat.h>

#include "common/store/aside.h"
#include "common/store/query.h"
#include "common/store/schema.h"

enum {
    BUSY_TIMEOUT_MS = 5000,
    OPEN_LOCK_TIMEOUT_MS = 30000,
    CLOSE_LOCK_TIMEOUT_MS = 2000,
    CHECK_BYTES_MAX = 32 << 20, /* what is checked from end to end when opened */
};

static const char setup_new[] = "PRAGMA auto_vacuum = INCREMENTAL;";
static const char setup_each[] = "PRAGMA journal_mode = WAL;"
                                 "PRAGMA synchronous = NORMAL;"
                                 "PRAGMA journal_size_limit = 16777216;"
                                 "PRAGMA cell_size_check = ON;"
                                 "PRAGMA trusted_schema = OFF;"
                                 "PRAGMA temp_store = MEMORY;"
                                 "PRAGMA foreign_keys = ON;";

static int setup(struct journal *j, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int64_t pages = 0;
    int rc, r;

    if (j->read_only)
        return 0;
    r = query_int(j, &pages, err, "PRAGMA page_count", "");
    if (r)
        return r;
    /* Before anything that writes the first page, and only then: it would write it each time. */
    rc = pages ? SQLITE_OK : sqlite3_exec(j->db, setup_new, NULL, NULL, NULL);
    if (!rc)
        rc = sqlite3_exec(j->db, setup_each, NULL, NULL, NULL);
    if (rc)
        return query_fail(j, rc, err, "open");
    r = query_open(j, &q, err, "PRAGMA journal_mode", "");
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    if (strcmp(query_text(&q, 0), "wal") != 0)
        return error_set(err, ENOTSUP, "journal %s: the file system can't hold a WAL", j->path);
    return 0;
}

/* Deep damage in a big file is found when its pages are read; see query_fail(). */
static int check(struct journal *j, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int64_t pages, page_bytes;
    int r;

    r = query_int(j, &pages, err, "PRAGMA page_count", "");
    if (!r)
        r = query_int(j, &page_bytes, err, "PRAGMA page_size", "");
    if (r || pages > CHECK_BYTES_MAX / page_bytes)
        return r;
    r = query_open(j, &q, err, "PRAGMA quick_check(1)", "");
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    if (strcmp(query_text(&q, 0), "ok") != 0)
        return error_set(err, EUCLEAN, "journal %s: %s", j->path, query_text(&q, 0));
    return 0;
}

static int open_database(struct journal *j, const struct journal_options *options,
                         struct error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX |
                (j->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    int rc, r;

    rc = sqlite3_open_v2(j->path, &j->db, flags, NULL);
    if (!j->db)
        return error_set(err, ENOMEM, "journal: out of memory");
    if (rc)
        return query_fail(j, rc, err, "open");
    sqlite3_extended_result_codes(j->db, 1);
    sqlite3_busy_timeout(j->db, options->busy_timeout_ms ?: BUSY_TIMEOUT_MS);
    r = setup(j, err);
    if (r)
        return r;
    r = j->read_only ? schema_check(j, err) : schema_migrate(j, err);
    return r ?: check(j, err);
}

static struct journal *journal_drop(struct journal *j)
{
    if (!j)
        return NULL;
    for (size_t i = 0; i < JOURNAL_STATEMENTS_MAX; i++)
        sqlite3_finalize(j->statements[i].stmt);
    sqlite3_close_v2(j->db);
    free(j->path);
    free(j);
    return NULL;
}

static int open_file(const char *path, const struct journal_options *options, struct journal **ret,
                     struct error *err)
{
    struct journal *j = calloc(1, sizeof(*j));
    struct stat st;
    int r;

    if (j)
        j->path = strdup(path);
    if (!j || !j->path) {
        journal_drop(j);
        return error_set(err, ENOMEM, "journal: out of memory");
    }
    j->read_only = options->read_only;
    r = open_database(j, options, err);
    if (!r && stat(path, &st) < 0)
        r = error_set(err, errno, "journal: stat %s: %s", path, strerror(errno));
    if (r) {
        journal_drop(j);
        return r;
    }
    j->dev = st.st_dev;
    j->ino = st.st_ino;
    *ret = j;
    return 0;
}

int journal_open(const char *path, const struct journal_options *options, struct journal **ret,
                 bool *rebuilt, struct error *err)
{
    static const struct journal_options defaults = {0};
    _cleanup_(closep) int lock = -1;
    char aside[256];
    int r;

    if (!options)
        options = &defaults;
    if (rebuilt)
        *rebuilt = false;
    if (options->read_only)
        return open_file(path, options, ret, err);
    r = aside_lock(path, OPEN_LOCK_TIMEOUT_MS, &lock, err);
    if (r)
        return r;
    r = open_file(path, options, ret, err);
    if (r != -EUCLEAN)
        return r;
    r = aside_rename(path, aside, sizeof(aside), err);
    if (!r)
        r = open_file(path, options, ret, err);
    if (!r && rebuilt)
        *rebuilt = true;
    return r;
}

struct journal *journal_close(struct journal *j)
{
    _cleanup_(closep) int lock = -1;

    if (!j)
        return NULL;
    /* The last connection removes the WAL by its name: not while somebody makes a new file there.
     */
    if (!j->read_only)
        (void)aside_lock(j->path, CLOSE_LOCK_TIMEOUT_MS, &lock, NULL);
    return journal_drop(j);
}

bool journal_is_transient(int r)
{
    return r == -ENOSPC || r == -EIO || r == -EBUSY || r == -ESTALE || r == -EUCLEAN;
}

void journal_set_busy_timeout(struct journal *j, int busy_timeout_ms)
{
    sqlite3_busy_timeout(j->db, busy_timeout_ms);
}

bool journal_moved(const struct journal *j)
{
    struct stat st;

    return stat(j->path, &st) < 0 || st.st_dev != j->dev || st.st_ino != j->ino;
}

static int set_synchronous(struct journal *j, bool full, struct error *err)
{
    int r;

    if (full == j->synchronous_full)
        return 0;
    r = full ? query_run(j, err, "PRAGMA synchronous = FULL", "")
             : query_run(j, err, "PRAGMA synchronous = NORMAL", "");
    if (!r)
        j->synchronous_full = full;
    return r;
}

static int began(struct journal *j, struct error *err)
{
    int r = query_int(j, &j->begin_row, err, "SELECT row FROM counter", "");

    if (r > 0)
        return error_set(err, EPROTO, "journal %s: its counter is gone", j->path);
    if (!r && journal_moved(j))
        return error_set(err, ESTALE, "journal %s: the file was replaced", j->path);
    return r;
}

int journal_begin(struct journal *j, bool durable, struct journal_tx *tx, struct error *err)
{
    int r;

    if (j->read_only) /* SQLite begins, and refuses the first write */
        return error_set(err, EROFS, "journal %s: opened for reading", j->path);
    if (!sqlite3_get_autocommit(j->db))
        return error_set(err, EINVAL, "journal: a transaction is open already");
    r = set_synchronous(j, durable, err);
    /* IMMEDIATE: a deferred transaction that reads first and writes later can be refused with
     * SQLITE_BUSY at the write, without the busy timeout, when another daemon wrote in between. */
    if (!r)
        r = query_run(j, err, "BEGIN IMMEDIATE", "");
    if (r)
        return r;
    tx->journal = j;
    r = began(j, err);
    if (r)
        journal_abort(tx);
    return r;
}

int journal_commit(struct journal_tx *tx, struct error *err)
{
    int r = query_run(tx->journal, err, "COMMIT", "");

    if (!r)
        tx->journal = NULL;
    return r;
}

void journal_abort(struct journal_tx *tx)
{
    if (!tx->journal)
        return;
    /* After a full disk or an I/O error SQLite may have rolled back by itself. */
    if (!sqlite3_get_autocommit(tx->journal->db))
        sqlite3_exec(tx->journal->db, "ROLLBACK", NULL, NULL, NULL);
    tx->journal = NULL;
}

int journal_read_begin(struct journal *j, struct journal_read *read, struct error *err)
{
    int r;

    if (!sqlite3_get_autocommit(j->db))
        return 0;
    r = query_run(j, err, "BEGIN", "");
    if (!r)
        read->journal = j;
    return r;
}

void journal_read_end(struct journal_read *read)
{
    if (read->journal && !sqlite3_get_autocommit(read->journal->db))
        (void)query_run(read->journal, NULL, "COMMIT", "");
    read->journal = NULL;
}
