/* The complete .status of a FlinkCluster (spec 04-status). Pure: the reference operator's updater.
 */
#ifndef STATUSREPORTER_STATUS_H
#define STATUSREPORTER_STATUS_H

#include "common/model/life.h"
#include "common/model/view.h"

enum {
    STATUS_FAILURE_REASONS_MAX = 5,
    STATUS_FAILURE_REASON_BYTES = 2048,
    STATUS_SAVEPOINTS_MAX = 100,
    STATUS_MESSAGE_BYTES = 1024,
};

/** The status as it should read now. Equal to the recorded one, lastUpdateTime included, when
 * nothing changed. Bounded in size whatever it was made of. The caller's. */
cJSON *status_make(const struct view *v, const struct life *l);

#endif
