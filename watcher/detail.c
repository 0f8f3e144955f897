/* What is asked of a job besides its state: why it failed, and its newest checkpoint. */
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "watcher/poll.h"
#include "watcher/poll_time.h"
#include "watcher/record.h"

enum { TRIES_MAX = 5 };

static const char *const exceptions_prefix = "exceptions/";
static const char *const checkpoints_prefix = "checkpoints/";

bool details_are_open(const struct poll *p)
{
    return p->exceptions.pending || p->checkpoints.pending;
}

void details_cancel(struct poll *p)
{
    flink_cancel(p->exceptions.call);
    flink_cancel(p->checkpoints.call);
    cJSON_Delete(p->exceptions.json);
    cJSON_Delete(p->checkpoints.json);
    p->exceptions = p->checkpoints = (struct detail){0};
}

static void remember(struct detail *d, const cJSON *observation, const char *prefix)
{
    const char *key = observation->string;
    size_t len = strlen(prefix);

    if (!str_starts(key, prefix) || !is_hex32(key + len))
        return;
    str_copy(d->known, sizeof(d->known), key + len);
    cJSON_Delete(d->json);
    d->json = json_copy(observation);
    json_remove(d->json, "since");
    if (json_bool(d->json, "last", false))
        str_copy(d->ended, sizeof(d->ended), d->known);
}

void details_known(struct poll *p, const cJSON *observations)
{
    json_foreach (observation, observations) {
        remember(&p->exceptions, observation, exceptions_prefix);
        remember(&p->checkpoints, observation, checkpoints_prefix);
    }
}

/* A job has one observation of a kind; that of the run before goes with the first of the next.
 * Takes @json. */
static void learn(struct poll *p, struct detail *d, const char *prefix, cJSON *json)
{
    _cleanup_(freep) char *old_key = NULL;

    if (str_eq(d->known, d->job) && json_equal(d->json, json)) {
        cJSON_Delete(json);
        return;
    }
    if (d->known[0] && !str_eq(d->known, d->job))
        old_key = str_printf("%s%s", prefix, d->known);
    if (old_key)
        record_observation(p->source->w->record, p->cluster->uid, old_key, NULL);
    str_copy(d->known, sizeof(d->known), d->job);
    cJSON_Delete(d->json);
    d->json = json_copy(json);
    poll_observe(p, prefix, d->job, json);
}

static void answered(struct poll *p, struct detail *d, const char *prefix,
                     struct flink_response *response)
{
    d->call = NULL;
    d->pending = !response->json && response->transient && d->tries < TRIES_MAX;
    if (!response->json)
        log_debug("cluster=%s %s%s: %s", p->cluster->uid, prefix, d->job, response->error);
    if (d->last && !d->pending)
        str_copy(d->ended, sizeof(d->ended), d->job);
    if (!response->json)
        return;
    if (d->last)
        (void)json_set_bool(response->json, "last", true);
    learn(p, d, prefix, TAKE(response->json));
}

static void on_exceptions(struct flink_response *response, void *userdata)
{
    struct poll *p = userdata;

    answered(p, &p->exceptions, exceptions_prefix, response);
    poll_schedule(p);
}

static void on_checkpoints(struct flink_response *response, void *userdata)
{
    struct poll *p = userdata;

    answered(p, &p->checkpoints, checkpoints_prefix, response);
    poll_schedule(p);
}

static void ask(struct poll *p, struct detail *d)
{
    _cleanup_(freep) char *base = poll_base(p);
    struct flink_client *flink = p->source->w->flink;
    struct error err = {0};
    int r;

    if (!base || !d->pending || d->call || time_monotonic_ms() < d->due_ms)
        return;
    d->tries++;
    d->asked_ms = time_monotonic_ms();
    if (d == &p->exceptions)
        r = flink_job_exceptions(flink, base, d->job, on_exceptions, p, &d->call, &err);
    else
        r = flink_job_checkpoints(flink, base, d->job, on_checkpoints, p, &d->call, &err);
    if (!r)
        return;
    log_warn("cluster=%s: %s", p->cluster->uid, err.text);
    d->pending = false;
}

static void want(struct detail *d, const char *job)
{
    if (d->call) /* its answer comes first; the next look asks again */
        return;
    d->pending = true;
    d->last = false;
    d->due_ms = 0;
    d->tries = 0;
    str_copy(d->job, sizeof(d->job), job);
}

/* The job has ended: once more, when Flink's web server has forgotten what it said before. */
static void want_last(struct detail *d, const char *job)
{
    if (str_eq(d->ended, job) || (d->pending && d->last && str_eq(d->job, job)))
        return;
    flink_cancel(d->call);
    d->call = NULL;
    want(d, job);
    d->last = true;
    d->due_ms = time_monotonic_ms() + POLL_CACHE_MS;
}

static bool is_trouble(const char *state)
{
    return str_eq(state, "FAILED") || str_eq(state, "FAILING") || str_eq(state, "RESTARTING");
}

static void look_at(struct poll *p, const char *job, const char *before, const char *after)
{
    int64_t now_ms = time_monotonic_ms();
    bool was_running = str_eq(before, "RUNNING"), is_running = str_eq(after, "RUNNING");

    if (is_trouble(after) && (!str_eq(before, after) || !str_eq(p->exceptions.known, job)) &&
        !p->exceptions.pending)
        want(&p->exceptions, job);
    if (!p->cluster->facts.latest_state)
        return;
    if (job_state_is_stopped(job_state_of_flink(after)))
        want_last(&p->checkpoints, job);
    else if ((after && !is_running && (was_running || !str_eq(p->checkpoints.known, job))) ||
             (is_running && (!was_running || !p->checkpoints.asked_ms ||
                             now_ms - p->checkpoints.asked_ms >= POLL_CHECKPOINTS_MS)))
        want(&p->checkpoints, job);
}

void details_look(struct poll *p, const cJSON *before, const cJSON *after)
{
    const struct cluster *c = p->cluster;
    const char *ids[] = {c->submitter_job_id, c->facts.job_id};

    if (!json_bool(after, "reachable", false))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        if (ids[i][0] && (i == 0 || !str_eq(ids[0], ids[1])))
            look_at(p, ids[i], poll_job_state(before, ids[i]), poll_job_state(after, ids[i]));
    }
    ask(p, &p->exceptions);
    ask(p, &p->checkpoints);
}
