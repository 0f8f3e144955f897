#include "watcher/poll.h"

#include <stdio.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "watcher/poll_time.h"
#include "watcher/record.h"

enum { GAP_MS = 50 }; /* between two requests, however often something changes */

char *poll_base(const struct poll *p)
{
    const struct watcher_config *config = p->source->w->config;
    const struct cluster *c = p->cluster;

    return flink_url(config->flink_url_template, c->ns, c->name, config->cluster_domain,
                     c->facts.port);
}

void poll_observe(struct poll *p, const char *prefix, const char *id, cJSON *json)
{
    _cleanup_(freep) char *key = str_printf("%s%s", prefix, id);

    (void)json_set_int(json, "since", time_now_ms());
    if (key)
        record_observation(p->source->w->record, p->cluster->uid, key, json);
    else
        cJSON_Delete(json);
}

static const cJSON *job_in(const cJSON *overview, const char *job_id)
{
    json_foreach (job, json_member(overview, "jobs")) {
        if (*job_id && str_eq(json_str(job, "jid"), job_id))
            return job;
    }
    return NULL;
}

const char *poll_job_state(const cJSON *overview, const char *job_id)
{
    return json_str(job_in(overview, job_id), "state");
}

/* ---- what is known ---- */

static bool is_reachable(const cJSON *overview)
{
    return json_bool(overview, "reachable", false);
}

static bool is_same(const cJSON *a, const cJSON *b)
{
    if (!a || !b || is_reachable(a) != is_reachable(b))
        return false;
    if (!is_reachable(a)) /* whatever the error was */
        return true;
    return json_equal(json_member(a, "jobs"), json_member(b, "jobs")) &&
           json_equal(json_member(a, "jm"), json_member(b, "jm")) &&
           json_equal(json_member(a, "jmRestarts"), json_member(b, "jmRestarts"));
}

/* Takes @overview. */
static void learn(struct poll *p, cJSON *overview)
{
    cJSON *before = p->last;

    if (!overview)
        return;
    details_look(p, before, overview);
    if (is_same(before, overview)) {
        cJSON_Delete(overview);
        return;
    }
    p->last = overview;
    p->changed_ms = time_monotonic_ms();
    poll_observe(p, "overview", "", json_copy(overview));
    log_debug("cluster=%s flink=%s", p->cluster->uid,
              is_reachable(overview) ? "reachable" : json_str_or(overview, "error", ""));
    cJSON_Delete(before);
}

static cJSON *unreachable(const char *error)
{
    cJSON *overview = cJSON_CreateObject();

    (void)json_set_bool(overview, "reachable", false);
    (void)json_set_str(overview, "error", error);
    return overview;
}

static cJSON *reachable(const struct poll *p, cJSON *take_jobs)
{
    cJSON *overview = cJSON_CreateObject();

    (void)json_set_bool(overview, "reachable", true);
    (void)json_set(overview, "jobs", take_jobs);
    (void)json_set_str(overview, "jm", p->asked_jm);
    (void)json_set_int(overview, "jmRestarts", p->asked_restarts);
    return overview;
}

/* Is the overview in the journal that of the JobManager that runs now? */
static bool is_current(const cJSON *overview, const struct jobmanager_pod *pod)
{
    return str_eq(json_str(overview, "jm"), pod->uid) &&
           json_int(overview, "jmRestarts", -1) == pod->facts.restarts;
}

/* ---- when to ask ---- */

bool poll_is_open(const struct poll *p)
{
    return p->open_commands || triggers_are_open(p) || details_are_open(p);
}

static bool is_tracked_running(const struct poll *p)
{
    const struct cluster *c = p->cluster;
    const char *ids[] = {c->facts.job_id, c->submitter_job_id};

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        if (job_state_of_flink(poll_job_state(p->last, ids[i])) == JOB_RUNNING)
            return true;
    }
    return false;
}

static bool is_wanted(const struct poll *p)
{
    const struct cluster *c = p->cluster;
    const struct jobmanager_pod *pod = cluster_jobmanager(c);

    if (!c->facts.has_job || !pod)
        return false;
    if (!job_state_is_stopped(c->facts.state) || poll_is_open(p) || is_tracked_running(p))
        return true;
    /* The job ended: one list of this JobManager is enough. */
    return !is_reachable(p->last) || !is_current(p->last, pod);
}

