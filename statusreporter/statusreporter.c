/* The journal is read from a cursor that starts at 0 in every process: what is to be said follows
 * from what is known and recorded, so a restart looks at each cluster once and finds little to say.
 * A new cluster is looked at when its children have had a moment to come about, another one as soon
 * as it changed, then after a pause (several children change together), and never while a write of
 * it is under way. */
#include "statusreporter/statusreporter.h"

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "statusreporter/metrics.h"

enum {
    READ_PAUSE_MS = 10, /* between two looks at the journal, however many messages come */
    READ_BATCH = 256,
    SWEEP_MS = 10 * 1000,
    SWEEP_ALONE_MS = 2 * 1000, /* without a bus */
    LEADER_MS = 1000, /* to ask again whether this suite leads */
    RETRY_MS = 5 * 1000, /* the journal can't be read */

    /* Between two looks at a cluster: this, twice and four times that after looks in vain. Under
     * load longer, and more for each cluster that waits: one look takes in more changes then. A new
     * cluster can wait longest: its children are made meanwhile. */
    LOOK_FIRST_MS = 300,
    LOOK_FIRST_MAX_MS = 5000,
    LOOK_PAUSE_MS = 50,
    BUSY_CLUSTERS = 16, /* fewer aren't load */
    LOOK_PAUSE_BUSY_MS = 200,
    LOOK_PAUSE_EACH_MS = 10,
    LOOK_PAUSE_MAX_MS = 2000,
    LOOKS_AT_ONCE = 32, /* then the loop does its other work */

    SENDING_MAX = 4, /* what is said comes after what is done: the reconciler has more at once */
    ONCE_MS = 60 * 1000, /* --once gives up then */
    ONCE_STEP_MS = 20,
    STOP_JOURNAL_MS = 500, /* at SIGTERM other writers of the journal aren't waited for longer */
};

/* ---- the journal ---- */

static int open_journal(struct statusreporter *sr, struct error *err)
{
    struct journal_options options = {.read_only = sr->config->common.dry_run};
    bool rebuilt = false;
    int r = journal_open(sr->config->common.journal, &options, &sr->journal, &rebuilt, err);

    if (r)
        return r;
    if (rebuilt)
        log_warn("journal=\"%s\" was corrupt: put aside and made anew", sr->config->common.journal);
    sr->cursor = 0;
    r = cursor_get(sr->journal, "statusreporter", &sr->told_row, err);
    if (r < 0) {
        sr->journal = journal_close(sr->journal);
        return r;
    }
    sr->history.cursor = sr->history.cursor_written = sr->told_row;
    return r;
}

/* A full disk, or one that somebody holds, is waited out by the sweep, which says so; a journal of
 * a newer flinkd isn't. */
static int open_first_journal(struct statusreporter *sr, struct error *err)
{
    const struct common_config *common = &sr->config->common;
    int r = open_journal(sr, err);

    return common->once || common->dry_run || !journal_is_transient(r) ? r : 0;
}

/* Deleted or replaced: what is known comes again with the watcher's relist. */
static int reopen_if_moved(struct statusreporter *sr, struct error *err)
{
    if (sr->journal && !journal_moved(sr->journal))
        return 0;
    if (sr->journal)
        log_warn("journal=\"%s\" was moved or deleted: opening it again",
                 sr->config->common.journal);
    sr->journal = journal_close(sr->journal);
    tracked_done(&sr->clusters);
    if (tracked_init(&sr->clusters))
        return error_set(err, ENOMEM, "no memory");
    return open_journal(sr, err);
}

static bool is_ours(const struct statusreporter *sr, const struct changed_cluster *c)
{
    const char *ns = sr->config->common.ns;

    return c->name[0] && (str_empty(ns) || str_eq(ns, c->ns));
}

/* How long to wait before a cluster that has changed is looked at. After a time of quiet: not at
 * all. */
static int64_t look_delay(const struct statusreporter *sr, const struct tracked *t)
{
    const struct common_config *common = &sr->config->common;
    int64_t passed = time_monotonic_ms() - t->looked_ms;
    bool busy = statusreporter_is_busy(sr);
    int64_t pause = busy ? LOOK_PAUSE_BUSY_MS : LOOK_PAUSE_MS;
    int64_t most = t->looked_ms ? LOOK_PAUSE_MAX_MS : LOOK_FIRST_MAX_MS;

    if (!t->looked_ms && (common->once || common->dry_run))
        return 0;
    pause = t->looked_ms ? (pause << t->vain_looks) + sr->writer.latency_ms : LOOK_FIRST_MS;
    if (busy)
        pause += (int64_t)LOOK_PAUSE_EACH_MS * sr->waiting;
    if (pause > most)
        pause = most;
    if (!t->looked_ms)
        return pause;
    return passed >= pause ? 0 : pause - passed;
}

