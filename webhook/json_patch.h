/* RFC 6902, as far as a mutating webhook needs it. Pure. */
#ifndef WEBHOOK_JSON_PATCH_H
#define WEBHOOK_JSON_PATCH_H

#include <cjson/cJSON.h>

#include "common/base/error.h"

/** What turns @from into @to: an array of add, replace and remove, as deep as it can be; empty when
 * they are equal. Lists of equal length are compared item by item, others replaced. @ret is the
 * caller's. 0 or -ENOMEM. */
int json_patch(const cJSON *from, const cJSON *to, cJSON **ret, struct error *err);

#endif
