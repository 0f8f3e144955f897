#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "tests/lib/admission_fixture.h"

TestSuite(admission_default, .timeout = 10);

static struct error err;

static cJSON *defaulted(const struct edit *edits)
{
    cJSON *cluster = fixture_job(edits);

    cr_assert_eq(cluster_default(cluster, &err), 0, "%s", err.text);
    return cluster;
}

static void expect_at(const cJSON *cluster, const char *path, const char *json)
{
    _cleanup_(json_freep) cJSON *expected = json ? cJSON_Parse(json) : NULL;
    _cleanup_(freep) char *text = json_text(json_get(cluster, path));

    cr_expect(json_equal(json_get(cluster, path), expected), "%s is %s, not %s", path,
              text ? text : "absent", json ? json : "absent");
}

static void expect_default(const struct edit *edits, const char *path, const char *json)
{
    _cleanup_(json_freep) cJSON *cluster = defaulted(edits);

    expect_at(cluster, path, json);
}

static void expect_undecodable(const char *path, const char *json, const char *words)
{
    _cleanup_(json_freep) cJSON *cluster = fixture_job(EDITS({path, json}));
    _cleanup_(json_freep) cJSON *before = json_copy(cluster);

    cr_expect_eq(cluster_default(cluster, &err), -EINVAL, "%s", path);
    cr_expect(strstr(err.text, path), "%s", err.text);
    cr_expect(strstr(err.text, words), "%s", err.text);
    cr_expect(json_equal(cluster, before), "touched");
}

Test(admission_default, defaulting_twice_changes_nothing)
{
    _cleanup_(json_freep) cJSON *cluster = defaulted(NULL);
    _cleanup_(json_freep) cJSON *once = json_copy(cluster);

    cr_assert_eq(cluster_default(cluster, &err), 0);
    cr_expect(json_equal(cluster, once));
}

Test(admission_default, unknown_fields_stay)
{
    expect_default(EDITS({"spec.jobManager.future", "{\"a\":[1]}"}), "spec.jobManager.future",
                   "{\"a\":[1]}");
}

Test(admission_default, the_old_scheduler_name_replaces_the_scheduler)
{
    expect_default(EDITS({"spec.batchSchedulerName", "\"volcano\""},
                         {"spec.batchScheduler", "{\"name\":\"x\",\"queue\":\"q\"}"}),
                   "spec.batchScheduler", "{\"name\":\"volcano\"}");
    expect_default(EDITS({"spec.batchSchedulerName", "\"\""}), "spec.batchScheduler",
                   "{\"name\":\"\"}");
    expect_default(EDITS({"spec.batchScheduler", "{\"name\":\"x\",\"queue\":\"q\"}"}),
                   "spec.batchScheduler.queue", "\"q\"");
}

Test(admission_default, flink_before_1_10_gets_off_heap_memory)
{
    static const char *const versions[] = {"\"1.9\"", "\"\"", "\"latest\"", "\"1.10-SNAPSHOT\"",
                                           NULL};

    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        _cleanup_(json_freep) cJSON *cluster = defaulted(EDITS({"spec.flinkVersion", versions[i]}));

        expect_at(cluster, "spec.jobManager.memoryOffHeapMin", "\"600M\"");
        expect_at(cluster, "spec.jobManager.memoryOffHeapRatio", "25");
        expect_at(cluster, "spec.jobManager.memoryProcessRatio", NULL);
        expect_at(cluster, "spec.taskManager.memoryOffHeapMin", "\"600M\"");
        expect_at(cluster, "spec.taskManager.memoryOffHeapRatio", "25");
    }
}

Test(admission_default, flink_from_1_10_gets_a_process_ratio)
{
    static const char *const versions[] = {"\"1.10\"", "\"1.20.1\"", "\"2.0\"", "\"v1.14\""};

    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        _cleanup_(json_freep) cJSON *cluster = defaulted(EDITS({"spec.flinkVersion", versions[i]}));

        expect_at(cluster, "spec.jobManager.memoryProcessRatio", "80");
        expect_at(cluster, "spec.jobManager.memoryOffHeapRatio", NULL);
        expect_at(cluster, "spec.jobManager.memoryOffHeapMin", "\"0\"");
        expect_at(cluster, "spec.taskManager.memoryProcessRatio", "80");
    }
}

Test(admission_default, values_of_the_user_stay)
{
    expect_default(EDITS({"spec.jobManager.memoryProcessRatio", "0"}),
                   "spec.jobManager.memoryProcessRatio", "0");
    expect_default(
        EDITS({"spec.flinkVersion", "\"1.9\""}, {"spec.jobManager.memoryOffHeapMin", "\"0\""}),
        "spec.jobManager.memoryOffHeapMin", "\"0\"");
}

