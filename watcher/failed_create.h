/* Why pods of a StatefulSet, Deployment or Job can't be created (quota, admission): told only by
 * Events. Observation "failedcreate/<kind>/<name>": {"reason", "message", "count", "lastSeen"
 * (ms)}; it goes when the Event does or when the object gets its pods. */
#ifndef WATCHER_FAILED_CREATE_H
#define WATCHER_FAILED_CREATE_H

#include <stdbool.h>

#include "common/store/journal.h"
#include "watcher/clusters.h"
#include "watcher/watcher.h"

/** A FailedCreate Event. */
void failed_create_event(struct watcher *w, const cJSON *event, bool gone);
/** A child changed: does it have its pods by now? */
void failed_create_look(struct watcher *w, const struct cluster *c, const struct object *o);
/** What was observed of the cluster before this process started. */
void failed_create_known(struct cluster *c, const cJSON *observations);

#endif
