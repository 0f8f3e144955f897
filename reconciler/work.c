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

enum {
    WRITE_SEEN_MS = 10 * 1000,
    PATIENCE_MS = 400,
    /* So long another reconciler keeps off after the last act, which by then the journal shows; and
     * so long the work of one that died lies. */
    CLAIM_MS = 15 * 1000,
    CLAIMED_AGAIN_MS = 1000,
};

static void forget_seen(struct work *work, const struct snapshot *snapshot);

struct work *work_find(struct reconciler *rec, const struct changed_cluster *changed)
{
    struct work **at = &rec->works, *work;

    for (; *at; at = &(*at)->next)
        if (str_eq((*at)->uid, changed->uid))
            return *at;
    work = calloc(1, sizeof *work);
    if (!work)
        return NULL; /* the next sweep tries again: the cluster changes or is read from the
                        beginning */
    work->rec = rec;
    str_copy(work->uid, sizeof work->uid, changed->uid);
    str_copy(work->ns, sizeof work->ns, changed->ns);
    str_copy(work->name, sizeof work->name, changed->name);
    *at = work; /* at the end: the first to come is the first to be planned */
    return work;
}

struct work *work_free(struct work *work)
{
    requests_drop(work);
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

int64_t work_version_of(const char *resource_version)
{
    int64_t version = 0;

    return resource_version && !str_to_i64(resource_version, &version) ? version : 0;
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
        return work_version_of(json_str(live, "metadata.resourceVersion")) >= write->version;
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

static bool is_recorded(const struct work *work, const struct work_write *write)
{
    char uid[64], version[64];
    int r =
        object_version(work->rec->journal, write->kind, work->ns, write->name, uid, version, NULL);

    if (write->version)
        return r == 0 && work_version_of(version) >= write->version;
    return r != 0 || !str_eq(uid, write->uid);
}

bool work_is_current(struct work *work)
{
    if (work->patience_ms <= time_monotonic_ms())
        return true;
    for (const struct work_write *write = work->writes; write; write = write->next)
        if (!is_recorded(work, write))
            return false;
    return true;
}

void work_wait_for_writes(struct work *work)
{
    work->patience_ms = time_monotonic_ms() + PATIENCE_MS;
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

static int record_actions(struct errand *e, struct journal_tx *tx, struct error *err)
{
    int r = 0;

    for (int i = 0; !r && i < e->plan.n; i++) {
        const struct action *action = &e->plan.actions[i];

        if (action->kind == ACTION_COMMAND)
            r = add_command(e->work, tx, &e->snapshot, action, err);
        else if (action->kind == ACTION_DROP_COMMAND)
            r = drop_command(tx, action, err);
    }
    return r;
}

/* Why the plan is stuck, for the statusreporter; and the plan itself for the history. Who acts has
 * claimed the cluster in the same transaction (else JOURNAL_E_CLAIMED). */
static int record_plan(struct errand *e, struct journal_tx *tx, int64_t now, struct error *err)
{
    const struct plan *plan = &e->plan;
    _cleanup_(json_freep) cJSON *json = NULL;
    int64_t row = 0;
    int r = plan->n ? claim_take(tx, e->work->uid, e->work->rec->who, now, CLAIM_MS, err) : 0;

    if (!r)
        r = record_actions(e, tx, err);
    if (!r && plan->blocked_by_plan) {
        json = cJSON_CreateObject();
        json_set_str(json, "blocked", plan->blocked);
        json_set_str(json, "message", plan->blocked_text);
        r = observation_put(tx, e->work->uid, "plan", json, now, &row, err);
        e->tells |= row != 0;
    } else if (!r && json_has(e->snapshot.observations, "plan")) {
        r = observation_delete(tx, e->work->uid, "plan", err);
        e->tells = true;
    }
    if (!r && plan->n) {
        cJSON_Delete(json);
        json = plan_summary(plan);
        r = event_add(tx, now, "reconciler", e->work->uid, "decided", json, err);
    }
    return r;
}

static bool is_to_record(const struct errand *e)
{
    return e->plan.n || e->plan.blocked_by_plan || json_has(e->snapshot.observations, "plan");
}

/* One whose cluster somebody else has claimed is no trouble for the others. */
static int record_one(struct errand *e, struct journal_tx *tx, int64_t now, struct error *err)
{
    int r = is_to_record(e) ? record_plan(e, tx, now, err) : 0;

    e->elsewhere = r == JOURNAL_E_CLAIMED;
    return e->elsewhere ? 0 : r;
}

/* Only a command is an intent: what children are written follows from the spec at any time. */
int errands_record(struct reconciler *rec, struct errand *errands, int n, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    int64_t now = time_now_ms();
    bool durable = false, any = false;
    int r = 0;

    for (int i = 0; i < n; i++) {
        any |= is_to_record(&errands[i]);
        durable |= errands[i].tells;
    }
    if (any)
        r = journal_begin(rec->journal, durable, &tx, err);
    for (int i = 0; any && !r && i < n; i++)
        r = record_one(&errands[i], &tx, now, err);
    return r || !any ? r : journal_commit(&tx, err);
}

static bool is_request(const struct action *action)
{
    return action->kind != ACTION_COMMAND && action->kind != ACTION_DROP_COMMAND;
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

int errand_prepare(struct errand *errand)
{
    int requests = 0;

    skip_unseen(errand->work, &errand->snapshot, &errand->plan);
    for (int i = 0; i < errand->plan.n; i++) {
        errand->has_commands |= errand->plan.actions[i].kind == ACTION_COMMAND;
        errand->tells |= !is_request(&errand->plan.actions[i]);
        requests += is_request(&errand->plan.actions[i]);
    }
    return requests;
}

void errand_done(struct errand *errand)
{
    plan_done(&errand->plan);
    snapshot_done(&errand->snapshot);
}

int errand_act(struct errand *errand, struct error *err)
{
    struct work *work = errand->work;
    int r = 0;

    work->elsewhere = errand->elsewhere;
    if (work->elsewhere) { /* another reconciler acts: is anything left to do then? */
        work->dirty = true;
        work->not_before_ms = time_monotonic_ms() + CLAIMED_AGAIN_MS;
        return 0;
    }
    failpoint("plan.recorded");
    work->failed = false;
    for (int i = 0; !r && i < errand->plan.n; i++) {
        struct action *action = &errand->plan.actions[i];

        if (!is_request(action))
            continue;
        log_info("cluster=%s/%s action=%s kind=%s name=%s why=\"%s\"", work->ns, work->name,
                 action->kind == ACTION_DELETE ? "delete" : "write", action->object_kind,
                 action->name, action->why);
        r = request_send(work, action, err);
        failpoint("plan.sent");
    }
    if (!errand->plan.n && !work->in_flight)
        r = clear_failures(work, &errand->snapshot, err);
    return r;
}
