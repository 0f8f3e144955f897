/* What can be had from an object's JSON without parsing all of it: most of what an API server sends
 * is read by nobody here, and a tree of it costs more than everything else. */
#ifndef COMMON_KUBE_SKIM_H
#define COMMON_KUBE_SKIM_H

#include <stdbool.h>
#include <stddef.h>

enum { KUBE_VERSION_SIZE = 32 };

/** metadata.resourceVersion of the object in @json. False: it has none, it is too long or escaped,
 * or that isn't JSON; @out is "" then. */
bool skim_version(const char *json, size_t len, char out[KUBE_VERSION_SIZE]);
/** Which fields each manager owns (fieldsV1 in the managedFields) becomes null, in place; who they
 * are stays. What isn't JSON stays as it is. */
void skim_managed_fields(char *json, size_t len);

#endif
