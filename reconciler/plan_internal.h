/* What the parts of plan.c share. */
#ifndef RECONCILER_PLAN_INTERNAL_H
#define RECONCILER_PLAN_INTERNAL_H

#include "common/model/life_internal.h"
#include "reconciler/plan.h"

struct planner {
    const struct view *v;
    const struct life *l;
    struct plan *plan;
    /* While an update waits: the revision of the children that may be touched; "": any. Those of
     * another are of a run that is further than the status. */
    char only[320];
    bool children_settling; /* a component has to vanish or to roll before a job may be submitted */
};

struct action *plan_add(struct planner *p, enum action_kind kind, const char *object_kind,
                        const char *name);
void plan_why(struct action *action, const char *fmt, ...) _printf_(2, 3);
void plan_wake(struct planner *p, int64_t at_ms);
void plan_block(struct planner *p, const char *reason, const char *fmt, ...) _printf_(3, 4);
/* Delete @object with its uid as precondition, unless it is being deleted. */
void plan_delete(struct planner *p, const cJSON *object, const char *why);
/* Takes @args. */
void plan_command(struct planner *p, const char *kind, const char *key, cJSON *args,
                  const char *why);
/* The state derived is the state recorded: what the next step would destroy can't get lost. */
bool plan_is_recorded(const struct planner *p);
/* May the next savepoint or stop be decided? Not while one is under way, nor before its outcome is
 * recorded: only the newest is followed, so that outcome would get lost. */
bool plan_may_trigger(const struct planner *p);

/* ---- plan_ha.c ---- */
/* Flink's HA metadata goes with the FlinkCluster, unless somebody else owns it. */
void plan_ha_adopt(struct planner *p);
/* Some JobManager came up and may have had a job, which the next one brings back. */
bool plan_has_ha_metadata(const struct planner *p);
/* May a JobManager start that isn't to bring back the run before? If not, what hinders is being
 * removed. */
bool plan_ha_is_clear(struct planner *p);
/* metadata.ownerReferences; the caller's. */
cJSON *plan_owned_by_cluster(const struct planner *p);

void plan_revisions(struct planner *p);
void plan_children(struct planner *p);
void plan_job(struct planner *p);
/* The recorded run never got as far as Flink, as far as is known: it is tried again. */
bool plan_was_never_seen(const struct planner *p);
void plan_deletion(struct planner *p);
/* Stop the run for @reason: with a savepoint where that is wanted and possible. */
void plan_stop(struct planner *p, const char *reason);
/* The job is being deployed, and an update is to wait until it runs: then its state can be kept. */
bool plan_awaits_run(struct planner *p);
/* A submitter was made, or is about to be, that isn't to be seen yet: its job may run already. */
bool plan_awaits_submitter(struct planner *p);
/* … without one. */
void plan_cancel(struct planner *p, const char *reason);
/* Drop commands of that kind, which nobody wants any more, before they are done. */
void plan_drop(struct planner *p, const char *kind, const char *why);
/* One of that kind is wanted, or being done. */
bool plan_has_open(const struct planner *p, const char *kind);
/* The run has its final savepoint: it is over. */
bool plan_is_stopped(struct planner *p);
void plan_savepoints(struct planner *p);
/* The last command with a key of @prefix, a slash and a number, and that number (0: the prefix
 * alone); NULL and -1: none. */
const cJSON *plan_last_try(const struct planner *p, const char *prefix, int64_t *number);
/* The id that the next savepoint (for @reason) or "stop" has: the same again after any crash, until
 * its outcome is recorded. */
void plan_trigger_id(const struct planner *p, const char *reason, char out[33]);
/* Put the trigger id into the arguments of a command, and whether Flink takes it. */
void plan_name_trigger(const struct planner *p, cJSON *args, const char *trigger_id);
/* Arguments of a savepoint or stop command; the caller's. */
cJSON *plan_savepoint_args(const struct planner *p, const char *reason, const char *trigger_id);
/* When a savepoint that failed for this reason may be tried again; 0: it didn't fail. */
int64_t plan_savepoint_retry_at(const struct planner *p, const char *reason);

#endif
