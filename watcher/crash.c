#include "watcher/crash.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/kube/resource.h"
#include "watcher/clusters.h"
#include "watcher/crash_facts.h"
#include "watcher/index.h"
#include "watcher/record.h"
#include "watcher/watcher.h"

enum {
    TAIL_LINES = 20,
    LOG_BYTES_MAX = 65536, /* lines may be long; CRASH_LOG_MAX of it are kept */
    READS_MAX = 16, /* at a time: each goes through a kubelet */
    KEY_SIZE = 640,
};

/* A log to read, or being read. */
struct reading {
    struct reading *next;
    struct crash *crash;
    struct kube_call *call; /* NULL: waits for its turn */
    char *ns, *pod, *container, *cluster_uid;
    cJSON *observation; /* without the log */
    bool previous;
};

struct crash {
    struct watcher *w;
    struct index read; /* a: number of the last crash that was (or is being) read */
    struct reading *readings;
    int active;
};

struct crash *crash_new(struct watcher *w)
{
    struct crash *crash = calloc(1, sizeof(*crash));

    if (crash)
        crash->w = w;
    return crash;
}

static void reading_free(struct reading *r)
{
    if (!r)
        return;
    kube_cancel(r->call);
    free(r->ns);
    free(r->pod);
    free(r->container);
    free(r->cluster_uid);
    cJSON_Delete(r->observation);
    free(r);
}

void crash_reset(struct crash *crash)
{
    struct reading *r;

    while ((r = crash->readings)) {
        crash->readings = r->next;
        reading_free(r);
    }
    crash->active = 0;
    index_done(&crash->read);
}

struct crash *crash_free(struct crash *crash)
{
    if (!crash)
        return NULL;
    crash_reset(crash);
    free(crash);
    return NULL;
}

bool crash_is_idle(const struct crash *crash)
{
    return !crash->readings;
}

static bool make_key(char *out, const char *pod, const char *container)
{
    int n = snprintf(out, KEY_SIZE, "crash/%s/%s", pod, container);

    return n > 0 && n < KEY_SIZE;
}

static void unlink_reading(struct reading *r)
{
    struct reading **link = &r->crash->readings;

    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
}

static void start_waiting(struct crash *crash);

static void on_log(struct kube_response *response, void *userdata)
{
    struct reading *r = userdata;
    struct crash *crash = r->crash;
    _cleanup_(freep) char *tail = crash_log_tail(response->text ? response->text : "");
    char key[KEY_SIZE];

    r->call = NULL;
    crash->active--;
    unlink_reading(r);
    if (response->status != 200)
        log_debug("pod=%s container=%s: no log: %s", r->pod, r->container, response->message);
    (void)json_set_str(r->observation, "log", tail ? tail : "");
    /* The cluster may have gone meanwhile. */
    if (clusters_find_uid(crash->w->clusters, r->cluster_uid) &&
        make_key(key, r->pod, r->container))
        record_observation(crash->w->record, r->cluster_uid, key, TAKE(r->observation));
    reading_free(r);
    start_waiting(crash);
}

/* -EINVAL and the like: the log can't be asked for. */
static int start_reading(struct reading *r, struct error *err)
{
    char query[512];
    int n = snprintf(query, sizeof(query), "container=%s&tailLines=%d&limitBytes=%d%s",
                     r->container, TAIL_LINES, LOG_BYTES_MAX, r->previous ? "&previous=true" : "");
    const struct kube_request request = {
        .verb = KUBE_LOG,
        .resource = resource_get(RESOURCE_POD),
        .ns = r->ns,
        .name = r->pod,
        .query = query,
        .max_attempts = 3,
    };

    if (n < 0 || (size_t)n >= sizeof(query))
        return error_set(err, EINVAL, "container name too long");
    return kube_start(r->crash->w->kube, &request, on_log, r, &r->call, err);
}

static void start_waiting(struct crash *crash)
{
    struct reading *next;

    for (struct reading *r = crash->readings; r && crash->active < READS_MAX; r = next) {
        struct error err = {0};

        next = r->next;
        if (r->call)
            continue;
        if (!start_reading(r, &err)) {
            crash->active++;
            continue;
        }
        log_warn("pod=%s container=%s: %s, its log is left out", r->pod, r->container, err.text);
        unlink_reading(r);
        reading_free(r);
    }
}

