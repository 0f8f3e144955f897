#include "common/model/view.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/findings.h"
#include "common/model/names.h"
#include "common/model/pod.h"
#include "common/model/rollback.h"
#include "common/model/run_revision.h"

static enum job_mode mode_of(const cJSON *job)
{
    const char *mode = json_str_or(job, "mode", "Detached");

    if (!job)
        return MODE_SESSION;
    if (str_eq(mode, "Application"))
        return MODE_APPLICATION;
    return str_eq(mode, "Blocking") ? MODE_BLOCKING : MODE_DETACHED;
}

static const char *not_blank(const char *text)
{
    return str_blank(text) ? NULL : text;
}

static const char *metadata_value(const cJSON *object, const char *map, const char *key)
{
    return cJSON_GetStringValue(
        json_member(json_member(json_member(object, "metadata"), map), key));
}

static bool is_controlled_by(const cJSON *object, const char *uid)
{
    json_foreach (owner, json_get(object, "metadata.ownerReferences")) {
        if (json_bool(owner, "controller", false))
            return str_eq(json_str(owner, "uid"), uid);
    }
    return false;
}

const cJSON *view_child(const struct view *v, const char *kind, const char *name, bool *foreign)
{
    const cJSON *object = snapshot_object(v->snapshot, kind, name);
    bool ours = object && is_controlled_by(object, v->uid);

    if (foreign)
        *foreign = object && !ours;
    return ours ? object : NULL;
}

bool view_is_revision(const struct view *v, const cJSON *object)
{
    return str_eq(json_str(object, "kind"), "ControllerRevision") &&
           str_eq(metadata_value(object, "labels", LABEL_MANAGED_BY), v->name) &&
           (!json_has(object, "metadata.ownerReferences") || is_controlled_by(object, v->uid));
}

/* ---- the submitter ---- */

/* The termination message's block (spec 03-children 10.1) without its indentation, cut at the size
 * of @out. */
static void termination_text(const char *message, char *out, size_t size)
{
    const char *text = message ? strstr(message, "message: |") : NULL;
    size_t n = 0;

    out[0] = '\0';
    if (!text) {
        str_copy(out, size, message ? message : "");
        return;
    }
    text += strlen("message: |");
    while (*text == '\n' || *text == '\r')
        text++;
    for (bool line_start = true; *text && n + 1 < size; text++) {
        if (line_start && *text == ' ')
            continue;
        line_start = *text == '\n';
        out[n++] = *text;
    }
    out[n] = '\0';
    out[str_utf8_cut(out, n)] = '\0';
    for (n = strlen(out); n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' '); n--)
        out[n - 1] = '\0';
}

/* "jobID: <32 hex>" at the start of a line. The id is copied into @buffer. */
static const char *termination_job_id(const char *message, char buffer[33])
{
    for (const char *line = message; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n')
            line++;
        if (!str_starts(line, "jobID: "))
            continue;
        (void)snprintf(buffer, 33, "%.32s", line + strlen("jobID: "));
        return is_hex32(buffer) ? buffer : NULL;
    }
    return NULL;
}

static const cJSON *main_status(const cJSON *pod)
{
    json_foreach (status, json_get(pod, "status.containerStatuses")) {
        if (str_eq(json_str(status, "name"), "main"))
            return status;
    }
    return NULL;
}

static int64_t condition_time(const cJSON *object, const char *type)
{
    json_foreach (condition, json_get(object, "status.conditions")) {
        if (str_eq(json_str(condition, "type"), type) &&
            str_eq(json_str(condition, "status"), "True"))
            return time_parse_rfc3339(json_str(condition, "lastTransitionTime"));
    }
    return 0;
}

/* Deleted, evicted, preempted, … (the Pod API's condition DisruptionTarget). */
static bool had_to_go(const cJSON *pod)
{
    return json_has(pod, "metadata.deletionTimestamp") || condition_time(pod, "DisruptionTarget");
}

static void read_submitter_pod(struct view *v, const cJSON *pod)
{
    struct submitter *s = &v->submitter;
    const cJSON *terminated = json_get(main_status(pod), "state.terminated");
    const char *message = json_str(terminated, "message");

    s->pods_left = true;
    if (!is_controlled_by(pod, s->uid))
        return;
    s->killed = s->failed && had_to_go(pod);
    if (!terminated)
        return;
    s->end_seen = true;
    s->exit_code = (int)json_int(terminated, "exitCode", s->exit_code);
    if (!s->job_id)
        s->job_id = termination_job_id(message, v->submitter_job_id);
    if (s->exit_code != 0)
        termination_text(message, s->message, sizeof s->message);
}

