/* A command is decided once (its key is unique in its cluster for good), claimed by one submitter
 * at a time, and reported once. due_ms says when it may be claimed: the earliest next try, or the
 * end of the running claim. */
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/store/query.h"

#define COMMAND_COLUMNS                                                                            \
    "cluster_uid, ns, cluster_name, kind, key, claimed_by, args, result, id, state, attempts,"     \
    " due_ms, decided_row, created_ms, changed_ms"

void command_done(struct command *c)
{
    free(c->cluster_uid);
    free(c->ns);
    free(c->cluster_name);
    free(c->kind);
    free(c->key);
    free(c->claimed_by);
    cJSON_Delete(c->args);
    cJSON_Delete(c->result);
    *c = (struct command){0};
}

const char *command_state_name(enum command_state state)
{
    static const char *const names[] = {
        [COMMAND_WANTED] = "wanted", [COMMAND_CLAIMED] = "claimed", [COMMAND_DONE] = "done",
        [COMMAND_FAILED] = "failed", [COMMAND_DROPPED] = "dropped",
    };

    return (size_t)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

static void load_numbers(struct query *q, struct command *c)
{
    int64_t due_ms = sqlite3_column_int64(q->stmt, 11);

    c->id = sqlite3_column_int64(q->stmt, 8);
    c->state = (enum command_state)sqlite3_column_int(q->stmt, 9);
    c->attempts = sqlite3_column_int(q->stmt, 10);
    c->not_before_ms = c->state == COMMAND_WANTED ? due_ms : 0;
    c->claim_until_ms = c->state == COMMAND_CLAIMED ? due_ms : 0;
    c->decided_row = sqlite3_column_int64(q->stmt, 12);
    c->created_ms = sqlite3_column_int64(q->stmt, 13);
    c->changed_ms = sqlite3_column_int64(q->stmt, 14);
}

static int command_load(struct query *q, struct command *ret, struct error *err)
{
    struct command c = {0};
    char **const texts[] = {&c.cluster_uid, &c.ns, &c.cluster_name, &c.kind, &c.key, &c.claimed_by};
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(texts) && !r; i++)
        r = query_copy(q, (int)i, texts[i], err);
    if (!r)
        r = query_json(q, 6, &c.args, err);
    if (!r)
        r = query_json(q, 7, &c.result, err);
    if (r) {
        command_done(&c);
        return r;
    }
    load_numbers(q, &c);
    *ret = c;
    return 0;
}

/* NULL for no JSON at all. */
static int text_of(const cJSON *json, char **ret, struct error *err)
{
    *ret = json ? json_text(json) : NULL;
    return json && !*ret ? error_set(err, ENOMEM, "journal: out of memory") : 0;
}

static int touch(struct journal_tx *tx, const char *cluster_uid, const char *ns, const char *name,
                 int64_t *ret, struct error *err)
{
    int64_t row;
    int r;

    r = change_next(tx, &row, err);
    if (!r)
        r = change_cluster(tx, cluster_uid, ns, name, row, err);
    if (!r)
        *ret = row;
    return r;
}

static int check_new(struct journal_tx *tx, const struct command *c, struct error *err)
{
    int64_t found;
    int r;

    r = query_int(tx->journal, &found, err,
                  "SELECT id FROM command WHERE cluster_uid = ? AND key = ?", "ss", c->cluster_uid,
                  c->key);
    if (r <= 0)
        return r ?: JOURNAL_E_EXISTS;
    r = object_cluster_row(tx->journal, c->cluster_uid, &found, err);
    if (r)
        return r;
    /* What this transaction changed itself is part of the same decision. */
    return found > c->decided_row && found <= tx->journal->begin_row ? JOURNAL_E_STALE : 0;
}

int command_add(struct journal_tx *tx, const struct command *c, int64_t *row, struct error *err)
{
    _cleanup_(freep) char *args = NULL;
    int64_t created_ms = c->created_ms ?: time_now_ms();
    int r;

    if (str_empty(c->cluster_uid) || str_empty(c->key) || str_empty(c->kind))
        return error_set(err, EINVAL, "journal: a command without cluster, kind or key");
    r = check_new(tx, c, err);
    if (!r)
        r = text_of(c->args, &args, err);
    if (!r)
        r = query_run(tx->journal, err,
                      "INSERT INTO command (cluster_uid, ns, cluster_name, kind, key, state,"
                      " due_ms, decided_row, created_ms, changed_ms, args)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?8, ?9)",
                      "sssssiiin", c->cluster_uid, c->ns, c->cluster_name, c->kind, c->key,
                      c->not_before_ms, c->decided_row, created_ms, args);
    return r ?: touch(tx, c->cluster_uid, c->ns, c->cluster_name, row, err);
}

