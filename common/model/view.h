/* The facts of a snapshot that decisions are made of, read once. Everything borrows from the
 * snapshot. Pure. */
#ifndef COMMON_MODEL_VIEW_H
#define COMMON_MODEL_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/flink/job_state.h"
#include "common/model/admission.h"
#include "common/model/names.h"
#include "common/model/revision.h"
#include "common/model/snapshot.h"

enum {
    VIEW_SUBMIT_SEEN_MS = 30 * 1000, /* how long a submitter that was created may not be seen yet */
};

enum job_mode { MODE_SESSION, MODE_DETACHED, MODE_BLOCKING, MODE_APPLICATION };

/* The Kubernetes Job that submits (or, in Application mode, is) a run. */
struct submitter {
    const cJSON *json; /* NULL: none */
    const char
        *name; /* as it is or would be called: "<c>-job-submitter", Application: "<c>-jobmanager" */
    const char *uid;
    bool deleting;
    bool succeeded, failed; /* finished is either */
    bool active; /* neither */
    int exit_code; /* of container main, else by the Job's status; -1: running or unknown (spec
                      04-status 3.1) */
    const char *job_id; /* label or annotation LABEL_JOB_ID, else the termination message's; NULL */
    const char *from_savepoint; /* what follows --fromSavepoint in its args; NULL */
    const char *revision; /* its revision label; NULL */
    int64_t created_ms, finished_ms;
    int64_t restart_count; /* ANNOTATION_RESTART_COUNT */
    bool by_flinkd; /* carries flinkd's annotation: its job id was chosen before */
    char message[1024]; /* why it failed: termination message, or the pod's reason; "" */
    bool pods_left; /* a pod of that Job name still exists */
    bool end_seen; /* … that has ended: what is known of pods is at least as new */
    bool killed; /* it failed, not by itself: its pod is gone, or had to go */
};

/* A savepoint or stop as Flink's triggers tell it. */
struct trigger {
    bool known; /* observed at all */
    bool completed;
    bool unknown; /* the JobManager doesn't know the id (404) */
    const char *location, *failure;
};

struct view {
    const struct snapshot *snapshot;
    int64_t now_ms;
    const char *name, *ns, *uid;
    const cJSON *spec, *job; /* .spec, .spec.job (NULL: session) */
    const cJSON *status; /* recorded; may be NULL */
    enum job_mode mode;
    struct flink_version version;
    bool deleting;
    bool ha;
    bool invalid; /* the spec breaks a rule that makes it unrenderable */
    char invalid_text[1024];
    const char *control_request; /* annotation user-control; NULL */
    bool suspend; /* spec.job.suspend */
    const char
        *job_id; /* the run that is followed: the live submitter's, else the recorded one; NULL */
    const char *savepoints_dir; /* NULL: none or blank */
    const char *from_savepoint; /* spec.job.fromSavepoint; NULL when blank */
    bool restart_on_failure; /* restartPolicy FromSavepointOnFailure */

    /* recorded job */
    const cJSON *rec_job, *rec_savepoint, *rec_control;
    enum job_state rec_state; /* JOB_NONE: not recorded */

    struct submitter submitter;
    char submitter_name[CHILD_NAME_MAX], submitter_job_id[33]; /* what submitter points into */
    char unseen_job_id[33];
    /* Flink */
    bool jobs_known; /* a list was obtained from the present JobManager and is reachable now */
    bool stale_id; /* the recorded id is that of the run before the one being submitted */
    int64_t jobs_since_ms; /* since when the list reads as it does */
    int64_t unreachable_since_ms; /* 0: reachable or never asked */
    bool unseen_run; /* job_id is of a run whose submitter was gone before the status knew of it */
    const cJSON *jobs; /* array of {"jid","state","name","start-time","waits"}; NULL */
    bool jobmanager_pod; /* a JobManager pod exists, whatever its state: Flink may be running */
    bool jobmanager_running; /* … and its container runs, as far as is known */
    bool jobmanager_starting; /* … or is about to */
    int other_running; /* running jobs that aren't the tracked one */
    const char *other_running_id;

    const char *run_revision; /* name of another revision than the wanted one, of which the run is;
                                 NULL: none, or not known */
    const cJSON *rolled_back; /* revision that the spec asks for and that was taken back; NULL */
    cJSON *own_spec; /* owned; .spec then */
    struct revision_sync revision;
    unsigned
        change; /* revision_change() of current -> spec; CHANGE_NONE when no update is triggered */
};

void view_init(struct view *v, const struct snapshot *snapshot, int64_t now_ms);
void view_done(struct view *v);
/** The job in the list; NULL. */
const cJSON *view_flink_job(const struct view *v, const char *job_id);
struct trigger view_trigger(const struct view *v, const char *trigger_id);
/** There is a submitter, it isn't being deleted, and it is of the revision that is wanted. */
bool view_submits_next(const struct view *v);
/** The run that is followed has tasks that run. Without an answer: no. */
bool view_is_up(const struct view *v);
/** The command with that key; NULL. */
const cJSON *view_command(const struct view *v, const char *key);
/** It is wanted or being done: its outcome is still to come. */
bool view_command_is_open(const cJSON *command);
/** A ControllerRevision of this FlinkCluster. */
bool view_is_revision(const struct view *v, const cJSON *object);
/** Object of that kind and name that this FlinkCluster controls; *foreign (may be NULL): it exists,
 * but isn't ours. */
const cJSON *view_child(const struct view *v, const char *kind, const char *name, bool *foreign);

#endif
