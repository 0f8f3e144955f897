#include "watcher/record.h"

#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/io/loop.h"
#include "common/model/names.h"
#include "common/model/pod.h"
#include "watcher/facts.h"
#include "watcher/item.h"
#include "watcher/notice.h"
#include "watcher/watcher.h"

enum {
    BURST_MS = 2, /* how long a burst may gather */
    BUSY_MS = 25, /* the same while many clusters change: fewer transactions, fewer messages */
    BUSY_WINDOW_MS = 250,
    BUSY_ITEMS = 40, /* in a window: more than one cluster's deployment makes */
    TX_ITEMS_MAX = 500, /* other daemons get their turn in between */
    QUEUE_MAX = 50000, /* over it, everything is listed again once the journal can be written */
    RETRY_MIN_MS = 250,
    RETRY_MAX_MS = 10000,
    LOG_EVERY_MS = 30000,
};

struct record {
    struct watcher *w;
    struct item *head, **tail;
    size_t n;
    struct loop_timer *timer;
    struct known known;
    int64_t retry_ms; /* 0: the last flush worked */
    int64_t logged_ms; /* monotonic */
    int64_t window_ms; /* monotonic: when the present window began */
    int in_window; /* items since */
    bool overflow; /* the queue was dropped */
};

static void on_timer(void *userdata)
{
    (void)record_flush(userdata);
}

struct record *record_new(struct watcher *w)
{
    struct record *record = calloc(1, sizeof(*record));

    if (!record)
        return NULL;
    record->w = w;
    record->tail = &record->head;
    record->timer = loop_timer_new(w->loop, on_timer, record);
    return record->timer ? record : record_free(record);
}

static void drop_queue(struct record *record)
{
    items_free(record->head);
    record->head = NULL;
    record->tail = &record->head;
    record->n = 0;
}

struct record *record_free(struct record *record)
{
    if (!record)
        return NULL;
    drop_queue(record);
    index_done(&record->known.objects);
    loop_timer_free(record->timer);
    free(record);
    return NULL;
}

void record_reset(struct record *record)
{
    drop_queue(record);
    index_done(&record->known.objects);
    record->overflow = false;
    record->retry_ms = 0;
}

bool record_is_idle(const struct record *record)
{
    return !record->head && !record->overflow;
}

uint64_t record_key(const char *ns, const char *name)
{
    return index_key(ns, name, "");
}

/* ---- filling the queue ---- */

/* Something is lost: only a list brings it back. */
static void lose(struct record *record, const char *why)
{
    drop_queue(record);
    if (!record->overflow)
        log_warn("%s: everything will be listed again", why);
    record->overflow = true;
    loop_timer_arm(record->timer, record->retry_ms ? record->retry_ms : RETRY_MIN_MS);
}

static int64_t burst_ms(struct record *record)
{
    int64_t now_ms = time_monotonic_ms();

    if (now_ms - record->window_ms > BUSY_WINDOW_MS) {
        record->window_ms = now_ms;
        record->in_window = 0;
    }
    return ++record->in_window > BUSY_ITEMS ? BUSY_MS : BURST_MS;
}

/* Takes @it; NULL: there was no memory for it. */
static void enqueue(struct record *record, struct item *it)
{
    int64_t wait_ms = burst_ms(record);

    if (!it || record->n >= QUEUE_MAX)
        lose(record, it ? "the journal can't keep up" : "out of memory");
    if (record->overflow) { /* the list that is to come has it too */
        item_free(it);
        return;
    }
    *record->tail = it;
    record->tail = &it->next;
    record->n++;
    if (!loop_timer_armed(record->timer))
        loop_timer_arm(record->timer, wait_ms);
}

static char *copy_of(const char *text)
{
    return strdup(text ? text : "");
}

static struct item *checked(struct item *it)
{
    const struct object *o = &it->object;

    if (o->kind && o->ns && o->name && o->uid && o->resource_version && o->cluster_uid &&
        o->cluster_name)
        return it;
    item_free(it);
    return NULL;
}

/* Of children their owner's; of pods what their workload's name tells. The label, of a
 * ControllerRevision another one, is last: users' podLabels may override it. */
static char *cluster_name_of(const char *kind, const cJSON *json)
{
    const char *owner = facts_owner_name(json), *label = facts_label(json, LABEL_CLUSTER);
    char name[CHILD_NAME_MAX];

    if (str_eq(kind, "FlinkCluster"))
        return copy_of(json_str(json, "metadata.name"));
    if (owner)
        return copy_of(owner);
    if (str_eq(kind, "Pod") && pod_cluster(json, name, sizeof name))
        return copy_of(name);
    return copy_of(label ? label : facts_label(json, LABEL_MANAGED_BY));
}

static struct item *object_item(enum item_type type, const char *kind, cJSON *json)
{
    struct item *it = item_new(type);
    struct object *o = it ? &it->object : NULL;
    const char *uid = json_str(json, "metadata.uid");

    if (!o) {
        cJSON_Delete(json);
        return NULL;
    }
    o->json = json;
    o->kind = copy_of(kind);
    o->ns = copy_of(json_str(json, "metadata.namespace"));
    o->name = copy_of(json_str(json, "metadata.name"));
    o->uid = copy_of(uid);
    o->resource_version = copy_of(json_str(json, "metadata.resourceVersion"));
    o->cluster_name = cluster_name_of(kind, json);
    o->cluster_uid = copy_of(str_eq(kind, "FlinkCluster") ? uid : facts_owner(json));
    return checked(it);
}

void record_object(struct record *record, const char *kind, cJSON *json)
{
    enqueue(record, object_item(ITEM_PUT, kind, json));
}

void record_deleted(struct record *record, const char *kind, cJSON *json)
{
    enqueue(record, object_item(ITEM_DELETE, kind, json));
}

