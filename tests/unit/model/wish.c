/* Is all as it was wanted, or is there a reason why it can't be? */
#include "tests/unit/model/world.h"

enum job_state told_state(const struct world *w)
{
    return job_state_parse(json_str(w->cluster, "status.components.job.state"));
}

/* The job never runs, so it has no savepoint to stop with, and the one before is too old. */
static bool waits_for_a_circling_job(const struct world *w)
{
    bool keeps = !str_empty(json_str(w->cluster, "status.components.job.savepointLocation")) &&
                 json_int(w->cluster, "spec.job.maxStateAgeToRestoreSeconds", 0) > 1000;

    if (keeps || !str_eq(w->blocked, "StopNeedsSavepoint"))
        return false;
    for (int i = 0; i < JMS_MAX; i++)
        for (int k = 0; w->jms[i].up && k < w->jms[i].n_runs; k++)
            if (run_is_live(&w->jms[i].runs[k]) && str_ends(w->jms[i].runs[k].version, "-circles"))
                return true;
    return false;
}

/* A job was stopped, and nobody could learn of its savepoint: it may as well have finished. */
static bool has_lost_its_end(const struct world *w)
{
    for (int i = 0; i < w->n_stored; i++)
        if (w->stored[i].final && w->stored[i].lost)
            return true;
    return false;
}

/* A job may have failed before it was seen running. */
static bool is_bad_start_possible(const struct world *w)
{
    return w->failed || w->jm_deaths || w->circling_until_ms;
}

/* An update was taken back, and what it came after doesn't run either: nobody had tried. */
static bool is_back_at_what_cannot_run(const struct world *w)
{
    char name[128];
    char *number;
    const cJSON *spec;

    if (!str_eq(w->said, "RolledBack"))
        return false;
    str_copy(name, sizeof name, json_str_or(w->cluster, "status.revision.currentRevision", ""));
    number = strrchr(name, '-');
    if (number)
        *number = '\0';
    spec = json_get(kube_find(w, "ControllerRevision", name), "data.spec");
    return str_ends(json_str(spec, "image.name"), "-broken") || user_asks_for_bad_args(spec);
}

/* An update whose job Flink could make nothing of, and which the user wants taken back. */
static bool is_to_be_taken_back(const struct world *w, const char *args)
{
    if (!json_bool(w->cluster, "spec.updateStrategy.rollback", false) || !str_ends(args, "-unfit"))
        return false;
    for (int i = 0; i < JMS_MAX; i++)
        for (int k = 0; w->jms[i].up && k < w->jms[i].n_runs; k++)
            if (str_eq(w->jms[i].runs[k].version, args) && w->jms[i].runs[k].state == RUN_FAILED)
                return true;
    return false;
}

const char *wish_unfulfilled(const struct world *w)
{
    enum job_state state = told_state(w);
    bool suspend = json_bool(w->cluster, "spec.job.suspend", false);
    bool at_next = str_eq(json_str(w->cluster, "status.revision.currentRevision"),
                          json_str(w->cluster, "status.revision.nextRevision"));
    bool says_why = w->blocked[0] || w->said[0];
    const char *args =
        cJSON_GetStringValue(cJSON_GetArrayItem(json_get(w->cluster, "spec.job.args"), 0));

    if (!w->cluster)
        return w->deleted ? NULL : "the FlinkCluster is gone";
    if (w->deleted)
        return "it isn't deleted";
    if (json_has(w->cluster, "metadata.annotations"))
        return "the request is still there";
    if (waits_for_a_circling_job(w) || is_back_at_what_cannot_run(w))
        return NULL;
    if (suspend && !job_state_is_stopped(state))
        return flink_live(w)                ? "a suspended job runs"
               : job_state_is_active(state) ? "a suspended job is told to be on its way"
                                            : NULL;
    if (job_state_is_stopped(state) && flink_live(w))
        return "a job runs that is told to be over";
    if (state == JOB_RUNNING && at_next) {
        for (int i = 0; i < JMS_MAX; i++)
            for (int k = 0; w->jms[i].up && k < w->jms[i].n_runs; k++)
                if (w->jms[i].runs[k].state == RUN_RUNNING)
                    return str_eq(w->jms[i].runs[k].version, args) ||
                                   (is_bad_start_possible(w) && str_eq(w->said, "RolledBack"))
                               ? NULL
                               : "an old version runs";
        return "told to be running, but isn't";
    }
    if (state == JOB_SUCCEEDED)
        return w->finished || has_lost_its_end(w) ? NULL : "told to have finished, but didn't";
    if (state == JOB_CANCELLED && at_next)
        return w->cancel_requests ? NULL : "it was cancelled by nobody";
    if (!says_why)
        return "nothing says why it doesn't go on";
    if (job_state_is_failed(state) && !at_next && is_to_be_taken_back(w, args) &&
        !str_eq(w->said, "RolledBack"))
        return "the update isn't taken back";
    if ((w->failed || w->jm_deaths) && job_state_is_failed(state))
        return NULL;
    /* What only the user can tell. */
    if (str_starts(w->blocked, "UpdateNeeds") || str_starts(w->said, "UpdateNeeds"))
        return w->failed || w->cancel_requests || !json_has(w->cluster, "spec.job.savepointsDir") ||
                       !json_bool(w->cluster, "spec.job.takeSavepointOnUpdate", true)
                   ? NULL
                   : "an update waits for nothing";
    return "it doesn't go on";
}

void check_step(struct world *w)
{
    w->had_state |= w->ran[0] && str_eq(w->ran, w->told_to_run);
    if (flink_live(w) > 1)
        violate(w, "two jobs run");
    if (w->user_savepoints > w->requests + w->jm_deaths)
        violate(w, "%d savepoints for %d requests", w->user_savepoints, w->requests);
}