Test(admission_default, a_missing_version_or_image_is_for_the_schema_to_name)
{
    expect_default(EDITS({"spec.flinkVersion", NULL}), "spec.flinkVersion", "\"\"");
    expect_default(EDITS({"spec.image", NULL}), "spec.image", "{}");
}

/* ---- probes ---- */

Test(admission_default, both_components_are_probed_at_their_rpc_port)
{
    _cleanup_(json_freep) cJSON *cluster = defaulted(EDITS({"spec.taskManager.ports.rpc", "6300"}));

    expect_at(cluster, "spec.jobManager.livenessProbe",
              "{\"tcpSocket\":{\"port\":6123},\"initialDelaySeconds\":5,\"timeoutSeconds\":10,"
              "\"periodSeconds\":60,\"failureThreshold\":5}");
    expect_at(cluster, "spec.jobManager.readinessProbe",
              "{\"tcpSocket\":{\"port\":6123},\"initialDelaySeconds\":5,\"timeoutSeconds\":10,"
              "\"periodSeconds\":5,\"failureThreshold\":60}");
    expect_at(cluster, "spec.taskManager.livenessProbe.tcpSocket.port", "6300");
    expect_at(cluster, "spec.taskManager.readinessProbe.tcpSocket.port", "6300");
}

Test(admission_default, a_component_that_is_absent_is_an_empty_one)
{
    static const char *const parts[] = {"spec.jobManager", "spec.taskManager"};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        expect_default(EDITS({parts[i], NULL}), parts[i],
                       "{\"memoryOffHeapMin\":\"0\",\"memoryProcessRatio\":80}");
        expect_default(EDITS({parts[i], "null"}), parts[i],
                       "{\"memoryOffHeapMin\":\"0\",\"memoryProcessRatio\":80}");
    }
}

Test(admission_default, without_an_rpc_port_there_is_no_probe)
{
    expect_default(EDITS({"spec.jobManager.ports", NULL}), "spec.jobManager.livenessProbe", NULL);
}

Test(admission_default, a_probe_of_the_user_is_completed)
{
    expect_default(
        EDITS({"spec.jobManager.livenessProbe", "{\"periodSeconds\":9,\"initialDelaySeconds\":0,"
                                                "\"terminationGracePeriodSeconds\":12}"}),
        "spec.jobManager.livenessProbe",
        "{\"tcpSocket\":{\"port\":6123},\"initialDelaySeconds\":5,\"timeoutSeconds\":10,"
        "\"periodSeconds\":9,"
        "\"failureThreshold\":5,\"terminationGracePeriodSeconds\":12}");
    expect_default(EDITS({"spec.jobManager.livenessProbe", "{\"tcpSocket\":{\"port\":\"rpc\"}}"}),
                   "spec.jobManager.livenessProbe.tcpSocket", "{\"port\":\"rpc\"}");
}

Test(admission_default, a_handler_of_the_user_replaces_the_default_one)
{
    static const char *const handlers[] = {"httpGet", "exec", "grpc"};

    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
        _cleanup_(freep) char *probe = str_printf("{\"%s\":{}}", handlers[i]);
        _cleanup_(json_freep) cJSON *cluster =
            defaulted(EDITS({"spec.jobManager.readinessProbe", probe}));

        expect_at(cluster, "spec.jobManager.readinessProbe.tcpSocket", NULL);
        expect_at(cluster, "spec.jobManager.readinessProbe.failureThreshold", "60");
    }
}

/* ---- the canonical form ---- */

