/* The life of a cluster's job: what its state, savepoint, control and revision are now, derived
 * from what was recorded and what is seen (spec 04-status 3-6, 05-lifecycle; their weaknesses
 * mended). The reconciler decides on it, the statusreporter says it. Pure: the same snapshot and
 * time give the same life. */
#ifndef COMMON_MODEL_LIFE_H
#define COMMON_MODEL_LIFE_H

#include "common/model/view.h"

enum update_state { UPDATE_NONE, UPDATE_PREPARING, UPDATE_IN_PROGRESS, UPDATE_FINISHED };

struct life {
    enum job_state state; /* JOB_NONE: session cluster */
    cJSON *job; /* status.components.job; NULL: session */
    cJSON *savepoint; /* status.savepoint; NULL: none */
    cJSON *control; /* status.control; NULL: none */
    cJSON *savepoints; /* status.savepoints (inventory, newest first); NULL: none */
    enum update_state update;
    bool update_pending; /* revision.update_triggered */
    bool mends; /* the update waits for the job, which HA keeps, but no JobManager comes up:
                   components are changed first */
    bool job_must_update; /* the job is down for the update: components may be touched, a new run
                             follows */
    bool cluster_must_update; /* spec 04-status */
    bool clear_control; /* the request is served: remove the annotation; then the control's end is
                           recorded */
    bool control_ends; /* its outcome is known and not recorded yet: nothing may take the place of
                          the savepoint it is known from */
    bool cancel_wanted; /* job-cancel asked for (or cancelRequested) and not served */
    bool savepoint_wanted; /* savepoint asked for by annotation and not triggered yet */
    bool stop_forgotten; /* the run has FINISHED, and whether we stopped it has to be asked of Flink
                            again */
    bool will_restart; /* failed, and the policy and the state at hand allow another run */
    int64_t restart_at_ms; /* earliest time of that run */
    bool cleanup; /* the job ended for good: cleanupPolicy applies */
    const char *cleanup_policy; /* "KeepCluster", "DeleteCluster", "DeleteTaskManager"; NULL unless
                                   cleanup */
    bool suspended; /* spec.job.suspend and the job is down */
    /* Why the job doesn't go on (for conditions and Events); "" when all is well */
    char reason[64]; /* CamelCase */
    char message[1024];
    int64_t
        wake_ms; /* when a timer changes the outcome (grace period, backoff, deadline); 0: none */
};

void life_derive(const struct view *v, struct life *l);
void life_done(struct life *life);
const char *life_job_id(const struct life *life); /* "" when none */

/** status.savepoint.state is Failed or TriggerFailed. NULL-safe. */
bool savepoint_has_failed(const char *state);
/** Where the next run starts from (spec 03-children 10.2, 05-lifecycle 5): a savepoint or a
 * retained checkpoint; NULL: from nothing. Borrows from the snapshot or @life. */
const char *life_restore_point(const struct view *v, const struct life *life);
/** Until when to wait for the last checkpoint of a run that has failed: the one that is known may
 * not be it, and be gone. 0: it is known, or doesn't matter. */
int64_t life_checkpoint_due_ms(const struct view *v, const struct life *life);
/** What the last run couldn't start from, since it isn't there; NULL. Borrows from @life. */
const char *life_missing_state(const struct life *life);
/** Does spec.job.fromSavepoint differ from the current revision's: only then it decides an update.
 */
bool life_from_savepoint_changed(const struct view *v);
/** The last savepoint is the run's final one, or taken at most maxStateAgeToRestoreSeconds before
 * @at_ms (spec 05-lifecycle 4.2). */
bool life_state_is_fresh(const struct view *v, const struct life *life, int64_t at_ms);
/** The last savepoint is that of a job that was drained: no run may go on from it by itself. */
bool life_is_drained(const struct life *life);
/** With restoreFrom LatestState: the run's newest checkpoint, when it is newer than the last
 * savepoint and stays also when the run is cancelled; NULL: none. */
const char *life_retained_checkpoint(const struct view *v, const struct life *life);
/** Deadline of a savepoint from its trigger: execution.checkpointing.timeout of flinkProperties,
 * else 10 minutes, and a minute. */
int64_t life_savepoint_timeout_ms(const struct view *v);

#endif
