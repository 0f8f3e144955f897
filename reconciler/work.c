/* Acting out a plan. Commands and the history are committed before anything is sent. What a request
 * wrote is remembered until the watcher has recorded it, so that a plan made on older rows doesn't
 * write again. */
#include "reconciler/work.h"

#include <stdio.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "reconciler/reconciler.h"
#include "reconciler/request.h"

enum { WRITE_SEEN_MS = 10 * 1000 };

static void forget_seen(struct work *work, const struct snapshot *snapshot);

struct work *work_find(struct reconciler *rec, const struct changed_cluster *changed)
{
    struct work *work;

    for (work = rec->works; work; work = work->next)
        if (str_eq(work->uid, changed->uid))
            return work;
    work = calloc(1, sizeof *work);
    if (!work)
        return NULL; /* the next sweep tries again: the cluster changes or is read from the
                        beginning */
    work->rec = rec;
    str_copy(work->uid, sizeof work->uid, changed->uid);
    str_copy(work->ns, sizeof work->ns, changed->ns);
    str_copy(work->name, sizeof work->name, changed->name);
    work->next = rec->works;
    rec->works = work;
    return work;
}

struct work *work_free(struct work *work)
{
    forget_seen(work, NULL);
    free(work);
    return NULL;
}

void work_print(const struct work *work, const struct plan *plan)
{
    _cleanup_(json_freep) cJSON *json = plan_json(plan);
    _cleanup_(freep) char *text = NULL;

    json_set_str(json, "namespace", work->ns);
    json_set_str(json, "cluster", work->name);
    text = json_text(json);
    if (text)
        puts(text);
}

/* ---- what was written and isn't seen yet ---- */

int64_t work_version_of(const cJSON *object)
{
    int64_t version = 0;
    const char *text = json_str(object, "metadata.resourceVersion");

    return text && !str_to_i64(text, &version) ? version : 0;
}

void work_remember_write(struct work *work, const char *kind, const char *name, const char *uid,
                         int64_t version)
{
    struct work_write *write = calloc(1, sizeof *write);

    if (!write)
        return; /* at worst the same is written once more */
    str_copy(write->kind, sizeof write->kind, kind);
    str_copy(write->name, sizeof write->name, name);
    str_copy(write->uid, sizeof write->uid, uid);
    write->version = version;
    write->until_ms = time_monotonic_ms() + WRITE_SEEN_MS;
    write->next = work->writes;
    work->writes = write;
}

static bool is_seen(const struct work_write *write, const struct snapshot *snapshot)
{
    const cJSON *live = snapshot_object(snapshot, write->kind, write->name);

    if (write->until_ms <= time_monotonic_ms())
        return true;
    if (write->version)
        return work_version_of(live) >= write->version;
    return !live || !str_eq(json_str(live, "metadata.uid"), write->uid);
}

static void forget_seen(struct work *work, const struct snapshot *snapshot)
{
    for (struct work_write **at = &work->writes; *at;) {
        struct work_write *write = *at;

        if (snapshot && !is_seen(write, snapshot)) {
            at = &write->next;
            continue;
        }
        *at = write->next;
        free(write);
    }
}

/* The snapshot is older than our own last write to that object. */
static bool is_unseen(const struct work *work, const char *kind, const char *name)
{
    for (const struct work_write *write = work->writes; write; write = write->next)
        if (str_eq(write->kind, kind) && str_eq(write->name, name))
            return true;
    return false;
}

/* ---- the journal's part ---- */

static int add_command(struct work *work, struct journal_tx *tx, const struct snapshot *snapshot,
                       const struct action *action, struct error *err)
{
    char *kind = cJSON_GetStringValue(json_member(action->manifest, "kind"));
    char *key = cJSON_GetStringValue(json_member(action->manifest, "key"));
    const struct command command = {
        .cluster_uid = work->uid,
        .ns = work->ns,
        .cluster_name = work->name,
        .kind = kind,
        .key = key,
        .args = json_member(action->manifest, "args"),
        .decided_row = snapshot->row,
        .created_ms = time_now_ms(),
    };
    int64_t row;
    int r = command_add(tx, &command, &row, err);

    if (r == JOURNAL_E_STALE)
        work->dirty = true; /* something changed meanwhile: decided again */
    return r < 0 ? r : 0;
}

static int drop_command(struct journal_tx *tx, const struct action *action, struct error *err)
{
    int r = command_drop(tx, action->command_id, action->why, time_now_ms(), err);

    return r < 0 ? r : 0; /* being done: its outcome decides */
}

static cJSON *history_of(const struct plan *plan)
{
    cJSON *json = plan_json(plan);

    json_foreach (action, json_member(json, "actions")) {
        json_remove(action, "manifest");
    }
    return json;
}

