/* Every parser gets every answer; what comes out has bounds. */
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/flink/rest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const cJSON *json)
{
    json_foreach (item, json) {
        if (cJSON_IsString(item) && strlen(item->valuestring) > 4096)
            abort();
        check(item);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int (*const parsers[])(const char *, size_t, cJSON **, struct error *) = {
        flink_parse_overview, flink_parse_exceptions, flink_parse_checkpoints,
        flink_parse_trigger,  flink_parse_savepoint,
    };

    for (size_t i = 0; i < ARRAY_SIZE(parsers); i++) {
        struct error err = {0};
        cJSON *json = NULL;

        if (parsers[i]((const char *)data, size, &json, &err) == 0)
            check(json);
        else if (json || !err.code)
            abort();
        cJSON_Delete(json);
    }
    return 0;
}
