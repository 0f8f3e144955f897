/* The line of the history that a change of an object is worth: what a human would say of it. Pure.
 */
#ifndef WATCHER_HISTORY_H
#define WATCHER_HISTORY_H

#include <cjson/cJSON.h>

/** {"kind", "name", "state"}; state is short text ("1/1 ready", "CrashLoopBackOff", …). The same
 * text means that nothing worth telling changed. Caller's; NULL without memory. */
cJSON *history_of_object(const char *kind, const char *name, const cJSON *object);

#endif
