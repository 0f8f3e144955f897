/* Savepoints of a running job: asked for, or due by the clock; and the disposal of old ones. */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "reconciler/plan_internal.h"

/* How often it was tried for this reason since the last success, as far as the journal knows. */
static int tries(const struct planner *p, const char *reason)
{
    int64_t success_s = time_parse_rfc3339(json_str(p->l->job, "savepointTime")) / 1000;
    int n = 0;

    json_foreach (command, p->v->snapshot->commands)
        n += str_eq(json_str(command, "args.reason"), reason) &&
             str_eq(json_str(command, "args.jobId"), p->v->job_id) &&
             !str_eq(json_str(command, "kind"), "cancel") &&
             json_int(command, "createdAt", 0) / 1000 > success_s;
    return n;
}

/* Somebody waits for these, and asks again when they have failed. */
static bool is_asked_for(const char *reason)
{
    return str_eq(reason, REASON_CANCEL) || str_eq(reason, REASON_DELETION);
}

int64_t plan_savepoint_retry_at(const struct planner *p, const char *reason)
{
    const cJSON *last = p->l->savepoint;
    int64_t delay = SAVEPOINT_RETRY_MS;

    if (!str_eq(json_str(last, "triggerReason"), reason) ||
        !savepoint_has_failed(json_str(last, "state")))
        return 0;
    for (int n = is_asked_for(reason) ? 0 : tries(p, reason);
         n > 1 && delay < SAVEPOINT_RETRY_MAX_MS; n--)
        delay *= 2;
    if (delay > SAVEPOINT_RETRY_MAX_MS)
        delay = SAVEPOINT_RETRY_MAX_MS;
    return time_parse_rfc3339(json_str(last, "requestTime")) + delay;
}

/* When the next periodic savepoint is due; 0: never. */
static int64_t scheduled_at(const struct planner *p)
{
    const cJSON *job = p->v->job;
    int64_t last = time_parse_rfc3339(json_str(p->l->job, "savepointTime"));
    int64_t started = time_parse_rfc3339(json_str(p->l->job, "startTime"));
    int64_t seconds = json_int(job, "autoSavepointSeconds", 0), due = 0, by_cron = 0;
    const char *cron = json_str(job, "autoSavepointSchedule");

    if (started > last)
        last = started;
    if (!last)
        return 0;
    if (seconds > 0)
        due = last + seconds * 1000;
    if (!str_blank(cron) && !time_cron_next(cron, last, &by_cron) && (!due || by_cron < due))
        due = by_cron;
    if (due && plan_savepoint_retry_at(p, REASON_SCHEDULED) > due)
        due = plan_savepoint_retry_at(p, REASON_SCHEDULED);
    return due;
}

static const char *due_reason(struct planner *p)
{
    int64_t due = scheduled_at(p);

    if (p->l->savepoint_wanted)
        return REASON_USER;
    if (json_int(p->v->job, "savepointGeneration", 0) >
        json_int(p->l->job, "savepointGeneration", 0)) {
        if (plan_savepoint_retry_at(p, REASON_USER) <= p->v->now_ms)
            return REASON_USER;
        plan_wake(p, plan_savepoint_retry_at(p, REASON_USER));
    }
    if (due && due <= p->v->now_ms)
        return REASON_SCHEDULED;
    if (due)
        plan_wake(p, due);
    return NULL;
}

static void trigger(struct planner *p, const char *reason)
{
    char id[33], key[64];

    plan_trigger_id(p, reason, id);
    (void)snprintf(key, sizeof key, "savepoint/%s", id);
    plan_command(p, "savepoint", key, plan_savepoint_args(p, reason, id), reason);
}

/* Never the newest, nor one that the job was or would be started from. */
static bool is_needed(const struct planner *p, const char *location, int index)
{
    return index == 0 || !location ||
           savepoint_is_same(location, json_str(p->l->job, "savepointLocation")) ||
           savepoint_is_same(location, json_str(p->l->job, "fromSavepoint")) ||
           savepoint_is_same(location, p->v->from_savepoint);
}

static bool is_disposable(struct planner *p, const cJSON *entry, int index)
{
    int64_t count = json_int(p->v->job, "savepointRetention.count", 0);
    int64_t max_age_s = json_int(p->v->job, "savepointRetention.maxAgeSeconds", 0);
    int64_t old_at = time_parse_rfc3339(json_str(entry, "time")) + (max_age_s + 1) * 1000;

    if (is_needed(p, json_str(entry, "location"), index))
        return false;
    if ((count > 0 && index >= count) || (max_age_s > 0 && old_at <= p->v->now_ms))
        return true;
    if (max_age_s > 0)
        plan_wake(p, old_at);
    return false;
}

/* Is it time to tell Flink? What failed is tried again a little later. */
static bool is_disposal_due(struct planner *p, const struct disposal *d)
{
    int64_t at = d->changed_ms;

    if (d->state == DISPOSAL_NONE)
        return true;
    at += d->state == DISPOSAL_OPEN ? DISPOSAL_TIMEOUT_MS : DISPOSAL_RETRY_MS;
    if (d->state == DISPOSAL_FAILED && at <= p->v->now_ms)
        return true;
    plan_wake(p, at);
    return false;
}

/* One at a time. */
static void dispose(struct planner *p)
{
    int index = 0;

    json_foreach (entry, p->l->savepoints) {
        const char *location = json_str_or(entry, "location", "");
        struct disposal d = life_disposal(p->v, location);
        char key[600], id[33], number[16];
        cJSON *args;

        if (!is_disposable(p, entry, index++))
            continue;
        if (!is_disposal_due(p, &d)) {
            if (d.state == DISPOSAL_OPEN)
                return;
            continue;
        }
        disposal_key(key, sizeof key, location, d.tries);
        (void)snprintf(number, sizeof number, "%d", d.tries);
        md5_hex(id, p->v->uid, location, d.tries ? number : NULL, NULL);
        args = cJSON_CreateObject();
        json_set_str(args, "path", location);
        plan_name_trigger(p, args, id);
        plan_command(p, "dispose", key, args, "spec.job.savepointRetention");
        return;
    }
}

void plan_savepoints(struct planner *p)
{
    const char *reason;

    if (!p->v->job_id || !p->v->savepoints_dir ||
        !str_eq(json_str(view_flink_job(p->v, p->v->job_id), "state"), "RUNNING"))
        return;
    if (!plan_may_trigger(p) || plan_is_stopped(p) || plan_has_open(p, "cancel"))
        return;
    reason = due_reason(p);
    if (reason)
        trigger(p, reason);
    else if (json_has(p->v->job, "savepointRetention"))
        dispose(p);
}