bool statusreporter_is_busy(const struct statusreporter *sr)
{
    return sr->waiting > BUSY_CLUSTERS;
}

static void note_change(struct statusreporter *sr, const struct changed_cluster *c)
{
    struct tracked *t = tracked_get(&sr->clusters, c->uid, c->ns, c->name);

    if (!t)
        return;
    t->row = c->row;
    t->changed_ms = time_monotonic_ms();
    if (!t->seen_ms)
        t->seen_ms = t->changed_ms;
    if (!t->open_row)
        t->open_row = c->row;
    statusreporter_due(sr, t, look_delay(sr, t));
}

static int read_changes(struct statusreporter *sr, struct error *err)
{
    _cleanup_(freep) struct changed_cluster *changed = calloc(READ_BATCH, sizeof *changed);
    size_t n = READ_BATCH;
    int r = changed ? reopen_if_moved(sr, err) : error_set(err, ENOMEM, "no memory");

    while (!r && n == READ_BATCH) {
        int64_t last = sr->cursor;

        r = object_changed_clusters(sr->journal, sr->cursor, changed, READ_BATCH, &n, &last, err);
        for (size_t i = 0; !r && i < n; i++) {
            if (is_ours(sr, &changed[i]))
                note_change(sr, &changed[i]);
        }
        if (!r)
            sr->cursor = last;
    }
    return r;
}

/* Up to this row all is said: what the cursor in the journal tells others. */
static int64_t said_row(const struct statusreporter *sr)
{
    int64_t row = sr->cursor;

    for (const struct tracked *t = tracked_next(&sr->clusters, NULL); t;
         t = tracked_next(&sr->clusters, t)) {
        if (t->open_row && t->open_row - 1 < row)
            row = t->open_row - 1;
    }
    return row;
}

static void flush_history(struct statusreporter *sr)
{
    struct error err = {0};
    int64_t row;

    if (!sr->journal || sr->config->common.dry_run)
        return;
    row = said_row(sr);
    if (row > sr->history.cursor) /* not back to what an earlier run has said already */
        sr->history.cursor = row;
    if (history_flush(&sr->history, sr->journal, &err))
        log_warn("history lost: %s", err.text);
}

static void flush_history_soon(struct statusreporter *sr)
{
    if (!loop_timer_armed(sr->history_timer))
        loop_timer_arm(sr->history_timer, HISTORY_DELAY_MS);
}

static void on_read(void *userdata)
{
    struct statusreporter *sr = userdata;
    struct error err = {0};

    sr->read_ms = time_monotonic_ms();
    sr->ready = read_changes(sr, &err) == 0;
    if (sr->ready)
        return;
    log_warn("%s; retrying in %d s", err.text, RETRY_MS / 1000);
    loop_timer_arm(sr->read_timer, RETRY_MS);
}

void statusreporter_wake(struct statusreporter *sr)
{
    int64_t passed = time_monotonic_ms() - sr->read_ms;

    if (!loop_timer_armed(sr->read_timer))
        loop_timer_arm(sr->read_timer, passed >= READ_PAUSE_MS ? 0 : READ_PAUSE_MS - passed);
}

static void on_sweep(void *userdata)
{
    struct statusreporter *sr = userdata;

    on_read(sr);
    loop_timer_arm(sr->sweep_timer, str_empty(sr->config->common.bus) ? SWEEP_ALONE_MS : SWEEP_MS);
}

/* ---- which cluster is due ---- */

/* Some cluster is due at @at. */
static void arrange(struct statusreporter *sr, int64_t at)
{
    int64_t now = time_monotonic_ms();

    if (sr->next_due_ms && sr->next_due_ms <= at)
        return;
    sr->next_due_ms = at;
    loop_timer_arm(sr->report_timer, at > now ? at - now : 0);
}

void statusreporter_due(struct statusreporter *sr, struct tracked *t, int64_t delay_ms)
{
    int64_t at = time_monotonic_ms() + delay_ms;

    if (!t->due_ms || at < t->due_ms)
        t->due_ms = at;
    if (!t->in_flight) /* else it is looked at when the write is done */
        arrange(sr, t->due_ms);
}

