/* Everything the watcher learns goes through here: a queue that is written to the journal as one
 * transaction a burst, in the order in which it came, and published only after the commit. What
 * can't be written (disk full) waits and is tried again. */
#ifndef WATCHER_RECORD_H
#define WATCHER_RECORD_H

#include <stdbool.h>

#include "common/store/journal.h"
#include "watcher/index.h"

struct record;
struct watcher;

struct record *record_new(struct watcher *w); /* NULL without memory */
struct record *record_free(struct record *record); /* what isn't flushed is lost */

/* All strings are copied; running out of memory makes the watcher relist. */

/** An object as it is now; takes @json (already stripped). */
void record_object(struct record *record, const char *kind, cJSON *json);
/** @json (taken): its last state. */
void record_deleted(struct record *record, const char *kind, cJSON *json);
/** A list of @kind is complete: what isn't in @seen (taken, left empty) is gone. @ha: the list was
 * of Flink's HA ConfigMaps. */
void record_list(struct record *record, const char *kind, const char *ns, struct index *seen,
                 bool ha);
/** Where to resume the watch. */
void record_resume(struct record *record, const char *resource, const char *ns, const char *rv);
/** Takes @json; NULL: the observation is deleted. */
void record_observation(struct record *record, const char *cluster_uid, const char *key,
                        cJSON *json);

/** Key of an object in the index of a list. */
uint64_t record_key(const char *ns, const char *name);
/** Write now; 0 when nothing is left to write. Troubles are logged and retried later by themselves.
 */
int record_flush(struct record *record);
bool record_is_idle(const struct record *record);
/** Forget the queue and what is known of the old journal. */
void record_reset(struct record *record);

#endif
