/* A child is written by server-side apply, once. Twice it isn't that simple: what is thought to be
 * new may be there, and what others left in a list may contradict what is applied to it. */
#include "reconciler/request.h"

#include <stdio.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/resource.h"
#include "reconciler/reconciler.h"

enum {
    BACKOFF_MS = 1000,
    BACKOFF_MAX_MS = 5 * 60 * 1000,
};

enum { HTTP_NOT_FOUND = 404, HTTP_CONFLICT = 409, HTTP_UNPROCESSABLE = 422 };

/* No object has this version, as etcd's first write makes a later one: with it in the manifest an
 * apply creates, and changes nothing that is there. */
static const char version_of_none[] = "1";

struct request {
    struct work *work;
    struct request *prev, *next; /* of the work's that are under way */
    enum action_kind action;
    bool is_new; /* nothing is to be there yet */
    bool is_whole; /* lists are replaced as a whole, not merged into */
    cJSON *manifest; /* owned; NULL: a deletion */
    char kind[32], name[256], uid[64];
};

static struct request *request_free(struct request *request)
{
    cJSON_Delete(request->manifest);
    free(request);
    return NULL;
}

static void link_to_work(struct request *request)
{
    struct work *work = request->work;

    request->next = work->requests;
    if (request->next)
        request->next->prev = request;
    work->requests = request;
    work->in_flight++;
    work->rec->in_flight++;
}

static void unlink_from_work(struct request *request)
{
    struct work *work = request->work;

    if (request->prev)
        request->prev->next = request->next;
    else
        work->requests = request->next;
    if (request->next)
        request->next->prev = request->prev;
    work->in_flight--;
    work->rec->in_flight--;
}

void requests_drop(struct work *work)
{
    while (work->requests) {
        struct request *request = work->requests;

        unlink_from_work(request);
        request_free(request);
    }
}

/* ---- the end of one ---- */

static void note(struct request *request, const char *reason, const char *message)
{
    struct work *work = request->work;
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    _cleanup_(json_freep) cJSON *seen = cJSON_CreateObject();
    char key[320];
    int64_t row;
    struct error err = {0};
    int r;

    (void)snprintf(key, sizeof key, "failedapply/%s/%s", request->kind, request->name);
    json_set_str(seen, "reason", reason);
    json_set_str(seen, "message", message);
    r = journal_begin(work->rec->journal, false, &tx, &err);
    if (!r)
        r = observation_put(&tx, work->uid, key, seen, time_now_ms(), &row, &err);
    if (!r)
        r = journal_commit(&tx, &err);
    if (r)
        reconciler_journal_trouble(work->rec, &err);
}

static void note_failure(struct request *request, const struct kube_response *response)
{
    log_warn("cluster=%s/%s %s %s failed: %s", request->work->ns, request->work->name,
             request->kind, request->name, response->message);
    request->work->failed = true;
    if (!response->transient) /* else the API server's own trouble: nothing for the user to do */
        note(request, response->reason, response->message);
}

static void finish_plan(struct work *work)
{
    int64_t delay = BACKOFF_MS;

    if (work->failed) {
        for (int i = 0; i < work->failures && delay < BACKOFF_MAX_MS; i++)
            delay *= 2;
        work->failures++;
        work->dirty = true;
        work->not_before_ms =
            time_monotonic_ms() + (delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS);
    } else {
        work->failures = 0;
        work_wait_for_writes(work);
    }
    reconciler_wake(work->rec);
}

/* Takes @request. */
static void finish(struct request *request)
{
    struct work *work = request->work;

    unlink_from_work(request);
    request_free(request);
    if (!work->in_flight)
        finish_plan(work);
}

/* ---- again, in another way ---- */

static void on_done(struct kube_response *response, void *userdata);

static enum kube_verb verb_of(const struct request *request)
{
    switch (request->action) {
    case ACTION_CREATE:
        return KUBE_CREATE;
    case ACTION_DELETE:
        return KUBE_DELETE;
    case ACTION_APPLY:
        return request->is_whole ? KUBE_MERGE_PATCH : KUBE_APPLY;
    case ACTION_PATCH:
    case ACTION_COMMAND: /* these two are no requests */
    case ACTION_DROP_COMMAND:
        break;
    }
    return KUBE_MERGE_PATCH;
}

static int start(struct request *request, enum kube_verb verb, const cJSON *body,
                 kube_done_fn on_answer, struct error *err)
{
    const struct work *work = request->work;
    const struct kube_request call = {
        .verb = verb,
        .resource = resource_by_kind(request->kind),
        .ns = work->ns,
        .name = request->name,
        .body = body,
        /* The reference operator compares the data of revisions by its bytes (spec
           05-lifecycle 3.1). */
        .canonical = verb == KUBE_CREATE,
        .brief = verb != KUBE_GET && verb != KUBE_DELETE,
    };

    return kube_start(work->rec->kube, &call, on_answer, request, NULL, err);
}

