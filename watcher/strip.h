/* What of a Kubernetes object is worth keeping: the journal stays small, and what nobody reads
 * makes no change. Pure. */
#ifndef WATCHER_STRIP_H
#define WATCHER_STRIP_H

#include <stdbool.h>

#include <cjson/cJSON.h>

/** Reduce @object (of @kind) in place: managedFields to their managers, no last-applied
 *  configuration; of a Pod only what decisions and reasons need. Returns 0 or -ENOMEM. */
int strip_object(const char *kind, cJSON *object);
/** Flink's own high-availability ConfigMap: kept without data. */
bool strip_is_ha(const cJSON *object);
/** After stripping, a change of nothing but the resourceVersion is none: objects that somebody
 *  rewrites all the time (leader records, autoscaler measurements). */
bool strip_is_noisy(const char *kind, const cJSON *object);

#endif
