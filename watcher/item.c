#include "watcher/item.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "watcher/facts.h"
#include "watcher/history.h"
#include "watcher/record.h"
#include "watcher/strip.h"

struct item *item_new(enum item_type type)
{
    struct item *it = calloc(1, sizeof(*it));

    if (it)
        it->type = type;
    return it;
}

void item_free(struct item *it)
{
    if (!it)
        return;
    object_done(&it->object);
    free(it->key);
    index_done(&it->seen);
    items_free(it->gone);
    free(it);
}

void items_free(struct item *list)
{
    while (list) {
        struct item *next = list->next;

        item_free(list);
        list = next;
    }
}

static struct index_entry *known_at(struct known *known, const struct object *o)
{
    return index_at(&known->objects, index_key(o->kind, o->ns, o->name));
}

static void forget(struct known *known, const struct object *o)
{
    struct index_entry *entry = index_find(&known->objects, index_key(o->kind, o->ns, o->name));

    if (entry)
        entry->a = entry->b = 0;
}

/* Hash of everything but the resourceVersion; never 0. */
static uint32_t content_hash(const cJSON *json)
{
    _cleanup_(json_freep) cJSON *copy = json_copy(json);
    _cleanup_(freep) char *text = NULL;
    uint32_t hash;

    json_remove(copy, "metadata.resourceVersion");
    text = json_text(copy);
    hash = text ? fnv1a_32(text, strlen(text)) : 0;
    return hash ? hash : 1;
}

/* The history gets a line when what a human would say of the object changed. */
static int add_history(struct journal_tx *tx, struct known *known, const struct object *o,
                       bool gone, int64_t now_ms, struct error *err)
{
    _cleanup_(json_freep) cJSON *line = history_of_object(o->kind, o->name, o->json);
    struct index_entry *entry = known_at(known, o);
    const char *state;
    uint32_t hash;

    if (gone)
        (void)json_set_str(line, "state", "gone");
    state = json_str_or(line, "state", "");
    hash = fnv1a_32(state, strlen(state));
    if (!line || !entry || (entry->b == hash && !gone))
        return 0; /* the history may have a gap, the journal not */
    entry->b = gone ? 0 : hash;
    return event_add(tx, now_ms, "watcher", o->cluster_uid, "observed", line, err);
}

static int apply_put(struct item *it, struct journal_tx *tx, struct known *known, int64_t now_ms,
                     struct error *err)
{
    struct object *o = &it->object;
    bool noisy = strip_is_noisy(o->kind, o->json);
    uint32_t hash = noisy ? content_hash(o->json) : 0;
    struct index_entry *entry = noisy ? known_at(known, o) : NULL;
    int r;

    if (entry && entry->a == hash)
        return 0;
    r = object_put(tx, o, &o->row, err);
    if (r || !o->row)
        return r;
    it->changed = true;
    if (entry)
        entry->a = hash;
    return add_history(tx, known, o, false, now_ms, err);
}

static int apply_delete(struct item *it, struct journal_tx *tx, struct known *known, int64_t now_ms,
                        struct error *err)
{
    struct object *o = &it->object;
    int r = object_delete(tx, o->kind, o->ns, o->name, o->uid, &o->row, err);

    if (r == JOURNAL_E_NOTFOUND)
        return 0;
    if (r)
        return r;
    it->changed = true;
    r = add_history(tx, known, o, true, now_ms, err);
    forget(known, o);
    return r;
}

/* ---- the end of a list ---- */

struct list_end {
    struct item *it;
    struct journal_tx *tx;
    struct known *known;
    int64_t now_ms;
    struct error *err;
};

/* ConfigMaps come from two lists: each retires only its own. */
static bool is_of_other_list(const struct list_end *end, const char *ns, const char *name)
{
    _cleanup_(object_done) struct object o = {0};

    if (!str_eq(end->it->object.kind, "ConfigMap"))
        return false;
    if (object_get(end->tx->journal, "ConfigMap", ns, name, &o, NULL))
        return true; /* can't tell: kept until the next list */
    return strip_is_ha(o.json) != end->it->ha;
}

static bool is_seen(const char *ns, const char *name, const char *uid, void *userdata)
{
    const struct list_end *end = userdata;

    (void)uid; /* another uid of that name was stored over the old one */
    return index_find(&end->it->seen, record_key(ns, name)) || is_of_other_list(end, ns, name);
}

