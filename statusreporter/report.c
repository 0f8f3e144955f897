/* One cluster: read what is known, derive what is to be said, say what is new. */
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/life.h"
#include "common/model/snapshot.h"
#include "statusreporter/problem.h"
#include "statusreporter/status.h"
#include "statusreporter/statusreporter.h"

enum { VAIN_LOOKS_MAX = 2 };
/* So long the first status waits for the next of the children that it is to tell of, and for all.
 * Under load the first of them can be long in coming, and a status that tells of none only makes
 * them later. */
enum { FORMING_STEP_MS = 1200, FORMING_MAX_MS = 15 * 1000 };
/* A time that has come and changed nothing is looked at again, but not in a circle. */
enum { OVERDUE_MS = 1000 };

/* ---- what the metrics show ---- */

static void count_commands(struct tracked *t, const cJSON *commands)
{
    memset(t->commands, 0, sizeof t->commands);
    json_foreach (command, commands) {
        for (int state = 0; state < COMMAND_STATES; state++)
            t->commands[state] +=
                str_eq(json_str(command, "state"), command_state_name((enum command_state)state));
    }
}

/* Each once: one that has failed stays in the status until the next is taken. */
static void count_savepoint(struct tracked *t, const cJSON *savepoint)
{
    int64_t triggered_ms = time_parse_rfc3339(json_str(savepoint, "triggerTime"));

    if (!savepoint_has_failed(json_str(savepoint, "state")) ||
        triggered_ms == t->failed_savepoint_ms)
        return;
    t->savepoint_failures += t->shown; /* else it may have failed long ago */
    t->failed_savepoint_ms = triggered_ms;
}

static void show(struct tracked *t, const struct snapshot *snapshot, const struct life *l,
                 const cJSON *status)
{
    count_savepoint(t, l->savepoint);
    t->shown = true;
    t->state = cluster_state_parse(json_str(status, "state"));
    t->job = l->state;
    t->savepoint_ms = time_parse_rfc3339(json_str(l->job, "savepointTime"));
    t->restarts = json_int(l->job, "restartCount", 0);
    count_commands(t, snapshot->commands);
}

/* ---- saying ---- */

static void print_line(const struct tracked *t, cJSON *status, const struct k8s_events *events)
{
    _cleanup_(json_freep) cJSON *line = cJSON_CreateObject();
    _cleanup_(freep) char *text = NULL;
    cJSON *list = cJSON_CreateArray();

    json_set_str(line, "namespace", t->ns);
    json_set_str(line, "name", t->name);
    json_set(line, "status", status);
    for (int i = 0; i < events->n; i++) {
        cJSON *event = cJSON_CreateObject();

        json_set_str(event, "type", events->items[i].warning ? "Warning" : "Normal");
        json_set_str(event, "reason", events->items[i].reason);
        json_set_str(event, "message", events->items[i].message);
        json_add_item(list, event);
    }
    json_set(line, "events", list);
    text = json_text(line);
    if (text)
        (void)printf("%s\n", text);
    (void)fflush(stdout);
}

/* Events go first: should the status be written and the daemon end before they are, nobody would
 * tell them. Told twice they are the same Events, as the occasion is the recorded status. */
static void send_events(struct statusreporter *sr, struct tracked *t, const struct view *v,
                        const struct k8s_events *events)
{
    const char *occasion = json_str_or(v->status, "lastUpdateTime", "");

    for (int i = 0; i < events->n; i++)
        event_send(sr->events, t, &events->items[i], occasion);
}

/* @status: taken */
static int say(struct statusreporter *sr, struct tracked *t, const struct view *v,
               const struct life *l, cJSON *status, const struct problems *problems,
               struct error *err)
{
    const cJSON *cluster = v->snapshot->cluster;
    _cleanup_(json_freep) cJSON *fresh = status;
    struct k8s_events events;
    cJSON *patch = status_patch(cluster, status);

    if (!patch && l->clear_control && !sr->config->common.dry_run)
        return control_clear(&sr->writer, t, control_patch(cluster), err);
    if (!patch)
        return 0;
    events_make(v->status, status, problems, &events);
    if (sr->config->common.dry_run) {
        cJSON_Delete(patch);
        print_line(t, TAKE(fresh), &events);
        return 0;
    }
    send_events(sr, t, v, &events);
    log_debug("uid=%s namespace=%s name=%s row=%lld state=%s: status written", t->uid, t->ns,
              t->name, (long long)v->snapshot->row, json_str_or(status, "state", ""));
    return status_write(&sr->writer, t, patch, err);
}

/* ---- looking ---- */

