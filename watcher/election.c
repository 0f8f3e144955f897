#include "watcher/election.h"

#include <stdio.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/io/loop.h"
#include "common/kube/resource.h"
#include "watcher/lease.h"
#include "watcher/watcher.h"

enum { REQUEST_MS = 3000, RELEASE_MS = 1000, STEP_MS = 50 };

/* Without leader election: "far". */
static const int64_t ten_years_ms = (int64_t)10 * 365 * 24 * 3600 * 1000;

struct election {
    struct watcher *w;
    struct loop_timer *timer;
    struct kube_call *call;
    char identity[256];
    const char *ns;
    cJSON *lease; /* as last seen; NULL: not seen yet, or not there */
    int64_t unchanged_ms; /* monotonic: since when it reads so */
    int64_t sent_ms; /* wall clock: when the last take or renewal was sent */
    struct leader told; /* what the journal says */
    bool is_told;
};

/* ---- telling ---- */

/* Until everything is listed nobody works: a child that isn't stored yet looks missing. */
static int put(struct election *e, const struct leader *leader, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct leader told = *leader;
    int r;

    if (!e->w->journal)
        return error_set(err, EIO, "the journal isn't open");
    told.ours = leader->ours && e->w->ready;
    r = journal_begin(e->w->journal, false, &tx, err);
    if (!r)
        r = leader_put(&tx, &told, err);
    if (!r)
        r = journal_commit(&tx, err);
    return r;
}

/* A hint without a cluster: those who waited for the Lease needn't wait for their sweep. */
static void publish(struct election *e)
{
    struct message m = {.type = MESSAGE_OBSERVED, .observed = {.row = 0, .uid = ""}};
    struct error err = {0};

    if (bus_publish(e->w->bus, &m, &err))
        log_debug("%s", err.text);
}

static void tell(struct election *e, bool ours, const char *holder, int64_t until_ms)
{
    bool changed = !e->is_told || e->told.ours != ours || !str_eq(e->told.holder, holder);
    struct leader leader = {.ours = ours, .until_ms = until_ms};
    struct error err = {0};

    if (!changed && !ours) /* of others only the name matters */
        return;
    str_copy(leader.holder, sizeof(leader.holder), holder);
    if (put(e, &leader, &err)) {
        log_warn("leader: %s, retrying in %d ms", err.text, LEASE_RETRY_MS);
        e->is_told = false;
        return;
    }
    failpoint("leader.after");
    e->told = leader;
    e->is_told = true;
    if (!changed || (ours && !e->w->ready))
        return;
    log_info("leader: %s holder=\"%s\"", ours ? "this suite works" : "only watching", holder);
    publish(e);
}

/* ---- the Lease ---- */

static void remember(struct election *e, cJSON *take_lease)
{
    if (!lease_is_same(e->lease, take_lease))
        e->unchanged_ms = time_monotonic_ms();
    cJSON_Delete(e->lease);
    e->lease = take_lease;
}

static void start(struct election *e, enum kube_verb verb, const cJSON *body, kube_done_fn fn)
{
    const struct kube_request request = {
        .verb = verb,
        .resource = resource_get(RESOURCE_LEASE),
        .ns = e->ns,
        .name = e->w->config->leader_election_id,
        .body = body,
        .timeout_ms = REQUEST_MS,
        .max_attempts = 1,
    };
    struct error err = {0};

    e->sent_ms = time_now_ms();
    if (kube_start(e->w->kube, &request, fn, e, &e->call, &err))
        log_warn("leader: %s", err.text);
}

/* It may have run out while the API server didn't answer. */
static void check_expiry(struct election *e)
{
    if (e->is_told && e->told.ours && time_now_ms() >= e->told.until_ms)
        tell(e, false, lease_holder(e->lease), 0);
}

static void on_written(struct kube_response *response, void *userdata)
{
    struct election *e = userdata;

    e->call = NULL;
    if (response->status / 100 == 2 && response->object) {
        remember(e, TAKE(response->object));
        tell(e, true, e->identity, e->sent_ms + LEASE_RENEW_DEADLINE_MS);
    } else {
        log_debug("leader: %s", response->message);
        /* Somebody else wrote it: see who. Otherwise go on trying until it runs out. */
        if (response->status == 409 || response->status == 404)
            remember(e, NULL);
        check_expiry(e);
    }
    loop_timer_arm(e->timer, e->lease ? LEASE_RETRY_MS : 0);
}

static void take(struct election *e)
{
    _cleanup_(json_freep) cJSON *patch = lease_take(e->lease, e->identity, time_now_ms());

    start(e, KUBE_MERGE_PATCH, patch, on_written);
}