static bool may_write(struct statusreporter *sr)
{
    struct error err = {0};
    struct leader leader;

    if (sr->config->common.dry_run)
        return true;
    if (leader_get(sr->journal, &leader, &err)) {
        log_warn("%s; retrying in %d s", err.text, LEADER_MS / 1000);
        return false;
    }
    return leader.ours && leader.until_ms > time_now_ms();
}

static void look_at(struct statusreporter *sr, struct tracked *t, int64_t now)
{
    struct error err = {0};

    t->due_ms = 0;
    t->looked_ms = now;
    if (!statusreporter_report(sr, t, &err)) /* it may be forgotten now */
        return;
    log_warn("%s; retrying in %d s", err.text, RETRY_MS / 1000);
    sr->failures++;
    statusreporter_due(sr, t, RETRY_MS);
}

static void look_at_due(struct statusreporter *sr)
{
    int64_t now = time_monotonic_ms();
    struct tracked *t, *next;
    int looks = 0;

    sr->waiting = 0;
    for (t = tracked_next(&sr->clusters, NULL); t; t = next) {
        next = tracked_next(&sr->clusters, t);
        if (!t->due_ms || t->in_flight)
            continue;
        if (t->open_row)
            sr->waiting++;
        if (t->due_ms <= now && looks++ < LOOKS_AT_ONCE)
            look_at(sr, t, now); /* may free it */
        else
            arrange(sr, t->due_ms);
    }
}

static void on_report(void *userdata)
{
    struct statusreporter *sr = userdata;
    bool leads = sr->journal && may_write(sr);

    if (leads != sr->leads)
        log_info("%s",
                 leads ? "this instance leads: it writes" : "another instance leads: waiting");
    sr->leads = leads;
    sr->next_due_ms = 0;
    if (leads)
        look_at_due(sr);
    else
        arrange(sr, time_monotonic_ms() + LEADER_MS);
    if (leads && sr->history.cursor_written < sr->cursor)
        flush_history_soon(sr);
}

/* ---- outcome of a write ---- */

static void on_written(void *userdata, const char *uid, cJSON *written, int64_t retry_ms)
{
    struct statusreporter *sr = userdata;
    struct tracked *t = tracked_find(&sr->clusters, uid);

    if (written && history_add(&sr->history, uid, "status", time_now_ms(), written))
        flush_history(sr);
    flush_history_soon(sr);
    sr->failures += retry_ms != 0;
    if (!t)
        return;
    if (retry_ms)
        statusreporter_due(sr, t, retry_ms);
    else if (t->due_ms) /* it changed meanwhile */
        arrange(sr, t->due_ms);
}

static void on_history(void *userdata)
{
    flush_history(userdata);
}

/* ---- life of the daemon ---- */

static int open_timers(struct statusreporter *sr, struct error *err)
{
    sr->read_timer = loop_timer_new(sr->loop, on_read, sr);
    sr->report_timer = loop_timer_new(sr->loop, on_report, sr);
    sr->sweep_timer = loop_timer_new(sr->loop, on_sweep, sr);
    sr->history_timer = loop_timer_new(sr->loop, on_history, sr);
    if (!sr->read_timer || !sr->report_timer || !sr->sweep_timer || !sr->history_timer)
        return error_set(err, ENOMEM, "no memory for timers");
    return 0;
}

static int open_kube(struct statusreporter *sr, struct error *err)
{
    const struct common_config *common = &sr->config->common;
    struct kube_options options = {
        .kubeconfig = common->kubeconfig,
        .context = common->context,
        .user_agent = "flinkd-statusreporter",
        .sending_max = SENDING_MAX,
    };
    int r;

    if (common->dry_run)
        return 0;
    r = http_new(sr->loop, &sr->http, err);
    if (!r)
        r = kube_client_new(sr->http, sr->loop, &options, &sr->kube, err);
    if (r)
        return r;
    sr->events = event_sender_new(sr->kube);
    sr->writer.kube = sr->kube;
    return sr->events ? 0 : error_set(err, ENOMEM, "no memory");
}

/* A run for debugging doesn't take the addresses of the daemon beside it. */
static int open_servers(struct statusreporter *sr, struct error *err)
{
    const struct common_config *common = &sr->config->common;
    static const char *const peers[] = {"watcher", "reconciler", "jobsubmitter", NULL};
    bool alone = common->dry_run || common->once;
    int r = bus_new(sr->loop, alone ? "" : common->bus, "statusreporter", peers,
                    statusreporter_dispatch, sr, &sr->bus, err);

    if (!r && !alone)
        r = httpd_health(sr->loop, common->health_addr, &sr->ready, &sr->health, err);
    if (!r && !alone)
        r = metrics_serve(sr, err);
    return r;
}

