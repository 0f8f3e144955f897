/* What may be changed (spec 02-admission 4). Mended against the reference: the user-control
 * annotation is looked at when it changes, and a savepoint is asked for by the changes that restart
 * the job, not by every change. */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/flink/job_state.h"
#include "common/model/findings.h"
#include "common/model/names.h"
#include "common/model/revision.h"

/* Both sides, read once. The specs are copies with all defaults, so that what an admission filled
 * in, or didn't while no webhook ran, is no change. */
struct change {
    const cJSON *old, *spec, *job; /* new .spec and .spec.job */
    cJSON *old_cluster; /* defaulted copy of old */
    const cJSON *old_spec, *old_job;
    const cJSON *old_job_status;
    enum job_state old_state;
    int64_t now_ms;
};

/* ---- U1 to U7: the user-control annotation ---- */

static bool is_terminated(const struct change *c)
{
    if (!job_state_is_stopped(c->old_state))
        return false;
    return !job_state_is_failed(c->old_state) ||
           !str_eq(json_str(c->old_job, "restartPolicy"), "FromSavepointOnFailure");
}

static const char control_field[] = "metadata.annotations[" ANNOTATION_USER_CONTROL "]";

static void validate_cancel_control(const struct change *c, struct findings *f)
{
    if (!c->old_job) {
        finding_add(
            f, "U2", control_field,
            "job-cancel is not allowed for session cluster, annotation: " ANNOTATION_USER_CONTROL
            "; cancel its jobs through Flink");
        return;
    }
    if (c->old_job_status && !is_terminated(c))
        return;
    finding_add(f, "U3", control_field,
                "job-cancel is not allowed because job is not started yet or already terminated "
                "(job state: %s), annotation: " ANNOTATION_USER_CONTROL,
                c->old_job_status ? json_str_or(c->old_job_status, "state", "none") : "none");
    if (findings_find(f, "U3"))
        f->errors[f->n_errors - 1].expired = true;
}

static void validate_savepoint_control(const struct change *c, struct findings *f)
{
    if (!c->old_job) {
        finding_add(
            f, "U4", control_field,
            "savepoint is not allowed for session cluster, annotation: " ANNOTATION_USER_CONTROL
            "; take savepoints of its jobs through Flink");
        return;
    }
    if (str_empty(json_str(c->old_job, "savepointsDir")))
        finding_add(f, "U5", control_field,
                    "savepoint is not allowed without spec.job.savepointsDir, "
                    "annotation: " ANNOTATION_USER_CONTROL "; set it first");
    if (!c->old_job_status || job_state_is_stopped(c->old_state))
        finding_add(f, "U6", control_field,
                    "savepoint is not allowed because job is not started yet or already stopped "
                    "(job state: %s), annotation: " ANNOTATION_USER_CONTROL,
                    c->old_job_status ? json_str_or(c->old_job_status, "state", "none") : "none");
}

static const char *control_of(const cJSON *cluster)
{
    return cJSON_GetStringValue(
        json_member(json_get(cluster, "metadata.annotations"), ANNOTATION_USER_CONTROL));
}

static void validate_control(const cJSON *cluster, const struct change *c, struct findings *f)
{
    const char *value = control_of(cluster), *old_value = control_of(c->old);

    if (!value || str_eq(value, old_value))
        return;
    if (str_eq(json_str(c->old, "status.control.state"), "InProgress"))
        finding_add(f, "U1", control_field,
                    "%s: change is not allowed for control in progress (%s), "
                    "annotation: " ANNOTATION_USER_CONTROL "; wait until it is done",
                    quote(value).text, quote(json_str(c->old, "status.control.name")).text);
    if (str_eq(value, "job-cancel"))
        validate_cancel_control(c, f);
    else if (str_eq(value, "savepoint"))
        validate_savepoint_control(c, f);
    else
        finding_add(f, "U7", control_field,
                    "invalid value for annotation key: " ANNOTATION_USER_CONTROL
                    ", value: %s, available values: savepoint, job-cancel",
                    quote(value).text);
}

/* ---- single fields ---- */

/* The specs are the same but for what is at @path (and that may be the same too). */
static bool equal_but(const cJSON *a, const cJSON *b, const char *path)
{
    _cleanup_(json_freep) cJSON *x = json_copy(a);
    _cleanup_(json_freep) cJSON *y = json_copy(b);

    json_remove(x, path);
    json_remove(y, path);
    return json_equal(x, y);
}

