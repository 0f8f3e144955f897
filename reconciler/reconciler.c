#include "reconciler/reconciler.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/seat.h"
#include "common/base/str.h"
#include "common/base/time.h"

enum {
    SWEEP_MS = 2000, /* with every message lost, so late a change is seen */
    LOOK_PAUSE_MS = 5, /* messages that come together are one look at the journal */
    BATCH = 64,
    CURSOR_MS = 100, /* how late the journal may know what was planned */
    TROUBLE_LOG_MS = 60 * 1000,
    STOP_JOURNAL_MS = 500, /* at the end other writers of the journal aren't waited for longer */
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

/* A full disk, or one that somebody holds, is waited out by the sweep; a journal of a newer flinkd
 * isn't. */
static int open_first_journal(struct reconciler *rec, struct error *err)
{
    const struct common_config *c = &rec->config->common;
    int r = open_journal(rec, err);

    if (!r || c->once || c->dry_run || !journal_is_transient(r))
        return r;
    reconciler_journal_trouble(rec, err);
    return 0;
}

/* A journal that was deleted or replaced: start again from its beginning. */
static int check_journal(struct reconciler *rec, struct error *err)
{
    int r;

    if (rec->journal && !journal_moved(rec->journal))
        return 0;
    if (rec->journal)
        log_warn("the journal was replaced, reading it from its beginning");
    rec->journal = journal_close(rec->journal);
    rec->cursor = rec->cursor_saved = 0;
    r = open_journal(rec, err);
    if (!r)
        log_info("journal=%s opened", rec->config->common.journal);
    return r;
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

static int plan_due(struct reconciler *rec, struct error *err)
{
    int r = reconciler_plan_due(rec, err);

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
    journal_set_busy_timeout(rec->journal, STOP_JOURNAL_MS);
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

int reconciler_run(struct reconciler *rec, struct error *err)
{
    int r;

    if (rec->config->common.dry_run) {
        reconciler_turn(rec);
        return rec->journal_lost_ms ? error_set(err, EIO, "the journal could not be read") : 0;
    }
    if (rec->config->common.once) {
        r = reconciler_once(rec, err);
        if (!r)
            r = save_cursor(rec, err);
    } else {
        log_info("started identity=%s journal=%s server=%s", rec->who, rec->config->common.journal,
                 kube_client_server(rec->kube));
        on_sweep(rec);
        r = loop_run(rec->loop, err);
    }
    give_back(rec);
    return r;
}