static cJSON *observation_of(const struct crash_facts *facts, const char *pod_uid)
{
    cJSON *json = cJSON_CreateObject();

    (void)json_set_int(json, "restartCount", facts->restarts);
    (void)json_set_int(json, "exitCode", facts->exit_code);
    (void)json_set_str(json, "reason", facts->reason);
    (void)json_set_str(json, "uid", pod_uid);
    (void)json_set_int(json, "crash", facts->number);
    return json;
}

static void add_reading(struct crash *crash, const struct cluster *c, const cJSON *pod,
                        const struct crash_facts *facts)
{
    struct reading *r = calloc(1, sizeof(*r));

    if (!r)
        return;
    r->crash = crash;
    r->previous = facts->previous;
    r->ns = strdup(c->ns);
    r->pod = strdup(json_str_or(pod, "metadata.name", ""));
    r->container = strdup(facts->container);
    r->cluster_uid = strdup(c->uid);
    r->observation = observation_of(facts, json_str(pod, "metadata.uid"));
    if (!r->ns || !r->pod || !r->container || !r->cluster_uid || !r->observation) {
        reading_free(r);
        return;
    }
    r->next = crash->readings;
    crash->readings = r;
}

/* True when that crash is new; it counts as read from now on. */
static bool is_new(struct crash *crash, const char *pod_uid, const char *container, int64_t number)
{
    struct index_entry *entry = index_at(&crash->read, index_key(pod_uid, container, ""));

    if (!entry || number <= 0 || number > UINT32_MAX || entry->a >= number)
        return false;
    entry->a = (uint32_t)number;
    return true;
}

static void look_at(struct crash *crash, const struct cluster *c, const cJSON *pod,
                    const char *statuses)
{
    const char *uid = json_str_or(pod, "metadata.uid", "");
    bool of_job = facts_label(pod, "job-name") != NULL;

    json_foreach (status, json_get(pod, statuses)) {
        bool submitter = of_job && str_eq(json_str(status, "name"), "main");
        struct crash_facts facts;

        if (crash_facts_read(status, submitter, &facts) &&
            is_new(crash, uid, facts.container, facts.number))
            add_reading(crash, c, pod, &facts);
    }
}

static void forget(struct crash *crash, const struct cluster *c, const cJSON *pod,
                   const char *statuses)
{
    const char *uid = json_str_or(pod, "metadata.uid", "");

    json_foreach (status, json_get(pod, statuses)) {
        const char *container = json_str_or(status, "name", "");
        struct index_entry *entry = index_find(&crash->read, index_key(uid, container, ""));
        char key[KEY_SIZE];

        if (!entry || !entry->a)
            continue;
        entry->a = 0;
        if (make_key(key, json_str_or(pod, "metadata.name", ""), container))
            record_observation(crash->w->record, c->uid, key, NULL);
    }
}

/* Its log is nobody's business any more. */
static void drop_readings(struct crash *crash, const struct cluster *c, const char *pod)
{
    struct reading *next;

    for (struct reading *r = crash->readings; r; r = next) {
        next = r->next;
        if (!str_eq(r->pod, pod) || !str_eq(r->ns, c->ns))
            continue;
        crash->active -= r->call != NULL;
        unlink_reading(r);
        reading_free(r);
    }
}

void crash_look(struct crash *crash, const struct cluster *c, const cJSON *pod, bool gone)
{
    static const char *const lists[] = {"status.initContainerStatuses", "status.containerStatuses"};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        if (gone)
            forget(crash, c, pod, lists[i]);
        else if (!json_has(pod, "metadata.deletionTimestamp")) /* being killed isn't a crash */
            look_at(crash, c, pod, lists[i]);
    }
    if (gone)
        drop_readings(crash, c, json_str(pod, "metadata.name"));
    start_waiting(crash);
}

void crash_known(struct crash *crash, const cJSON *observations)
{
    json_foreach (observation, observations) {
        const char *container = strrchr(observation->string, '/');

        if (str_starts(observation->string, "crash/") && container)
            (void)is_new(crash, json_str_or(observation, "uid", ""), container + 1,
                         json_int(observation, "crash", 0));
    }
}