static char *copy_of(const char *text)
{
    return strdup(text ? text : "");
}

static struct item *gone_item(const struct object *o)
{
    struct item *it = item_new(ITEM_DELETE);

    if (!it)
        return NULL;
    it->object = (struct object){.kind = copy_of(o->kind),
                                 .ns = copy_of(o->ns),
                                 .name = copy_of(o->name),
                                 .uid = copy_of(o->uid),
                                 .cluster_uid = copy_of(o->cluster_uid),
                                 .cluster_name = copy_of(o->cluster_name),
                                 .json = json_copy(o->json)};
    it->changed = true;
    return it;
}

static int on_gone(struct object *o, void *userdata)
{
    struct list_end *end = userdata;
    struct item *it = gone_item(o);
    int r;

    if (!it)
        return error_set(end->err, ENOMEM, "out of memory");
    it->next = end->it->gone;
    end->it->gone = it;
    end->it->changed = true;
    r = add_history(end->tx, end->known, o, true, end->now_ms, end->err);
    forget(end->known, o);
    return r;
}

static int apply_list(struct item *it, struct journal_tx *tx, struct known *known, int64_t now_ms,
                      struct error *err)
{
    struct list_end end = {.it = it, .tx = tx, .known = known, .now_ms = now_ms, .err = err};

    return object_retain(tx, it->object.kind, it->object.ns, is_seen, &end, on_gone, err);
}

/* ---- observations ---- */

/* Checkpoints come all the time: they would be all of the history. */
static bool is_history(const char *key)
{
    return !str_starts(key, "checkpoints/");
}

static int apply_observe(struct item *it, struct journal_tx *tx, int64_t now_ms, struct error *err)
{
    const struct object *o = &it->object;
    _cleanup_(json_freep) cJSON *line = NULL;
    int64_t row = 0;
    int r;

    if (!o->json) {
        r = observation_delete(tx, o->cluster_uid, it->key, err);
        return r < 0 ? r : 0;
    }
    r = observation_put(tx, o->cluster_uid, it->key, o->json, now_ms, &row, err);
    if (r || !row || !is_history(it->key))
        return r;
    line = cJSON_CreateObject();
    (void)json_set_str(line, "observation", it->key);
    (void)json_set(line, "value", json_copy(o->json));
    return event_add(tx, now_ms, "watcher", o->cluster_uid, "observed", line, err);
}

int item_apply(struct item *it, struct journal_tx *tx, struct known *known, int64_t now_ms,
               struct error *err)
{
    switch (it->type) {
    case ITEM_PUT:
        return apply_put(it, tx, known, now_ms, err);
    case ITEM_DELETE:
        return apply_delete(it, tx, known, now_ms, err);
    case ITEM_LIST:
        return apply_list(it, tx, known, now_ms, err);
    case ITEM_RESUME:
        return watch_put(tx, it->key, it->object.ns, it->object.resource_version, err);
    case ITEM_OBSERVE:
        return apply_observe(it, tx, now_ms, err);
    }
    return error_set(err, EINVAL, "no such item");
}

void item_undo(struct item *it, struct known *known)
{
    it->changed = false;
    if (it->type == ITEM_PUT || it->type == ITEM_DELETE)
        forget(known, &it->object);
    items_free(it->gone);
    it->gone = NULL;
}

void item_print(const struct item *it)
{
    static const char *const names[] = {[ITEM_PUT] = "object",
                                        [ITEM_DELETE] = "deleted",
                                        [ITEM_LIST] = "listed",
                                        [ITEM_RESUME] = "resume",
                                        [ITEM_OBSERVE] = "observation"};
    _cleanup_(json_freep) cJSON *line = cJSON_CreateObject();
    _cleanup_(freep) char *text = NULL;

    (void)json_set_str(line, "store", names[it->type]);
    (void)json_set_str(line, "kind", it->object.kind);
    (void)json_set_str(line, "namespace", it->object.ns);
    (void)json_set_str(line, "name", it->object.name);
    (void)json_set_str(line, "cluster", it->object.cluster_uid);
    (void)json_set_str(line, "key", it->key);
    if (it->object.json)
        (void)json_set(line, "value", json_copy(it->object.json));
    text = json_text(line);
    if (text && it->type != ITEM_RESUME && it->type != ITEM_LIST)
        printf("%s\n", text);
}