static void read_submitter_pods(struct view *v)
{
    struct submitter *s = &v->submitter;

    json_foreach (object, v->snapshot->objects) {
        const cJSON *labels = json_get(object, "metadata.labels");
        const char *job = cJSON_GetStringValue(json_member(labels, "job-name"));

        if (str_eq(json_str(object, "kind"), "Pod") && str_eq(job, s->name))
            read_submitter_pod(v, object);
    }
    s->killed |= s->failed && !s->pods_left;
}

static const char *argument_after(const cJSON *job, const char *flag)
{
    json_foreach (container, json_get(job, "spec.template.spec.containers")) {
        json_foreach (arg, json_get(container, "args")) {
            if (str_eq(cJSON_GetStringValue(arg), flag) && arg->next)
                return cJSON_GetStringValue(arg->next);
        }
    }
    return NULL;
}

static void read_submitter_job(struct view *v, const cJSON *job)
{
    struct submitter *s = &v->submitter;
    const char *annotated = metadata_value(job, "annotations", LABEL_JOB_ID);
    const char *id = annotated ? annotated : metadata_value(job, "labels", LABEL_JOB_ID);
    const char *restarts = metadata_value(job, "annotations", ANNOTATION_RESTART_COUNT);

    s->json = job;
    s->uid = json_str_or(job, "metadata.uid", "");
    s->deleting = json_has(job, "metadata.deletionTimestamp");
    s->succeeded = json_int(job, "status.succeeded", 0) > 0;
    /* With a backoff limit (an Application Job with HA) a failed pod isn't the end yet. */
    s->failed = !s->succeeded &&
                (condition_time(job, "Failed") ||
                 (json_int(job, "status.failed", 0) > 0 && json_int(job, "status.active", 0) == 0 &&
                  json_int(job, "spec.backoffLimit", 0) == 0));
    s->active = !s->succeeded && !s->failed;
    s->exit_code = s->succeeded ? 0 : s->failed ? 1 : -1;
    s->job_id = id && is_hex32(id) ? id : NULL;
    s->by_flinkd = restarts != NULL;
    s->from_savepoint = argument_after(job, "--fromSavepoint");
    s->revision = metadata_value(job, "labels", LABEL_REVISION);
    s->created_ms = time_parse_rfc3339(json_str(job, "metadata.creationTimestamp"));
    s->finished_ms = time_parse_rfc3339(json_str(job, "status.completionTime"));
    if (!s->finished_ms && s->failed)
        s->finished_ms = condition_time(job, "Failed");
    if (restarts && str_to_i64(restarts, &s->restart_count))
        s->restart_count = 0;
}

static void read_submitter(struct view *v)
{
    const cJSON *job;

    child_name(v->submitter_name, v->mode == MODE_APPLICATION ? NAME_JOBMANAGER : NAME_SUBMITTER,
               v->name);
    v->submitter.name = v->submitter_name;
    v->submitter.exit_code = -1;
    if (v->mode == MODE_SESSION)
        return;
    job = view_child(v, "Job", v->submitter_name, NULL);
    if (job)
        read_submitter_job(v, job);
    read_submitter_pods(v);
}

/* ---- Flink ---- */

const cJSON *view_flink_job(const struct view *v, const char *job_id)
{
    json_foreach (job, v->jobs) {
        if (job_id && str_eq(json_str(job, "jid"), job_id))
            return job;
    }
    return NULL;
}

bool view_submits_next(const struct view *v)
{
    const struct submitter *s = &v->submitter;

    return s->json && !s->deleting && str_eq(s->revision, v->revision.next_name);
}

bool view_is_up(const struct view *v)
{
    const cJSON *job = view_flink_job(v, v->job_id);

    return str_eq(json_str(job, "state"), "RUNNING") && !json_bool(job, "waits", false);
}

static bool is_running(const cJSON *job)
{
    return job_state_of_flink(json_str(job, "state")) == JOB_RUNNING;
}

static bool is_running_at_flink(const struct view *v, const char *job_id)
{
    return is_running(view_flink_job(v, job_id));
}

static bool is_before(const cJSON *job, int64_t ms)
{
    return json_int(job, "start-time", 0) < ms;
}

/* The Job that was made for it isn't to be seen yet. */
static bool is_just_submitted(const struct view *v, const char *job_id)
{
    json_foreach (command, v->snapshot->commands) {
        if (str_eq(json_str(command, "kind"), "submit") &&
            str_eq(json_str(command, "args.jobId"), job_id) &&
            v->now_ms - json_int(command, "changedAt", 0) < VIEW_SUBMIT_SEEN_MS)
            return true;
    }
    return false;
}

