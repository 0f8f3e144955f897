#include <stdlib.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "jobsubmitter/work.h"

enum {
    WORKS_MAX = 64,
    LEASE_MS = 30000, /* longer than the deadline of any request */
    LEASE_LEFT_MS = 15000, /* with less left a command isn't begun */
    SWEEP_MS = 2000,
    SWEEP_MIN_MS = 10,
};

static void work_free(struct work *work)
{
    kube_cancel(work->kube_call);
    flink_cancel(work->flink_call);
    command_done(&work->command);
    cJSON_Delete(work->result);
    free(work->base);
    free(work);
}

static void unlink_work(struct work *work)
{
    struct work **link = &work->js->works;

    while (*link != work)
        link = &(*link)->next;
    *link = work->next;
    work->js->n_works--;
}

static void append_work(struct work *work)
{
    struct work **link = &work->js->works;

    while (*link)
        link = &(*link)->next;
    *link = work;
    work->js->n_works++;
}

void claim_forget(struct jobsubmitter *js)
{
    while (js->works) {
        struct work *work = js->works;

        unlink_work(work);
        work_free(work);
    }
}

/* One at a time of a cluster, in the order in which they were decided. */
static bool is_turn(const struct work *work)
{
    for (const struct work *other = work->js->works; other != work; other = other->next) {
        if (str_eq(other->command.cluster_uid, work->command.cluster_uid))
            return false;
    }
    return true;
}

/* Starting may end it, which may start another one: from the top after each. What has waited while
 * the Lease was lost is for the next leader. */
static void start_works(struct jobsubmitter *js, bool leads)
{
    struct work *work = js->works;

    while (work && !js->stopping) {
        if (work->started || (leads && !is_turn(work))) {
            work = work->next;
            continue;
        }
        if (!leads || work->command.claim_until_ms - time_now_ms() < LEASE_LEFT_MS) {
            work->started = true;
            outcome_give_back(work);
        } else {
            act_start(work);
        }
        work = js->works;
    }
}

/* The loop comes back for the next one: nothing recursive. */
void claim_finish(struct work *work)
{
    struct jobsubmitter *js = work->js;

    unlink_work(work);
    work_free(work);
    loop_timer_arm(js->sweep, 0);
}

static int claim_one(struct jobsubmitter *js, struct journal_tx *tx, int64_t now_ms,
                     int64_t *next_ms, struct error *err)
{
    struct work *work = calloc(1, sizeof(*work));
    int r;

    if (!work)
        return error_set(err, ENOMEM, "out of memory");
    work->js = js;
    r = command_claim(tx, js->config->common.ns, js->identity, now_ms, LEASE_MS, &work->command,
                      next_ms, err);
    if (r)
        free(work);
    else
        append_work(work);
    return r;
}

/* Drops what was claimed in a transaction that didn't come about. */
static void unclaim(struct jobsubmitter *js, int n_before)
{
    while (js->n_works > n_before) {
        struct work *work = js->works;

        while (work->next)
            work = work->next;
        unlink_work(work);
        work_free(work);
    }
}

static int claim_round(struct jobsubmitter *js, int64_t *next_ms, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    int64_t now_ms = time_now_ms();
    int n_before = js->n_works;
    int r;

    r = journal_begin(js->journal, false, &tx, err);
    while (!r && js->n_works < WORKS_MAX)
        r = claim_one(js, &tx, now_ms, next_ms, err);
    js->exhausted = r == JOURNAL_E_NOTFOUND;
    if (r >= 0 && js->n_works > n_before) {
        r = journal_commit(&tx, err);
        if (!r)
            failpoint("claim.after");
    }
    if (r < 0)
        unclaim(js, n_before);
    return r < 0 ? r : 0;
}

/* While somebody else holds the Lease, its flinkd acts. */
static bool is_leader(struct jobsubmitter *js)
{
    struct leader leader = {0};
    struct error err = {0};

    if (leader_get(js->journal, &leader, &err)) {
        log_warn("%s, retrying in %d ms", err.text, SWEEP_MS);
        return false;
    }
    return leader.ours && leader.until_ms > time_now_ms();
}

void claim_work(struct jobsubmitter *js)
{
    struct error err = {0};
    int64_t next_ms = 0, wait_ms = SWEEP_MS;
    bool leads;
    int r = 0;

    outcome_retry_reports(js);
    loop_timer_arm(js->sweep, SWEEP_MS);
    js->exhausted = true;
    if (js->stopping || !js->journal)
        return;
    leads = is_leader(js);
    if (leads)
        r = claim_round(js, &next_ms, &err);
    if (r == -EUCLEAN)
        log_warn("%s, opening it anew", err.text);
    if (r == -ESTALE || r == -EUCLEAN) {
        jobsubmitter_reopen(js);
        return;
    }
    if (r) {
        log_warn("claims: %s, retrying in %d ms", err.text, SWEEP_MS);
        js->failures++;
        js->exhausted = true;
    }
    if (next_ms)
        wait_ms = next_ms - time_now_ms();
    if (wait_ms < SWEEP_MS)
        loop_timer_arm(js->sweep, wait_ms > SWEEP_MIN_MS ? wait_ms : SWEEP_MIN_MS);
    start_works(js, leads);
}
