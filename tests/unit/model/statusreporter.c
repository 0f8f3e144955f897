/* The statusreporter: the real life of a job, written by somebody whose writes are late or lost. */
#include "tests/unit/model/world.h"

enum { STATUS_BYTES_MAX = 64 * 1024 };

static void set_or_remove(cJSON *status, const char *key, const cJSON *value)
{
    json_remove(status, key);
    if (value)
        json_set(status, key, json_copy(value));
}

static cJSON *derived_status(const struct world *w, const struct view *v, const struct life *l)
{
    cJSON *status = w->journal.cluster && json_has(w->journal.cluster, "status")
                        ? json_copy(json_member(w->journal.cluster, "status"))
                        : cJSON_CreateObject();
    bool there = l->update == UPDATE_FINISHED || !v->revision.update_triggered;

    set_or_remove(status, "components.job", l->job);
    set_or_remove(status, "savepoint", l->savepoint);
    set_or_remove(status, "control", l->control);
    set_or_remove(status, "savepoints", l->savepoints);
    json_set_str(status, "revision.nextRevision", v->revision.next);
    json_set_str(status, "revision.currentRevision",
                 there ? v->revision.next : v->revision.current);
    return status;
}

static void on_status(struct world *w)
{
    const cJSON *cluster = w->journal.cluster;
    cJSON *write, *status;
    struct view v;
    struct life l;

    if (!cluster || w->status_in_flight)
        return;
    if (w->status_version && kube_version(cluster) < w->status_version &&
        w->now_ms - w->status_written_ms < WRITE_SEEN_MS) {
        happen_once(w, 1000, EVENT_STATUS, NULL);
        return;
    }
    view_init(&v, &w->journal, w->now_ms);
    life_derive(&v, &l);
    status = derived_status(w, &v, &l);
    str_copy(w->said, sizeof w->said, l.reason);
    if (l.wake_ms)
        happen_once(w, l.wake_ms > w->now_ms ? l.wake_ms - w->now_ms : 1000, EVENT_STATUS, NULL);
    if (!json_equal(status, json_member(cluster, "status")) || l.clear_control) {
        bool clear = json_equal(status, json_member(cluster, "status"));

        write = cJSON_CreateObject();
        json_set_str(write, "version", json_str(cluster, "metadata.resourceVersion"));
        if (!clear)
            json_set(write, "status", json_copy(status));
        w->status_in_flight = true;
        happen(w, misfortune(w, 20) ? between(w, 100, 8000) : between(w, 1, 30), EVENT_STATUS_WRITE,
               0, NULL, write);
    }
    cJSON_Delete(status);
    life_done(&l);
    view_done(&v);
}

static void write_status(struct world *w, cJSON *write)
{
    const cJSON *status = json_member(write, "status");
    const char *before = json_str_or(w->cluster, "status.components.job.state", "");
    char *text;

    if (!status) {
        trace(w, "statusreporter: the annotation is removed");
        json_remove(w->cluster, "metadata.annotations");
        kube_touch(w, w->cluster);
        return;
    }
    if (!str_eq(before, json_str_or(status, "components.job.state", "")))
        trace(w, "status: job %s -> %s", before, json_str_or(status, "components.job.state", ""));
    if (!json_equal(json_member(status, "savepoint"), json_get(w->cluster, "status.savepoint")))
        trace(w, "status: savepoint %.6s %s %s", json_str_or(status, "savepoint.triggerID", ""),
              json_str_or(status, "savepoint.state", ""),
              json_str_or(status, "savepoint.message", ""));
    if (!str_eq(json_str(status, "components.job.savepointLocation"),
                json_str(w->cluster, "status.components.job.savepointLocation")))
        trace(w, "status: location %s, from %s",
              json_str_or(status, "components.job.savepointLocation", ""),
              json_str_or(status, "components.job.fromSavepoint", ""));
    if (str_eq(json_str(status, "components.job.state"), "Running"))
        str_copy(w->told_to_run, sizeof w->told_to_run,
                 json_str_or(status, "components.job.id", ""));
    w->cancelled |= str_eq(json_str(status, "components.job.state"), "Cancelled") &&
                    !str_eq(before, "Cancelled");
    json_set(w->cluster, "status", json_copy(status));
    kube_touch(w, w->cluster);
    text = json_text(status);
    if (text && strlen(text) > STATUS_BYTES_MAX)
        violate(w, "the status has %zu bytes", strlen(text));
    free(text);
}

static void on_status_write(struct world *w, struct happening *e)
{
    w->status_in_flight = false;
    happen_once(w, misfortune(w, 10) ? 1000 : between(w, 1, 50), EVENT_STATUS, NULL);
    if (!w->cluster || misfortune(w, 15) ||
        !str_eq(json_str(e->json, "version"), json_str(w->cluster, "metadata.resourceVersion")))
        return;
    write_status(w, e->json);
    if (misfortune(w, 15)) /* its answer was lost, or it died */
        return;
    w->status_version = kube_version(w->cluster);
    w->status_written_ms = w->now_ms;
}

void statusreporter_event(struct world *w, struct happening *e)
{
    switch (e->type) {
    case EVENT_STATUS:
        on_status(w);
        break;
    case EVENT_STATUS_WRITE:
        on_status_write(w, e);
        break;
    default:
        break;
    }
}
