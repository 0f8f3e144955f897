/* The FlinkClusters that were seen in the journal, and how far each is reported. Times are
 * monotonic here. */
#ifndef STATUSREPORTER_TRACKED_H
#define STATUSREPORTER_TRACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/flink/job_state.h"
#include "common/store/journal.h"
#include "statusreporter/cluster_state.h"

enum { COMMAND_STATES = COMMAND_DROPPED + 1 };

/* Tokens for a cluster's Events, so that one that flaps floods nobody. */
struct event_budget {
    double tokens;
    int64_t filled_ms;
};

struct tracked {
    struct tracked *next; /* of the hash chain */
    char uid[64], ns[64], name[256];
    int64_t row; /* its newest change that was read from the journal */
    int64_t looked_row; /* row when it was last looked at */
    int64_t open_row; /* the oldest change that isn't dealt with yet; 0: none */
    int64_t due_ms; /* look at it then; 0: not before it changes */
    int64_t seen_ms, changed_ms; /* when a change was read first, and last */
    int64_t looked_ms; /* when it was last looked at; 0: never */
    int vain_looks; /* at which nothing new was found, in a row; bounded */
    bool in_flight; /* a write is under way: nothing is decided meanwhile */
    char written_rv[32]; /* resourceVersion of our last write, until the journal has it; "" none */
    char refused_rv[32]; /* a write was refused, as this was no longer the newest; "" none */
    int64_t written_ms; /* when either was */
    int failures; /* writes that failed in a row */
    struct event_budget budget;

    /* for the metrics; shown once it was looked at */
    bool shown;
    enum cluster_state state;
    enum job_state job;
    int64_t savepoint_ms; /* wall clock of the last savepoint; 0: none */
    int64_t failed_savepoint_ms; /* when one failed last; 0: none, or not known */
    int64_t savepoint_failures; /* that were seen since the start */
    int64_t restarts;
    int commands[COMMAND_STATES];
};

struct tracked_table {
    struct tracked **chains;
    size_t n_chains, n;
};

/** 0 or -ENOMEM */
int tracked_init(struct tracked_table *table);
void tracked_done(struct tracked_table *table);
/** Found, or added. NULL without memory. */
struct tracked *tracked_get(struct tracked_table *table, const char *uid, const char *ns,
                            const char *name);
struct tracked *tracked_find(const struct tracked_table *table, const char *uid);
void tracked_remove(struct tracked_table *table, struct tracked *t);
/** The first (NULL) or next one, in no particular order. The present one may be removed only after
 * asking for the next. */
struct tracked *tracked_next(const struct tracked_table *table, const struct tracked *t);

#endif
