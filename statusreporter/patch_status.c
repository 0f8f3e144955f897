#include "statusreporter/patch_status.h"

#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/backoff.h"
#include "common/kube/resource.h"
#include "common/model/names.h"

struct status_write {
    struct status_write *prev, *next;
    struct status_writer *writer;
    struct kube_call *call;
    char uid[64];
    char rv[32]; /* that the patch was made of */
    int64_t started_ms;
    cJSON *patch; /* of the status; NULL: the annotation's */
};

static void write_free(struct status_write *write)
{
    if (write->prev)
        write->prev->next = write->next;
    else
        write->writer->first = write->next;
    if (write->next)
        write->next->prev = write->prev;
    write->writer->in_flight--;
    kube_cancel(write->call);
    cJSON_Delete(write->patch);
    free(write);
}

void status_writer_done(struct status_writer *w)
{
    while (w->first)
        write_free(w->first);
}

/* ---- patches ---- */

static cJSON *precondition(const cJSON *cluster)
{
    cJSON *patch = cJSON_CreateObject();

    json_set_str(patch, "metadata.uid", json_str(cluster, "metadata.uid"));
    json_set_str(patch, "metadata.resourceVersion", json_str(cluster, "metadata.resourceVersion"));
    return patch;
}

cJSON *status_patch(const cJSON *cluster, const cJSON *status)
{
    cJSON *change = json_merge_patch(json_member(cluster, "status"), status);
    cJSON *patch;

    if (!change)
        return NULL;
    patch = precondition(cluster);
    json_set_member(patch, "status", change);
    return patch;
}

cJSON *control_patch(const cJSON *cluster)
{
    cJSON *patch = precondition(cluster);

    json_set(patch, "metadata.annotations", cJSON_CreateObject());
    json_set_member(json_get(patch, "metadata.annotations"), ANNOTATION_USER_CONTROL,
                    cJSON_CreateNull());
    return patch;
}

/* ---- the answer ---- */

static void succeeded(struct status_writer *w, struct tracked *t, const char *version,
                      bool annotation)
{
    if (annotation) {
        failpoint("annotation.after");
        w->annotations++;
    } else {
        failpoint("status.after");
        w->written++;
    }
    if (!t)
        return;
    t->failures = 0;
    t->open_row = t->row > t->looked_row ? t->row : 0;
    t->written_ms = time_monotonic_ms();
    str_copy(t->written_rv, sizeof t->written_rv, version);
}

/* Returns in how many ms to look again; 0: when the journal has something new. */
static int64_t failed(struct status_writer *w, struct tracked *t, const char *rv,
                      const struct kube_response *response)
{
    bool conflict = response->status == 409;
    int64_t retry_ms;

    if (conflict)
        w->conflicts++;
    else
        w->failed++;
    if (!t || response->status == 404)
        return 0;
    if (conflict) { /* the journal lags: what is newer will come */
        log_debug("uid=%s namespace=%s name=%s: changed meanwhile", t->uid, t->ns, t->name);
        str_copy(t->refused_rv, sizeof t->refused_rv, rv);
        t->written_ms = time_monotonic_ms();
        return RECORD_WAIT_MS;
    }
    retry_ms = backoff_ms(++t->failures, WRITE_BACKOFF_MS, WRITE_BACKOFF_MAX_MS);
    log_warn("uid=%s namespace=%s name=%s: the status can't be written: HTTP %d %s; retrying "
             "in %lld ms",
             t->uid, t->ns, t->name, response->status, response->message, (long long)retry_ms);
    return retry_ms;
}

static void on_answer(struct kube_response *response, void *userdata)
{
    struct status_write *write = userdata;
    struct status_writer *w = write->writer;
    struct tracked *t = tracked_find(w->clusters, write->uid);
    bool fine = response->status >= 200 && response->status < 300;
    cJSON *written = NULL;
    int64_t retry_ms = 0;

    write->call = NULL;
    w->latency_ms = (w->latency_ms * 7 + time_monotonic_ms() - write->started_ms) / 8;
    if (t)
        t->in_flight = false;
    if (fine) {
        succeeded(w, t, response->version, !write->patch);
        written =
            write->patch ? cJSON_DetachItemFromObjectCaseSensitive(write->patch, "status") : NULL;
    } else {
        retry_ms = failed(w, t, write->rv, response);
    }
    w->on_done(w->userdata, write->uid, written, retry_ms);
    write_free(write);
}

static int start(struct status_writer *w, struct tracked *t, bool annotation, cJSON *patch,
                 struct error *err)
{
    struct status_write *write = calloc(1, sizeof *write);
    struct kube_request request = {
        .verb = KUBE_MERGE_PATCH,
        .resource = resource_get(RESOURCE_FLINKCLUSTER),
        .ns = t->ns,
        .name = t->name,
        .subresource = annotation ? NULL : "status",
        .body = patch,
        .brief = true,
    };
    int r;

    if (!write) {
        cJSON_Delete(patch);
        return error_set(err, ENOMEM, "no memory");
    }
    write->writer = w;
    write->next = w->first;
    if (write->next)
        write->next->prev = write;
    w->first = write;
    w->in_flight++;
    write->started_ms = time_monotonic_ms();
    str_copy(write->uid, sizeof write->uid, t->uid);
    str_copy(write->rv, sizeof write->rv, json_str_or(patch, "metadata.resourceVersion", ""));
    r = kube_start(w->kube, &request, on_answer, write, &write->call, err);
    if (annotation)
        cJSON_Delete(patch);
    else
        write->patch = patch;
    if (r)
        write_free(write);
    else
        t->in_flight = true;
    return r;
}

int status_write(struct status_writer *w, struct tracked *t, cJSON *patch, struct error *err)
{
    failpoint("status.before");
    return start(w, t, false, patch, err);
}

int control_clear(struct status_writer *w, struct tracked *t, cJSON *patch, struct error *err)
{
    return start(w, t, true, patch, err);
}

/* ---- is it recorded? ---- */

bool status_is_recorded(const struct tracked *t, const char *recorded)
{
    int64_t ours, theirs;

    if (t->refused_rv[0] && str_eq(recorded, t->refused_rv))
        return false;
    if (!t->written_rv[0] || str_eq(recorded, t->written_rv))
        return true;
    /* Numbers that grow in practice, and by Kubernetes' word since 1.35; anything else is taken as
     * seen. */
    if (str_to_i64(t->written_rv, &ours) || str_to_i64(recorded, &theirs))
        return true;
    return theirs >= ours;
}