static void validate_cancel_requested(const struct change *c, struct findings *f)
{
    bool was = json_bool(c->old_job, "cancelRequested", false);
    bool is = json_bool(c->job, "cancelRequested", false);

    if (!c->old_job || !c->job)
        return;
    if (was && !is)
        finding_add(f, "U-cancelRequested", "spec.job.cancelRequested",
                    "updating cancelRequested from true to false is not allowed; delete the "
                    "FlinkCluster and create it again");
    if (!was && is && !equal_but(c->old_spec, c->spec, "job.cancelRequested"))
        finding_add(f, "U-cancelRequested", "spec.job.cancelRequested",
                    "you cannot update cancelRequested with others at the same time; annotate the "
                    "FlinkCluster with " ANNOTATION_USER_CONTROL "=job-cancel instead");
}

/* Returns true when a savepoint is asked for, rightly, and nothing else: then there is nothing more
 * to check. */
static bool validate_generation(const struct change *c, struct findings *f)
{
    int64_t was = json_int(c->old_job, "savepointGeneration", 0);
    int64_t is = json_int(c->job, "savepointGeneration", 0);
    int64_t next = json_int(c->old_job_status, "savepointGeneration", 0) + 1;

    if (!c->old_job || !c->job || was == is)
        return false;
    if (is != next)
        finding_add(f, "U-savepointGeneration", "spec.job.savepointGeneration",
                    "%lld: you can only update savepointGeneration to %lld "
                    "(status.components.job.savepointGeneration + 1)",
                    (long long)is, (long long)next);
    else if (equal_but(c->old_spec, c->spec, "job.savepointGeneration"))
        return true;
    else
        finding_add(f, "U-savepointGeneration", "spec.job.savepointGeneration",
                    "%lld: you cannot update savepointGeneration with others at the same time; set "
                    "it alone",
                    (long long)is);
    return false;
}

static bool is_deployment_type(const char *type)
{
    return str_eq(type, "StatefulSet") || str_eq(type, "Deployment");
}

static void validate_deployment_type_change(const struct change *c, struct findings *f)
{
    const char *was = json_str_or(c->old_spec, "taskManager.deploymentType", "");
    const char *is = json_str_or(c->spec, "taskManager.deploymentType", "");

    if (str_eq(was, is) || (!*was && str_eq(is, "StatefulSet")))
        return;
    if (*was && !is_deployment_type(was))
        return; /* of that kind there are no TaskManagers: it may be corrected */
    finding_add(f, "U-deploymentType", "spec.taskManager.deploymentType",
                "%s to %s: updating deploymentType is not allowed; delete the FlinkCluster and "
                "create it again",
                quote(was).text, quote(is).text);
}

/* ---- J1 to J8: the job ---- */

/* Precision for "%.*s" that doesn't cut a character in two. */
static int cut(const char *text, size_t max)
{
    return text ? (int)str_utf8_cut(text, max) : (int)max;
}

/* A change that ends the running job, so that its state must be in a savepoint. */
static bool restarts_job(const struct change *c)
{
    return (revision_change(c->old_spec, c->spec) & (CHANGE_JOB | CHANGE_PODS | CHANGE_MODE)) != 0;
}

/* The last savepoint holds the state at @at_ms, as far as the user wants it to (spec
 * 05-lifecycle 4.2). */
static bool savepoint_is_current(const struct change *c, int64_t at_ms)
{
    int64_t max_age_s = json_int(c->job, "maxStateAgeToRestoreSeconds", -1);
    int64_t taken_ms = time_parse_rfc3339(json_str(c->old_job_status, "savepointTime"));

    if (json_bool(c->old_job_status, "finalSavepoint", false))
        return true;
    return at_ms != 0 && max_age_s >= 0 && taken_ms != 0 &&
           !str_empty(json_str(c->old_job_status, "savepointLocation")) &&
           at_ms <= taken_ms + max_age_s * 1000;
}

static bool update_ready(const struct change *c)
{
    bool take = json_bool(c->job, "takeSavepointOnUpdate", true);

    if (job_state_is_active(c->old_state))
        return take ? json_bool(c->old_job_status, "finalSavepoint", false)
                    : savepoint_is_current(c, c->now_ms);
    if (c->old_state == JOB_UPDATING && !take)
        return true;
    return savepoint_is_current(c,
                                time_parse_rfc3339(json_str(c->old_job_status, "completionTime")));
}