static void on_read(struct kube_response *response, void *userdata)
{
    struct election *e = userdata;
    _cleanup_(json_freep) cJSON *lease = NULL;

    e->call = NULL;
    loop_timer_arm(e->timer, LEASE_RETRY_MS);
    if (response->status == 404) {
        lease = lease_new(e->ns, e->w->config->leader_election_id, e->identity, time_now_ms());
        start(e, KUBE_CREATE, lease, on_written);
        return;
    }
    if (response->status != 200 || !response->object) {
        log_warn("leader: the Lease can't be read: %s, retrying in %d ms", response->message,
                 LEASE_RETRY_MS);
        check_expiry(e);
        return;
    }
    remember(e, TAKE(response->object));
    if (lease_is_free(e->lease, e->identity, time_monotonic_ms() - e->unchanged_ms))
        take(e);
    else
        tell(e, false, lease_holder(e->lease), 0);
}

static void on_timer(void *userdata)
{
    struct election *e = userdata;

    if (!e->w->config->leader_election) {
        tell(e, true, e->identity, time_now_ms() + ten_years_ms);
        loop_timer_arm(e->timer, e->is_told ? -1 : LEASE_RETRY_MS);
        return;
    }
    if (e->call)
        return;
    loop_timer_arm(e->timer, LEASE_RETRY_MS);
    if (e->lease && str_eq(lease_holder(e->lease), e->identity))
        take(e);
    else
        start(e, KUBE_GET, NULL, on_read);
}

/* ---- life ---- */

/* A suite is one pod, or on a laptop one journal. */
static void identify(struct election *e)
{
    const struct watcher_config *config = e->w->config;
    const char *pod = getenv("POD_NAME");
    const char *journal = config->common.journal;
    char host[128] = "localhost";

    if (!str_empty(config->identity)) {
        str_copy(e->identity, sizeof(e->identity), config->identity);
    } else if (!str_empty(pod)) {
        str_copy(e->identity, sizeof(e->identity), pod);
    } else {
        (void)gethostname(host, sizeof(host) - 1);
        (void)snprintf(e->identity, sizeof(e->identity), "%s_%08x", host,
                       fnv1a_32(journal, strlen(journal)));
    }
}

static const char *lease_namespace(const struct watcher *w)
{
    const char *pod_namespace = getenv("POD_NAMESPACE");
    const char *ns = kube_client_namespace(w->kube);

    if (!str_empty(w->config->leader_election_ns))
        return w->config->leader_election_ns;
    if (!str_empty(pod_namespace))
        return pod_namespace;
    return str_empty(ns) ? "default" : ns;
}

int election_new(struct watcher *w, struct election **ret, struct error *err)
{
    struct election *e = calloc(1, sizeof(*e));

    if (!e)
        return error_set(err, ENOMEM, "out of memory");
    e->w = w;
    e->ns = lease_namespace(w);
    identify(e);
    e->timer = loop_timer_new(w->loop, on_timer, e);
    if (!e->timer) {
        election_free(e);
        return error_set(err, ENOMEM, "out of memory");
    }
    loop_timer_arm(e->timer, 0);
    *ret = e;
    return 0;
}

struct election *election_free(struct election *e)
{
    if (!e)
        return NULL;
    kube_cancel(e->call);
    loop_timer_free(e->timer);
    cJSON_Delete(e->lease);
    free(e);
    return NULL;
}

void election_repeat(struct election *e)
{
    bool ours = e->is_told && e->told.ours;

    e->is_told = false;
    if (ours)
        tell(e, true, e->identity, e->told.until_ms);
    else
        loop_timer_arm(e->timer, 0);
}

static void on_released(struct kube_response *response, void *userdata)
{
    struct election *e = userdata;

    e->call = NULL;
    if (response->status != 200)
        log_warn("leader: the Lease can't be released: %s, it runs out by itself",
                 response->message);
}

/* The loop was stopped, so it is turned by hand. */
static void await_answer(struct election *e, int64_t until_ms)
{
    struct error err = {0};
    int r = 0;

    while (e->call && !r && time_monotonic_ms() < until_ms)
        r = loop_step(e->w->loop, STEP_MS, &err);
}

/* The journal first: this suite's other daemons must have stopped before somebody else begins. But
 * before that a renewal that is under way: only its answer has the version that the release needs.
 */
void election_release(struct election *e)
{
    _cleanup_(json_freep) cJSON *patch = NULL;
    int64_t until_ms = time_monotonic_ms() + RELEASE_MS;

    if (!e->w->config->leader_election || !e->is_told || !e->told.ours || !e->lease)
        return;
    await_answer(e, until_ms - RELEASE_MS / 2);
    kube_cancel(e->call);
    e->call = NULL;
    tell(e, false, "", 0);
    loop_timer_arm(e->timer, -1);
    if (!e->lease)
        return;
    patch = lease_release(e->lease, time_now_ms());
    start(e, KUBE_MERGE_PATCH, patch, on_released);
    await_answer(e, until_ms);
    if (e->call)
        log_warn("leader: the Lease can't be released in time, it runs out by itself");
}
