#include "watcher/watcher.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/time.h"
#include "watcher/clusters.h"
#include "watcher/crash.h"
#include "watcher/election.h"
#include "watcher/flink_source.h"
#include "watcher/kube_source.h"
#include "watcher/notice.h"
#include "watcher/record.h"

enum {
    HOUSEKEEPING_MS = 2000,
    STARTING_MS = 100, /* housekeeping until everything is synced */
    COMPACTION_MS = 60000,
    COMPACTION_MORE_MS = 200,
    ONCE_MS = 60000, /* --once gives up then */
    STOP_JOURNAL_MS = 200, /* at SIGTERM other writers of the journal aren't waited for longer */
    DAY_MS = 24 * 3600 * 1000,
};

/* ---- the journal ---- */

static int open_journal(struct watcher *w, struct error *err)
{
    bool rebuilt = false;
    int r = journal_open(w->config->common.journal, NULL, &w->journal, &rebuilt, err);

    if (rebuilt)
        log_warn("journal=\"%s\" was corrupt: put aside and rebuilt", w->config->common.journal);
    return r;
}

static int forget_clusters(struct watcher *w, struct error *err)
{
    struct clusters *fresh = clusters_new();

    if (!fresh)
        return error_set(err, ENOMEM, "out of memory");
    flink_source_reset(w->flink_source);
    clusters_free(w->clusters);
    w->clusters = fresh;
    crash_reset(w->crash);
    record_reset(w->record);
    return 0;
}

static int reopen(struct watcher *w, struct error *err)
{
    int r;

    w->journal = journal_close(w->journal);
    r = open_journal(w, err);
    if (!r)
        r = forget_clusters(w, err);
    if (!r)
        r = notice_journal(w, err);
    if (!r)
        r = kube_source_restart(w->kube_source, err);
    return r;
}

void watcher_reopen(struct watcher *w)
{
    struct error err = {0};

    if (w->config->common.dry_run)
        return;
    w->ready = false;
    if (reopen(w, &err)) {
        log_error("%s, retrying in %d ms", err.text, HOUSEKEEPING_MS);
        w->journal = journal_close(w->journal);
        return;
    }
    log_info("journal=\"%s\" opened anew", w->config->common.journal);
    if (w->election)
        election_repeat(w->election);
}

/* ---- timers ---- */

static void on_housekeeping(void *userdata)
{
    struct watcher *w = userdata;

    if (!w->config->common.dry_run && (!w->journal || journal_moved(w->journal)))
        watcher_reopen(w);
    flink_source_sweep(w->flink_source);
    if (!w->ready && kube_source_is_synced(w->kube_source) && record_is_idle(w->record)) {
        w->ready = true;
        log_info("everything is listed");
        if (w->election)
            election_repeat(w->election);
    }
    loop_timer_arm(w->housekeeping, w->ready ? HOUSEKEEPING_MS : STARTING_MS);
}

static void on_compaction(void *userdata)
{
    struct watcher *w = userdata;
    const struct retention keep = {
        .event_age_ms = w->config->history_days * DAY_MS,
        .event_rows = w->config->history_rows,
    };
    struct error err = {0};
    bool more = false;

    if (w->journal && journal_compact(w->journal, &keep, time_now_ms(), &more, &err))
        log_warn("compaction: %s, retrying in %d s", err.text, COMPACTION_MS / 1000);
    loop_timer_arm(w->compaction, more ? COMPACTION_MORE_MS : COMPACTION_MS);
}

/* ---- life ---- */

static int open_clients(struct watcher *w, struct error *err)
{
    const struct kube_options options = {
        .kubeconfig = w->config->common.kubeconfig,
        .context = w->config->common.context,
        .user_agent = "flinkd-watcher",
    };
    int r;

    r = loop_new(&w->loop, err);
    if (!r)
        r = http_new(w->loop, &w->http, err);
    if (!r)
        r = kube_client_new(w->http, w->loop, &options, &w->kube, err);
    if (!r)
        r = flink_client_new(w->http, &w->flink, err);
    return r;
}

/* --once and --dry-run leave the socket and the Lease to the watcher that runs. */
static bool is_visit(const struct watcher *w)
{
    return w->config->common.once || w->config->common.dry_run;
}

