/* Of which revision the run is: the one that is wanted, or an update is due that the status doesn't
 * tell of. Pure. */
#ifndef COMMON_MODEL_RUN_REVISION_H
#define COMMON_MODEL_RUN_REVISION_H

#include "common/model/view.h"

/** Its name; NULL: not known. */
const char *run_revision(const struct view *v);
/** Sets v->run_revision and what follows from it, when it is another one than the one that is
 * wanted. */
void run_revision_apply(struct view *v);

#endif
