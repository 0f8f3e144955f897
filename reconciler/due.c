/* Which clusters are due, and in what order. Plans of a turn are recorded a few at a time, then
 * acted out; under load each waits a little, and takes in more changes. */
#include <stdlib.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "reconciler/reconciler.h"

enum {
    SETTLE_MS = 40, /* changes of one cluster that come together are planned together */
    BUSY_WORKS = 16, /* fewer changed clusters aren't load */
    SETTLE_BUSY_MS = 4, /* for each changed cluster: one plan then takes in more changes */
    SETTLE_MAX_MS = 1000,
    IN_FLIGHT_MAX = 96, /* more requests would only wait, and be decided on older rows */
    ERRANDS_MAX = 8, /* plans that are recorded in one transaction */
};

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

int reconciler_plan_due(struct reconciler *rec, struct error *err)
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
    return r;
}
