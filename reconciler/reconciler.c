#include "reconciler/reconciler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/seat.h"
#include "common/base/str.h"
#include "common/base/time.h"

enum {
    SWEEP_MS = 2000, /* with every message lost, so late a change is seen */
    SETTLE_MS = 40, /* changes of one cluster that come together are planned together */
    LOOK_PAUSE_MS = 5, /* messages that come together are one look at the journal */
    IN_FLIGHT_MAX = 96, /* more requests would only wait, and be decided on older rows */
    BATCH = 64,
    CURSOR_MS = 100, /* how late the journal may know what was planned */
    ERRANDS_MAX = 8, /* plans that are recorded in one transaction */
    BUSY_WORKS = 16, /* fewer changed clusters aren't load */
    SETTLE_BUSY_MS = 4, /* for each changed cluster: one plan then takes in more changes */
    SETTLE_MAX_MS = 1000,
    TROUBLE_LOG_MS = 60 * 1000,
};

static const char *const peers[] = {"watcher", "jobsubmitter", NULL};

void reconciler_journal_trouble(struct reconciler *rec, const struct error *err)
{
    int64_t now = time_monotonic_ms();

    if (err->code != -EUCLEAN && rec->journal_lost_ms &&
        now - rec->journal_lost_ms < TROUBLE_LOG_MS)
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

/* A full disk is waited out by the sweep; a journal of a newer flinkd isn't. */
static int open_first_journal(struct reconciler *rec, struct error *err)
{
    const struct common_config *c = &rec->config->common;
    int r = open_journal(rec, err);

    if (!journal_is_transient(r) || c->once || c->dry_run)
        return r;
    reconciler_journal_trouble(rec, err);
    return 0;
}

/* A journal that was deleted or replaced: start again from its beginning. */
static int check_journal(struct reconciler *rec, struct error *err)
{
    if (rec->journal && !journal_moved(rec->journal))
        return 0;
    if (rec->journal)
        log_warn("the journal was replaced, reading it from its beginning");
    rec->journal = journal_close(rec->journal);
    rec->cursor = rec->cursor_saved = 0;
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

/* It will be planned in a moment; one that is tried again later, or elsewhere, holds nothing up. */
static bool is_unread(const struct work *work)
{
    return work->dirty && work->dirty_row && !work->failures && !work->elsewhere;
}

/* Up to this row every change is planned: what the cursor in the journal tells others. */
static int64_t planned_row(const struct reconciler *rec)
{
    int64_t row = rec->cursor;

    for (const struct work *work = rec->works; work; work = work->next)
        if (is_unread(work) && work->dirty_row <= row)
            row = work->dirty_row - 1;
    return row;
}

static int save_cursor(struct reconciler *rec, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    int64_t row = planned_row(rec);
    int r;

    if (!rec->journal || rec->config->common.dry_run || row == rec->cursor_saved)
        return 0;
    r = journal_begin(rec->journal, false, &tx, err);
    if (!r)
        r = cursor_set(&tx, "reconciler", row, err);
    if (!r)
        r = journal_commit(&tx, err);
    if (!r)
        rec->cursor_saved = row;
    return r;
}

static void on_cursor(void *userdata)
{
    struct reconciler *rec = userdata;
    struct error err = {0};

    if (save_cursor(rec, &err))
        reconciler_journal_trouble(rec, &err);
}

static bool is_in_scope(const struct reconciler *rec, const char *ns)
{
    const char *only = rec->config->common.ns;

    return str_empty(only) || str_eq(only, ns);
}

static int read_changes(struct reconciler *rec, struct error *err)
{
    struct changed_cluster changed[BATCH];
    int64_t last = rec->cursor;
    size_t n;

    do {
        int r = object_changed_clusters(rec->journal, rec->cursor, changed, BATCH, &n, &last, err);

        if (r)
            return r;
        for (size_t i = 0; i < n; i++) {
            struct work *work =
                is_in_scope(rec, changed[i].ns) ? work_find(rec, &changed[i]) : NULL;

            if (work && !work->dirty)
                work->dirty_row = changed[i].row;
            if (work)
                work->dirty = work->news = true;
        }
        rec->cursor = last;
    } while (n == BATCH);
    return 0;
}

/* ---- planning ---- */

/* Plans of a turn that aren't acted out yet. */
struct errands {
    struct reconciler *rec;
    struct errand *items; /* ERRANDS_MAX, once there is one */
    int n, requests;
    int waiting; /* clusters that are due */
};

static void publish(struct reconciler *rec, enum message_type type, const struct errand *e)
{
    uint64_t row = (uint64_t)e->snapshot.row;
    struct message m = {.type = type};
    struct error err = {0};

    if (type == MESSAGE_COMMAND_READY)
        m.command_ready = (struct message_command_ready){.row = row, .uid = e->work->uid};
    else
        m.decided = (struct message_decided){.row = row, .uid = e->work->uid};
    if (rec->bus && bus_publish(rec->bus, &m, &err))
        log_debug("cluster=%s/%s message lost: %s", e->work->ns, e->work->name, err.text);
}

/* One message for all of them: it only says that there is something to read. */
static void tell(const struct errands *errands)
{
    const struct errand *command = NULL, *any = NULL;

    for (int i = 0; i < errands->n; i++) {
        any = errands->items[i].tells ? &errands->items[i] : any;
        command = errands->items[i].has_commands ? &errands->items[i] : command;
    }
    if (command)
        publish(errands->rec, MESSAGE_COMMAND_READY, command);
    else if (any)
        publish(errands->rec, MESSAGE_DECIDED, any);
}

static void errands_clear(struct errands *errands)
{
    for (int i = 0; i < errands->n; i++)
        errand_done(&errands->items[i]);
    errands->n = errands->requests = 0;
}

/* What is left was neither recorded nor done: it is planned anew. */
static void errands_give_up(struct errands *errands)
{
    for (int i = 0; i < errands->n; i++)
        errands->items[i].work->dirty = true;
    errands_clear(errands);
    free(errands->items);
}

static int errands_run(struct errands *errands, struct error *err)
{
    int r = errands_record(errands->rec, errands->items, errands->n, err);
    int done = 0;

    if (!r)
        tell(errands);
    while (!r && done < errands->n)
        r = errand_act(&errands->items[done++], err);
    if (r)
        return r;
    errands_clear(errands);
    return 0;
}

/* How long the changes of a cluster that was planned are gathered before it is planned again. */
static int64_t settle_ms(const struct reconciler *rec)
{
    int64_t ms = SETTLE_MS;

    if (rec->waiting > BUSY_WORKS)
        ms += (int64_t)SETTLE_BUSY_MS * rec->waiting;
    return ms < SETTLE_MAX_MS ? ms : SETTLE_MAX_MS;
}

static int plan_one(struct errands *errands, struct work *work, struct error *err)
{
    struct reconciler *rec = errands->rec;
    struct errand *e;
    int r;

    if (!errands->items)
        errands->items = calloc(ERRANDS_MAX, sizeof *errands->items);
    if (!errands->items)
        return error_set(err, ENOMEM, "out of memory");
    e = &errands->items[errands->n];
    *e = (struct errand){.work = work};
    r = snapshot_load(rec->journal, work->ns, work->name, work->uid, &e->snapshot, err);
    if (r)
        return r;
    work->dirty = work->news = false;
    work->planned = true;
    work->not_before_ms = time_monotonic_ms() + settle_ms(rec);
    if (!e->snapshot.cluster || !str_eq(json_str(e->snapshot.cluster, "metadata.uid"), work->uid)) {
        errand_done(e);
        work->uid[0] = '\0'; /* gone: forgotten at the end of the turn */
        return 0;
    }
    errands->n++;
    work->generation = json_int(e->snapshot.cluster, "metadata.generation", 0);
    plan_make(&e->snapshot, time_now_ms(), &e->plan);
    work->wake_ms = e->plan.wake_ms;
    if (rec->config->common.dry_run) {
        work_print(work, &e->plan);
        errands_clear(errands);
        return 0;
    }
    errands->requests += errand_prepare(e);
    return errands->n == ERRANDS_MAX ? errands_run(errands, err) : 0;
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

static bool is_due(const struct work *work, int64_t now_ms)
{
    return work->dirty || (work->wake_ms && work->wake_ms <= now_ms);
}

/* In how many ms to look at it again; 0: it can be planned now; negative: not by itself. */
static int64_t wait_of(struct work *work, int64_t now_ms, int64_t monotonic_ms)
{
    int64_t settle = work->not_before_ms - monotonic_ms;
    int64_t wake = work->wake_ms ? work->wake_ms - now_ms : -1;

    if (work->in_flight || !work->uid[0])
        return -1; /* the end of its requests wakes us */
    if (!is_due(work, now_ms))
        return wake < 0 ? -1 : wake > settle ? wake : settle;
    if (settle > 0)
        return settle;
    return work_is_current(work) ? 0 : work->patience_ms - monotonic_ms;
}

/* @fresh: those that weren't planned before; they come first. */
static int plan_works(struct errands *errands, bool fresh, int64_t *next, struct error *err)
{
    struct reconciler *rec = errands->rec;
    int64_t now = time_now_ms(), monotonic = time_monotonic_ms();

    for (struct work *work = rec->works; work; work = work->next) {
        int64_t wait;
        int r;

        if (work->planned == fresh)
            continue;
        end_backoff(rec, work);
        errands->waiting += is_due(work, now);
        wait = wait_of(work, now, monotonic);
        if (wait == 0 && rec->in_flight + errands->requests >= IN_FLIGHT_MAX)
            continue; /* planned when another plan is through */
        if (wait == 0) {
            r = plan_one(errands, work, err);
            if (r)
                return r;
            wait = work->wake_ms ? work->wake_ms - now : -1;
        }
        if (wait >= 0 && (*next < 0 || wait < *next))
            *next = wait;
    }
    return 0;
}

/* Plan what is due; arm the timer for what gets due later. */
static int plan_due(struct reconciler *rec, struct error *err)
{
    struct errands errands = {.rec = rec};
    int64_t next = -1;
    int r;

    r = plan_works(&errands, true, &next, err);
    if (!r)
        r = plan_works(&errands, false, &next, err);
    if (!r)
        r = errands_run(&errands, err);
    errands_give_up(&errands);
    rec->waiting = errands.waiting;
    loop_timer_arm(rec->due, next);
    forget_gone(rec);
    if (!loop_timer_armed(rec->cursor_timer) && planned_row(rec) != rec->cursor_saved)
        loop_timer_arm(rec->cursor_timer, CURSOR_MS);
    return r;
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

/* The name that claims carry: the same again after a crash. */
static int identify(struct reconciler *rec, struct error *err)
{
    const struct common_config *c = &rec->config->common;
    const char *pod = getenv("POD_NAME");
    char host[128] = "localhost";
    int seat = 0;
    int r = c->dry_run ? 0 : seat_take("reconciler", c->journal, &seat, &rec->seat_fd, err);

    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(rec->who, sizeof rec->who, "reconciler@%.250s/%d", str_empty(pod) ? host : pod,
                   seat);
    return r;
}

/* Others needn't wait for the claims' ends. */
static void give_back(struct reconciler *rec)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct error err = {0};
    int r;

    if (rec->config->common.dry_run || !rec->journal)
        return;
    r = journal_begin(rec->journal, false, &tx, &err);
    if (!r)
        r = claim_release(&tx, NULL, rec->who, &err);
    if (!r)
        r = journal_commit(&tx, &err);
    if (r)
        log_warn("claims: %s, they run out", err.text);
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
    rec->seat_fd = -1;
    r = loop_new(&rec->loop, err);
    if (!r)
        r = open_first_journal(rec, err);
    if (!r)
        r = identify(rec, err);
    if (!r)
        r = connect(rec, err);
    if (r)
        return r;
    rec->sweep = loop_timer_new(rec->loop, on_sweep, rec);
    rec->due = loop_timer_new(rec->loop, on_due, rec);
    rec->cursor_timer = loop_timer_new(rec->loop, on_cursor, rec);
    if (!rec->sweep || !rec->due || !rec->cursor_timer)
        return error_set(err, ENOMEM, "out of memory");
    *ret = TAKE(rec);
    return 0;
}

struct reconciler *reconciler_free(struct reconciler *rec)
{
    if (!rec)
        return NULL;
    if (rec->seat_fd >= 0)
        (void)close(rec->seat_fd);
    rec->kube = kube_client_free(rec->kube);
    while (rec->works) {
        struct work *work = rec->works;

        rec->works = work->next;
        work_free(work);
    }
    loop_timer_free(rec->sweep);
    loop_timer_free(rec->due);
    loop_timer_free(rec->cursor_timer);
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
        if ((work->dirty && !work->elsewhere) || work->in_flight)
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
    if (!r)
        r = save_cursor(rec, err);
    if (!r && rec->journal_lost_ms)
        return error_set(err, EIO, "the journal could not be read");
    return r;
}

int reconciler_run(struct reconciler *rec, struct error *err)
{
    int r;

    if (rec->config->common.dry_run) {
        reconciler_turn(rec);
        return rec->journal_lost_ms ? error_set(err, EIO, "the journal could not be read") : 0;
    }
    if (rec->config->common.once) {
        r = run_once(rec, err);
    } else {
        log_info("started identity=%s journal=%s server=%s", rec->who, rec->config->common.journal,
                 kube_client_server(rec->kube));
        on_sweep(rec);
        r = loop_run(rec->loop, err);
    }
    give_back(rec);
    return r;
}
