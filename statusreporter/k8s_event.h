/* Writes Kubernetes Events (core v1). An Event's name is made of what it says, and it carries the
 * occasion it was said on: said again by a restarted daemon it is the same one, said on another
 * occasion it counts up. */
#ifndef STATUSREPORTER_K8S_EVENT_H
#define STATUSREPORTER_K8S_EVENT_H

#include "common/kube/client.h"
#include "statusreporter/event_make.h"
#include "statusreporter/tracked.h"

enum {
    EVENT_BURST = 25, /* a cluster's Events at once */
    EVENT_REFILL_MS = 15 * 1000, /* then one each */
    EVENTS_IN_FLIGHT_MAX = 1000, /* of all clusters; more are left out */
};

/* What the metrics count. */
struct event_counts {
    int64_t written, failed, left_out;
};

struct event_sender;

struct event_sender *event_sender_new(struct kube_client *kube); /* NULL without memory */
struct event_sender *event_sender_free(struct event_sender *sender); /* ends what is under way */

/** @occasion: the same after a restart for the same Event, another one whenever it happens again.
 */
void event_send(struct event_sender *sender, struct tracked *about, const struct k8s_event *event,
                const char *occasion);
int event_sender_in_flight(const struct event_sender *sender);
const struct event_counts *event_sender_counts(const struct event_sender *sender);

/** One of the cluster's tokens; false: none is left. */
bool event_budget_take(struct event_budget *budget, int64_t now_ms);
/** "<cluster>.<16 hex>": of what the Event says; out holds EVENT_NAME_SIZE bytes. */
enum { EVENT_NAME_SIZE = 253 + 1 };
void event_name(const char *uid, const char *cluster, const struct k8s_event *event, char *out);
/** The Event as it is created. The caller's. */
cJSON *event_manifest(const struct tracked *about, const struct k8s_event *event, const char *name,
                      const char *occasion, int64_t now_ms);

#endif
