/* Whether this suite is the one that works: kept in a Lease, told to the others by the journal.
 * Without leader election it always is. */
#ifndef WATCHER_ELECTION_H
#define WATCHER_ELECTION_H

#include "common/base/error.h"

struct election;
struct watcher;

int election_new(struct watcher *w, struct election **ret, struct error *err);
struct election *election_free(struct election *election);
/** The journal is another one, or everything is listed now: say again what is so. */
void election_repeat(struct election *election);
/** At exit: hand the Lease back, waiting a second at most. */
void election_release(struct election *election);

#endif