static bool has_all_parts(const struct view *v, const cJSON *status)
{
    return json_has(status, "components.configMap") && json_has(status, "components.taskManager") &&
           !str_empty(json_str(status, "components.jobManagerService.name")) &&
           (v->mode == MODE_APPLICATION || json_has(status, "components.jobManager")) &&
           (v->mode == MODE_SESSION || v->submitter.json);
}

/* Nothing that anybody waits for. */
static bool is_beginning(const struct view *v, const struct life *l)
{
    const char *state = json_str_or(v->status, "state", "");

    return (!*state || str_eq(state, "Creating")) && !v->suspend && !v->deleting &&
           (l->state == JOB_NONE || l->state == JOB_PENDING || l->state == JOB_DEPLOYING);
}

/* A new cluster whose children are being made: one status for all of them, soon. Returns how long
 * to wait for that; 0: no longer. */
static int64_t forming_ms(const struct statusreporter *sr, const struct tracked *t,
                          const struct view *v, const struct life *l,
                          const struct problems *problems, const cJSON *status)
{
    int64_t step = statusreporter_is_busy(sr) ? FORMING_MAX_MS : FORMING_STEP_MS;
    int64_t said = t->written_ms > t->seen_ms ? t->written_ms : t->seen_ms;
    int64_t end = said + FORMING_MAX_MS, left;

    if (sr->config->common.dry_run || sr->config->common.once || problems->n ||
        !is_beginning(v, l) || has_all_parts(v, status))
        return 0;
    if (t->changed_ms + step < end)
        end = t->changed_ms + step;
    left = end - time_monotonic_ms();
    return left > 0 ? left : 0;
}

static void say_gone(struct statusreporter *sr, struct tracked *t)
{
    struct k8s_events events;

    events_make_deleted(&events);
    if (sr->events && t->row > sr->told_row)
        event_send(sr->events, t, &events.items[0], t->uid);
    tracked_remove(&sr->clusters, t);
}

static void wake_at(struct statusreporter *sr, struct tracked *t, int64_t wake_ms, int64_t now_ms)
{
    if (wake_ms)
        statusreporter_due(sr, t, wake_ms > now_ms ? wake_ms - now_ms : OVERDUE_MS);
}

static int derive(struct statusreporter *sr, struct tracked *t, const struct snapshot *snapshot,
                  struct error *err)
{
    int64_t now_ms = time_now_ms(), wait_ms;
    struct problems problems;
    struct view v;
    struct life l;
    cJSON *status;
    int r;

    view_init(&v, snapshot, now_ms);
    life_derive(&v, &l);
    status = status_make(&v, &l);
    problems_find(&v, &l, &problems);
    show(t, snapshot, &l, status);
    wake_at(sr, t, problems.wake_ms, now_ms);
    wait_ms = forming_ms(sr, t, &v, &l, &problems, status);
    if (wait_ms) {
        statusreporter_due(sr, t, wait_ms);
        cJSON_Delete(status);
        r = 0;
    } else {
        r = say(sr, t, &v, &l, status, &problems, err);
    }
    if (t->in_flight)
        t->vain_looks = 0;
    else if (t->vain_looks < VAIN_LOOKS_MAX)
        t->vain_looks++;
    if (!r && !t->in_flight && !wait_ms)
        t->open_row = 0;
    life_done(&l);
    view_done(&v);
    return r;
}

/* Until the watcher has recorded what we wrote, or what our write was refused for, the recorded
 * status is an old one: nothing is decided on it. Its news wake us; a watcher that has none for
 * long is no longer waited for. */
static bool waits_for_record(struct statusreporter *sr, struct tracked *t)
{
    char uid[64], recorded[64];
    int64_t left = t->written_ms + RECORD_WAIT_MS - time_monotonic_ms();

    if (!t->written_rv[0] && !t->refused_rv[0])
        return false;
    if (left > 0 &&
        !object_version(sr->journal, "FlinkCluster", t->ns, t->name, uid, recorded, NULL) &&
        !status_is_recorded(t, recorded)) {
        statusreporter_due(sr, t, left);
        return true;
    }
    t->written_rv[0] = t->refused_rv[0] = '\0';
    return false;
}

int statusreporter_report(struct statusreporter *sr, struct tracked *t, struct error *err)
{
    _cleanup_(snapshot_done) struct snapshot snapshot = {0};
    int r;

    if (waits_for_record(sr, t))
        return 0;
    sr->reports++;
    t->looked_row = t->row;
    r = snapshot_load(sr->journal, t->ns, t->name, t->uid, &snapshot, err);
    if (r)
        return error_wrap(err, "cluster %s", t->uid);
    if (!snapshot.cluster || !str_eq(json_str(snapshot.cluster, "metadata.uid"), t->uid)) {
        say_gone(sr, t);
        return 0;
    }
    return derive(sr, t, &snapshot, err);
}