/* Why the plan is stuck, for the statusreporter; and the plan itself for the history. */
static int record(struct work *work, const struct snapshot *snapshot, const struct plan *plan,
                  bool *has_commands, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    _cleanup_(json_freep) cJSON *history = history_of(plan), *blocked = cJSON_CreateObject();
    int64_t row = 0, now = time_now_ms();
    int r;

    r = journal_begin(work->rec->journal, true, &tx, err);
    for (int i = 0; !r && i < plan->n; i++) {
        if (plan->actions[i].kind == ACTION_COMMAND) {
            r = add_command(work, &tx, snapshot, &plan->actions[i], err);
            *has_commands = true;
        } else if (plan->actions[i].kind == ACTION_DROP_COMMAND) {
            r = drop_command(&tx, &plan->actions[i], err);
        }
    }
    if (!r && plan->blocked_by_plan) {
        json_set_str(blocked, "blocked", plan->blocked);
        json_set_str(blocked, "message", plan->blocked_text);
        r = observation_put(&tx, work->uid, "plan", blocked, now, &row, err);
    } else if (!r && json_has(snapshot->observations, "plan")) {
        r = observation_delete(&tx, work->uid, "plan", err);
    }
    if (!r && plan->n)
        r = event_add(&tx, now, "reconciler", work->uid, "decided", history, err);
    return r ? r : journal_commit(&tx, err);
}

static bool is_request(const struct action *action)
{
    return action->kind != ACTION_COMMAND && action->kind != ACTION_DROP_COMMAND;
}

static void tell(struct work *work, const struct snapshot *snapshot, bool has_commands)
{
    struct message m = {.type = has_commands ? MESSAGE_COMMAND_READY : MESSAGE_DECIDED};
    struct error err = {0};

    if (has_commands)
        m.command_ready =
            (struct message_command_ready){.row = (uint64_t)snapshot->row, .uid = work->uid};
    else
        m.decided = (struct message_decided){.row = (uint64_t)snapshot->row, .uid = work->uid};
    if (work->rec->bus && bus_publish(work->rec->bus, &m, &err))
        log_debug("cluster=%s/%s message lost: %s", work->ns, work->name, err.text);
}

/* Applied since, what couldn't be: no longer a problem. */
static int clear_failures(struct work *work, const struct snapshot *snapshot, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    int r = 0;

    if (work->failures || work->failed)
        return 0;
    json_foreach (seen, snapshot->observations) {
        if (r || !str_starts(seen->string, "failedapply/"))
            continue;
        if (!tx.journal)
            r = journal_begin(work->rec->journal, false, &tx, err);
        if (!r)
            r = observation_delete(&tx, work->uid, seen->string, err);
    }
    return r || !tx.journal ? r : journal_commit(&tx, err);
}

static void skip_unseen(struct work *work, const struct snapshot *snapshot, struct plan *plan)
{
    int64_t again_ms = time_now_ms() + WRITE_SEEN_MS;
    int kept = 0;

    forget_seen(work, snapshot);
    for (int i = 0; i < plan->n; i++) {
        struct action *action = &plan->actions[i];

        if (is_request(action) && is_unseen(work, action->object_kind, action->name))
            cJSON_Delete(action->manifest);
        else
            plan->actions[kept++] = *action;
    }
    /* Should the watcher never tell: what is held back now isn't lost. */
    if (kept < plan->n && (!work->wake_ms || again_ms < work->wake_ms))
        work->wake_ms = again_ms;
    plan->n = kept;
}

int work_act(struct work *work, const struct snapshot *snapshot, struct plan *plan,
             struct error *err)
{
    bool has_commands = false, was_blocked = json_has(snapshot->observations, "plan");
    int r = 0;

    skip_unseen(work, snapshot, plan);
    if (plan->n || plan->blocked_by_plan || was_blocked)
        r = record(work, snapshot, plan, &has_commands, err);
    if (r)
        return r;
    failpoint("plan.recorded");
    if (has_commands)
        tell(work, snapshot, true);
    work->failed = false;
    for (int i = 0; !r && i < plan->n; i++) {
        struct action *action = &plan->actions[i];

        if (!is_request(action))
            continue;
        log_info("cluster=%s/%s action=%s kind=%s name=%s why=\"%s\"", work->ns, work->name,
                 action->kind == ACTION_DELETE ? "delete" : "write", action->object_kind,
                 action->name, action->why);
        r = request_send(work, action, err);
        failpoint("plan.sent");
    }
    if (plan->n)
        tell(work, snapshot, false);
    if (!plan->n && !work->in_flight)
        r = clear_failures(work, snapshot, err);
    return r;
}
