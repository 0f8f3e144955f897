#include "jobsubmitter/jobsubmitter.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/seat.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "jobsubmitter/work.h"

enum {
    SWEEP_MS = 2000,
    STEP_MS = 100,
    STOP_MS = 1500, /* how long what is under way may go on at SIGTERM: it ends within 2 s */
    STOP_JOURNAL_MS = 100, /* then other writers of the journal aren't waited for longer */
    ONCE_MS = 60000, /* --once gives up then */
};

/* ---- the journal ---- */

/* Claims of a predecessor that died under this name are free again: acting twice is harmless. */
static int release_claims(struct jobsubmitter *js, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    int r;

    r = journal_begin(js->journal, false, &tx, err);
    if (!r)
        r = command_release(&tx, js->identity, time_now_ms(), err);
    if (!r)
        r = journal_commit(&tx, err);
    return r;
}

static int open_journal(struct jobsubmitter *js, struct error *err)
{
    const struct journal_options options = {.read_only = js->config->common.dry_run};
    bool rebuilt = false;
    int r;

    r = journal_open(js->config->common.journal, &options, &js->journal, &rebuilt, err);
    if (rebuilt)
        log_warn("journal=\"%s\" was corrupt: put aside and rebuilt", js->config->common.journal);
    if (!r && !js->config->common.dry_run)
        r = release_claims(js, err);
    if (r)
        js->journal = journal_close(js->journal);
    return r;
}

void jobsubmitter_reopen(struct jobsubmitter *js)
{
    struct error err = {0};

    /* Its numbers may mean other commands now. */
    claim_forget(js);
    js->journal = journal_close(js->journal);
    js->ready = !open_journal(js, &err);
    if (js->ready)
        log_info("journal=\"%s\" opened anew", js->config->common.journal);
    else
        log_error("%s, retrying in %d ms", err.text, SWEEP_MS);
    loop_timer_arm(js->sweep, js->ready ? 0 : SWEEP_MS);
}

static void on_sweep(void *userdata)
{
    struct jobsubmitter *js = userdata;

    if (!js->journal || journal_moved(js->journal))
        jobsubmitter_reopen(js);
    else
        claim_work(js);
}

/* ---- life ---- */

static bool is_visit(const struct jobsubmitter *js)
{
    return js->config->common.once || js->config->common.dry_run;
}

static int open_clients(struct jobsubmitter *js, struct error *err)
{
    static const char *const peers[] = {"reconciler", NULL};
    const struct common_config *common = &js->config->common;
    const struct kube_options options = {
        .kubeconfig = common->kubeconfig,
        .context = common->context,
        .user_agent = "flinkd-jobsubmitter",
    };
    int r;

    r = loop_new(&js->loop, err);
    if (!r)
        r = http_new(js->loop, &js->http, err);
    if (!r)
        r = kube_client_new(js->http, js->loop, &options, &js->kube, err);
    if (!r)
        r = flink_client_new(js->http, &js->flink, err);
    if (!r)
        r = bus_new(js->loop, is_visit(js) ? "" : common->bus, "jobsubmitter", peers,
                    jobsubmitter_dispatch, js, &js->bus, err);
    if (!r)
        r = httpd_health(js->loop, common->health_addr, &js->ready, &js->health, err);
    return r;
}

/* The same again after a crash: what was claimed is taken up at once. */
static int identify(struct jobsubmitter *js, struct error *err)
{
    const struct common_config *c = &js->config->common;
    const char *pod = getenv("POD_NAME");
    char host[128] = "localhost";
    int seat = 0;
    int r = c->dry_run ? 0 : seat_take("jobsubmitter", c->journal, &seat, &js->seat_fd, err);

    if (!str_empty(js->config->identity))
        pod = js->config->identity;
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(js->identity, sizeof(js->identity), "jobsubmitter@%.250s/%d",
                   str_empty(pod) ? host : pod, seat);
    return r;
}

static int open_all(struct jobsubmitter *js, struct error *err)
{
    int r = identify(js, err);

    if (r)
        return r;
    if (!js->config->common.dry_run) { /* which needs nobody but the journal */
        r = open_clients(js, err);
        if (r)
            return r;
        js->sweep = loop_timer_new(js->loop, on_sweep, js);
        if (!js->sweep)
            return error_set(err, ENOMEM, "out of memory");
    }
    r = open_journal(js, err);
    if (!r || is_visit(js) || !journal_is_transient(r))
        return r;
    log_error("%s, retrying in %d ms", err->text, SWEEP_MS);
    return 0;
}

int jobsubmitter_new(const struct jobsubmitter_config *config, struct jobsubmitter **ret,
                     struct error *err)
{
    _cleanup_(jobsubmitter_freep) struct jobsubmitter *js = calloc(1, sizeof(*js));
    int r;

