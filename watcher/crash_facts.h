/* Reading crashes out of a pod's status, and logs as text. Pure. */
#ifndef WATCHER_CRASH_FACTS_H
#define WATCHER_CRASH_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

enum { CRASH_LOG_MAX = 4096 };

struct crash_facts {
    const char *container; /* borrowed from the status */
    const char *reason; /* "Error", "OOMKilled", …; borrowed */
    int64_t exit_code;
    int64_t restarts;
    int64_t number; /* of the crash, from 1: the same one is seen in several states */
    bool previous; /* the log is that of the previous instance */
};
/** @status: an entry of containerStatuses or initContainerStatuses. False: no crash whose log is
 *  wanted. @submitter: the container says its end in the termination message; the log is wanted
 *  only without one, then also after exit code 0. */
bool crash_facts_read(const cJSON *status, bool submitter, struct crash_facts *ret);
/** The last CRASH_LOG_MAX bytes of @text from a line's begin (if that is near) as valid UTF-8
 *  without control characters. free(); NULL without memory. */
char *crash_log_tail(const char *text);

#endif
