/* The polling of one cluster's Flink: between flink_source.c, poll.c, trigger.c and detail.c. */
#ifndef WATCHER_POLL_H
#define WATCHER_POLL_H

#include "common/flink/rest.h"
#include "common/io/loop.h"
#include "watcher/clusters.h"
#include "watcher/flink_source.h"
#include "watcher/watcher.h"

struct flink_source {
    struct watcher *w;
    int64_t swept_row; /* newest row whose commands were looked at */
    int polled; /* clusters that are polled at present */
};

/* A savepoint, stop or disposal whose end is waited for, or is known (so that it isn't asked
 * again). */
struct trigger {
    struct trigger *next;
    struct poll *poll;
    struct flink_call *call;
    struct loop_timer *timer;
    int64_t begun_ms; /* monotonic */
    int64_t unknown_ms; /* monotonic; when Flink last said that it doesn't know it */
    int unknown; /* how often it said so in a row */
    bool dispose;
    bool done; /* its end is in the journal */
    bool open; /* its command isn't carried out yet, as far as is known */
    bool seen; /* an observation of it is in the journal */
    bool wanted; /* a command or the status names it */
    char job[FLINK_ID_SIZE], id[FLINK_ID_SIZE];
};

/* Something to ask of one job besides its state. */
struct detail {
    struct flink_call *call;
    char job[FLINK_ID_SIZE]; /* asked, or to ask */
    char known[FLINK_ID_SIZE]; /* job whose observation is in the journal; "" none */
    cJSON *json; /* … and what it says; NULL: none */
    char ended[FLINK_ID_SIZE]; /* job that has ended, and was asked for the last time */
    bool pending;
    bool last; /* the job has ended: the answer won't change any more */
    int tries;
    int64_t asked_ms, due_ms; /* monotonic; due: not to be asked earlier */
};

struct poll {
    struct flink_source *source;
    struct cluster *cluster;
    struct flink_call *call; /* of the job list */
    struct loop_timer *timer;
    cJSON *last; /* the overview as it is in the journal; NULL: none */
    int64_t changed_ms, begun_ms; /* monotonic: last change; last request */
    char asked_jm[64]; /* whom the request under way is meant for */
    int64_t asked_restarts;
    bool polled; /* counted in source->polled */
    bool open_commands;
    struct trigger *triggers;
    struct detail exceptions, checkpoints;
};

/* The cluster's base URL; free(). */
char *poll_base(const struct poll *p);
void poll_schedule(struct poll *p);
bool poll_is_open(const struct poll *p); /* something is under way */
struct poll *poll_new(struct flink_source *source, struct cluster *c, const cJSON *observations);
void poll_free(struct poll *p);
/* Something changed: ask at once. */
void poll_hurry(struct poll *p);
/* The same, and the JobManager may be another one. */
void poll_changed(struct poll *p);
/* State of the job in an overview; NULL: not in it. */
const char *poll_job_state(const cJSON *overview, const char *job_id);
bool poll_is_idle(const struct poll *p); /* it was asked, and no answer is awaited */
/* Take @json as an observation first made now. */
void poll_observe(struct poll *p, const char *prefix, const char *id, cJSON *json);

/* trigger.c */
void triggers_known(struct poll *p, const cJSON *observations);
/* Reads the cluster's commands and status. */
void triggers_sync(struct poll *p);
bool triggers_are_open(const struct poll *p);
void triggers_free(struct poll *p);

/* detail.c */
void details_known(struct poll *p, const cJSON *observations);
/* The job list read @before and reads @after. */
void details_look(struct poll *p, const cJSON *before, const cJSON *after);
bool details_are_open(const struct poll *p);
void details_cancel(struct poll *p);

#endif
