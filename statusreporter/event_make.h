/* Which Kubernetes Events a change of the status is worth (spec 04-status 8, and Warnings for
 * problems). Pure. */
#ifndef STATUSREPORTER_EVENT_MAKE_H
#define STATUSREPORTER_EVENT_MAKE_H

#include "statusreporter/problem.h"

enum { K8S_EVENTS_MAX = 16 };

struct k8s_event {
    bool warning; /* else Normal */
    const char *reason; /* static, or borrowed from the problems */
    char message[1024];
    const char *object; /* what it is about, borrowed from the problems: a new message changes the
                           Event; NULL: the same message is the same Event, counted up */
};

struct k8s_events {
    struct k8s_event items[K8S_EVENTS_MAX];
    int n;
};

/** @recorded: the status that is replaced; NULL: none. In the order in which the reference operator
 * tells them. */
void events_make(const cJSON *recorded, const cJSON *status, const struct problems *problems,
                 struct k8s_events *ret);
/** The FlinkCluster is gone. */
void events_make_deleted(struct k8s_events *ret);

#endif
