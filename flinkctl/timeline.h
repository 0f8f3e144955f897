#ifndef FLINKCTL_TIMELINE_H
#define FLINKCTL_TIMELINE_H

#include <cjson/cJSON.h>

#include "common/base/buf.h"

/** One line of the history in words, without a newline; several things are separated by "; ". Pure.
 */
void timeline_words(const char *source, const char *what, const cJSON *payload, struct buf *out);

#endif
