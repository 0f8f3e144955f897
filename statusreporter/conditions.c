/* Ready: the cluster, and its job if it has one, run as specified. Progressing: something is being
 * started, updated or taken down. Degraded: something is wrong; its message names all problems, so
 * that what is new can be told from it. */
#include "statusreporter/conditions.h"

#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/flink/exception.h"

struct verdict {
    bool holds;
    char reason[96];
    char message[CONDITION_MESSAGE_MAX];
};

static void set(struct verdict *ret, bool holds, const char *reason, const char *message)
{
    ret->holds = holds;
    str_copy(ret->reason, sizeof ret->reason, reason);
    str_copy(ret->message, sizeof ret->message, message);
}

/* Reasons and messages of each state of the job (for Ready, when nothing more telling is known). */
static const struct {
    enum job_state state;
    const char *reason, *message;
} job_words[] = {
    {JOB_PENDING, "JobPending", "the job waits to be submitted"},
    {JOB_UPDATING, "JobUpdating",
     "the job is stopped for an update and waits to be submitted again"},
    {JOB_RESTARTING, "JobRestarting", "the job failed and waits for its restart"},
    {JOB_DEPLOYING, "JobDeploying", "the job is being submitted"},
    {JOB_DEPLOY_FAILED, "JobDeployFailed", "the job couldn't be submitted"},
    {JOB_RUNNING, "JobRunning", "the job runs"},
    {JOB_SUCCEEDED, "JobSucceeded", "the job has finished"},
    {JOB_CANCELLED, "JobCancelled", "the job was cancelled"},
    {JOB_FAILED, "JobFailed", "the job failed"},
    {JOB_LOST, "JobLost", "the JobManager no longer has the job"},
    {JOB_UNKNOWN, "JobUnknown", "Flink reports a job state that isn't known"},
};

static void set_by_job(struct verdict *ret, const struct life *l, bool holds)
{
    const cJSON *reasons = json_member(l->job, "failureReasons");
    const char *failure = cJSON_GetStringValue(cJSON_GetArrayItem(reasons, 0));
    char text[1000 + 1];

    for (size_t i = 0; i < ARRAY_SIZE(job_words); i++) {
        if (job_words[i].state != l->state)
            continue;
        set(ret, holds, job_words[i].reason, job_words[i].message);
        if (job_state_is_failed(l->state) && !str_blank(failure)) {
            exception_copy(text, sizeof text, failure);
            (void)snprintf(ret->message, sizeof ret->message, "%s: %s", job_words[i].message, text);
        }
        return;
    }
    set(ret, holds, "Unknown", "");
}

/* ---- Ready ---- */

static void add_unready(struct buf *text, const cJSON *components, const char *key,
                        const char *name)
{
    const cJSON *component = json_member(components, key);
    const char *ready = json_str(component, "ready");

    if (!component || str_eq(json_str(component, "state"), "Ready"))
        return;
    buf_printf(text, "%s%s", text->len ? ", " : "waiting for ", name);
    if (!str_empty(ready))
        buf_printf(text, " (%s)", ready);
}

static void set_by_components(struct verdict *ret, const struct conditions_input *in)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(1024);
    const cJSON *components = in->components->json;

    if (in->state == CLUSTER_STOPPING || in->state == CLUSTER_PARTIALLY_STOPPED)
        buf_puts(&text, "the cluster is being taken down");
    else if (!json_member(components, "taskManager"))
        buf_puts(&text, "the cluster's objects are being created");
    else {
        add_unready(&text, components, "jobManager", "JobManager");
        add_unready(&text, components, "jobManagerService", "the JobManager's Service");
        add_unready(&text, components, "taskManager", "TaskManagers");
    }
    set(ret, false, cluster_state_name(in->state), buf_str(&text));
}

static bool job_is_fine(const struct life *l)
{
    return l->state == JOB_NONE || l->state == JOB_RUNNING || l->state == JOB_SUCCEEDED;
}

static void ready(struct verdict *ret, const struct conditions_input *in)
{
    const struct view *v = in->view;
    const struct life *l = in->life;
    bool runs = in->state == CLUSTER_RUNNING && job_is_fine(l) && !v->invalid && !v->deleting;

    if (runs && l->state == JOB_NONE)
        set(ret, true, "ClusterRunning", "the cluster runs");
    else if (runs)
        set_by_job(ret, l, true);
    else if (v->deleting)
        set(ret, false, "Deleting", "the FlinkCluster is being deleted");
    else if (l->suspended)
        set(ret, false, "Suspended", "spec.job.suspend is true");
    else if (in->problems->n)
        set(ret, false, in->problems->items[0].reason, in->problems->items[0].message);
    else if (in->state != CLUSTER_RUNNING && !job_state_is_stopped(l->state))
        set_by_components(ret, in);
    else
        set_by_job(ret, l, false);
}

