/* Which revision a cluster is at and which it goes to (spec 05-lifecycle 3.2). Revisions are told
 * apart by what they say: the hash in a name is only a name, since another operator may write the
 * same spec in other bytes. */
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/names.h"
#include "common/model/revision.h"

enum { REVISIONS_MAX = 256, NAME_PREFIX_MAX = 223, HISTORY_DEFAULT = 10, COLLISIONS_MAX = 100 };

struct history {
    const cJSON *item[REVISIONS_MAX]; /* oldest first */
    int n;
};

static const char *name_of(const cJSON *object)
{
    return json_str_or(object, "metadata.name", "");
}

static const char *label_of(const cJSON *object, const char *label)
{
    return cJSON_GetStringValue(json_member(json_get(object, "metadata.labels"), label));
}

static bool is_ours(const cJSON *revision, const char *cluster_name, const char *uid)
{
    if (!str_eq(label_of(revision, LABEL_MANAGED_BY), cluster_name))
        return false;
    json_foreach (owner, json_get(revision, "metadata.ownerReferences"))
        if (json_bool(owner, "controller", false))
            return str_eq(json_str(owner, "uid"), uid);
    return true;
}

static int compare(const cJSON *a, const cJSON *b)
{
    int64_t number_a = json_int(a, "revision", 0), number_b = json_int(b, "revision", 0);
    int order;

    if (number_a != number_b)
        return number_a < number_b ? -1 : 1;
    /* RFC 3339 in UTC sorts as text */
    order = strcmp(json_str_or(a, "metadata.creationTimestamp", ""),
                   json_str_or(b, "metadata.creationTimestamp", ""));
    return order ? order : strcmp(name_of(a), name_of(b));
}

/* Of more than fit, the newest are kept. */
static void history_add(struct history *h, const cJSON *revision)
{
    int at;

    if (h->n == REVISIONS_MAX) {
        if (compare(revision, h->item[0]) < 0)
            return;
        for (at = 1; at < h->n; at++)
            h->item[at - 1] = h->item[at];
        h->n--;
    }
    for (at = h->n; at > 0 && compare(revision, h->item[at - 1]) < 0; at--)
        h->item[at] = h->item[at - 1];
    h->item[at] = revision;
    h->n++;
}

static const cJSON *find_name(const cJSON *revisions, const char *name)
{
    json_foreach (revision, revisions)
        if (str_eq(name_of(revision), name))
            return revision;
    return NULL;
}

static const cJSON *history_find(const struct history *h, const char *name, size_t len)
{
    for (int i = h->n - 1; i >= 0; i--)
        if (strlen(name_of(h->item[i])) == len && strncmp(name_of(h->item[i]), name, len) == 0)
            return h->item[i];
    return NULL;
}

/* "<name>-<number>": the length of <name>. */
static size_t name_length(const char *numbered)
{
    const char *dash = strrchr(numbered, '-');

    return dash ? (size_t)(dash - numbered) : strlen(numbered);
}

/* ---- the next revision ---- */

static cJSON *owner_reference(const cJSON *cluster)
{
    cJSON *owners = cJSON_CreateArray(), *owner = cJSON_CreateObject();

    (void)json_set_str(owner, "apiVersion", "flinkoperator.k8s.io/v1beta1");
    (void)json_set_str(owner, "kind", "FlinkCluster");
    (void)json_set_str(owner, "name", name_of(cluster));
    (void)json_set_str(owner, "uid", json_str_or(cluster, "metadata.uid", ""));
    (void)json_set_bool(owner, "controller", true);
    (void)json_set_bool(owner, "blockOwnerDeletion", false);
    json_add_item(owners, owner);
    return owners;
}

/* The cluster's own, as at the time; kubectl's copy of the whole object would only be stale. */
static cJSON *annotations_of(const cJSON *cluster)
{
    cJSON *annotations = json_copy(json_get(cluster, "metadata.annotations"));
    cJSON *applied = json_member(annotations, "kubectl.kubernetes.io/last-applied-configuration");

    if (applied)
        cJSON_Delete(cJSON_DetachItemViaPointer(annotations, applied));
    return annotations;
}

static cJSON *labels_of(const cJSON *cluster, const char *hash)
{
    cJSON *labels = json_copy(json_get(cluster, "metadata.labels"));

    if (!cJSON_IsObject(labels)) {
        cJSON_Delete(labels);
        labels = cJSON_CreateObject();
    }
    (void)json_set_member_str(labels, LABEL_HASH, hash);
    (void)json_set_member_str(labels, LABEL_MANAGED_BY, name_of(cluster));
    return labels;
}

static cJSON *manifest(const cJSON *cluster, const char *name, const char *hash, int64_t number,
                       cJSON *data)
{
    cJSON *revision = cJSON_CreateObject(), *annotations = annotations_of(cluster);

    (void)json_set_str(revision, "apiVersion", "apps/v1");
    (void)json_set_str(revision, "kind", "ControllerRevision");
    (void)json_set_str(revision, "metadata.name", name);
    (void)json_set_str(revision, "metadata.namespace",
                       json_str_or(cluster, "metadata.namespace", ""));
    (void)json_set(revision, "metadata.labels", labels_of(cluster, hash));
    if (annotations)
        (void)json_set(revision, "metadata.annotations", annotations);
    (void)json_set(revision, "metadata.ownerReferences", owner_reference(cluster));
    (void)json_set_int(revision, "revision", number);
    (void)json_set(revision, "data", data);
    return revision;
}