/* A run that follows the recorded one and that was submitted, though nothing here tells so any
 * more: its id does. */
static void read_unseen_run(struct view *v)
{
    if (v->submitter.json || !v->jobs || (v->rec_job && !job_state_is_pending(v->rec_state)))
        return;
    json_foreach (object, v->snapshot->objects) {
        if (!view_is_revision(v, object))
            continue;
        run_id(v->unseen_job_id, v->uid, json_str_or(v->rec_job, "id", ""),
               json_str_or(object, "metadata.name", ""));
        if (!is_running_at_flink(v, v->unseen_job_id) || is_just_submitted(v, v->unseen_job_id))
            continue;
        v->unseen_run = true;
        v->job_id = v->unseen_job_id;
        return;
    }
}

/* The reference operator's submitter tells the id of its run when it ends, which with an attached
 * client is the end of the job. The only one that Flink has begun since is that run. */
static const char *id_of_attached_run(const struct view *v)
{
    const struct submitter *s = &v->submitter;
    const cJSON *run = NULL;

    if (!s->json || s->by_flinkd || !s->active || v->rec_state != JOB_DEPLOYING)
        return NULL;
    json_foreach (job, v->jobs) {
        if (is_before(job, s->created_ms) && !is_running(job))
            continue;
        if (run)
            return NULL;
        run = job;
    }
    return is_running(run) && !is_before(run, s->created_ms) ? json_str(run, "jid") : NULL;
}

/* The reference operator writes the id of a run when Flink has it. Until then that of the run
 * before is recorded, which Flink may still list. */
static bool is_id_of_run_before(const struct view *v)
{
    const struct submitter *s = &v->submitter;

    return s->json && !s->deleting && !s->by_flinkd && v->mode != MODE_APPLICATION &&
           !str_empty(json_str(v->rec_job, "deployTime")) &&
           str_empty(json_str(v->rec_job, "startTime")) &&
           !is_running_at_flink(v, json_str(v->rec_job, "id"));
}

static void read_flink(struct view *v)
{
    const cJSON *overview = json_member(v->snapshot->observations, "overview");
    int64_t since = json_int(overview, "since", 0);

    if (json_bool(overview, "reachable", false)) {
        v->jobs_known = true;
        v->jobs_since_ms = since;
        v->jobs = json_member(overview, "jobs");
    } else {
        v->unreachable_since_ms = since;
    }
    v->job_id = v->submitter.job_id;
    if (!v->job_id)
        v->job_id = id_of_attached_run(v);
    v->stale_id = !v->job_id && is_id_of_run_before(v);
    if (!v->job_id && !v->stale_id)
        v->job_id = not_blank(json_str(v->rec_job, "id"));
    read_unseen_run(v);
    json_foreach (job, v->jobs) {
        const char *id = json_str(job, "jid");

        if (!is_running(job) || str_eq(id, v->job_id))
            continue;
        v->other_running++;
        v->other_running_id = id;
    }
}

struct trigger view_trigger(const struct view *v, const char *trigger_id)
{
    char key[64];
    const cJSON *seen;

    (void)snprintf(key, sizeof key, "trigger/%s", trigger_id ? trigger_id : "");
    seen = json_member(v->snapshot->observations, key);
    return (struct trigger){
        .known = seen != NULL,
        .completed = json_bool(seen, "completed", false),
        .unknown = json_bool(seen, "unknown", false),
        .location = json_str(seen, "location"),
        .failure = json_str(seen, "failure"),
    };
}

const cJSON *view_command(const struct view *v, const char *key)
{
    json_foreach (command, v->snapshot->commands) {
        if (str_eq(json_str(command, "key"), key))
            return command;
    }
    return NULL;
}

bool view_command_is_open(const cJSON *command)
{
    const char *state = json_str(command, "state");

    return str_eq(state, "wanted") || str_eq(state, "claimed");
}

/* ---- revisions ---- */

static void read_revisions(struct view *v)
{
    _cleanup_(json_freep) cJSON *revisions = cJSON_CreateArray();

    json_foreach (object, v->snapshot->objects) {
        if (view_is_revision(v, object))
            cJSON_AddItemReferenceToArray(revisions, object);
    }
    revision_sync(v->snapshot->cluster, revisions, &v->revision);
    v->change = v->revision.change;
}

