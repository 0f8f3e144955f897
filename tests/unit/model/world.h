/* A small world for random histories: Kubernetes, Flink, the daemons around plan() and life, a
 * user, and bad luck. Nothing waits: what takes time is an event that is due later, so hours pass
 * in milliseconds. All of it follows from one seed. */
#ifndef TESTS_UNIT_MODEL_WORLD_H
#define TESTS_UNIT_MODEL_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/names.h"
#include "reconciler/plan.h"

enum event_type {
    EVENT_WATCH, /* the watcher records what the API server told it of one kind */
    EVENT_POLL, /* the watcher asks Flink */
    EVENT_ANSWER, /* … and has its answer */
    EVENT_PLAN, /* the reconciler looks at the cluster */
    EVENT_REQUEST, /* one of its requests arrives at the API server */
    EVENT_CLAIM, /* the jobsubmitter looks for a command */
    EVENT_ACT, /* … carries it out */
    EVENT_REPORT, /* … and reports */
    EVENT_STATUS, /* the statusreporter derives the status */
    EVENT_STATUS_WRITE, /* … and writes it */
    EVENT_CONTROLLERS, /* Kubernetes' own controllers look at everything */
    EVENT_POD_START,
    EVENT_POD_GONE,
    EVENT_JM_UP, /* the JobManager's process listens */
    EVENT_JM_RECOVERED, /* … and has its jobs back from the HA store */
    EVENT_SUBMITTER, /* a submitter's process does its next step */
    EVENT_JOBS, /* Flink's jobs get slots, or lose them */
    EVENT_JOB_END, /* a job ends */
    EVENT_TRIGGER, /* a savepoint or stop completes */
    EVENT_REACHABLE, /* the network is back */
    EVENT_USER,
    EVENT_FAULT,
};

struct happening {
    int64_t due_ms, seq;
    enum event_type type;
    int number;
    char id[64];
    cJSON *json; /* owned */
};

enum run_state { RUN_CREATED, RUN_RUNNING, RUN_RESTARTING, RUN_FINISHED, RUN_CANCELED, RUN_FAILED };

/* A job at Flink. */
struct run {
    char id[33], from[64];
    char version[32]; /* what it was submitted with: spec.job.args[0] */
    enum run_state state;
    int64_t progress, since_ms; /* what it has done until since_ms; while it runs that goes on */
    int64_t cancel_id, cancel_ms; /* of the command that cancelled it; 0: none */
    bool given_up; /* … or stopped it, since the user asked for that */
};

struct ftrigger {
    char id[33], job[33], reason[32];
    bool stop, done, read;
    const char *failure; /* NULL: it succeeded */
    char location[64];
    int64_t begun_ms, made_ms; /* made with what was done until then */
};

enum { AUTO_SAVEPOINT_MS = 120 * 1000 }; /* also between the times of the cron expression */

enum { RUNS_MAX = 24, TRIGGERS_MAX = 200, JMS_MAX = 6, STORED_MAX = 256, EVENTS_MAX = 512 };

#define FLINK_HA_CONFIGMAP "c-cluster-config-map"

/* A JobManager's process. */
struct jm {
    char pod[64]; /* uid; "": none */
    int restarts;
    bool up;
    struct run runs[RUNS_MAX];
    int n_runs;
    struct ftrigger triggers[TRIGGERS_MAX];
    int n_triggers;
};

/* A savepoint in storage. */
struct stored {
    char location[64];
    int64_t progress;
    bool final; /* the job ended with it */
    bool lost; /* nobody could learn of it: its JobManager died before it was asked */
    bool disposed;
    int64_t disposal_id, disposed_ms; /* of the command that did */
    bool left_behind; /* the user went back to an earlier one */
};

struct world {
    uint64_t random;
    int64_t begun_ms, now_ms, seq;
    struct happening events[EVENTS_MAX];
    int n_events;
    bool tracing;
    char violation[512]; /* "": none */
    bool excused; /* Flink did what nobody could keep it from: the history says no more */

