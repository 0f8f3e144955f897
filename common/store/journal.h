/* The journal: one SQLite file (WAL) that all daemons share. Memory, not truth: losing it costs a
 * relist and the history. One connection, one thread. SQL lives only in common/store/. */
#ifndef COMMON_STORE_JOURNAL_H
#define COMMON_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"

struct journal;

enum {
    JOURNAL_SCHEMA = 1,
    /* Positive conditions */
    JOURNAL_E_NOTFOUND = 1, /* no such row */
    JOURNAL_E_STALE = 2, /* decided on an older state than the journal's */
    JOURNAL_E_CLAIMED = 3, /* somebody else holds it */
    JOURNAL_E_EXISTS = 4, /* a row with that key is there already */
};

struct journal_options {
    int busy_timeout_ms; /* 0: 5000 */
    bool read_only; /* flinkctl, --dry-run: never creates, never writes */
};

/** Open, creating the file and its schema when new. A file that SQLite calls corrupt is renamed to
 *  <path>.corrupt-<time> (with its -wal/-shm) and rebuilt; *rebuilt says so (may be NULL) so that
 * the daemon logs it. -EPROTO: the schema is newer than this binary. -ENOSPC/-EIO: disk full or
 * unwritable; retry later. */
int journal_open(const char *path, const struct journal_options *options, struct journal **ret,
                 bool *rebuilt, struct error *err);
/** May what failed with @r go well later, perhaps after opening anew? Not for a journal of a newer
 * flinkd. */
bool journal_is_transient(int r);
struct journal *journal_close(struct journal *j);
/** From now on a write waits so long for those of others (at the end of a daemon: not for long). */
void journal_set_busy_timeout(struct journal *j, int busy_timeout_ms);
/** The file at the path is no longer the one that is open (deleted or replaced): reopen. Cheap (one
 * stat). */
bool journal_moved(const struct journal *j);

/* A transaction is a scope: _cleanup_(journal_abort) struct journal_tx tx = {0}; rolls back unless
 * committed. Readers outside one see the last commit. */
struct journal_tx {
    struct journal *journal;
};
/** @durable: synchronous=FULL (an intent before its act); else NORMAL. BEGIN IMMEDIATE.
 *  -ESTALE: the file was replaced (journal_moved()), reopen. -EUCLEAN, here and anywhere: the file
 * is corrupt and was put aside, reopen. -ENOSPC: nothing is changed, try later. -EBUSY: another
 * writer held on for too long. */
int journal_begin(struct journal *j, bool durable, struct journal_tx *tx, struct error *err);
int journal_commit(struct journal_tx *tx, struct error *err);
void journal_abort(struct journal_tx *tx);

/* Several reads of one state, in a scope: _cleanup_(journal_read_end) struct journal_read read =
 * {0}; they are cheaper together, too. */
struct journal_read {
    struct journal
        *journal; /* NULL: none, or inside a transaction, where it is nothing of its own */
};
int journal_read_begin(struct journal *j, struct journal_read *read, struct error *err);
void journal_read_end(struct journal_read *read);

/* ---- object: the last known state of a Kubernetes object ---- */

struct object {
    int64_t row; /* number of its last change; grows over all objects (from one counter) */
    char *kind; /* "FlinkCluster", "StatefulSet", "Pod", … */
    char *ns, *name, *uid;
    char *resource_version;
    char *cluster_uid; /* FlinkCluster it belongs to: its own uid, the controller owner's, or "" */
    char *cluster_name; /* label `cluster` / managed-by, or the FlinkCluster's own name; "" */
    cJSON *json; /* without managedFields (see watcher/record.c) */
    bool deleted; /* tombstone: the object is gone; json is its last state; object_put ignores it */
};
void object_done(struct object *o);

/** Insert or replace by (kind, ns, name). An older uid under that name is replaced. Nothing is
 * written when uid and resourceVersion are the same: *row is 0 then, else the new row number.
 *  Without a cluster_uid, that of the live FlinkCluster (ns, cluster_name) is taken; a FlinkCluster
 * that is stored later takes the rows of (ns, its name) that have none or got theirs in this way.
 */
int object_put(struct journal_tx *tx, const struct object *o, int64_t *row, struct error *err);
/** Mark deleted (tombstone kept until retention). Only when @uid is NULL or the stored one.
 * JOURNAL_E_NOTFOUND. */
int object_delete(struct journal_tx *tx, const char *kind, const char *ns, const char *name,
                  const char *uid, int64_t *row, struct error *err);
/** Not deleted objects only. JOURNAL_E_NOTFOUND. */
int object_get(struct journal *j, const char *kind, const char *ns, const char *name,
               struct object *ret, struct error *err);

typedef int (*object_fn)(struct object *o, /* what it keeps of it it takes: TAKE() */
                         void *userdata); /* non-zero ends the walk and is returned */
