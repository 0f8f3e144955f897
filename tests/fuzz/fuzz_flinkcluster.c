/* Any JSON as a FlinkCluster: defaults settle after one pass, and the rules come to an end with any
 * shape. With a NUL in between, what follows it is the old object. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/model/admission.h"
#include "common/model/flink_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_defaults(cJSON *cluster)
{
    _cleanup_(json_freep) cJSON *before = json_copy(cluster);
    _cleanup_(json_freep) cJSON *once = NULL;

    if (cluster_default(cluster, NULL)) {
        if (!json_equal(cluster, before))
            abort(); /* refused, and changed all the same */
        return;
    }
    once = json_copy(cluster);
    if (cluster_default(cluster, NULL) || !json_equal(cluster, once))
        abort();
}

static void check_rules(const cJSON *cluster, const cJSON *old)
{
    static struct findings findings;
    static char text[64 * 1024];

    cluster_validate(cluster, old, 1767225600000, &findings);
    cluster_warn(cluster, old, &findings);
    findings_text(&findings, text, sizeof(text));
    if ((findings.n_errors > 0) != (text[0] != '\0'))
        abort();
    (void)flink_memory_check(json_get(cluster, "spec"), "taskManager", text, 256);
    (void)flink_memory_check(json_get(cluster, "spec"), "jobManager", text, 256);
    (void)cluster_ha_enabled(json_get(cluster, "spec"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(json_freep) cJSON *cluster = NULL;
    _cleanup_(json_freep) cJSON *old = NULL;
    const char *text = (const char *)data;
    const char *middle = size ? memchr(data, 0, size) : NULL;
    size_t len = middle ? (size_t)(middle - text) : size;

    if (json_parse(text, len, &cluster, NULL))
        return 0;
    if (middle && json_parse(middle + 1, size - len - 1, &old, NULL))
        return 0;
    check_rules(cluster, old); /* as it is, without any default */
    if (old)
        cluster_redefault(cluster, old);
    check_defaults(cluster);
    check_rules(cluster, old);
    return 0;
}