    /* Kubernetes, as it is */
    int64_t version;
    int uids;
    cJSON *cluster, *objects;
    cJSON *streams; /* kind -> events that the watcher hasn't got yet */
    /* Flink */
    struct jm jms[JMS_MAX];
    struct run store[RUNS_MAX]; /* HA */
    int n_store;
    struct stored stored[STORED_MAX];
    int n_stored;
    char over[33], over_in[64]; /* an Application's job that has ended, and the Job that it is */
    bool unreachable; /* by the daemons */
    int64_t circling_until_ms; /* jobs restart and restart */
    /* The journal */
    struct snapshot journal;
    int epoch; /* how many were lost */
    int64_t command_id;
    /* The watcher */
    struct {
        char id[33];
        bool done, seen;
        int unknown;
        int64_t unknown_ms;
    } asked[TRIGGERS_MAX];
    int n_asked;
    bool asking, ask_again; /* for the list of jobs */
    /* The reconciler: requests under way, and writes not seen yet */
    int in_flight, life_of_reconciler;
    struct {
        char kind[32], name[128], uid[64];
        int64_t version, until_ms;
    } writes[24];
    int64_t plan_at_ms; /* of its timer; 0: none */
    char blocked[64], said[64]; /* why the plan, or the job, doesn't go on */
    /* The statusreporter */
    bool status_in_flight;
    int64_t status_version, status_written_ms;
    /* The jobsubmitter */
    int life_of_submitter;

    /* What the user wants, and what that allows */
    bool latest; /* restoreFrom LatestState: runs checkpoint every second, and all is retained */
    bool ha, faults, bad_luck; /* bad_luck: jobs may fail, JobManagers die */
    bool deleted;
    char last_version[32]; /* of the run that Flink accepted last */
    bool named_state; /* by the user: until a run starts from it, any state may be started from */
    bool ever_named;
    bool cancelled; /* the job was told to be, and the spec didn't change since */
    bool finished, failed; /* ever */
    char ran[33], told_to_run[33]; /* the last run that did, and that was recorded as running:
                                      CREATED and RESTARTING count as such, too */
    bool had_state; /* some run was both */
    int given_up, cancel_requests;
    int user_left, requests, jm_deaths, user_savepoints, version_number;
    cJSON *specs; /* that the cluster had */
    int64_t steps;
};

/* ---- pool.c ---- */
/* From here on, what cJSON allocates is from a pool that nothing is given back from. */
void pool_use(void);

/* ---- world.c: time and chance ---- */
void world_init(struct world *w, uint64_t seed);
void world_done(struct world *w);
int64_t between(struct world *w, int64_t low, int64_t high);
bool chance(struct world *w, int percent);
/* A bad chance: only while faults are on. */
bool misfortune(struct world *w, int per_mille);
void happen(struct world *w, int64_t in_ms, enum event_type type, int number, const char *id,
            cJSON *take_json);
/* Unless one of that type (and id) is due already. */
void happen_once(struct world *w, int64_t in_ms, enum event_type type, const char *id);
void trace(struct world *w, const char *fmt, ...) _printf_(2, 3);
void violate(struct world *w, const char *fmt, ...) _printf_(2, 3);

/* ---- kubernetes.c ---- */
cJSON *kube_find(const struct world *w, const char *kind, const char *name);
cJSON *kube_find_uid(const struct world *w, const char *uid);
int64_t kube_version(const cJSON *object);
/* After a change in place: a new version, told to the watcher. */
void kube_touch(struct world *w, cJSON *object);
void kube_apply(struct world *w, const cJSON *manifest);
/* false: it exists */
bool kube_create(struct world *w, const cJSON *manifest);
void kube_delete(struct world *w, cJSON *object);
void kube_delete_cluster(struct world *w);
void kube_remove(struct world *w, cJSON *object);
void kube_controllers(struct world *w);
void kube_pod_start(struct world *w, const char *uid);
void kube_pod_gone(struct world *w, const char *uid);
void kube_pod_ends(struct world *w, cJSON *pod, int code, const char *message);
bool kube_is_controlled_by(const cJSON *object, const char *uid);
const char *kube_label(const cJSON *object, const char *key);
cJSON *kube_pod_of(const struct world *w, const char *component);
bool kube_is_running(const cJSON *pod);