static bool is_container_running(const cJSON *pod)
{
    const cJSON *statuses = json_get(pod, "status.containerStatuses");

    if (!statuses || !statuses->child)
        return str_eq(json_str(pod, "status.phase"), "Running");
    json_foreach (status, statuses) {
        if (str_eq(json_str(status, "name"), "jobmanager"))
            return json_has(status, "state.running");
    }
    return true; /* called otherwise by the reference operator */
}

/* Nothing holds it up but time. */
static bool is_starting(const cJSON *pod)
{
    const cJSON *statuses = json_get(pod, "status.containerStatuses");

    json_foreach (condition, json_get(pod, "status.conditions")) {
        if (str_eq(json_str(condition, "type"), "PodScheduled") &&
            str_eq(json_str(condition, "status"), "False"))
            return false;
    }
    json_foreach (status, statuses) {
        const char *reason = json_str(status, "state.waiting.reason");

        if (json_has(status, "state.terminated") ||
            (reason && !str_eq(reason, "ContainerCreating") && !str_eq(reason, "PodInitializing")))
            return false;
    }
    return !json_has(pod, "metadata.deletionTimestamp");
}

static void read_jobmanager_pods(struct view *v)
{
    json_foreach (object, v->snapshot->objects) {
        if (!str_eq(json_str(object, "kind"), "Pod") || !pod_is(object, POD_JOBMANAGER))
            continue;
        v->jobmanager_pod = true;
        if (is_container_running(object))
            v->jobmanager_running = true;
        else
            v->jobmanager_starting |= is_starting(object);
    }
}

static void read_findings(struct view *v)
{
    struct findings findings; /* large; mostly nothing is written there */

    cluster_validate(v->snapshot->cluster, NULL, v->now_ms, &findings);
    if (findings.n_errors) {
        /* Stored while no webhook ran: its defaults are part of what the rules look at. */
        _cleanup_(json_freep) cJSON *defaulted = json_copy(v->snapshot->cluster);

        if (defaulted && !cluster_default(defaulted, NULL))
            cluster_validate(defaulted, NULL, v->now_ms, &findings);
    }
    /* What the rules refuse on a new object only is to be carried out on one that is there. */
    for (int i = 0; i < findings.n_errors; i++)
        v->invalid |= !str_eq(findings.errors[i].field, "spec.job.cancelRequested");
    if (v->invalid)
        findings_text(&findings, v->invalid_text, sizeof v->invalid_text);
}

/* The same as the webhook does, which may not have run. */
static void read_validity(struct view *v)
{
    struct error err = {0};

    if (cluster_check_types(v->snapshot->cluster, &err)) {
        v->invalid = true;
        str_copy(v->invalid_text, sizeof v->invalid_text, err.text);
    } else {
        read_findings(v);
    }
}

static void read_spec(struct view *v)
{
    v->job = json_has(v->spec, "job") ? json_member(v->spec, "job") : NULL;
    v->mode = mode_of(v->job);
    (void)flink_version_parse(json_str(v->spec, "flinkVersion"), &v->version);
    v->ha = cluster_ha_enabled(v->spec);
    v->suspend = json_bool(v->job, "suspend", false);
    v->savepoints_dir = not_blank(json_str(v->job, "savepointsDir"));
    v->from_savepoint = not_blank(json_str(v->job, "fromSavepoint"));
    v->restart_on_failure = str_eq(json_str(v->job, "restartPolicy"), "FromSavepointOnFailure");
}

void view_init(struct view *v, const struct snapshot *snapshot, int64_t now_ms)
{
    const cJSON *cluster = snapshot->cluster;

    *v = (struct view){.snapshot = snapshot, .now_ms = now_ms};
    v->name = json_str_or(cluster, "metadata.name", "");
    v->ns = json_str_or(cluster, "metadata.namespace", "");
    v->uid = json_str_or(cluster, "metadata.uid", "");
    v->spec = json_member(cluster, "spec");
    v->status = json_member(cluster, "status");
    v->deleting = json_has(cluster, "metadata.deletionTimestamp");
    v->control_request = not_blank(metadata_value(cluster, "annotations", ANNOTATION_USER_CONTROL));
    read_revisions(v);
    rollback_apply(v);
    read_spec(v);
    v->rec_job = json_get(v->status, "components.job");
    v->rec_savepoint = json_member(v->status, "savepoint");
    v->rec_control = json_member(v->status, "control");
    v->rec_state = job_state_parse(json_str(v->rec_job, "state"));
    read_validity(v);
    read_submitter(v);
    run_revision_apply(v);
    read_jobmanager_pods(v);
    read_flink(v);
}

void view_done(struct view *v)
{
    revision_sync_done(&v->revision);
    cJSON_Delete(v->own_spec);
}
