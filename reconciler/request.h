/* The requests of a plan. Each answer is noted in the journal if it is trouble; the last one ends
 * the plan. */
#ifndef RECONCILER_REQUEST_H
#define RECONCILER_REQUEST_H

#include "reconciler/work.h"

/** Send what @action wants; its manifest is taken. Returns 0 or -errno. */
int request_send(struct work *work, struct action *action, struct error *err);
/** Free those that are under way: their client is gone, no answer comes. */
void requests_drop(struct work *work);

#endif