static int next_due(struct journal *j, const char *ns, int64_t *ret, struct error *err)
{
    int64_t due_ms = 0;
    /* ifnull: min() of nothing is a row with NULL. */
    int r = query_int(j, &due_ms, err,
                      "SELECT ifnull(min(due_ms), 0) FROM command"
                      " WHERE state < 2 AND (?1 = '' OR ns = ?1)",
                      "s", ns);

    if (r < 0)
        return r;
    *ret = due_ms;
    return JOURNAL_E_NOTFOUND;
}

int command_claim(struct journal_tx *tx, const char *ns, const char *who, int64_t now_ms,
                  int64_t lease_ms, struct command *ret, int64_t *next_ms, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(tx->journal, &q, err,
                   "UPDATE command SET state = 1, claimed_by = ?1, due_ms = ?2, changed_ms = ?3,"
                   " attempts = attempts + 1"
                   " WHERE id = (SELECT id FROM command WHERE state < 2 AND due_ms <= ?3"
                   " AND (?4 = '' OR ns = ?4)"
                   " ORDER BY +id LIMIT 1)" /* +: by command_open, not through all that ended */
                   " RETURNING " COMMAND_COLUMNS,
                   "siis", who, now_ms + lease_ms, now_ms, ns);
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    return r == 0 ? next_due(tx->journal, ns, next_ms, err) : command_load(&q, ret, err);
}

static int command_get(struct journal *j, int64_t id, struct command *ret, struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err, "SELECT " COMMAND_COLUMNS " FROM command WHERE id = ?", "i", id);
    if (!r)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    return r == 0 ? JOURNAL_E_NOTFOUND : command_load(&q, ret, err);
}

static int command_set(struct journal_tx *tx, const struct command *c, enum command_state state,
                       const cJSON *result, int64_t due_ms, int64_t now_ms, struct error *err)
{
    _cleanup_(freep) char *text = NULL;
    int r;

    r = text_of(result, &text, err);
    if (r)
        return r;
    return query_run(tx->journal, err,
                     "UPDATE command SET state = ?1, due_ms = ?2, changed_ms = ?3,"
                     " args = CASE WHEN ?1 >= 2 THEN json_remove(args, '$.manifest') ELSE args END,"
                     " claimed_by = '', result = CASE ?1 WHEN 0 THEN ifnull(?4, result) ELSE ?4 END"
                     " WHERE id = ?5",
                     "iiini", (int64_t)state, due_ms, now_ms, text, c->id);
}

int command_report(struct journal_tx *tx, int64_t id, const char *who, enum command_state state,
                   const cJSON *result, int64_t not_before_ms, int64_t now_ms, int64_t *row,
                   struct error *err)
{
    _cleanup_(command_done) struct command c = {0};
    int r;

    if (state == COMMAND_CLAIMED)
        return error_set(err, EINVAL, "journal: a claim isn't a report");
    r = command_get(tx->journal, id, &c, err);
    if (r)
        return r;
    if (c.state != COMMAND_CLAIMED || !str_eq(c.claimed_by, who))
        return JOURNAL_E_CLAIMED;
    r = command_set(tx, &c, state, result, state == COMMAND_WANTED ? not_before_ms : 0, now_ms,
                    err);
    return r ?: touch(tx, c.cluster_uid, c.ns, c.cluster_name, row, err);
}

int command_release(struct journal_tx *tx, const char *who, int64_t now_ms, struct error *err)
{
    return query_run(tx->journal, err,
                     "UPDATE command SET state = 0, claimed_by = '', due_ms = ?2, changed_ms = ?2"
                     " WHERE state = 1 AND claimed_by = ?1",
                     "si", who, now_ms);
}

int command_drop(struct journal_tx *tx, int64_t id, const char *reason, int64_t now_ms,
                 struct error *err)
{
    _cleanup_(command_done) struct command c = {0};
    _cleanup_(json_freep) cJSON *result = cJSON_CreateObject();
    int64_t row;
    int r;

    r = command_get(tx->journal, id, &c, err);
    if (r)
        return r;
    if (c.state == COMMAND_CLAIMED && c.claim_until_ms > now_ms)
        return JOURNAL_E_CLAIMED;
    if (c.state != COMMAND_WANTED && c.state != COMMAND_CLAIMED)
        return 0; /* ended already */
    if (!result || json_set_str(result, "reason", reason))
        return error_set(err, ENOMEM, "journal: out of memory");
    r = command_set(tx, &c, COMMAND_DROPPED, result, 0, now_ms, err);
    return r ?: touch(tx, c.cluster_uid, c.ns, c.cluster_name, &row, err);
}

int command_each(struct journal *j, const char *cluster_uid, command_fn fn, void *userdata,
                 struct error *err)
{
    _cleanup_(query_close) struct query q = {0};
    int r;

    r = query_open(j, &q, err,
                   "SELECT " COMMAND_COLUMNS " FROM command WHERE cluster_uid = ? ORDER BY id", "s",
                   cluster_uid);
    if (r)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        _cleanup_(command_done) struct command c = {0};

        r = command_load(&q, &c, err);
        if (!r)
            r = fn(&c, userdata);
        if (r)
            return r;
    }
    return r;
}