static int start_write(struct request *request, struct error *err)
{
    _cleanup_(json_freep) cJSON *options = NULL;
    bool deletes = request->action == ACTION_DELETE;

    if (deletes)
        options = kube_delete_options("Background", request->uid[0] ? request->uid : NULL, NULL);
    if (request->action == ACTION_APPLY && request->is_new)
        json_set_str(request->manifest, "metadata.resourceVersion", version_of_none);
    else if (request->action == ACTION_APPLY)
        json_remove(request->manifest, "metadata.resourceVersion");
    return start(request, verb_of(request), deletes ? options : request->manifest, on_done, err);
}

/* Takes @request, which was answered. */
static void write_again(struct request *request)
{
    struct error err = {0};

    if (!start_write(request, &err))
        return;
    log_warn("cluster=%s/%s %s %s: %s", request->work->ns, request->work->name, request->kind,
             request->name, err.text);
    request->work->failed = true;
    finish(request);
}

static bool is_ours(const struct request *request, const cJSON *object)
{
    json_foreach (owner, json_get(object, "metadata.ownerReferences"))
        if (json_bool(owner, "controller", false))
            return str_eq(json_str(owner, "uid"), request->work->uid);
    return false;
}

/* What has the name of a child that was thought to be new. Ours: the journal is behind, or somebody
 * took the label away that it is watched by. */
static void on_found(struct kube_response *response, void *userdata)
{
    struct request *request = userdata;
    struct work *work = request->work;

    if (response->status / 100 == 2 && is_ours(request, response->object)) {
        request->is_new = false;
        write_again(request);
        return;
    }
    if (response->status / 100 == 2) {
        log_warn("cluster=%s/%s %s %s exists and belongs to somebody else", work->ns, work->name,
                 request->kind, request->name);
        work->failed = true;
        note(request, "NameTaken", "");
    } else if (response->status == HTTP_NOT_FOUND) {
        work->failed = true; /* it has just gone */
    } else {
        note_failure(request, response);
    }
    finish(request);
}

/* ---- answers ---- */

static bool is_done_already(const struct request *request, const struct kube_response *response)
{
    if (request->action == ACTION_DELETE) /* gone, or another object under that name */
        return response->status == HTTP_NOT_FOUND || response->status == HTTP_CONFLICT;
    return request->action == ACTION_CREATE && str_eq(response->reason, "AlreadyExists");
}

/* Decided on an older version: the newer one is on its way here, and is decided on then. */
static bool is_outdated(const struct request *request, const struct kube_response *response)
{
    return request->action == ACTION_PATCH && str_eq(response->reason, "Conflict");
}

/* Its name is taken: look by whom. */
static bool look_first(struct request *request, const struct kube_response *response)
{
    struct error err = {0};

    return request->action == ACTION_APPLY && request->is_new &&
           response->status == HTTP_CONFLICT && !start(request, KUBE_GET, NULL, on_found, &err);
}

/* Merged into what somebody wrote into a list, ours can be invalid: two ports of one name. */
static bool is_spoilt(const struct request *request, const struct kube_response *response)
{
    return request->action == ACTION_APPLY && !request->is_new && !request->is_whole &&
           response->status == HTTP_UNPROCESSABLE;
}

static void on_done(struct kube_response *response, void *userdata)
{
    struct request *request = userdata;

    if (look_first(request, response))
        return;
    if (is_spoilt(request, response)) {
        request->is_whole = true;
        write_again(request);
        return;
    }
    if (response->status / 100 == 2)
        work_remember_write(request->work, request->kind, request->name, request->uid,
                            work_version_of(response->version));
    else if (!is_done_already(request, response) && !is_outdated(request, response))
        note_failure(request, response);
    finish(request);
}

int request_send(struct work *work, struct action *action, struct error *err)
{
    struct request *request = calloc(1, sizeof *request);
    int r;

    if (!request)
        return error_set(err, ENOMEM, "out of memory");
    request->work = work;
    request->action = action->kind;
    request->is_new = action->is_new;
    request->manifest = TAKE(action->manifest);
    str_copy(request->kind, sizeof request->kind, action->object_kind);
    str_copy(request->uid, sizeof request->uid, action->uid);
    str_copy(request->name, sizeof request->name, action->name);
    r = start_write(request, err);
    if (r) {
        request_free(request);
        return r;
    }
    link_to_work(request);
    return 0;
}