Test(admission_default, quantities_are_canonical)
{
    static const struct {
        const char *path, *given, *stored;
    } cases[] = {
        {"spec.jobManager.resources.limits.memory", "\"2048Mi\"", "\"2Gi\""},
        {"spec.jobManager.resources.limits.cpu", "2", "\"2\""},
        {"spec.taskManager.resources.requests.cpu", "0.5", "\"500m\""},
        {"spec.job.resources.limits.memory", "\"1.5Gi\"", "\"1536Mi\""},
        {"spec.job.resources.limits.cpu", "1.125", "\"1.125\""},
        {"spec.jobManager.volumes", "[{\"name\":\"v\",\"emptyDir\":{\"sizeLimit\":\"1024Mi\"}}]",
         "[{\"name\":\"v\",\"emptyDir\":{\"sizeLimit\":\"1Gi\"}}]"},
        {"spec.envVars",
         "[{\"name\":\"E\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"x\",\"divisor\":1}}}"
         "]",
         "[{\"name\":\"E\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"x\",\"divisor\":"
         "\"1\"}}}]"},
        {"spec.taskManager.horizontalPodAutoscaler",
         "{\"maxReplicas\":2,\"metrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"memory\","
         "\"target\":"
         "{\"type\":\"AverageValue\",\"averageValue\":\"1024Mi\"}}}]}",
         "{\"maxReplicas\":2,\"metrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"memory\","
         "\"target\":"
         "{\"type\":\"AverageValue\",\"averageValue\":\"1Gi\"}}}]}"},
        {"spec.taskManager.horizontalPodAutoscaler",
         "{\"maxReplicas\":2,\"behavior\":{\"scaleUp\":{\"tolerance\":0.05},"
         "\"scaleDown\":{\"tolerance\":\"0.050\"}}}",
         "{\"maxReplicas\":2,\"behavior\":{\"scaleUp\":{\"tolerance\":\"50m\"},"
         "\"scaleDown\":{\"tolerance\":\"50m\"}}}"},
        {"spec.taskManager.volumeClaimTemplates",
         "[{\"metadata\":{},\"spec\":{\"resources\":{}},\"status\":{\"capacity\":{\"storage\":"
         "\"1024Mi\"},\"allocatedResources\":{\"storage\":1000}}}]",
         "[{\"metadata\":{},\"spec\":{\"resources\":{}},\"status\":{\"capacity\":{\"storage\":"
         "\"1Gi\"},\"allocatedResources\":{\"storage\":\"1k\"}}}]"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect_default(EDITS({cases[i].path, cases[i].given}), cases[i].path, cases[i].stored);
}

Test(admission_default, maps_of_the_user_are_no_quantities)
{
    expect_default(EDITS({"spec.flinkProperties", "{\"limits\":\"1024Mi\",\"divisor\":\"x\"}"}),
                   "spec.flinkProperties", "{\"limits\":\"1024Mi\",\"divisor\":\"x\"}");
    expect_default(EDITS({"spec.jobManager.podLabels", "{\"requests\":\"1000m\"}"}),
                   "spec.jobManager.podLabels", "{\"requests\":\"1000m\"}");
}

Test(admission_default, empty_objects_that_typed_clients_write_are_there)
{
    expect_default(EDITS({"spec.jobManager.sidecars", "[{\"name\":\"s\"}]"}),
                   "spec.jobManager.sidecars", "[{\"name\":\"s\",\"resources\":{}}]");
    expect_default(EDITS({"spec.job.initContainers", "[{\"name\":\"s\"}]"}),
                   "spec.job.initContainers", "[{\"name\":\"s\",\"resources\":{}}]");
    expect_default(EDITS({"spec.taskManager.volumeClaimTemplates",
                          "[{\"metadata\":{\"name\":\"p\"},\"spec\":{}}]"}),
                   "spec.taskManager.volumeClaimTemplates",
                   "[{\"metadata\":{\"name\":\"p\"},\"spec\":{\"resources\":{}},\"status\":{}}]");
}

Test(admission_default, fields_that_typed_clients_always_write_are_there)
{
    expect_default(EDITS({"spec.taskManager.volumeClaimTemplates", "[{}]"}),
                   "spec.taskManager.volumeClaimTemplates",
                   "[{\"metadata\":{},\"spec\":{\"resources\":{}},\"status\":{}}]");
    expect_default(
        EDITS({"spec.job.volumes",
               "[{\"name\":\"v\",\"ephemeral\":{\"volumeClaimTemplate\":{\"spec\":{}}}}]"}),
        "spec.job.volumes",
        "[{\"name\":\"v\",\"ephemeral\":{\"volumeClaimTemplate\":{\"metadata\":{},\"spec\":{"
        "\"resources\":{}}}}}]");
    expect_default(
        EDITS({"spec.envVars",
               "[{\"name\":\"E\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"x\"}}}]"}),
        "spec.envVars",
        "[{\"name\":\"E\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"x\",\"divisor\":"
        "\"0\"}}}]");
}

/* ---- types ---- */

Test(admission_default, a_wrong_type_is_not_decoded)
{
    static const struct {
        const char *path, *json, *words;
    } cases[] = {
        {"spec.flinkVersion", "1.2", "must be a string, but is 1.2"},
        {"spec.image", "[]", "must be an object"},
        {"spec.image.pullSecrets", "[1]", "must be a list of objects"},
        {"spec.flinkProperties", "{\"a\":1}", "must be a map of strings, but \"a\" is 1"},
        {"spec.recreateOnUpdate", "\"yes\"", "must be a boolean"},
        {"spec.jobManager.ports.ui", "\"8081\"", "must be an integer"},
        {"spec.jobManager.ports.ui", "8081.5", "must be an integer"},
        {"spec.jobManager.ports.ui", "1e300", "must be an integer"},
        {"spec.taskManager.podAnnotations", "{\"-x\":true}", "must be a map of strings"},
        {"spec.taskManager.extraPorts", "{}", "must be a list of objects"},
        {"spec.taskManager.livenessProbe", "1", "must be an object"},
        {"spec.job.args", "[\"a\",1]", "must be a list of strings"},
        {"spec.job.suspend", "1", "must be a boolean"},
        {"spec.job.podLabels", "[]", "must be a map of strings"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect_undecodable(cases[i].path, cases[i].json, cases[i].words);
}

Test(admission_default, a_malformed_quantity_is_not_decoded)
{
    expect_undecodable("spec.jobManager.resources.limits.memory", "\"lots\"",
                       "quantities must match");
    expect_undecodable("spec.taskManager.memoryOffHeapMin", "\"1X\"", "\"1X\"");
    expect_undecodable("spec.job.resources.requests.cpu", "[]", "quantities");
}

Test(admission_default, a_malformed_quantity_is_named_by_its_place)
{
    expect_undecodable(
        "spec.jobManager.sidecars",
        "[{\"name\":\"a\"},{\"name\":\"b\",\"resources\":{\"limits\":{\"cpu\":\"x\"}}}]",
        "spec.jobManager.sidecars[1].resources.limits.cpu: \"x\"");
}

Test(admission_default, null_is_absent)
{
    _cleanup_(json_freep) cJSON *cluster =
        defaulted(EDITS({"spec.jobManager.memoryProcessRatio", "null"},
                        {"spec.jobManager.livenessProbe", "null"}, {"spec.job.args", "null"}));

    expect_at(cluster, "spec.jobManager.memoryProcessRatio", "80");
    expect_at(cluster, "spec.jobManager.livenessProbe.tcpSocket.port", "6123");
}

/* ---- on update ---- */

/* @was is stored with its defaults; then @is is edited into it. */
static cJSON *redefaulted(const struct edit *was, const struct edit *is)
{
    _cleanup_(json_freep) cJSON *old = defaulted(was);
    cJSON *cluster = json_copy(old);

    fixture_edit(cluster, is);
    cluster_redefault(cluster, old);
    cr_assert_eq(cluster_default(cluster, &err), 0, "%s", err.text);
    return cluster;
}

Test(admission_default, an_upgrade_over_1_10_takes_back_the_old_memory_model)
{
    _cleanup_(json_freep) cJSON *cluster = redefaulted(EDITS({"spec.flinkVersion", "\"1.9\""}),
                                                       EDITS({"spec.flinkVersion", "\"1.14\""}));

    expect_at(cluster, "spec.jobManager.memoryOffHeapRatio", NULL);
    expect_at(cluster, "spec.jobManager.memoryOffHeapMin", "\"0\"");
    expect_at(cluster, "spec.jobManager.memoryProcessRatio", "80");
}

Test(admission_default, a_downgrade_below_1_10_takes_back_the_new_one)
{
    _cleanup_(json_freep) cJSON *cluster =
        redefaulted(NULL, EDITS({"spec.flinkVersion", "\"1.9\""}));

    expect_at(cluster, "spec.taskManager.memoryProcessRatio", NULL);
    expect_at(cluster, "spec.taskManager.memoryOffHeapMin", "\"600M\"");
    expect_at(cluster, "spec.taskManager.memoryOffHeapRatio", "25");
}

Test(admission_default, a_ratio_of_the_user_is_not_taken_back)
{
    _cleanup_(json_freep) cJSON *cluster = redefaulted(
        EDITS({"spec.flinkVersion", "\"1.9\""}, {"spec.jobManager.memoryOffHeapRatio", "30"}),
        EDITS({"spec.flinkVersion", "\"1.14\""}));

    expect_at(cluster, "spec.jobManager.memoryOffHeapRatio", "30");
}

Test(admission_default, probes_follow_the_rpc_port)
{
    _cleanup_(json_freep) cJSON *cluster =
        redefaulted(NULL, EDITS({"spec.jobManager.ports.rpc", "7000"}));

    expect_at(cluster, "spec.jobManager.livenessProbe.tcpSocket.port", "7000");
    expect_at(cluster, "spec.jobManager.readinessProbe.tcpSocket.port", "7000");
    expect_at(cluster, "spec.taskManager.livenessProbe.tcpSocket.port", "6122");
}

Test(admission_default, a_probe_of_another_port_stays_there)
{
    _cleanup_(json_freep) cJSON *cluster =
        redefaulted(EDITS({"spec.jobManager.livenessProbe", "{\"tcpSocket\":{\"port\":8081}}"}),
                    EDITS({"spec.jobManager.ports.rpc", "7000"}));

    expect_at(cluster, "spec.jobManager.livenessProbe.tcpSocket.port", "8081");
}
