#include "reconciler/desired_internal.h"

#include <stdio.h>

/* log4j 2 came with Flink 1.11. Without a version either may be in the image; each ignores the
 * other's keys. */
static void add_log4j(const struct desired *d, cJSON *data, const char *key)
{
    char both[4096];

    if (json_member(data, key))
        return;
    if (flink_version_at_least(&d->version, 1, 11)) {
        (void)json_set_member_str(data, key, log4j2_properties);
    } else if (d->version.known) {
        (void)json_set_member_str(data, key, log4j1_properties);
    } else {
        (void)snprintf(both, sizeof(both), "%s\n%s", log4j2_properties, log4j1_properties);
        (void)json_set_member_str(data, key, both);
    }
}

cJSON *desired_configmap(const struct desired *d)
{
    cJSON *configmap = desired_object(d, "v1", "ConfigMap", NAME_CONFIGMAP);
    cJSON *data = cJSON_CreateObject();
    _cleanup_(freep) char *configuration = flink_configuration(d);

    set_labels(d, configmap, desired_labels(d, NULL));
    merge_map(data, json_member(d->spec, "logConfig"));
    add_log4j(d, data, "log4j-console.properties");
    add_log4j(d, data, "log4j-cli.properties");
    if (!json_member(data, "logback-console.xml"))
        (void)json_set_member_str(data, "logback-console.xml", logback_xml);
    (void)json_set_member_str(data, flink_configuration_key(d), configuration);
    (void)json_set_member_str(data, SCRIPT_KEY, submit_script);
    (void)json_set_member(configmap, "data", data);
    return configmap;
}

bool desired_is_own_text(const char *configmap_key)
{
    static const char *const keys[] = {SCRIPT_KEY, "log4j-console.properties",
                                       "log4j-cli.properties", "logback-console.xml"};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (str_eq(keys[i], configmap_key))
            return true;
    return false;
}
