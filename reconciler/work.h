/* What the reconciler remembers of one cluster between plans. All of it may be lost. */
#ifndef RECONCILER_WORK_H
#define RECONCILER_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "reconciler/plan.h"

struct reconciler;

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
    int in_flight; /* requests of the last plan under way */
    int failures; /* plans in a row with a failed request: the backoff */
    int64_t generation; /* of the spec that was planned last: another one doesn't wait for the
                           backoff */
    bool news; /* changed since the last look during a backoff */
    bool failed; /* a request of this plan failed */
    int64_t not_before_ms; /* monotonic: backoff, or several changes at once */
    int64_t wake_ms; /* wall clock: plan again then; 0: only on a change */
    struct work_write *writes; /* few, and only for a moment */
};

struct work *work_find(struct reconciler *rec, const struct changed_cluster *changed);
struct work *work_free(struct work *work);

/** Act out: commands are committed first, then requests are sent. Writes that the watcher hasn't
 * recorded yet are taken out of @plan. Returns 0 or -errno (journal). */
int work_act(struct work *work, const struct snapshot *snapshot, struct plan *plan,
             struct error *err);
/** A write whose result is to be waited for. @version 0: a deletion of @uid. */
void work_remember_write(struct work *work, const char *kind, const char *name, const char *uid,
                         int64_t version);
int64_t work_version_of(const cJSON *object);
/** Print the plan as a line of JSON (--dry-run). */
void work_print(const struct work *work, const struct plan *plan);

#endif
