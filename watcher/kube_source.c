#include "watcher/kube_source.h"

#include <stdlib.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/resource.h"
#include "common/kube/watch.h"
#include "common/model/names.h"
#include "watcher/facts.h"
#include "watcher/failed_create.h"
#include "watcher/record.h"
#include "watcher/strip.h"
#include "watcher/watcher.h"

/* Users' podLabels replace any other label of ours, `app` too. */
#define CHILDREN LABEL_REVISION
#define PODS     LABEL_CLUSTER

/* One watch each. The first one comes first: it decides what the others' objects belong to. */
static const struct kind {
    const char *key; /* of the journal's watch table */
    const char *labels;
    const char *fields;
    enum resource_id resource;
    bool optional; /* may be missing, or not be ours to read */
} kinds[] = {
    {"flinkclusters", NULL, NULL, RESOURCE_FLINKCLUSTER, false},
    {"configmaps", CHILDREN, NULL, RESOURCE_CONFIGMAP, false},
    {"configmaps/ha", "configmap-type=high-availability", NULL, RESOURCE_CONFIGMAP, false},
    {"services", CHILDREN, NULL, RESOURCE_SERVICE, false},
    {"statefulsets", CHILDREN, NULL, RESOURCE_STATEFULSET, false},
    {"deployments", CHILDREN, NULL, RESOURCE_DEPLOYMENT, false},
    {"ingresses", CHILDREN, NULL, RESOURCE_INGRESS, false},
    {"jobs", CHILDREN, NULL, RESOURCE_JOB, false},
    {"poddisruptionbudgets", CHILDREN, NULL, RESOURCE_PDB, false},
    {"horizontalpodautoscalers", CHILDREN, NULL, RESOURCE_HPA, false},
    {"pods", PODS, NULL, RESOURCE_POD, false},
    {"persistentvolumeclaims", PODS, NULL, RESOURCE_PVC, false},
    {"controllerrevisions", LABEL_MANAGED_BY, NULL, RESOURCE_CONTROLLERREVISION, false},
    /* The reference operator's have no labels. */
    {"podgroups", NULL, NULL, RESOURCE_PODGROUP, true},
    {"events", NULL, "type=Warning,reason=FailedCreate", RESOURCE_EVENT, true},
};

enum {
    KINDS = ARRAY_SIZE(kinds),
    LOG_EVERY_MS = 60000,
    CRD_RETRY_MS = 5000, /* flinkd may be installed before its CRD */
};

struct one_watch {
    struct kube_source *source;
    const struct kind *kind;
    struct kube_watch *watch; /* NULL: not started yet */
    struct index seen; /* of the list that is coming in */
    bool missing; /* the kind isn't installed */
    int64_t logged_ms; /* monotonic; 0: all is well */
};

struct kube_source {
    struct watcher *w;
    struct one_watch watches[KINDS];
    struct loop_timer *starter;
    bool from_list; /* the journal's resume points don't count: look at everything */
};

static const char *kind_name(const struct one_watch *o)
{
    return resource_get(o->kind->resource)->kind;
}

static bool is_events(const struct one_watch *o)
{
    return o->kind->resource == RESOURCE_EVENT;
}

/* A PodGroup without a FlinkCluster as its owner is somebody else's. */
static bool is_foreign(const struct one_watch *o, const cJSON *object)
{
    return o->kind->resource == RESOURCE_PODGROUP && !facts_owner(object);
}

static void on_list_begin(void *userdata)
{
    struct one_watch *o = userdata;

    index_done(&o->seen);
}

/* Items of a list come without kind and apiVersion. */
static int name_kind(const struct one_watch *o, cJSON *object)
{
    const struct kube_resource *resource = resource_get(o->kind->resource);
    int r = 0;

    if (!json_str(object, "kind"))
        r = json_set_str(object, "kind", resource->kind);
    if (!r && !json_str(object, "apiVersion"))
        r = json_set_str(object, "apiVersion", resource->api_version);
    return r;
}

static void see(struct one_watch *o, const cJSON *object)
{
    uint64_t key = record_key(json_str_or(object, "metadata.namespace", ""),
                              json_str_or(object, "metadata.name", ""));
    struct index_entry *entry = index_at(&o->seen, key);

    if (entry)
        entry->a = 1;
}

static void on_object(enum kube_watch_event event, cJSON **object, bool from_list, void *userdata)
{
    struct one_watch *o = userdata;
    struct watcher *w = o->source->w;

    if (is_events(o)) {
        failed_create_event(w, *object, event == KUBE_DELETED);
        return;
    }
    if (is_foreign(o, *object))
        return;
    if (from_list)
        see(o, *object);
    if (name_kind(o, *object) || strip_object(kind_name(o), *object))
        log_warn("%s: out of memory, an object is left out", o->kind->key);
    else if (event == KUBE_DELETED)
        record_deleted(w->record, kind_name(o), TAKE(*object));
    else
        record_object(w->record, kind_name(o), TAKE(*object));
}

static void start_rest(struct kube_source *source);

