#include "reconciler/reconciler.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"

enum {
    SWEEP_MS = 2000, /* with every message lost, so late a change is seen */
    SETTLE_MS = 40, /* changes of one cluster that come together are planned together */
    LOOK_PAUSE_MS = 5, /* messages that come together are one look at the journal */
    IN_FLIGHT_MAX = 96, /* more requests would only wait, and be decided on older rows */
    BATCH = 64,
    TROUBLE_LOG_MS = 60 * 1000,
};

static const char *const peers[] = {"watcher", "jobsubmitter", NULL};

void reconciler_journal_trouble(struct reconciler *rec, const struct error *err)
{
    int64_t now = time_monotonic_ms();

    if (rec->journal_lost_ms && now - rec->journal_lost_ms < TROUBLE_LOG_MS)
        return;
    rec->journal_lost_ms = now;
    log_error("journal: %s, retrying in %d s", err->text, SWEEP_MS / 1000);
}

static int open_journal(struct reconciler *rec, struct error *err)
{
    const struct journal_options options = {.read_only = rec->config->common.dry_run};
    bool rebuilt = false;
    int r = journal_open(rec->config->common.journal, &options, &rec->journal, &rebuilt, err);

    if (rebuilt)
        log_warn("journal=%s was damaged, set aside and made anew", rec->config->common.journal);
    return r;
}

/* A journal that was deleted or replaced: start again from its beginning. */
static int check_journal(struct reconciler *rec, struct error *err)
{
    if (rec->journal && !journal_moved(rec->journal))
        return 0;
    if (rec->journal)
        log_warn("the journal was replaced, reading it from its beginning");
    rec->journal = journal_close(rec->journal);
    rec->cursor = 0;
    return open_journal(rec, err);
}

static bool is_leader(struct reconciler *rec, struct error *err)
{
    struct leader leader;

    if (rec->config->common.dry_run)
        return true;
    return !leader_get(rec->journal, &leader, err) && leader.ours &&
           leader.until_ms > time_now_ms();
}

static int save_cursor(struct reconciler *rec, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    int r;

    if (rec->config->common.dry_run)
        return 0;
    r = journal_begin(rec->journal, false, &tx, err);
    if (!r)
        r = cursor_set(&tx, "reconciler", rec->cursor, err);
    return r ? r : journal_commit(&tx, err);
}

static bool is_in_scope(const struct reconciler *rec, const char *ns)
{
    const char *only = rec->config->common.ns;

    return str_empty(only) || str_eq(only, ns);
}

static int read_changes(struct reconciler *rec, struct error *err)
{
    struct changed_cluster changed[BATCH];
    int64_t before = rec->cursor, last = rec->cursor;
    size_t n;

    do {
        int r = object_changed_clusters(rec->journal, rec->cursor, changed, BATCH, &n, &last, err);

        if (r)
            return r;
        for (size_t i = 0; i < n; i++) {
            struct work *work =
                is_in_scope(rec, changed[i].ns) ? work_find(rec, &changed[i]) : NULL;

            if (work)
                work->dirty = work->news = true;
        }
        rec->cursor = last;
    } while (n == BATCH);
    return rec->cursor == before ? 0 : save_cursor(rec, err);
}

static int plan_one(struct reconciler *rec, struct work *work, struct error *err)
{
    _cleanup_(snapshot_done) struct snapshot snapshot = {0};
    struct plan plan;
    int r;

    r = snapshot_load(rec->journal, work->ns, work->name, work->uid, &snapshot, err);
    if (r)
        return r;
    work->dirty = work->news = false;
    work->not_before_ms = time_monotonic_ms() + SETTLE_MS;
    if (!snapshot.cluster || !str_eq(json_str(snapshot.cluster, "metadata.uid"), work->uid)) {
        work->uid[0] = '\0'; /* gone: forgotten at the end of the turn */
        return 0;
    }
    work->generation = json_int(snapshot.cluster, "metadata.generation", 0);
    plan_make(&snapshot, time_now_ms(), &plan);
    work->wake_ms = plan.wake_ms;
    if (rec->config->common.dry_run)
        work_print(work, &plan);
    else
        r = work_act(work, &snapshot, &plan, err);
    plan_done(&plan);
    return r;
}

static void forget_gone(struct reconciler *rec)
{
    for (struct work **at = &rec->works; *at;) {
        struct work *work = *at;

        if (work->uid[0] || work->in_flight) {
            at = &work->next;
            continue;
        }
        *at = work->next;
        work_free(work);
    }
}

/* What was refused may be put right by a change of the spec: that doesn't wait. */
static void end_backoff(struct reconciler *rec, struct work *work)
{
    _cleanup_(object_done) struct object cluster = {0};
    struct error err = {0};

    if (!work->failures || !work->news)
        return;
    work->news = false;
    if (object_get(rec->journal, "FlinkCluster", work->ns, work->name, &cluster, &err) ||
        json_int(cluster.json, "metadata.generation", 0) == work->generation)
        return;
    work->failures = 0;
    work->not_before_ms = 0;
}