/* ---- flink.c ---- */
bool run_is_live(const struct run *r);
const char *run_state_name(const struct run *r);
int flink_live(const struct world *w);
bool flink_running(const struct world *w); /* a job */
bool flink_process(const struct world *w); /* some JobManager's */
/* Of its newest checkpoint, made of what it has done so far: "k/<id>/<progress>"; "": none. When it
 * was made. */
int64_t flink_checkpoint(const struct world *w, const struct run *r, char out[64]);
/* What the state at @location has done. */
int64_t flink_progress_at(const struct world *w, const char *location);
struct run *flink_find(const struct world *w, const char *id, struct jm **ret);
/* Behind the Service; NULL: nobody answers. */
struct jm *flink_service(const struct world *w);
void flink_start(struct world *w, const char *pod, int restarts);
void flink_stop(struct world *w, const char *pod);
/* After a JobManager or the journal was lost. */
void flink_lose(struct world *w);
void flink_up(struct world *w, const char *pod, int restarts);
void flink_recover(struct world *w, const char *pod);
/* false: a duplicate */
bool flink_submit(struct world *w, struct jm *jm, const char *id, const char *from,
                  const char *version);
void flink_jobs(struct world *w);
void flink_job_ends(struct world *w, const char *id, enum run_state state);
/* The watcher will look again. */
void flink_changed(struct world *w);
/* What it has done until now. */
void run_settle(struct run *r, const struct world *w);
struct stored *flink_stored_at(struct world *w, const char *location);
/* The newest state that somebody could know of. */
int64_t flink_newest_state(const struct world *w);

/* ---- savepoint.c ---- */
void flink_trigger_ends(struct world *w, const char *id, int outcome);
/* HTTP status. */
int flink_trigger(struct world *w, const cJSON *args, bool stop);
int flink_cancel_job(struct world *w, const cJSON *command);
void flink_dispose(struct world *w, const cJSON *command);

/* ---- submitter.c ---- */
enum { STEP_SHUT_DOWN = 3000 }; /* an Application cluster ends; plus the exit status */

void submitter_step(struct world *w, const char *pod_uid, int step);
/* Of its first container. NULL: none. */
const char *pod_arg_after(const cJSON *pod, const char *flag);
const char *pod_last_arg(const cJSON *pod);

/* ---- daemons.c, and a file for each: the real plan() and life, between a watcher, a jobsubmitter
 * and a statusreporter that are late, die, and forget as theirs do ---- */
enum { WRITE_SEEN_MS = 10 * 1000 }; /* so long a write of its own may take to come back */

void daemons_event(struct world *w, struct happening *e);
void journal_changed(struct world *w, bool watcher_too);
void journal_lose(struct world *w);
void watcher_event(struct world *w, struct happening *e);
void reconciler_event(struct world *w, struct happening *e);
void reconciler_dies(struct world *w);
void jobsubmitter_event(struct world *w, struct happening *e);
void submitter_dies(struct world *w);
void statusreporter_event(struct world *w, struct happening *e);

/* ---- user.c ---- */
void user_creates(struct world *w);
void user_acts(struct world *w);
/* Even when the last wish can't be fulfilled, the next one has to be. */
void user_mends(struct world *w);
/* With these a job doesn't run. */
bool user_asks_for_bad_args(const cJSON *spec);

/* ---- wish.c ---- */
enum job_state told_state(const struct world *w);
/* NULL: all is as it was wanted; else what isn't. */
const char *wish_unfulfilled(const struct world *w);
void check_step(struct world *w);

/* ---- history.c ---- */
/* From a seed to its end. 0, or -1 with w->violation. */
int history_run(struct world *w, uint64_t seed, bool tracing);

#endif