    if (!js)
        return error_set(err, ENOMEM, "out of memory");
    js->config = config;
    js->seat_fd = -1;
    r = open_all(js, err);
    if (r)
        return r;
    js->ready = js->journal != NULL;
    if (js->sweep)
        loop_timer_arm(js->sweep, js->ready ? 0 : SWEEP_MS);
    *ret = TAKE(js);
    return 0;
}

struct jobsubmitter *jobsubmitter_free(struct jobsubmitter *js)
{
    if (!js)
        return NULL;
    claim_forget(js);
    if (js->seat_fd >= 0)
        (void)close(js->seat_fd);
    loop_timer_free(js->sweep);
    httpd_free(js->health);
    bus_free(js->bus);
    flink_client_free(js->flink);
    kube_client_free(js->kube);
    http_free(js->http);
    journal_close(js->journal);
    loop_free(js->loop);
    free(js);
    return NULL;
}

void jobsubmitter_freep(struct jobsubmitter **js)
{
    jobsubmitter_free(*js);
}

/* ---- running ---- */

static int print_due(struct command *c, void *userdata)
{
    _cleanup_(json_freep) cJSON *line = cJSON_CreateObject();
    _cleanup_(freep) char *text = NULL;
    int64_t now_ms = time_now_ms();

    (void)userdata;
    if (!(c->state == COMMAND_WANTED && c->not_before_ms <= now_ms) &&
        !(c->state == COMMAND_CLAIMED && c->claim_until_ms <= now_ms))
        return 0;
    (void)json_set_str(line, "namespace", c->ns);
    (void)json_set_str(line, "name", c->cluster_name);
    (void)json_set_str(line, "kind", c->kind);
    (void)json_set_str(line, "key", c->key);
    (void)json_set_int(line, "attempts", c->attempts);
    (void)json_set(line, "args", json_copy(c->args));
    text = json_text(line);
    if (text)
        printf("%s\n", text);
    return 0;
}

static int print_cluster(struct object *o, void *userdata)
{
    struct jobsubmitter *js = userdata;

    return command_each(js->journal, o->uid, print_due, js, NULL);
}

static bool is_busy(const struct jobsubmitter *js)
{
    for (const struct work *work = js->works; work; work = work->next) {
        if (work->started && !work->ended)
            return true;
    }
    return false;
}

/* SIGTERM: what is under way may end, the rest is given back. */
static int stop(struct jobsubmitter *js, struct error *err)
{
    int64_t until_ms = time_monotonic_ms() + STOP_MS, left_ms;
    int r = 0;

    js->stopping = true;
    if (js->journal)
        journal_set_busy_timeout(js->journal, STOP_JOURNAL_MS);
    while (!r && is_busy(js) && (left_ms = until_ms - time_monotonic_ms()) > 0)
        r = loop_step(js->loop, left_ms < STEP_MS ? (int)left_ms : STEP_MS, err);
    outcome_retry_reports(js);
    claim_forget(js);
    if (!r && js->journal)
        r = release_claims(js, err);
    return r == -ESTALE || r == -EUCLEAN ? 0 : r; /* the claims went with the journal */
}

/* What failed is wanted again after a while: not by us. */
static int run_once(struct jobsubmitter *js, struct error *err)
{
    int64_t until_ms = time_monotonic_ms() + ONCE_MS;
    int r = leader_require(js->journal, time_now_ms(), err);

    if (r)
        return r;
    do {
        claim_work(js);
        do {
            if (time_monotonic_ms() > until_ms)
                return error_set(err, ETIMEDOUT, "not everything was done within %d s",
                                 ONCE_MS / 1000);
            r = js->n_works > 0 ? loop_step(js->loop, STEP_MS, err) : 0;
        } while (!r && js->n_works > 0 && !loop_stopping(js->loop));
    } while (!r && !js->exhausted && !loop_stopping(js->loop));
    if (!r && !loop_stopping(js->loop))
        r = leader_require(js->journal, time_now_ms(), err); /* it didn't run out meanwhile */
    if (!r && js->failures)
        return error_set(err, EIO, "attempts that failed (see above): %d", js->failures);
    return r;
}

int jobsubmitter_run(struct jobsubmitter *js, struct error *err)
{
    const struct common_config *common = &js->config->common;
    int r, stopped;

    if (common->dry_run)
        return object_each(js->journal, "FlinkCluster", common->ns, print_cluster, js, err);
    log_info("working identity=%s server=%s journal=\"%s\"", js->identity,
             kube_client_server(js->kube), common->journal);
    r = common->once ? run_once(js, err) : loop_run(js->loop, err);
    stopped = stop(js, r ? NULL : err);
    return r ? r : stopped;
}
