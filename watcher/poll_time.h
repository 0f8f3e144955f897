/* How often Flink is asked. Pure. */
#ifndef WATCHER_POLL_TIME_H
#define WATCHER_POLL_TIME_H

#include <stdbool.h>
#include <stdint.h>

/** Until the next look at a cluster's job list, in ms. @steady: the job runs and nothing is under
 * way.
 *  @age_ms: since something last changed. @polled: how many clusters are polled, so that few get
 * fresher news (0.4 s) and a thousand don't keep the watcher busy (10 s). */
int64_t poll_interval_ms(bool steady, int64_t age_ms, int polled);
/** Until the next look at a trigger that is asked about for @age_ms already. */
int64_t poll_trigger_ms(int64_t age_ms);

enum {
    POLL_FAST_MS = 250,
    POLL_CHECKPOINTS_MS = 3000, /* fresher than Flink's own cache it can't be */
    POLL_CACHE_MS =
        3500, /* so long Flink's web server may repeat an answer (web.refresh-interval) */
    /* Flink doesn't know a trigger: believed when it says so that often and that far apart, as a
     * JobManager that was just asked may be late. */
    POLL_UNKNOWN_TIMES = 3,
    POLL_UNKNOWN_MS = 1000,
};

#endif
