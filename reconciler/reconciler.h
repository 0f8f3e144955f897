/* The reconciler's context and loop: a changed cluster is planned, and the plan acted out. */
#ifndef RECONCILER_RECONCILER_H
#define RECONCILER_RECONCILER_H

#include "common/io/bus.h"
#include "common/io/httpd.h"
#include "common/io/loop.h"
#include "common/kube/client.h"
#include "common/store/journal.h"
#include "reconciler/config.h"
#include "reconciler/work.h"

struct reconciler {
    const struct reconciler_config *config;
    struct loop *loop;
    struct http *http;
    struct kube_client *kube; /* NULL in a dry run */
    struct bus *bus;
    struct httpd *health;
    struct journal *journal;
    struct loop_timer *sweep, *due, *cursor_timer;
    struct work *works; /* every cluster that was looked at, a list */
    char who[300]; /* in claims */
    int seat_fd; /* what makes that name ours; -1: none */
    int64_t cursor; /* row up to which changes were read */
    int64_t cursor_saved; /* what the journal was told, in this process */
    int in_flight; /* requests under way, of all plans */
    int waiting; /* clusters that are due, at the last turn */
    int64_t turned_ms; /* monotonic: the last look at the journal */
    int64_t journal_lost_ms; /* when a journal problem was logged last; 0: all is well */
    bool ready;
};

/** @config is borrowed for the life of the result. */
int reconciler_new(const struct reconciler_config *config, struct reconciler **ret,
                   struct error *err);
struct reconciler *reconciler_free(struct reconciler *rec);
static inline void reconciler_freep(struct reconciler **rec)
{
    *rec = reconciler_free(*rec);
}
/** The event loop, or one pass (--once, --dry-run). 0 on SIGTERM. */
int reconciler_run(struct reconciler *rec, struct error *err);

/* From once.c, for --once: until all that is known to be due was done, or tried in vain. Returns 0
 * when it is done. */
int reconciler_once(struct reconciler *rec, struct error *err);

/* Look for changed clusters and plan what is due. */
void reconciler_turn(struct reconciler *rec);
/* The same in a moment. */
void reconciler_wake(struct reconciler *rec);
/* From due.c: plan what is due, and arm the timer for what gets due later. */
int reconciler_plan_due(struct reconciler *rec, struct error *err);
/* From dispatch.c: a message is a hint to look at once. */
void reconciler_dispatch(const struct message *m, void *userdata);
/* The journal can't be read or written: logged at most every minute, tried again by the sweep. */
void reconciler_journal_trouble(struct reconciler *rec, const struct error *err);

#endif