int statusreporter_new(const struct statusreporter_config *config, struct statusreporter **ret,
                       struct error *err)
{
    _cleanup_(statusreporter_freep) struct statusreporter *sr = calloc(1, sizeof *sr);
    int r;

    if (!sr)
        return error_set(err, ENOMEM, "no memory");
    sr->config = config;
    sr->writer =
        (struct status_writer){.on_done = on_written, .clusters = &sr->clusters, .userdata = sr};
    if (tracked_init(&sr->clusters))
        return error_set(err, ENOMEM, "no memory");
    r = loop_new(&sr->loop, err);
    if (!r)
        r = open_timers(sr, err);
    if (!r)
        r = open_first_journal(sr, err);
    if (!r)
        r = open_kube(sr, err);
    if (!r)
        r = open_servers(sr, err);
    if (!r)
        *ret = TAKE(sr);
    return r;
}

struct statusreporter *statusreporter_free(struct statusreporter *sr)
{
    if (!sr)
        return NULL;
    status_writer_done(&sr->writer);
    event_sender_free(sr->events);
    httpd_free(sr->metrics);
    httpd_free(sr->health);
    bus_free(sr->bus);
    kube_client_free(sr->kube);
    http_free(sr->http);
    loop_timer_free(sr->read_timer);
    loop_timer_free(sr->report_timer);
    loop_timer_free(sr->sweep_timer);
    loop_timer_free(sr->history_timer);
    history_done(&sr->history);
    journal_close(sr->journal);
    tracked_done(&sr->clusters);
    loop_free(sr->loop);
    free(sr);
    return NULL;
}

void statusreporter_freep(struct statusreporter **sr)
{
    *sr = statusreporter_free(*sr);
}

/* ---- running ---- */

static bool is_idle(const struct statusreporter *sr)
{
    int64_t now = time_monotonic_ms();

    if (sr->writer.in_flight || event_sender_in_flight(sr->events))
        return false;
    for (const struct tracked *t = tracked_next(&sr->clusters, NULL); t;
         t = tracked_next(&sr->clusters, t)) {
        if (t->due_ms && t->due_ms <= now)
            return false;
    }
    return true;
}

static int check_failures(const struct statusreporter *sr, struct error *err)
{
    const struct event_counts *events = event_sender_counts(sr->events);
    int64_t events_lost = events->failed + events->left_out;

    if (sr->writer.conflicts)
        return error_set(err, EIO,
                         "statuses that weren't written, as the journal is out of date: %lld; "
                         "flinkd-watcher --once brings it up to date",
                         (long long)sr->writer.conflicts);
    if (!sr->failures && !events_lost)
        return 0;
    return error_set(err, EIO,
                     "what couldn't be written: %lld statuses, %lld Events; --log-level=debug "
                     "tells why",
                     (long long)sr->failures, (long long)events_lost);
}

/* What failed is tried again after a while: not by us. */
static int run_once(struct statusreporter *sr, struct error *err)
{
    int64_t until_ms = time_monotonic_ms() + ONCE_MS;
    int r = sr->config->common.dry_run ? 0 : leader_require(sr->journal, time_now_ms(), err);

    sr->leads = true;
    if (!r)
        r = read_changes(sr, err);
    while (!r && !loop_stopping(sr->loop) && !is_idle(sr)) {
        if (time_monotonic_ms() > until_ms)
            return error_set(err, ETIMEDOUT, "not everything was said within %d s", ONCE_MS / 1000);
        r = loop_step(sr->loop, ONCE_STEP_MS, err);
        if (!r && !sr->config->common.dry_run)
            r = leader_require(sr->journal, time_now_ms(), err);
    }
    return r ? r : check_failures(sr, err);
}

int statusreporter_run(struct statusreporter *sr, struct error *err)
{
    int r;

    if (sr->config->common.once || sr->config->common.dry_run) {
        r = run_once(sr, err);
    } else {
        on_sweep(sr);
        r = loop_run(sr->loop, err);
    }
    if (sr->journal && loop_stopping(sr->loop))
        journal_set_busy_timeout(sr->journal, STOP_JOURNAL_MS);
    flush_history(sr);
    return r;
}
