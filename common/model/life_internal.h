/* What the parts of life.c share. */
#ifndef COMMON_MODEL_LIFE_INTERNAL_H
#define COMMON_MODEL_LIFE_INTERNAL_H

#include "common/model/life.h"

/* Savepoint reasons (spec 04-status 4; the last two are flinkd's). */
#define REASON_USER      "user requested"
#define REASON_CANCEL    "job cancel"
#define REASON_DRAINED   "job cancel, drained" /* in status.savepoints only */
#define REASON_SCHEDULED "scheduled"
#define REASON_UPDATE    "update"
#define REASON_SUSPEND   "suspend"
#define REASON_DELETION  "deletion"

enum {
    LOST_GRACE_MS = 15 * 1000, /* without HA: how long a JobManager that is back may lack the job */
    LOST_GRACE_HA_MS = 10 * 60 * 1000, /* with HA: time for the recovery */
    DOWN_GRACE_MS =
        60 * 1000, /* without HA: how long no JobManager may run before its job is given up */
    /* from the submitter's end to trusting a list without its job: longer than a request to Flink
       may take */
    SUBMIT_SETTLE_MS = 12 * 1000,
    SAME_TIME_MS = 2 * 1000, /* what was created together */
    SAVEPOINT_TIMEOUT_MS = 10 * 60 * 1000, /* Flink's default execution.checkpointing.timeout */
    SAVEPOINT_SLACK_MS = 60 * 1000,
    SAVEPOINT_RETRY_MS = 10 * 1000, /* spec 05-lifecycle 1; doubles with each failure */
    SAVEPOINT_RETRY_MAX_MS = 2 * 60 * 1000,
    CHECKPOINT_SETTLE_MS =
        10 * 1000, /* how long the last checkpoint of a failed job is waited for */
    DISPOSAL_TRIES_MAX = 3,
    DISPOSAL_RETRY_MS = 60 * 1000,
    DISPOSAL_TIMEOUT_MS = 10 * 60 * 1000,
    RESTART_BACKOFF_MS = 10 * 1000,
    RESTART_BACKOFF_MAX_MS = 5 * 60 * 1000,
    RESTART_STABLE_MS = 10 * 60 * 1000, /* a run that long counts as healthy */
    FAILURE_REASONS_MAX = 5,
    FAILURE_REASON_BYTES = 2048,
    SAVEPOINTS_MAX = 20, /* in status.savepoints */
    SAVEPOINTS_RETAINED_MAX = 100, /* … when they are disposed of by age or count */
};

bool savepoint_is_stop(const char *reason); /* reasons that end the job */
bool savepoint_is_said_missing(const char *text); /* Flink's words for one that isn't in storage */
/* Do the locations mean the same? Flink says file:/s where users say file:///s/. */
bool savepoint_is_same(const char *a, const char *b);
/* Is it what Flink's words name, in quotes and in whatever form? */
bool savepoint_is_named_in(const char *text, const char *location);

enum disposal_state { DISPOSAL_NONE, DISPOSAL_OPEN, DISPOSAL_DONE, DISPOSAL_FAILED };

/* How far the disposal of a savepoint is: how often it was tried, and what became of the last. */
struct disposal {
    enum disposal_state state;
    int tries;
    int64_t changed_ms; /* of the last try */
};

struct disposal life_disposal(const struct view *v, const char *location);
/* Of the command of try @number, from 0. */
void disposal_key(char *key, size_t size, const char *location, int number);
/* status.savepoint and what its success writes into status.components.job. */
void life_savepoint(const struct view *v, struct life *l);
/* The run is down: the checkpoint to go on from is told by the status, which outlives the journal.
 */
void life_record_checkpoint(const struct view *v, struct life *l);
/* status.components.job. */
void life_job(const struct view *v, struct life *l);
/* failureReasons of a run that has failed. What Flink tells comes a moment later, and counts most;
 * @ended_now: what is there is of the run before. */
void life_failure_reasons(const struct view *v, struct life *l, bool ended_now);
/* Flink 1.15 and later take the trigger id that is chosen here; an earlier one refuses a request
 * with such a member, and makes up an id. */
bool life_names_triggers(const struct view *v);
/* ---- life_run.c ---- */
/* Of a run that is deployed, running or in a state that isn't known. */
enum job_state life_run_state(const struct view *v, struct life *l);
bool life_no_jobmanager(const struct view *v, struct life *l); /* for a while now */
/* @grace_ms are over since then: it is no matter of timing. Else they are when to look again. */
bool life_has_passed(const struct view *v, struct life *l, int64_t since_ms, int64_t grace_ms);
/* ---- life_stop.c ---- */
/* Our own stop of this very run: its savepoint's state; NULL: none is known. */
const char *life_stop_state(const struct view *v, const struct life *l);
/* A run has FINISHED, and the journal that would tell whether we stopped it is newer than the run:
 * Flink has to be asked, and hasn't answered yet. */
bool life_stop_is_forgotten(const struct view *v, struct life *l);
/* FINISHED -> Succeeded, unless it was a stop with savepoint; while that isn't clear the job counts
 * as running. */
enum job_state life_finished_state(const struct view *v, const struct life *l);
/* What for we told Flink to cancel the run, the last time; NULL: we didn't. */
const char *life_cancel_reason(const struct view *v);
bool life_is_cancelled_by_us(const struct view *v, const struct life *l);
/* We stopped it now, for something that it is to go on after. */
bool life_is_pause(const struct view *v, const struct life *l);
/* status.control, cancel_wanted, savepoint_wanted, clear_control. */
void life_control(const struct view *v, struct life *l);
/* Update state before the job's state is known: is the recorded job's update ready? */
void life_update(const struct view *v, struct life *l);
void life_set_time(cJSON *object, const char *path, int64_t ms);
/* The earlier of the two, 0 = none. */
void life_wake(struct life *l, int64_t at_ms);
/* First problem wins. */
void life_say(struct life *l, const char *reason, const char *fmt, ...) _printf_(3, 4);

#endif
