/* The last lines of a container that crashed: read once a crash. Observation
 * "crash/<pod>/<container>":
 * {"log", "restartCount", "exitCode", "reason", "uid" (of the pod), "crash" (its number)}. */
#ifndef WATCHER_CRASH_H
#define WATCHER_CRASH_H

#include <stdbool.h>

#include <cjson/cJSON.h>

struct cluster;
struct crash;
struct watcher;

struct crash *crash_new(struct watcher *w); /* NULL without memory */
struct crash *crash_free(struct crash *crash);
/** A pod changed or is @gone. */
void crash_look(struct crash *crash, const struct cluster *c, const cJSON *pod, bool gone);
/** What was observed of the cluster before this process started. */
void crash_known(struct crash *crash, const cJSON *observations);
bool crash_is_idle(const struct crash *crash);
/** Another journal: forget what was read. */
void crash_reset(struct crash *crash);

#endif
