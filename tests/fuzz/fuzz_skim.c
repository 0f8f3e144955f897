#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/kube/skim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void without_managers(cJSON *json)
{
    json_remove(json, "metadata.managedFields");
    json_remove(json, "object.metadata.managedFields");
}

/* What it finds is what a parser finds, and what it leaves is the same but for who manages what. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(json_freep) cJSON *before = NULL, *after = NULL;
    _cleanup_(freep) char *text = malloc(size + 1);
    char version[KUBE_VERSION_SIZE];
    bool found, valid;

    if (!text)
        return 0;
    memcpy(text, data, size);
    valid = json_parse(text, size, &before, NULL) == 0;
    found = skim_version(text, size, version);
    if (valid && found && !str_eq(json_str(before, "metadata.resourceVersion"), version))
        abort();
    skim_managed_fields(text, size);
    if (!valid)
        return 0;
    if (json_parse(text, size, &after, NULL))
        abort();
    without_managers(before);
    without_managers(after);
    if (!json_equal(before, after))
        abort();
    return 0;
}
