/* Inside common/store only: the connection, and one way to run SQL on it. A statement is prepared
 * once a connection and found again by the address of its text, so SQL is always a string literal.
 */
#ifndef COMMON_STORE_QUERY_H
#define COMMON_STORE_QUERY_H

#include <sys/types.h>

#include <sqlite3.h>

#include "common/store/journal.h"

enum { JOURNAL_STATEMENTS_MAX = 128, JOURNAL_UID_MAX = 63 };

struct journal {
    sqlite3 *db;
    char *path;
    dev_t dev; /* of the file that is open; ino 0: not known yet */
    ino_t ino;
    bool read_only;
    bool synchronous_full;
    int64_t begin_row; /* newest row before the open transaction */
    struct statement {
        const char *sql;
        sqlite3_stmt *stmt;
    } statements[JOURNAL_STATEMENTS_MAX];
};

struct query {
    struct journal *journal;
    sqlite3_stmt *stmt;
    bool cached; /* else the statement is this query's alone */
};

/** Bind and get ready to step. @types has a letter for each ?: 's' const char * (NULL is ""), 'n'
 * const char * or NULL, 'i' int64_t. Texts are borrowed until query_close(). -errno; nothing to
 * close then. */
int query_open(struct journal *j, struct query *q, struct error *err, const char *sql,
               const char *types, ...);
/** 1: a row is there, 0: done, -errno. */
int query_step(struct query *q, struct error *err);
void query_close(struct query *q); /* also after a failed open; usable as _cleanup_ */

/** Run to the end, rows ignored. */
int query_run(struct journal *j, struct error *err, const char *sql, const char *types, ...);
/** The first column of the first row; JOURNAL_E_NOTFOUND without one. */
int query_int(struct journal *j, int64_t *ret, struct error *err, const char *sql,
              const char *types, ...);

const char *query_text(struct query *q, int column); /* borrowed until the next step; "" for NULL */
int query_copy(struct query *q, int column, char **ret, struct error *err);
int query_json(struct query *q, int column, cJSON **ret, struct error *err); /* NULL for NULL */

/** What SQLite said as an -errno; a corrupt file is put aside on the way, see aside.h. */
int query_fail(struct journal *j, int rc, struct error *err, const char *what);

/* ---- change.c ---- */
/** The next number of the one counter. */
int change_next(struct journal_tx *tx, int64_t *row, struct error *err);
/** The cluster changed at @row. @ns and @name may be "" when only the uid is known; uid "" is a
 * no-op. */
int change_cluster(struct journal_tx *tx, const char *uid, const char *ns, const char *name,
                   int64_t row, struct error *err);

#endif
