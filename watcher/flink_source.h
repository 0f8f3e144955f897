/* What Flink says: each job cluster whose JobManager runs is polled over one connection, fast while
 * something is under way and slowly while its job runs. Observations, in the journal under the
 * cluster's uid (written only when they change in a way that matters; "since" is when it read so
 * first, in ms):
 *
 *   "overview"          {"reachable": true, "jobs": [{"jid", "state", "name", "start-time",
 * "waits"}, …], "since", "jm": uid of the JobManager's pod, "jmRestarts": of its container} or
 *                       {"reachable": false, "error", "since"}
 *   "trigger/<id>"      {"completed": bool, "location"?, "failure"?, "unknown"?: true, "since"} of
 *                       a savepoint or stop
 *   "dispose/<id>"      the same of a disposal
 *   "exceptions/<job>"  {"exceptions": [text, …], "since"} when the job failed or restarts
 *   "checkpoints/<job>" {"completed"?, "savepoint"?, "restored"?, "last"?: true, "since"} with
 *                       restoreFrom LatestState; last: the job has ended, no other will follow
 */
#ifndef WATCHER_FLINK_SOURCE_H
#define WATCHER_FLINK_SOURCE_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"

struct cluster;
struct flink_source;
struct watcher;

int flink_source_new(struct watcher *w, struct flink_source **ret, struct error *err);
struct flink_source *flink_source_free(struct flink_source *source);

/** A cluster is there. @observations: what the journal has of it; may be NULL. */
void flink_source_add(struct flink_source *source, struct cluster *c, const cJSON *observations);
/** It goes: nothing is asked any more. */
void flink_source_remove(struct flink_source *source, struct cluster *c);
/** Something of it changed: look again at once. */
void flink_source_changed(struct flink_source *source, struct cluster *c);
/** Its commands or its status may name other savepoints than before. */
void flink_source_sync(struct flink_source *source, struct cluster *c);
/** Others wrote into the journal: which commands are open now? Cheap when nothing changed. */
void flink_source_sweep(struct flink_source *source);
/** Another journal: nothing is asked until the clusters are added again. */
void flink_source_reset(struct flink_source *source);
/** Everyone was asked once and no answer is awaited. */
bool flink_source_is_idle(struct flink_source *source);

#endif