/* Plan what is due; arm the timer for what gets due later. */
static int plan_due(struct reconciler *rec, struct error *err)
{
    int64_t now = time_now_ms(), monotonic = time_monotonic_ms(), next = -1;

    for (struct work *work = rec->works; work; work = work->next) {
        bool due = work->dirty || (work->wake_ms && work->wake_ms <= now);
        int64_t wait;

        end_backoff(rec, work);
        wait = work->not_before_ms - monotonic;

        if (due && wait <= 0 && !work->in_flight && work->uid[0]) {
            int r = rec->in_flight < IN_FLIGHT_MAX ? plan_one(rec, work, err) : 0;

            if (r)
                return r;
            continue; /* one that had no room is planned when a plan is through */
        }
        if (!due && work->wake_ms)
            wait = work->wake_ms - now > wait ? work->wake_ms - now : wait;
        if ((due || work->wake_ms) && !work->in_flight && (next < 0 || wait < next))
            next = wait > 0 ? wait : 0;
    }
    for (struct work *work = rec->works; work; work = work->next) {
        int64_t wait = work->wake_ms ? work->wake_ms - now : -1;

        if (wait >= 0 && !work->in_flight && (next < 0 || wait < next))
            next = wait;
    }
    loop_timer_arm(rec->due, next);
    forget_gone(rec);
    return 0;
}

void reconciler_wake(struct reconciler *rec)
{
    int64_t passed = time_monotonic_ms() - rec->turned_ms;

    loop_timer_arm(rec->due, passed < LOOK_PAUSE_MS ? LOOK_PAUSE_MS - passed : 0);
}

void reconciler_turn(struct reconciler *rec)
{
    struct error err = {0};
    int r = check_journal(rec, &err);

    rec->turned_ms = time_monotonic_ms();
    if (!r && !is_leader(rec, &err)) {
        rec->ready = true; /* standing by */
        return;
    }
    if (!r)
        r = read_changes(rec, &err);
    if (!r)
        r = plan_due(rec, &err);
    if (r)
        reconciler_journal_trouble(rec, &err);
    else
        rec->journal_lost_ms = 0;
    rec->ready = !r;
}

static void on_sweep(void *userdata)
{
    struct reconciler *rec = userdata;

    reconciler_turn(rec);
    loop_timer_arm(rec->sweep, SWEEP_MS);
}

static void on_due(void *userdata)
{
    reconciler_turn(userdata);
}

static int connect(struct reconciler *rec, struct error *err)
{
    const struct common_config *c = &rec->config->common;
    const struct kube_options options = {
        .kubeconfig = c->kubeconfig, .context = c->context, .user_agent = "flinkd-reconciler"};
    int r;

    if (c->dry_run)
        return 0;
    r = http_new(rec->loop, &rec->http, err);
    if (!r)
        r = kube_client_new(rec->http, rec->loop, &options, &rec->kube, err);
    if (!r && !c->once)
        r = bus_new(rec->loop, c->bus, "reconciler", peers, reconciler_dispatch, rec, &rec->bus,
                    err);
    if (!r && !c->once)
        r = httpd_health(rec->loop, c->health_addr, &rec->ready, &rec->health, err);
    return r;
}

int reconciler_new(const struct reconciler_config *config, struct reconciler **ret,
                   struct error *err)
{
    _cleanup_(reconciler_freep) struct reconciler *rec = calloc(1, sizeof *rec);
    int r;

    if (!rec)
        return error_set(err, ENOMEM, "out of memory");
    rec->config = config;
    (void)snprintf(rec->who, sizeof rec->who, "reconciler-%ld-%lld", (long)getpid(),
                   (long long)time_now_ms());
    r = loop_new(&rec->loop, err);
    if (!r)
        r = open_journal(rec, err);
    if (!r)
        r = connect(rec, err);
    if (r)
        return r;
    rec->sweep = loop_timer_new(rec->loop, on_sweep, rec);
    rec->due = loop_timer_new(rec->loop, on_due, rec);
    if (!rec->sweep || !rec->due)
        return error_set(err, ENOMEM, "out of memory");
    *ret = TAKE(rec);
    return 0;
}

struct reconciler *reconciler_free(struct reconciler *rec)
{
    if (!rec)
        return NULL;
    rec->kube = kube_client_free(rec->kube);
    while (rec->works) {
        struct work *work = rec->works;

        rec->works = work->next;
        work_free(work);
    }
    loop_timer_free(rec->sweep);
    loop_timer_free(rec->due);
    bus_free(rec->bus);
    httpd_free(rec->health);
    http_free(rec->http);
    journal_close(rec->journal);
    loop_free(rec->loop);
    free(rec);
    return NULL;
}

static bool is_busy(const struct reconciler *rec)
{
    for (const struct work *work = rec->works; work; work = work->next)
        if (work->dirty || work->in_flight)
            return true;
    return false;
}

/* --once: until nothing that is known now is left to do. */
static int run_once(struct reconciler *rec, struct error *err)
{
    int r = 0;

    reconciler_turn(rec);
    while (!r && is_busy(rec) && !loop_stopping(rec->loop)) {
        r = loop_step(rec->loop, SETTLE_MS, err);
        reconciler_turn(rec);
    }
    if (!r && rec->journal_lost_ms)
        return error_set(err, EIO, "the journal could not be read");
    return r;
}

int reconciler_run(struct reconciler *rec, struct error *err)
{
    if (rec->config->common.dry_run) {
        reconciler_turn(rec);
        return rec->journal_lost_ms ? error_set(err, EIO, "the journal could not be read") : 0;
    }
    if (rec->config->common.once)
        return run_once(rec, err);
    log_info("started journal=%s server=%s", rec->config->common.journal,
             kube_client_server(rec->kube));
    on_sweep(rec);
    return loop_run(rec->loop, err);
}