static bool is_steady(const struct poll *p)
{
    const cJSON *job = job_in(p->last, p->cluster->facts.job_id);

    return p->cluster->facts.state == JOB_RUNNING && is_reachable(p->last) &&
           str_eq(json_str(job, "state"), "RUNNING") && !json_bool(job, "waits", false) &&
           !poll_is_open(p);
}

static void count(struct poll *p, bool polled)
{
    p->source->polled += (int)polled - (int)p->polled;
    p->polled = polled;
}

void poll_schedule(struct poll *p)
{
    int64_t age_ms = time_monotonic_ms() - p->changed_ms;

    count(p, is_wanted(p));
    if (!p->polled)
        loop_timer_arm(p->timer, -1);
    else if (!p->call)
        loop_timer_arm(p->timer, poll_interval_ms(is_steady(p), age_ms, p->source->polled));
}

/* ---- asking ---- */

static void on_overview(struct flink_response *response, void *userdata)
{
    struct poll *p = userdata;
    const struct jobmanager_pod *pod = cluster_jobmanager(p->cluster);

    p->call = NULL;
    /* An answer of a JobManager that is no longer there says nothing about the one that is. */
    if (!pod || !str_eq(pod->uid, p->asked_jm) || pod->facts.restarts != p->asked_restarts)
        log_debug("cluster=%s: the JobManager changed meanwhile", p->cluster->uid);
    else if (response->json)
        learn(p, reachable(p, cJSON_DetachItemFromObjectCaseSensitive(response->json, "jobs")));
    else
        learn(p, unreachable(response->error));
    poll_schedule(p);
}

static void ask(struct poll *p, const struct jobmanager_pod *pod)
{
    _cleanup_(freep) char *base = poll_base(p);
    struct error err = {0};

    str_copy(p->asked_jm, sizeof(p->asked_jm), pod->uid);
    p->asked_restarts = pod->facts.restarts;
    p->begun_ms = time_monotonic_ms();
    if (!base || flink_jobs_overview(p->source->w->flink, base, on_overview, p, &p->call, &err))
        log_warn("cluster=%s: Flink can't be asked: %s", p->cluster->uid,
                 base ? err.text : "out of memory");
}

static void on_timer(void *userdata)
{
    struct poll *p = userdata;
    const struct jobmanager_pod *pod = cluster_jobmanager(p->cluster);

    if (p->call || !pod)
        return;
    ask(p, pod);
    if (!p->call)
        poll_schedule(p);
}

/* ---- life ---- */

struct poll *poll_new(struct flink_source *source, struct cluster *c, const cJSON *observations)
{
    struct poll *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->source = source;
    p->cluster = c;
    p->changed_ms = time_monotonic_ms();
    p->timer = loop_timer_new(source->w->loop, on_timer, p);
    if (!p->timer) {
        poll_free(p);
        return NULL;
    }
    p->last = json_copy(json_member(observations, "overview"));
    triggers_known(p, observations);
    details_known(p, observations);
    return p;
}

void poll_free(struct poll *p)
{
    if (!p)
        return;
    count(p, false);
    flink_cancel(p->call);
    triggers_free(p);
    details_cancel(p);
    loop_timer_free(p->timer);
    cJSON_Delete(p->last);
    free(p);
}

/* The list in the journal must not be taken for that of a JobManager that isn't there any more. */
static void check_jobmanager(struct poll *p)
{
    const struct jobmanager_pod *pod = cluster_jobmanager(p->cluster);

    if (!is_reachable(p->last))
        return;
    if (!pod)
        learn(p, unreachable("no JobManager is running"));
    else if (!is_current(p->last, pod))
        learn(p, unreachable("another JobManager runs, it wasn't asked yet"));
}

void poll_hurry(struct poll *p)
{
    int64_t now_ms = time_monotonic_ms();
    int64_t gap_ms = p->begun_ms + GAP_MS - now_ms;

    p->changed_ms = now_ms;
    poll_schedule(p);
    if (p->polled && !p->call)
        loop_timer_arm(p->timer, gap_ms > 0 ? gap_ms : 0);
}

void poll_changed(struct poll *p)
{
    check_jobmanager(p);
    poll_hurry(p);
}

bool poll_is_idle(const struct poll *p)
{
    return !p->call && !p->exceptions.call && !p->checkpoints.call && (!p->polled || p->begun_ms);
}