/* ---- Progressing ---- */

/* Nothing more is going to be taken down. */
static bool is_taken_down(const struct conditions_input *in)
{
    const struct life *l = in->life;

    if (in->state == CLUSTER_STOPPED || l->suspended)
        return in->components->pods_gone;
    return in->state == CLUSTER_PARTIALLY_STOPPED && str_eq(l->cleanup_policy, "DeleteTaskManager");
}

static void progressing(struct verdict *ret, const struct conditions_input *in)
{
    const struct life *l = in->life;
    bool waits = job_state_is_pending(l->state) || l->state == JOB_DEPLOYING;

    if (in->view->deleting)
        set(ret, true, "Deleting", "the FlinkCluster is being deleted");
    else if (is_taken_down(in))
        set(ret, false, l->suspended ? "Suspended" : "Stopped", "nothing is under way");
    else if (in->state != CLUSTER_RUNNING)
        set_by_components(ret, in);
    else if (waits && !l->suspended)
        set_by_job(ret, l, true);
    else if (in->view->revision.update_triggered)
        set(ret, true, "UpdatePending", "a change of the spec is being carried out");
    else
        set(ret, false, "Settled", "nothing is under way");
    if (in->state != CLUSTER_RUNNING && !is_taken_down(in))
        ret->holds = true;
}

/* ---- Degraded ---- */

static void degraded(struct verdict *ret, const struct conditions_input *in)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT((size_t)(PROBLEM_TEXT_MAX + 8) * PROBLEMS_MAX);
    const struct problems *problems = in->problems;

    if (!problems->n && job_state_is_failed(in->life->state)) {
        set_by_job(ret, in->life, true);
        return;
    }
    for (int i = 0; i < problems->n; i++)
        buf_printf(&text, "%s%s", i ? "; " : "", problems->items[i].message);
    if (problems->n)
        set(ret, true, problems->items[0].reason, buf_str(&text));
    else
        set(ret, false, "AsExpected", "");
}

/* ---- the array ---- */

static const cJSON *recorded_condition(const struct view *v, const char *type)
{
    json_foreach (item, json_member(v->status, "conditions")) {
        if (str_eq(json_str(item, "type"), type))
            return item;
    }
    return NULL;
}

/* Knowing less than before is no news: the kubelet drops the cause of a failed pull now and then.
 */
static const char *message_to_say(const struct verdict *verdict, const cJSON *recorded)
{
    const char *before = json_str(recorded, "message");

    if (before && str_eq(json_str(recorded, "reason"), verdict->reason) &&
        str_starts(before, verdict->message) && verdict->message[0])
        return before;
    return verdict->message;
}

static cJSON *condition(const struct view *v, const char *type, const struct verdict *verdict)
{
    const cJSON *recorded = recorded_condition(v, type);
    const char *status = verdict->holds ? "True" : "False";
    const char *since = json_str(recorded, "lastTransitionTime");
    cJSON *ret = cJSON_CreateObject();
    char now[32];

    if (str_empty(since) || !str_eq(json_str(recorded, "status"), status)) {
        time_rfc3339(v->now_ms, now);
        since = now;
    }
    json_set_str(ret, "type", type);
    json_set_str(ret, "status", status);
    json_set_int(ret, "observedGeneration",
                 json_int(v->snapshot->cluster, "metadata.generation", 0));
    json_set_str(ret, "lastTransitionTime", since);
    json_set_str(ret, "reason", verdict->reason);
    json_set_str(ret, "message", message_to_say(verdict, recorded));
    return ret;
}

cJSON *conditions_make(const struct conditions_input *in)
{
    static const struct {
        const char *type;
        void (*judge)(struct verdict *ret, const struct conditions_input *in);
    } types[] = {{"Ready", ready}, {"Progressing", progressing}, {"Degraded", degraded}};
    cJSON *ret = cJSON_CreateArray();

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct verdict verdict = {0};

        types[i].judge(&verdict, in);
        json_add_item(ret, condition(in->view, types[i].type, &verdict));
    }
    return ret;
}
