/* The submitter's process, and the end of an Application cluster. */
#include <stdio.h>

#include "tests/unit/model/world.h"

enum {
    WAIT_TRIES = 120, /* of the submit script, 5 s apart */
    STEP_SUBMITTED = 1000, /* the submission arrives */
    STEP_ATTACHED = 2000, /* 'flink run' without --detached */
};

static const cJSON *container_of(const cJSON *pod)
{
    return cJSON_GetArrayItem(json_get(pod, "spec.containers"), 0);
}

const char *pod_arg_after(const cJSON *pod, const char *flag)
{
    json_foreach (arg, json_member(container_of(pod), "args"))
        if (str_eq(cJSON_GetStringValue(arg), flag) && arg->next)
            return cJSON_GetStringValue(arg->next);
    return NULL;
}

const char *pod_last_arg(const cJSON *pod)
{
    const cJSON *args = json_member(container_of(pod), "args");

    return cJSON_GetStringValue(cJSON_GetArrayItem(args, cJSON_GetArraySize(args) - 1));
}

static void ends(struct world *w, cJSON *pod, int code, const char *id, const char *why)
{
    char message[200];

    w->failed |= code != 0;
    (void)snprintf(message, sizeof message, "%s%s%smessage: |\n  %s\n", id ? "jobID: " : "",
                   id ? id : "", id ? "\n" : "", why);
    kube_pod_ends(w, pod, code, message);
}

static const char *chosen_id(const cJSON *pod)
{
    json_foreach (variable, json_member(container_of(pod), "env"))
        if (str_eq(json_str(variable, "name"), ENV_JOB_ID))
            return json_str(variable, "value");
    return NULL;
}

static bool is_detached(const cJSON *pod)
{
    json_foreach (arg, json_member(container_of(pod), "args"))
        if (str_eq(cJSON_GetStringValue(arg), "--detached"))
            return true;
    return false;
}

static void next(struct world *w, const cJSON *pod, int64_t in_ms, int step)
{
    happen(w, in_ms, EVENT_SUBMITTER, step, json_str(pod, "metadata.uid"), NULL);
}

static void submit(struct world *w, cJSON *pod, const char *id)
{
    struct jm *jm = flink_service(w);
    bool fresh;

    if (!jm || str_ends(pod_last_arg(pod), "-refused")) {
        ends(w, pod, 1, NULL, "Failed to submit the job.");
        return;
    }
    fresh = flink_submit(w, jm, id, pod_arg_after(pod, "--fromSavepoint"), pod_last_arg(pod));
    if (misfortune(w, 30))
        ends(w, pod, 137, NULL, "killed"); /* the answer was lost */
    else if (is_detached(pod) || !fresh)
        ends(w, pod, 0, id, "Successfully submitted!");
    else
        next(w, pod, 500, STEP_ATTACHED);
}

static void attached(struct world *w, cJSON *pod, const char *id)
{
    const struct run *r = flink_find(w, id, NULL);

    if (r && run_is_live(r))
        next(w, pod, 2000, STEP_ATTACHED);
    else
        ends(w, pod, r && r->state == RUN_FINISHED ? 0 : 1, id, "the job ended");
}

static bool has_unread(const struct world *w, const char *pod)
{
    for (int i = 0; i < JMS_MAX; i++)
        for (int k = 0; str_eq(w->jms[i].pod, pod) && k < w->jms[i].n_triggers; k++)
            if (w->jms[i].triggers[k].done && !w->jms[i].triggers[k].read)
                return true;
    return false;
}

/* Flink keeps its endpoint up for a while when a savepoint's result wasn't asked for yet. */
static void shut_down(struct world *w, cJSON *pod, int step)
{
    const char *uid = json_str_or(pod, "metadata.uid", "");
    int tries = (step - STEP_SHUT_DOWN) / 1000;

    if (has_unread(w, uid) && tries < 60) {
        happen(w, 2000, EVENT_SUBMITTER, step + 1000, uid, NULL);
        return;
    }
    flink_stop(w, uid);
    kube_pod_ends(w, pod, (step - STEP_SHUT_DOWN) % 1000, "");
}

void submitter_step(struct world *w, const char *pod_uid, int step)
{
    cJSON *pod = kube_find_uid(w, pod_uid);
    const char *id = chosen_id(pod);

    if (!pod)
        return;
    if (step >= STEP_SHUT_DOWN) {
        shut_down(w, pod, step);
        return;
    }
    if (json_has(pod, "metadata.deletionTimestamp") && chance(w, 50))
        return; /* SIGTERM; or 'flink run' goes on for a while */
    if (step >= STEP_ATTACHED)
        attached(w, pod, id);
    else if (step >= STEP_SUBMITTED)
        submit(w, pod, id);
    else if (w->bad_luck && misfortune(w, 10))
        ends(w, pod, 137, NULL, "killed");
    else if (flink_service(w))
        next(w, pod, between(w, 500, 10000), STEP_SUBMITTED);
    else if (step == WAIT_TRIES)
        ends(w, pod, 1, NULL, "Aborted: no answer of the JobManager");
    else
        next(w, pod, 5000, step + 1);
}