static int open_peers(struct watcher *w, struct error *err)
{
    static const char *const peers[] = {"reconciler", "jobsubmitter", NULL};
    const struct common_config *common = &w->config->common;
    int r;

    r = bus_new(w->loop, is_visit(w) ? "" : common->bus, "watcher", peers, watcher_dispatch, w,
                &w->bus, err);
    if (!r)
        r = httpd_health(w->loop, common->health_addr, &w->ready, &w->health, err);
    return r;
}

static int open_parts(struct watcher *w, struct error *err)
{
    w->clusters = clusters_new();
    w->record = record_new(w);
    w->crash = crash_new(w);
    w->housekeeping = loop_timer_new(w->loop, on_housekeeping, w);
    w->compaction = loop_timer_new(w->loop, on_compaction, w);
    if (!w->clusters || !w->record || !w->crash || !w->housekeeping || !w->compaction)
        return error_set(err, ENOMEM, "out of memory");
    return flink_source_new(w, &w->flink_source, err);
}

/* A full disk is waited out; a journal of a newer flinkd isn't. */
static int open_first_journal(struct watcher *w, struct error *err)
{
    int r;

    if (w->config->common.dry_run)
        return 0;
    r = open_journal(w, err);
    if (r && !(journal_is_transient(r) && !w->config->common.once))
        return r;
    if (r)
        log_error("%s, retrying in %d ms", err->text, HOUSEKEEPING_MS);
    else
        r = notice_journal(w, err);
    return journal_is_transient(r) ? 0 : r;
}

static int open_all(struct watcher *w, struct error *err)
{
    int r;

    r = open_clients(w, err);
    if (!r)
        r = open_parts(w, err);
    if (!r)
        r = open_peers(w, err);
    if (!r)
        r = open_first_journal(w, err);
    if (!r && !(is_visit(w) && w->config->leader_election))
        r = w->config->common.dry_run ? 0 : election_new(w, &w->election, err);
    if (!r)
        r = kube_source_new(w, &w->kube_source, err);
    return r;
}

int watcher_new(const struct watcher_config *config, struct watcher **ret, struct error *err)
{
    _cleanup_(watcher_freep) struct watcher *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return error_set(err, ENOMEM, "out of memory");
    w->config = config;
    r = open_all(w, err);
    if (r)
        return r;
    loop_timer_arm(w->housekeeping, 0);
    loop_timer_arm(w->compaction, COMPACTION_MS);
    *ret = TAKE(w);
    return 0;
}

struct watcher *watcher_free(struct watcher *w)
{
    if (!w)
        return NULL;
    kube_source_free(w->kube_source);
    election_free(w->election);
    flink_source_free(w->flink_source);
    crash_free(w->crash);
    record_free(w->record);
    clusters_free(w->clusters);
    loop_timer_free(w->housekeeping);
    loop_timer_free(w->compaction);
    httpd_free(w->health);
    bus_free(w->bus);
    flink_client_free(w->flink);
    kube_client_free(w->kube);
    http_free(w->http);
    journal_close(w->journal);
    loop_free(w->loop);
    free(w);
    return NULL;
}

void watcher_freep(struct watcher **w)
{
    watcher_free(*w);
}

static bool is_done(const struct watcher *w)
{
    return w->ready && record_is_idle(w->record) && crash_is_idle(w->crash) &&
           flink_source_is_idle(w->flink_source);
}

static int run_once(struct watcher *w, struct error *err)
{
    int64_t until_ms = time_monotonic_ms() + ONCE_MS;
    int r = 0;

    while (!r && !is_done(w) && !loop_stopping(w->loop)) {
        if (time_monotonic_ms() > until_ms)
            return error_set(err, ETIMEDOUT, "not everything could be listed within %d s",
                             ONCE_MS / 1000);
        r = loop_step(w->loop, STARTING_MS, err);
    }
    return r;
}

int watcher_run(struct watcher *w, struct error *err)
{
    int r;

    log_info("watching server=%s namespace=\"%s\" journal=\"%s\"", kube_client_server(w->kube),
             w->config->common.ns, w->config->common.journal);
    r = is_visit(w) ? run_once(w, err) : loop_run(w->loop, err);
    if (w->journal && loop_stopping(w->loop))
        journal_set_busy_timeout(w->journal, STOP_JOURNAL_MS);
    while (!r && w->record && !record_is_idle(w->record) && w->journal) {
        if (record_flush(w->record)) /* what can't be stored is seen again by the next watcher */
            break;
    }
    if (w->election)
        election_release(w->election);
    return r;
}
