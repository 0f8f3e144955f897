#include "common/store/query.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "common/base/json.h"
#include "common/store/aside.h"

static int sqlite_errno(struct journal *j, int rc)
{
    int system = sqlite3_system_errno(j->db);

    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_NOMEM:
        return ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return EUCLEAN;
    case SQLITE_READONLY:
        return EROFS;
    case SQLITE_TOOBIG:
        return EFBIG;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return EINVAL;
    default:
        break;
    }
    if (system == EDQUOT)
        return ENOSPC;
    return system > 0 ? system : EIO;
}

int query_fail(struct journal *j, int rc, struct error *err, const char *what)
{
    int errnum = sqlite_errno(j, rc);
    char aside[256];

    error_set(err, errnum, "journal %s: %s: %s", j->path, what,
              rc == sqlite3_extended_errcode(j->db) ? sqlite3_errmsg(j->db) : sqlite3_errstr(rc));
    if (errnum == EUCLEAN && j->ino && !j->read_only &&
        aside_put(j->path, j->dev, j->ino, aside, sizeof(aside)) == 0)
        error_wrap(err, "put aside as %s", aside);
    return -errnum;
}

/* Where the statement is or belongs; NULL when every place is taken. */
static struct statement *statement_slot(struct journal *j, const char *sql)
{
    size_t first = ((uintptr_t)sql >> 3) % JOURNAL_STATEMENTS_MAX;

    for (size_t i = 0; i < JOURNAL_STATEMENTS_MAX; i++) {
        struct statement *s = &j->statements[(first + i) % JOURNAL_STATEMENTS_MAX];

        if (!s->sql || s->sql == sql)
            return s;
    }
    return NULL;
}

static int statement_get(struct journal *j, const char *sql, struct query *q, struct error *err)
{
    struct statement *slot = statement_slot(j, sql);
    int rc;

    /* A walk whose callback starts the same walk again gets a statement of its own. */
    if (slot && slot->stmt && sqlite3_stmt_busy(slot->stmt))
        slot = NULL;
    q->cached = slot != NULL;
    if (slot && slot->stmt) {
        q->stmt = slot->stmt;
        return 0;
    }
    rc = sqlite3_prepare_v3(j->db, sql, -1, slot ? SQLITE_PREPARE_PERSISTENT : 0, &q->stmt, NULL);
    if (rc)
        return query_fail(j, rc, err, "prepare");
    if (slot)
        *slot = (struct statement){.sql = sql, .stmt = q->stmt};
    return 0;
}

static int bind_all(sqlite3_stmt *stmt, const char *types, va_list ap)
{
    int rc = SQLITE_OK;

    for (int i = 1; types[i - 1] && !rc; i++) {
        const char *text;

        if (types[i - 1] == 'i') {
            rc = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
            continue;
        }
        text = va_arg(ap, const char *);
        if (!text && types[i - 1] == 's')
            text = "";
        rc = sqlite3_bind_text(stmt, i, text, -1, SQLITE_STATIC);
    }
    return rc;
}

static int query_vopen(struct journal *j, struct query *q, struct error *err, const char *sql,
                       const char *types, va_list ap)
{
    int r, rc;

    *q = (struct query){.journal = j};
    r = statement_get(j, sql, q, err);
    if (r)
        return r;
    rc = bind_all(q->stmt, types, ap);
    if (rc) {
        r = query_fail(j, rc, err, "bind");
        query_close(q);
        return r;
    }
    return 0;
}

int query_open(struct journal *j, struct query *q, struct error *err, const char *sql,
               const char *types, ...)
{
    va_list ap;
    int r;

    va_start(ap, types);
    r = query_vopen(j, q, err, sql, types, ap);
    va_end(ap);
    return r;
}

int query_step(struct query *q, struct error *err)
{
    int rc = sqlite3_step(q->stmt);

    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : query_fail(q->journal, rc, err, sqlite3_sql(q->stmt));
}

void query_close(struct query *q)
{
    if (!q->stmt)
        return;
    if (q->cached) {
        sqlite3_reset(q->stmt);
        sqlite3_clear_bindings(q->stmt);
    } else {
        sqlite3_finalize(q->stmt);
    }
    q->stmt = NULL;
}

int query_run(struct journal *j, struct error *err, const char *sql, const char *types, ...)
{
    _cleanup_(query_close) struct query q = {0};
    va_list ap;
    int r;

    va_start(ap, types);
    r = query_vopen(j, &q, err, sql, types, ap);
    va_end(ap);
    if (r)
        return r;
    do {
        r = query_step(&q, err);
    } while (r > 0);
    return r;
}

int query_int(struct journal *j, int64_t *ret, struct error *err, const char *sql,
              const char *types, ...)
{
    _cleanup_(query_close) struct query q = {0};
    va_list ap;
    int r;

    va_start(ap, types);
    r = query_vopen(j, &q, err, sql, types, ap);
    va_end(ap);
    if (r)
        return r;
    r = query_step(&q, err);
    if (r < 0)
        return r;
    if (r == 0)
        return JOURNAL_E_NOTFOUND;
    *ret = sqlite3_column_int64(q.stmt, 0);
    return 0;
}

const char *query_text(struct query *q, int column)
{
    const unsigned char *text = sqlite3_column_text(q->stmt, column);

    return text ? (const char *)text : "";
}

int query_copy(struct query *q, int column, char **ret, struct error *err)
{
    char *copy = strdup(query_text(q, column));

    if (!copy)
        return error_set(err, ENOMEM, "journal: out of memory");
    *ret = copy;
    return 0;
}

int query_json(struct query *q, int column, cJSON **ret, struct error *err)
{
    const char *text = query_text(q, column);

    if (sqlite3_column_type(q->stmt, column) == SQLITE_NULL) {
        *ret = NULL;
        return 0;
    }
    return json_parse(text, strlen(text), ret, err);
}
