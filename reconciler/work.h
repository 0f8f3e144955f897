/* What the reconciler remembers of one cluster between plans. All of it may be lost. */
#ifndef RECONCILER_WORK_H
#define RECONCILER_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "reconciler/plan.h"

struct reconciler;
struct request;

/* A write whose result the watcher hasn't recorded yet: the same write again would be for nothing.
 */
struct work_write {
    struct work_write *next;
    char kind[32], name[256], uid[64]; /* uid: of what was deleted; another of that name isn't it */
    int64_t version; /* resourceVersion that came back; 0: deleted */
    int64_t until_ms; /* forget it then */
};

struct work {
    struct work *next;
    struct reconciler *rec;
    char uid[64], ns[64], name[256];
    bool dirty; /* changed since the last plan */
    int64_t dirty_row; /* by this row of the journal first */
    struct request *requests; /* of the last plan, under way */
    int in_flight; /* how many */
    int failures; /* plans in a row with a failed request: the backoff */
    int64_t generation; /* of the spec that was planned last: another one doesn't wait for the
                           backoff */
    bool news; /* changed since the last look during a backoff */
    bool failed; /* a request of this plan failed */
    bool elsewhere; /* another reconciler is at it */
    int64_t not_before_ms; /* monotonic: backoff, or several changes at once */
    int64_t wake_ms; /* wall clock: plan again then; 0: only on a change */
    struct work_write *writes; /* few, and only for a moment */
    int64_t patience_ms; /* monotonic: so long a plan waits for the journal to have @writes */
    bool planned; /* before */
};

/* A plan on its way: recorded together with others', then acted out. */
struct errand {
    struct work *work;
    struct snapshot snapshot;
    struct plan plan;
    bool has_commands;
    bool tells; /* it changes what the journal says of the cluster */
    bool elsewhere; /* another reconciler has claimed the cluster: nothing is done */
};

struct work *work_find(struct reconciler *rec, const struct changed_cluster *changed);
struct work *work_free(struct work *work);

/** Writes that the watcher hasn't recorded yet are taken out of the plan. Returns how many requests
 * are left. */
int errand_prepare(struct errand *errand);
/** The claims of those who act, commands and the history of all @errands, in one transaction.
 * Returns 0 or -errno (journal). */
int errands_record(struct reconciler *rec, struct errand *errands, int n, struct error *err);
/** Send the requests of one that is recorded. Returns 0 or -errno. */
int errand_act(struct errand *errand, struct error *err);
void errand_done(struct errand *errand);
/** The journal has all that the last plan wrote: one that is made now doesn't decide on less. */
bool work_is_current(struct work *work);
/** All requests of a plan were answered well: the watcher will tell in a moment. */
void work_wait_for_writes(struct work *work);
/** A write whose result is to be waited for. @version 0: a deletion of @uid. */
void work_remember_write(struct work *work, const char *kind, const char *name, const char *uid,
                         int64_t version);
int64_t work_version_of(const char *resource_version);
/** Print the plan as a line of JSON (--dry-run). */
void work_print(const struct work *work, const struct plan *plan);

#endif
