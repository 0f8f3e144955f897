/* What a recorded change means to the watcher itself: which clusters there are, what to ask their
 * Flink, which logs to read. */
#ifndef WATCHER_NOTICE_H
#define WATCHER_NOTICE_H

#include "common/store/journal.h"
#include "watcher/watcher.h"

/** An object was stored, or (@gone) marked deleted. */
void notice_object(struct watcher *w, const struct object *o, bool gone);
/** Learn all clusters that the journal has. */
int notice_journal(struct watcher *w, struct error *err);

#endif
