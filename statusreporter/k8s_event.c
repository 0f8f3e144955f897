/* Three requests can be needed: create; when it exists, an empty patch to read it (events are
 * written only: there is no permission to get them); when it was made on another occasion, a patch
 * that counts up. */
#include "statusreporter/k8s_event.h"

#include <stdio.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/resource.h"

#define ANNOTATION_OCCASION "flinkoperator.k8s.io/occasion"
#define EVENT_SOURCE        "FlinkOperator"

enum step { STEP_CREATE, STEP_READ, STEP_COUNT };

struct sending {
    struct sending *prev, *next;
    struct event_sender *sender;
    struct kube_call *call;
    enum step step;
    cJSON *manifest;
};

struct event_sender {
    struct kube_client *kube;
    struct sending *first;
    int in_flight;
    struct event_counts counts;
};

static void sending_free(struct sending *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        s->sender->first = s->next;
    if (s->next)
        s->next->prev = s->prev;
    s->sender->in_flight--;
    kube_cancel(s->call);
    cJSON_Delete(s->manifest);
    free(s);
}

struct event_sender *event_sender_new(struct kube_client *kube)
{
    struct event_sender *sender = calloc(1, sizeof *sender);

    if (sender)
        sender->kube = kube;
    return sender;
}

struct event_sender *event_sender_free(struct event_sender *sender)
{
    while (sender && sender->first)
        sending_free(sender->first);
    free(sender);
    return NULL;
}

int event_sender_in_flight(const struct event_sender *sender)
{
    return sender ? sender->in_flight : 0;
}

const struct event_counts *event_sender_counts(const struct event_sender *sender)
{
    static const struct event_counts none = {0};

    return sender ? &sender->counts : &none;
}

bool event_budget_take(struct event_budget *budget, int64_t now_ms)
{
    if (!budget->filled_ms)
        budget->tokens = EVENT_BURST;
    else
        budget->tokens += (double)(now_ms - budget->filled_ms) / EVENT_REFILL_MS;
    if (budget->tokens > EVENT_BURST)
        budget->tokens = EVENT_BURST;
    budget->filled_ms = now_ms;
    if (budget->tokens < 1)
        return false;
    budget->tokens -= 1;
    return true;
}

/* ---- the object ---- */

void event_name(const char *uid, const char *cluster, const struct k8s_event *event, char *out)
{
    char digest[33];

    md5_hex(digest, uid, event->reason, event->object ? event->object : event->message, NULL);
    (void)snprintf(out, EVENT_NAME_SIZE, "%.200s.%.16s", cluster, digest);
}

cJSON *event_manifest(const struct tracked *about, const struct k8s_event *event, const char *name,
                      const char *occasion, int64_t now_ms)
{
    cJSON *e = cJSON_CreateObject();
    char now[32];

    time_rfc3339(now_ms, now);
    json_set_str(e, "apiVersion", "v1");
    json_set_str(e, "kind", "Event");
    json_set_str(e, "metadata.name", name);
    json_set_str(e, "metadata.namespace", about->ns);
    json_set(e, "metadata.annotations", cJSON_CreateObject());
    json_set_member_str(json_get(e, "metadata.annotations"), ANNOTATION_OCCASION, occasion);
    json_set_str(e, "involvedObject.apiVersion", resource_get(RESOURCE_FLINKCLUSTER)->api_version);
    json_set_str(e, "involvedObject.kind", "FlinkCluster");
    json_set_str(e, "involvedObject.namespace", about->ns);
    json_set_str(e, "involvedObject.name", about->name);
    json_set_str(e, "involvedObject.uid", about->uid);
    json_set_str(e, "type", event->warning ? "Warning" : "Normal");
    json_set_str(e, "reason", event->reason);
    json_set_str(e, "message", event->message);
    json_set_str(e, "source.component", EVENT_SOURCE);
    json_set_str(e, "reportingComponent", EVENT_SOURCE);
    json_set_str(e, "reportingInstance", "");
    json_set_str(e, "firstTimestamp", now);
    json_set_str(e, "lastTimestamp", now);
    json_set_int(e, "count", 1);
    return e;
}