void record_list(struct record *record, const char *kind, const char *ns, struct index *seen,
                 bool ha)
{
    struct item *it = item_new(ITEM_LIST);

    if (it) {
        it->object.kind = copy_of(kind);
        it->object.ns = copy_of(ns);
        it->seen = *seen;
        it->ha = ha;
        *seen = (struct index){0};
    }
    enqueue(record, it);
}

void record_resume(struct record *record, const char *resource, const char *ns, const char *rv)
{
    struct item *it = item_new(ITEM_RESUME);

    if (it) {
        it->key = copy_of(resource);
        it->object.ns = copy_of(ns);
        it->object.resource_version = copy_of(rv);
    }
    enqueue(record, it);
}

void record_observation(struct record *record, const char *cluster_uid, const char *key,
                        cJSON *json)
{
    struct item *it = item_new(ITEM_OBSERVE);

    if (it) {
        it->object.cluster_uid = copy_of(cluster_uid);
        it->key = key ? copy_of(key) : NULL;
        it->object.json = json;
    } else {
        cJSON_Delete(json);
    }
    enqueue(record, it);
}

/* ---- writing ---- */

static size_t batch_size(const struct record *record)
{
    return record->n < TX_ITEMS_MAX ? record->n : TX_ITEMS_MAX;
}

static int apply_one(struct record *record, struct item *it, struct journal_tx *tx, int64_t now_ms,
                     struct error *err)
{
    int r = item_apply(it, tx, &record->known, now_ms, err);

    if (r != -EINVAL)
        return r;
    log_warn("%s, left out", err->text);
    return 0;
}

/* One transaction; *before: the newest row there was, so that what is newer is known to be changed.
 */
static int write_batch(struct record *record, size_t n, int64_t *before, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct item *it = record->head;
    int64_t now_ms = time_now_ms();
    int r;

    r = journal_begin(record->w->journal, false, &tx, err);
    if (!r)
        r = journal_last_row(record->w->journal, before, err);
    for (; n && !r; n--, it = it->next)
        r = apply_one(record, it, &tx, now_ms, err);
    failpoint("record.before_commit");
    if (!r)
        r = journal_commit(&tx, err);
    if (!r)
        failpoint("record.after_commit");
    return r;
}

/* Tell the other daemons that something changed after row @before: one message for all of it, as
 * they read on from where they are. */
static void publish(struct watcher *w, int64_t before)
{
    struct changed_cluster changed;
    struct message m = {.type = MESSAGE_OBSERVED};
    struct error err = {0};
    size_t n = 0;
    int64_t last;

    if (object_changed_clusters(w->journal, before, &changed, 1, &n, &last, NULL) || !n)
        return; /* the others sweep */
    m.observed = (struct message_observed){.row = (uint64_t)changed.row, .uid = changed.uid};
    if (bus_publish(w->bus, &m, &err))
        log_debug("%s", err.text);
}

/* Takes the first @n items off the queue. */
static struct item *take_batch(struct record *record, size_t n)
{
    struct item *first = record->head, *last = first;

    for (size_t i = 1; i < n; i++)
        last = last->next;
    record->head = last->next;
    last->next = NULL;
    if (!record->head)
        record->tail = &record->head;
    record->n -= n;
    return first;
}

static void notice(struct watcher *w, const struct item *it)
{
    if (!it->changed)
        return;
    if (it->type == ITEM_PUT || it->type == ITEM_DELETE)
        notice_object(w, &it->object, it->type == ITEM_DELETE);
    for (const struct item *gone = it->gone; gone; gone = gone->next)
        notice_object(w, &gone->object, true);
}

static void failed(struct record *record, size_t n, const struct error *err)
{
    struct item *it = record->head;
    int64_t now_ms = time_monotonic_ms();

    for (; n; n--, it = it->next)
        item_undo(it, &record->known);
    record->retry_ms = record->retry_ms ? record->retry_ms * 2 : RETRY_MIN_MS;
    if (record->retry_ms > RETRY_MAX_MS)
        record->retry_ms = RETRY_MAX_MS;
    /* A file is put aside once, and that is the line that says where it is. */
    if (err->code == -EUCLEAN || !record->logged_ms || now_ms - record->logged_ms > LOG_EVERY_MS) {
        log_error("%s, retrying in %lld ms", err->text, (long long)record->retry_ms);
        record->logged_ms = now_ms;
    }
    if (err->code == -ESTALE || err->code == -EUCLEAN)
        watcher_reopen(record->w);
    loop_timer_arm(record->timer, record->retry_ms);
}

static void print_batch(struct record *record, size_t n)
{
    struct item *it = record->head;

    for (; n; n--, it = it->next) {
        item_print(it);
        it->changed = true;
    }
}

static int flush_batch(struct record *record)
{
    struct watcher *w = record->w;
    struct error err = {0};
    size_t n = batch_size(record);
    int64_t before = 0;
    struct item *batch;
    int r = 0;

    if (w->config->common.dry_run)
        print_batch(record, n);
    else
        r = w->journal ? write_batch(record, n, &before, &err)
                       : error_set(&err, EIO, "the journal isn't open");
    if (r) {
        failed(record, n, &err);
        return r;
    }
    record->retry_ms = 0;
    batch = take_batch(record, n);
    if (!w->config->common.dry_run)
        publish(w, before);
    for (const struct item *it = batch; it; it = it->next)
        notice(w, it);
    items_free(batch);
    return 0;
}

int record_flush(struct record *record)
{
    int r = 0;

    if (record->overflow)
        watcher_reopen(record->w);
    if (record->head)
        r = flush_batch(record);
    if (!r && record->head)
        loop_timer_arm(record->timer, 0);
    return r;
}
