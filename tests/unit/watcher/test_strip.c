#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "watcher/strip.h"

TestSuite(strip, .timeout = 10);

static void expect(const char *kind, const char *before, const char *after)
{
    _cleanup_(json_freep) cJSON *object = cJSON_Parse(before);
    _cleanup_(json_freep) cJSON *wanted = cJSON_Parse(after);
    _cleanup_(freep) char *text = NULL;

    cr_assert(wanted);
    cr_assert_eq(strip_object(kind, object), 0);
    text = json_text(object);
    cr_expect(json_equal(object, wanted), "%s", text);
}

Test(strip, of_the_managed_fields_only_the_managers_stay)
{
    expect("Service",
           "{\"metadata\":{\"managedFields\":["
           "{\"manager\":\"flinkd\",\"operation\":\"Apply\",\"fieldsV1\":{\"f:spec\":{}}},"
           "{\"manager\":\"flinkd\",\"operation\":\"Apply\",\"subresource\":\"status\"},"
           "{\"manager\":\"kubectl\",\"operation\":\"Update\",\"time\":\"t\"}]}}",
           "{\"metadata\":{\"managedFields\":["
           "{\"manager\":\"flinkd\",\"operation\":\"Apply\"},"
           "{\"manager\":\"kubectl\",\"operation\":\"Update\"}]}}");
}

Test(strip, the_last_applied_configuration_goes)
{
    expect("FlinkCluster",
           "{\"metadata\":{\"annotations\":{"
           "\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\",\"a.b/c\":\"d\"}},"
           "\"spec\":{\"x\":1}}",
           "{\"metadata\":{\"annotations\":{\"a.b/c\":\"d\"}},\"spec\":{\"x\":1}}");
}

Test(strip, a_pod_keeps_what_decisions_and_reasons_need)
{
    expect("Pod",
           "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"uid\":\"u\",\"selfLink\":\"s\","
           "\"labels\":{\"cluster\":\"c\"}},"
           "\"spec\":{\"nodeName\":\"n\",\"restartPolicy\":\"Never\",\"volumes\":[{}],"
           "\"initContainers\":[{\"name\":\"fetch\",\"image\":\"i\"}],"
           "\"containers\":[{\"name\":\"main\",\"resources\":{\"requests\":{\"cpu\":\"1\"},"
           "\"limits\":{\"memory\":\"1Gi\"}},"
           "\"env\":[{\"name\":\"SECRET\",\"value\":\"x\"}]}]},\"status\":{\"phase\":\"Running\"}}",
           "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"uid\":\"u\",\"labels\":{\"cluster\":"
           "\"c\"}},\"spec\":{\"nodeName\":\"n\",\"restartPolicy\":\"Never\","
           "\"initContainers\":[{\"name\":\"fetch\"}],"
           "\"containers\":[{\"name\":\"main\",\"resources\":{\"limits\":{\"memory\":\"1Gi\"}}}]},"
           "\"status\":{\"phase\":\"Running\"}}");
}

Test(strip, flinks_own_configmap_is_kept_without_its_data_and_leader_record)
{
    expect("ConfigMap",
           "{\"metadata\":{\"labels\":{\"configmap-type\":\"high-availability\"},"
           "\"annotations\":{\"control-plane.alpha.kubernetes.io/leader\":\"{}\"}},"
           "\"data\":{\"a\":\"b\"}}",
           "{\"metadata\":{\"labels\":{\"configmap-type\":\"high-availability\"},"
           "\"annotations\":{}}}");
    expect("ConfigMap", "{\"metadata\":{\"labels\":{\"app\":\"flink\"}},\"data\":{\"a\":\"b\"}}",
           "{\"metadata\":{\"labels\":{\"app\":\"flink\"}},\"data\":{\"a\":\"b\"}}");
}

Test(strip, strange_objects_are_harmless)
{
    expect("Pod", "{}", "{}");
    expect("Pod", "{\"metadata\":[1],\"spec\":{\"containers\":[7]},\"status\":3}",
           "{\"metadata\":[],\"spec\":{\"containers\":[7]},\"status\":3}");
    expect("Service", "{\"metadata\":{\"managedFields\":{\"a\":1}}}",
           "{\"metadata\":{\"managedFields\":[{\"manager\":\"\",\"operation\":\"\"}]}}");
    expect("HorizontalPodAutoscaler", "{\"status\":{\"currentMetrics\":[]}}", "{}");
}

Test(strip, long_texts_of_a_configmap_become_digests)
{
    char before[600], text[301];

    memset(text, 'x', 300);
    text[300] = '\0';
    (void)snprintf(before, sizeof(before), "{\"data\":{\"a\":\"%s\",\"b\":\"short\"}}", text);
    expect("ConfigMap", before,
           "{\"data\":{\"a\":\"md5:8a4876ea55d998a5d91ed59db796af28\",\"b\":\"short\"}}");
    expect("Secret", before, before);
}
