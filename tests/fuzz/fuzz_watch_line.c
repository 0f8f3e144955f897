#include <stdlib.h>

#include "common/base/json.h"
#include "common/kube/watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum kube_watch_event event;
    struct error err = {0};
    cJSON *object = NULL;
    bool bookmark;
    int r = kube_watch_parse_line((const char *)data, size, &event, &bookmark, &object, &err);

    if (r ? object != NULL : !json_str(object, "metadata.resourceVersion"))
        abort();
    cJSON_Delete(object);
    return 0;
}