/** All live objects of one kind (and namespace, "" = all). */
int object_each(struct journal *j, const char *kind, const char *ns, object_fn fn, void *userdata,
                struct error *err);
/** All live objects that belong to a FlinkCluster: its own row, those with its cluster_uid, and
 * those in
 *  @ns whose cluster_name is @name and that have no controller owner. One indexed query. */
int object_each_of_cluster(struct journal *j, const char *ns, const char *name, const char *uid,
                           object_fn fn, void *userdata, struct error *err);
/** Deletes (as object_delete) the live rows of @kind (in @ns, "" = all) that the relist didn't see.
 * @seen tells;
 *  @on_deleted (may be NULL) gets each, with its new row. */
int object_retain(struct journal_tx *tx, const char *kind, const char *ns,
                  bool (*seen)(const char *ns, const char *name, const char *uid, void *userdata),
                  void *userdata, object_fn on_deleted, struct error *err);
/** Changed FlinkClusters since @row: each cluster_uid (with ns, name of the FlinkCluster row) once,
 * with the newest row. */
struct changed_cluster {
    int64_t row;
    char uid[64], ns[64], name[256];
};
/** Reads at most @max clusters that changed after @row, in row order. *n: how many. *last: cursor
 * to continue from. */
int object_changed_clusters(struct journal *j, int64_t row, struct changed_cluster *out, size_t max,
                            size_t *n, int64_t *last, struct error *err);
/** The newest row of one cluster, for command_add's decided_row: read it before the snapshot. 0
 * when unknown. */
int object_cluster_row(struct journal *j, const char *cluster_uid, int64_t *row, struct error *err);
/** The uid of the live FlinkCluster @ns/@name. JOURNAL_E_NOTFOUND. */
int object_cluster_uid(struct journal *j, const char *ns, const char *name, char out[64],
                       struct error *err);
/** Newest row number given so far (0: none). */
int journal_last_row(struct journal *j, int64_t *row, struct error *err);
/** What a live object is at, without reading it: its uid and its resourceVersion.
 * JOURNAL_E_NOTFOUND. */
int object_version(struct journal *j, const char *kind, const char *ns, const char *name,
                   char uid[64], char version[64], struct error *err);
/** Count of live objects of a kind. */
int object_count(struct journal *j, const char *kind, int64_t *n, struct error *err);

/* ---- watch: where to resume ---- */
/** JOURNAL_E_NOTFOUND when never stored. free(*rv). */
int watch_get(struct journal *j, const char *resource, const char *ns, char **rv,
              struct error *err);
/** NULL @rv forgets it (410 Gone). */
int watch_put(struct journal_tx *tx, const char *resource, const char *ns, const char *rv,
              struct error *err);

/* ---- job_observation: the last things seen of a cluster's Flink (and crash logs); one JSON a
 * (uid, key) ---- */
/* keys: "overview", "trigger/<id>", "exceptions", "checkpoints", "crash/<pod>/<container>", …
 * A changed value (json differs) gets a new row number from the objects' counter, so the cluster
 * counts as changed. */
int observation_put(struct journal_tx *tx, const char *cluster_uid, const char *key,
                    const cJSON *json, int64_t now_ms, int64_t *row,
                    struct error *err); /* *row 0: same value */
int observation_delete(struct journal_tx *tx, const char *cluster_uid, const char *key,
                       struct error *err); /* key NULL: all of the cluster */
/** An object key -> value, each value with its own members plus "observedAt" (ms).
 * cJSON_Delete(*ret). */
int observation_all(struct journal *j, const char *cluster_uid, cJSON **ret, struct error *err);

/* ---- command: an act wanted on a Flink job; its key names it for good, so deciding twice is one
 * command ---- */
enum command_state {
    COMMAND_WANTED, /* not begun, or to be tried again at not_before_ms */
    COMMAND_CLAIMED, /* being done */
    COMMAND_DONE, /* accepted; result says what came back */
    COMMAND_FAILED, /* refused for good; result has "error" */
    COMMAND_DROPPED, /* moot before it was done */
};
struct command {
    int64_t id;
    char *cluster_uid, *ns, *cluster_name;
    char *kind; /* "submit", "savepoint", "stop", "cancel", "dispose", "delete-job" */
    char *key; /* unique in the cluster, e.g. "savepoint/<trigger id>" */
    cJSON *args;
    enum command_state state;
    int attempts;
    int64_t not_before_ms; /* earliest next try */
    int64_t decided_row; /* journal row it was decided on */
    int64_t created_ms, changed_ms;
    char *claimed_by; /* "" when free */
    int64_t claim_until_ms;
    cJSON *result; /* NULL until there is one; {"error": text, …} */
};
void command_done(struct command *c);
const char *command_state_name(enum command_state state);