/* ---- the steps ---- */

static void on_answer(struct kube_response *response, void *userdata);

static int start(struct sending *s, enum step step, const cJSON *patch)
{
    struct error err = {0};
    struct kube_request request = {
        .verb = step == STEP_CREATE ? KUBE_CREATE : KUBE_MERGE_PATCH,
        .resource = resource_get(RESOURCE_EVENT),
        .ns = json_str(s->manifest, "metadata.namespace"),
        .name = json_str(s->manifest, "metadata.name"),
        .body = step == STEP_CREATE ? s->manifest : patch,
        .max_attempts = 3,
        .brief = step != STEP_READ,
    };
    int r = kube_start(s->sender->kube, &request, on_answer, s, &s->call, &err);

    s->step = step;
    if (r)
        log_warn("event %s isn't written: %s", request.name, err.text);
    return r;
}

static bool is_told(const struct sending *s, const cJSON *existing)
{
    return str_eq(cJSON_GetStringValue(
                      json_member(json_get(existing, "metadata.annotations"), ANNOTATION_OCCASION)),
                  cJSON_GetStringValue(json_member(json_get(s->manifest, "metadata.annotations"),
                                                   ANNOTATION_OCCASION)));
}

static int count_up(struct sending *s, const cJSON *existing)
{
    _cleanup_(json_freep) cJSON *patch = cJSON_CreateObject();

    json_set(patch, "metadata.annotations",
             json_copy(json_get(s->manifest, "metadata.annotations")));
    json_set_str(patch, "message", json_str(s->manifest, "message"));
    json_set_str(patch, "lastTimestamp", json_str(s->manifest, "lastTimestamp"));
    json_set_int(patch, "count", json_int(existing, "count", 1) + 1);
    return start(s, STEP_COUNT, patch);
}

static int read_existing(struct sending *s)
{
    _cleanup_(json_freep) cJSON *nothing = cJSON_CreateObject();

    return start(s, STEP_READ, nothing);
}

/* 0: done; positive: goes on; negative: given up */
static int next_step(struct sending *s, const struct kube_response *response)
{
    bool fine = response->status >= 200 && response->status < 300;

    if (s->step == STEP_CREATE && str_eq(response->reason, "AlreadyExists"))
        return read_existing(s) ? -1 : 1;
    if (s->step != STEP_CREATE && response->status == 404) /* its hour was over meanwhile */
        return start(s, STEP_CREATE, NULL) ? -1 : 1;
    if (s->step == STEP_READ && fine && !is_told(s, response->object))
        return count_up(s, response->object) ? -1 : 1;
    return fine ? 0 : -1;
}

static void on_answer(struct kube_response *response, void *userdata)
{
    struct sending *s = userdata;
    struct event_sender *sender = s->sender;
    int r;

    s->call = NULL;
    r = next_step(s, response);
    if (r > 0)
        return;
    if (!r)
        sender->counts.written++;
    else
        sender->counts.failed++;
    if (r)
        log_debug("namespace=%s event=%s: not written: %s",
                  json_str_or(s->manifest, "metadata.namespace", ""),
                  json_str_or(s->manifest, "metadata.name", ""), response->message);
    failpoint("event.after");
    sending_free(s);
}

void event_send(struct event_sender *sender, struct tracked *about, const struct k8s_event *event,
                const char *occasion)
{
    struct sending *s;
    char name[EVENT_NAME_SIZE];

    if (sender->in_flight >= EVENTS_IN_FLIGHT_MAX ||
        !event_budget_take(&about->budget, time_monotonic_ms()) || !(s = calloc(1, sizeof *s))) {
        sender->counts.left_out++;
        return;
    }
    event_name(about->uid, about->name, event, name);
    s->manifest = event_manifest(about, event, name, occasion, time_now_ms());
    s->sender = sender;
    s->next = sender->first;
    if (s->next)
        s->next->prev = s;
    sender->first = s;
    sender->in_flight++;
    if (start(s, STEP_CREATE, NULL))
        sending_free(s);
}