/* A name that is taken by other content is a collision: another hash. By any revision, not only
 * ours. */
static void make_next(const cJSON *cluster, const cJSON *data, const cJSON *revisions,
                      int64_t number, struct revision_sync *ret)
{
    const cJSON *taken;
    char hash[16];

    for (int i = 0; i < COLLISIONS_MAX; i++, ret->collision_count++) {
        revision_hash(data, ret->collision_count, hash);
        (void)snprintf(ret->next_name, sizeof(ret->next_name), "%.*s-%s", NAME_PREFIX_MAX,
                       name_of(cluster), hash);
        taken = find_name(revisions, ret->next_name);
        if (!taken || revision_equal(json_member(taken, "data"), data))
            break;
    }
    ret->create = manifest(cluster, ret->next_name, hash, number, json_copy(data));
}

/* The latest revision that says what the spec says. */
static const cJSON *find_equal(const struct history *h, const cJSON *data)
{
    for (int i = h->n - 1; i >= 0; i--)
        if (revision_equal(json_member(h->item[i], "data"), data))
            return h->item[i];
    return NULL;
}

static const cJSON *sync_next(const cJSON *cluster, const cJSON *data, const cJSON *revisions,
                              const struct history *h, struct revision_sync *ret)
{
    const cJSON *next = find_equal(h, data);
    const cJSON *newest = h->n > 0 ? h->item[h->n - 1] : NULL;
    int64_t number = json_int(newest, "revision", 0);

    if (next)
        (void)snprintf(ret->next_name, sizeof(ret->next_name), "%s", name_of(next));
    if (next != newest || !newest)
        number++;
    if (!next) {
        make_next(cluster, data, revisions, number, ret);
    } else if (next != newest) {
        ret->renumber = name_of(next);
        ret->renumber_to = number;
    }
    (void)snprintf(ret->next, sizeof(ret->next), "%s-%lld", ret->next_name, (long long)number);
    return next;
}

/* ---- the current one ---- */

/* One that is recorded and no longer there can't be compared: the update to the next one takes
 * place, since the pods may be at anything. */
static unsigned change_from(const cJSON *current, const cJSON *data)
{
    const cJSON *spec = json_get(current, "data.spec");

    return spec ? revision_change(spec, json_member(data, "spec")) : CHANGE_PODS | CHANGE_JOB;
}

static const cJSON *sync_current(const cJSON *cluster, const cJSON *data, const struct history *h,
                                 const cJSON *next, struct revision_sync *ret)
{
    const char *recorded = json_str_or(cluster, "status.revision.currentRevision", "");
    size_t len = name_length(recorded);
    const cJSON *current = history_find(h, recorded, len);
    bool same = !*recorded ||
                (strlen(ret->next_name) == len && strncmp(ret->next_name, recorded, len) == 0);

    if (!same) {
        ret->change = change_from(current, data);
        same = next && ret->change == CHANGE_NONE;
    }
    ret->update_triggered = !same;
    if (same) {
        (void)snprintf(ret->current, sizeof(ret->current), "%s", ret->next);
        return next;
    }
    (void)snprintf(ret->current, sizeof(ret->current), "%s", recorded);
    return current;
}

static void trim_history(const cJSON *cluster, const struct history *h, const cJSON *current,
                         const cJSON *next, struct revision_sync *ret)
{
    int64_t limit = json_int(cluster, "spec.revisionHistoryLimit", HISTORY_DEFAULT);

    if (limit < 0)
        limit = HISTORY_DEFAULT;
    for (int i = 0; i < h->n - limit && ret->n_remove < (int)ARRAY_SIZE(ret->remove); i++)
        if (h->item[i] != current && h->item[i] != next)
            ret->remove[ret->n_remove++] = name_of(h->item[i]);
}

void revision_sync(const cJSON *cluster, const cJSON *revisions, struct revision_sync *ret)
{
    _cleanup_(json_freep) cJSON *data = revision_data(json_member(cluster, "spec"));
    struct history history = {.n = 0};
    const cJSON *next, *current;

    *ret = (struct revision_sync){.collision_count =
                                      json_int(cluster, "status.revision.collisionCount", 0)};
    json_foreach (revision, revisions)
        if (is_ours(revision, name_of(cluster), json_str_or(cluster, "metadata.uid", "")))
            history_add(&history, revision);
    next = sync_next(cluster, data, revisions, &history, ret);
    current = sync_current(cluster, data, &history, next, ret);
    ret->current_spec = json_get(current, "data.spec");
    trim_history(cluster, &history, current, next, ret);
}

void revision_sync_done(struct revision_sync *sync)
{
    cJSON_Delete(sync->create);
    sync->create = NULL;
}
