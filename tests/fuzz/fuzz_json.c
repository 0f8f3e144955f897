/* Any bytes as JSON: refused, or printed to what reads back as the same. */
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is said twice can't be compared regardless of the order; cJSON keeps both. */
static bool says_twice(const cJSON *json)
{
    json_foreach (item, json)
        if ((item->string && json_member(json, item->string) != item) || says_twice(item))
            return true;
    return false;
}

/* Takes @text. */
static void expect_same(const cJSON *json, char *text)
{
    _cleanup_(json_freep) cJSON *again = NULL, *patch = NULL;

    if (!text || json_parse(text, strlen(text), &again, NULL) || !json_equal(json, again))
        abort();
    patch = json_merge_patch(json, again);
    if (patch)
        abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(json_freep) cJSON *json = NULL;

    if (json_parse((const char *)data, size, &json, NULL))
        return 0;
    if (says_twice(json))
        return 0;
    expect_same(json, json_text(json));
    expect_same(json, json_canonical(json));
    (void)quantity_json_equal(json_get(json, "a.b"), json);
    return 0;
}