static void validate_state_at_hand(const struct change *c, struct findings *f)
{
    _cleanup_(freep) char *status = NULL;
    bool take = json_bool(c->job, "takeSavepointOnUpdate", true);
    char age[32] = "nil";

    if (!str_blank(json_str(c->job, "fromSavepoint")) || !c->old_job_status)
        return;
    if ((take && !job_state_is_stopped(c->old_state)) || update_ready(c))
        return;
    if (json_has(c->job, "maxStateAgeToRestoreSeconds"))
        (void)snprintf(age, sizeof(age), "%lld",
                       (long long)json_int(c->job, "maxStateAgeToRestoreSeconds", 0));
    status = json_text(c->old_job_status);
    finding_add(f, "J7", "spec.job",
                "cannot update spec: taking savepoint is skipped but no up-to-date savepoint, "
                "spec.job.takeSavepointOnUpdate: %s, spec.job.maxStateAgeToRestoreSeconds: %s; "
                "raise the age, take a savepoint first, or name one in spec.job.fromSavepoint; job "
                "status: %.*s",
                take ? "true" : "false", age, cut(status, 512), status ? status : "");
}

/* The reference doesn't know high-availability.type: what is switched by it alone stays accepted.
 * Going over to it from the older key switches nothing. */
static bool switches_ha(const struct change *c)
{
    return cluster_ha_enabled(c->old_spec) != cluster_ha_enabled(c->spec) &&
           cluster_ha_enabled_classic(c->old_spec) != cluster_ha_enabled_classic(c->spec);
}

static void validate_job_update(const struct change *c, struct findings *f)
{
    bool had_dir = !str_empty(json_str(c->old_job, "savepointsDir"));
    bool restarts;

    if (!c->old_job || !c->job) {
        _cleanup_(freep) char *was = c->old_job ? json_text(c->old_job) : NULL;
        _cleanup_(freep) char *is = c->job ? json_text(c->job) : NULL;

        if (c->old_job || c->job)
            finding_add(
                f, "J2", "spec.job",
                "you cannot change cluster type between session cluster and job cluster; delete "
                "the FlinkCluster and create it again; old spec.job: %.*s, new spec.job: %.*s",
                cut(was, 320), was ? was : "nil", cut(is, 320), is ? is : "nil");
        return;
    }
    restarts = restarts_job(c);
    if (restarts && !had_dir)
        finding_add(f, "J3", "spec.job.savepointsDir",
                    "updating job is not allowed when spec.job.savepointsDir was not provided, "
                    "since this change restarts the job, whose state would be lost; set "
                    "savepointsDir alone first");
    if (had_dir && str_empty(json_str(c->job, "savepointsDir")))
        finding_add(f, "J4", "spec.job.savepointsDir",
                    "removing savepointsDir is not allowed; leave it, or name another");
    if (switches_ha(c))
        finding_add(f, "J5", "spec.flinkProperties",
                    "changing highAvailability settings of a job cluster is not allowed "
                    "(high-availability, kubernetes.cluster-id, high-availability.storageDir); "
                    "delete the FlinkCluster and create it again");
    if (restarts && had_dir)
        validate_state_at_hand(c, f);
}

static void change_done(struct change *c)
{
    cJSON_Delete(c->old_cluster);
}

static void change_init(struct change *c, const cJSON *cluster, const cJSON *old, int64_t now_ms)
{
    const cJSON *job;

    *c = (struct change){.old = old, .now_ms = now_ms, .old_cluster = json_copy(old)};
    (void)cluster_default(c->old_cluster, NULL);
    c->spec = json_member(cluster, "spec");
    job = json_member(c->spec, "job");
    c->job = cJSON_IsObject(job) ? job : NULL;
    c->old_spec = json_member(c->old_cluster, "spec");
    job = json_member(c->old_spec, "job");
    c->old_job = cJSON_IsObject(job) ? job : NULL;
    job = json_get(old, "status.components.job");
    c->old_job_status = cJSON_IsObject(job) ? job : NULL;
    c->old_state = job_state_parse(json_str(c->old_job_status, "state"));
}

void validate_update(const cJSON *cluster, const cJSON *old, int64_t now_ms, struct findings *f,
                     bool *settled)
{
    _cleanup_(change_done) struct change c;

    change_init(&c, cluster, old, now_ms);
    validate_control(cluster, &c, f);
    /* Suspending is never refused: it is what a user does in an emergency. */
    if (equal_but(c.old_spec, c.spec, "job.suspend")) {
        *settled = true;
        return;
    }
    validate_cancel_requested(&c, f);
    if (validate_generation(&c, f)) {
        *settled = true;
        return;
    }
    validate_deployment_type_change(&c, f);
    validate_job_update(&c, f);
}