static void on_list_end(const char *rv, void *userdata)
{
    struct one_watch *o = userdata;
    struct watcher *w = o->source->w;

    if (!is_events(o))
        record_list(w->record, kind_name(o), w->config->common.ns, &o->seen,
                    str_eq(o->kind->key, "configmaps/ha"));
    index_done(&o->seen);
    record_resume(w->record, o->kind->key, w->config->common.ns, rv);
    o->missing = false;
    if (o->logged_ms)
        log_info("%s: listed", o->kind->key);
    o->logged_ms = 0;
    if (o->kind == kinds)
        start_rest(o->source);
}

static void on_progress(const char *rv, void *userdata)
{
    struct one_watch *o = userdata;

    record_resume(o->source->w->record, o->kind->key, o->source->w->config->common.ns, rv);
    o->logged_ms = 0;
}

static void on_trouble(int status, const char *message, int64_t retry_ms, void *userdata)
{
    struct one_watch *o = userdata;
    int64_t now_ms = time_monotonic_ms();

    if (o->kind->optional && (status == 404 || status == 403)) {
        o->missing = true;
        log_debug("%s: %s, trying again in %lld s", o->kind->key, message,
                  (long long)retry_ms / 1000);
        return;
    }
    if (o->logged_ms && now_ms - o->logged_ms < LOG_EVERY_MS)
        return;
    o->logged_ms = now_ms;
    log_warn("%s: %s, retrying in %lld ms", o->kind->key, message, (long long)retry_ms);
}

static const struct kube_watch_handler handler = {
    .list_begin = on_list_begin,
    .object = on_object,
    .list_end = on_list_end,
    .progress = on_progress,
    .trouble = on_trouble,
};

/* Caller's; NULL: list first. */
static char *resume_point(const struct one_watch *o)
{
    const struct watcher *w = o->source->w;
    char *rv = NULL;

    if (o->source->from_list || !w->journal)
        return NULL;
    if (watch_get(w->journal, o->kind->key, w->config->common.ns, &rv, NULL))
        return NULL;
    return rv;
}

static int start(struct one_watch *o, struct error *err)
{
    const struct watcher *w = o->source->w;
    _cleanup_(freep) char *rv = resume_point(o);
    const struct kube_watch_config config = {
        .resource = resource_get(o->kind->resource),
        .ns = w->config->common.ns,
        .label_selector = o->kind->labels,
        .field_selector = o->kind->fields,
        .resume_rv = rv,
        .missing_retry_ms = o->kind->optional ? 0 : CRD_RETRY_MS,
    };

    o->missing = false;
    return kube_watch_start(w->kube, &config, &handler, o, &o->watch, err);
}

static void on_starter(void *userdata)
{
    start_rest(userdata);
}

static void start_rest(struct kube_source *source)
{
    struct error err = {0};

    for (size_t i = 1; i < KINDS; i++) {
        struct one_watch *o = &source->watches[i];

        if (o->watch || !start(o, &err))
            continue;
        log_error("%s: %s, retrying in 1 s", o->kind->key, err.text);
        loop_timer_arm(source->starter, 1000);
    }
}

/* With a resume point the journal knows the FlinkClusters already: no need to wait for them. */
static int start_all(struct kube_source *source, struct error *err)
{
    _cleanup_(freep) char *rv = resume_point(&source->watches[0]);
    int r = start(&source->watches[0], err);

    if (!r && rv)
        start_rest(source);
    return r;
}

static void stop_all(struct kube_source *source)
{
    for (size_t i = 0; i < KINDS; i++) {
        struct one_watch *o = &source->watches[i];

        o->watch = kube_watch_free(o->watch);
        index_done(&o->seen);
    }
}

int kube_source_new(struct watcher *w, struct kube_source **ret, struct error *err)
{
    struct kube_source *source = calloc(1, sizeof(*source));
    int r;

    if (!source)
        return error_set(err, ENOMEM, "out of memory");
    source->w = w;
    for (size_t i = 0; i < KINDS; i++) {
        source->watches[i].source = source;
        source->watches[i].kind = &kinds[i];
    }
    source->from_list = w->config->common.dry_run || w->config->common.once;
    source->starter = loop_timer_new(w->loop, on_starter, source);
    r = source->starter ? start_all(source, err) : error_set(err, ENOMEM, "out of memory");
    if (r) {
        kube_source_free(source);
        return r;
    }
    *ret = source;
    return 0;
}

struct kube_source *kube_source_free(struct kube_source *source)
{
    if (!source)
        return NULL;
    stop_all(source);
    loop_timer_free(source->starter);
    free(source);
    return NULL;
}

int kube_source_restart(struct kube_source *source, struct error *err)
{
    stop_all(source);
    return start_all(source, err);
}

bool kube_source_is_synced(const struct kube_source *source)
{
    for (size_t i = 0; i < KINDS; i++) {
        const struct one_watch *o = &source->watches[i];

        if (!o->missing && !(o->watch && kube_watch_synced(o->watch)))
            return false;
    }
    return true;
}
