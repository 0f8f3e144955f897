#include "common/kube/resource.h"

#include <string.h>

static const struct kube_resource resources[RESOURCE_COUNT] = {
#define X(id, kind, api, plural) [RESOURCE_##id] = {kind, api, plural, true},
    RESOURCE_LIST(X)
#undef X
};

const struct kube_resource *resource_get(enum resource_id id)
{
    return &resources[id];
}

const struct kube_resource *resource_by_kind(const char *kind)
{
    for (size_t i = 0; kind && i < RESOURCE_COUNT; i++) {
        if (strcmp(resources[i].kind, kind) == 0)
            return &resources[i];
    }
    return NULL;
}
