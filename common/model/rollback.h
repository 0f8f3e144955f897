/* An update that doesn't come up is taken back (spec.updateStrategy.rollback). The reconciler marks
 * the revision that failed with an annotation; from then on everything is derived as if the spec
 * were still that of the revision before. The mark goes when the spec changes. Pure. */
#ifndef COMMON_MODEL_ROLLBACK_H
#define COMMON_MODEL_ROLLBACK_H

#include "common/model/life.h"

/** Sets v->rolled_back and what follows from it, when the revision of the spec carries the mark. */
void rollback_apply(struct view *v);
/** Why the update is to be taken back now; NULL: it isn't. *wake_ms: when to ask again; 0: on a
 * change. */
const char *rollback_cause(const struct view *v, const struct life *l, int64_t *wake_ms);
/** The mark of a revision: why it was taken back; NULL. */
const char *rollback_mark(const cJSON *revision);

#endif