/** JOURNAL_E_EXISTS when the key is there in any state (nothing is written). JOURNAL_E_STALE when
 * the cluster's newest row is newer than c->decided_row; changes in the same transaction don't
 * count. Changes the cluster's row. Used: cluster_uid, ns, cluster_name, kind, key, args,
 * not_before_ms, decided_row, created_ms (0: now). */
int command_add(struct journal_tx *tx, const struct command *c, int64_t *row, struct error *err);
/** Claim the oldest due command (WANTED with not_before <= now, or CLAIMED whose claim ran out) and
 * count the attempt; the cluster's row stays. Only in @ns ("": anywhere). JOURNAL_E_NOTFOUND:
 * nothing due; *next_ms then is when the next gets due (0: none). */
int command_claim(struct journal_tx *tx, const char *ns, const char *who, int64_t now_ms,
                  int64_t lease_ms, struct command *ret, int64_t *next_ms, struct error *err);
/** Report: DONE/FAILED/DROPPED with @result (a manifest in its args goes then: all who look at the
 * cluster would read it), or WANTED again (@not_before_ms) after a transient
 * failure. Only by who claimed it (JOURNAL_E_CLAIMED else). *row: the cluster's new row. */
int command_report(struct journal_tx *tx, int64_t id, const char *who, enum command_state state,
                   const cJSON *result, int64_t not_before_ms, int64_t now_ms, int64_t *row,
                   struct error *err);
/** Give back everything that @who has claimed (at shutdown). */
int command_release(struct journal_tx *tx, const char *who, int64_t now_ms, struct error *err);
/** Drop a command that is WANTED or whose claim ran out; JOURNAL_E_CLAIMED when somebody is at it.
 */
int command_drop(struct journal_tx *tx, int64_t id, const char *reason, int64_t now_ms,
                 struct error *err);
/** Commands of a cluster, oldest first. */
typedef int (*command_fn)(struct command *c, void *userdata); /* may TAKE() from it */
int command_each(struct journal *j, const char *cluster_uid, command_fn fn, void *userdata,
                 struct error *err);

/* ---- claim: who works on which cluster ---- */
int claim_take(struct journal_tx *tx, const char *what, const char *who, int64_t now_ms,
               int64_t lease_ms, struct error *err); /* JOURNAL_E_CLAIMED */
int claim_release(struct journal_tx *tx, const char *what, const char *who,
                  struct error *err); /* what NULL: all that @who has */

/* ---- cursor ---- */
int cursor_get(struct journal *j, const char *consumer, int64_t *row,
               struct error *err); /* 0 when unknown */
int cursor_set(struct journal_tx *tx, const char *consumer, int64_t row, struct error *err);

/* ---- leader: what the watcher knows of the Lease ---- */
struct leader {
    char holder[256]; /* "" none */
    bool ours; /* this pod's suite holds it */
    int64_t until_ms; /* wall clock until which that is certain */
};
int leader_get(struct journal *j, struct leader *ret,
               struct error *err); /* ours=false when never stored */
int leader_put(struct journal_tx *tx, const struct leader *l, struct error *err);
/** For --once: 0 when this suite works at @now_ms; else -EPERM, and the text says why not and how
 * to go on; -EIO when @j is NULL, as it is between two files. */
int leader_require(struct journal *j, int64_t now_ms, struct error *err);

/* ---- event: append-only history, for people (flinkctl) and replay ---- */
/* source: "watcher" …; what: "observed", "decided", "done", "status", …; payload may be NULL. */
int event_add(struct journal_tx *tx, int64_t now_ms, const char *source, const char *cluster_uid,
              const char *what, const cJSON *payload, struct error *err);
struct event {
    int64_t id, time_ms;
    const char *source, *cluster_uid, *what, *payload; /* payload: JSON text or NULL */
};
typedef int (*event_fn)(const struct event *e, void *userdata);
int event_each(struct journal *j, const char *cluster_uid, int64_t after_id, event_fn fn,
               void *userdata, struct error *err);

/* ---- retention ---- */
struct retention {
    int64_t event_age_ms; /* 0: 7 days */
    int64_t event_rows; /* 0: 100,000 */
    int64_t tombstone_age_ms; /* 0: 1 hour */
    int64_t command_age_ms; /* finished commands; 0: 7 days. Those of a live cluster keep the last
                               50 at least. */
};
/** Deletes at most a bounded number of rows; *more: call again. Frees pages by incremental vacuum.
 */
int journal_compact(struct journal *j, const struct retention *keep, int64_t now_ms, bool *more,
                    struct error *err);

/** A consistent copy as the new file @path (VACUUM INTO), also of a journal that is open for
 * reading and in use. -ENOSPC, -EIO: the copy can't be written, what there is of it is left to the
 * caller. */
int journal_copy(struct journal *j, const char *path, struct error *err);

#endif
