#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/model/flink_memory.h"
#include "tests/lib/admission_fixture.h"

TestSuite(flink_memory, .timeout = 10);

static char text[256];

static bool refuses(const char *component, const struct edit *edits)
{
    _cleanup_(json_freep) cJSON *cluster = fixture_session(edits);

    return flink_memory_check(json_get(cluster, "spec"), component, text, sizeof(text));
}

#define TM_MEMORY(json)                                                                            \
    {                                                                                              \
        "spec.taskManager.resources.limits.memory", json                                           \
    }
#define JM_MEMORY(json)                                                                            \
    {                                                                                              \
        "spec.jobManager.resources.limits.memory", json                                            \
    }
#define PROPERTIES(json)                                                                           \
    {                                                                                              \
        "spec.flinkProperties", json                                                               \
    }

Test(flink_memory, the_default_of_two_gigabytes_is_enough)
{
    cr_expect_not(refuses("taskManager", NULL), "%s", text);
    cr_expect_not(refuses("jobManager", NULL), "%s", text);
    cr_expect_str_eq(text, "");
}

Test(flink_memory, a_taskmanager_of_one_gigabyte_is_refused_with_the_numbers)
{
    cr_assert(refuses("taskManager", EDITS(TM_MEMORY("\"1Gi\""))));
    cr_expect_str_eq(
        text,
        "Flink will refuse taskManager's memory: process size 820m - metaspace 256m - overhead "
        "192m = "
        "372m is less than framework heap 128m + off-heap 128m + task 0m + network 64m + managed "
        "148m; raise resources.limits.memory");
}

/* 128 + 128 + 64 + 0.4 x 534 = 533.6 */
Test(flink_memory, the_smallest_taskmanager_is_known_to_the_megabyte)
{
    cr_expect_not(
        refuses("taskManager", EDITS(PROPERTIES("{\"taskmanager.memory.process.size\":\"982m\"}"))),
        "%s", text);
    cr_expect(refuses("taskManager",
                      EDITS(PROPERTIES("{\"taskmanager.memory.process.size\":\"981m\"}"))));
}

Test(flink_memory, the_request_counts_without_a_limit)
{
    cr_expect(refuses("taskManager", EDITS(TM_MEMORY(NULL))), "512Mi");
}

Test(flink_memory, the_ratio_counts)
{
    cr_expect(refuses("taskManager", EDITS({"spec.taskManager.memoryProcessRatio", "40"})));
}

Test(flink_memory, a_jobmanager_needs_less)
{
    cr_expect_not(refuses("jobManager", EDITS(JM_MEMORY("\"1Gi\""))), "%s", text);
    cr_expect(refuses("jobManager", EDITS(JM_MEMORY("\"700Mi\""))));
    cr_expect(strstr(text, "560m - metaspace 256m - overhead 192m = 112m"), "%s", text);
    cr_expect(refuses("jobManager", EDITS(JM_MEMORY("\"512Mi\""))));
    cr_expect(strstr(text, "leave nothing"), "%s", text);
}

Test(flink_memory, properties_of_the_user_count)
{
    cr_expect_not(
        refuses("taskManager", EDITS(TM_MEMORY("\"1Gi\""),
                                     PROPERTIES("{\"taskmanager.memory.managed.size\":\"0\"}"))),
        "%s", text);
    cr_expect_not(refuses("taskManager",
                          EDITS(TM_MEMORY("\"1Gi\""),
                                PROPERTIES("{\"taskmanager.memory.managed.fraction\":\"0.1\"}"))),
                  "%s", text);
    cr_expect(refuses("taskManager",
                      EDITS(PROPERTIES("{\"taskmanager.memory.jvm-metaspace.size\":\"2 gb\"}"))));
    cr_expect(refuses("taskManager",
                      EDITS(PROPERTIES("{\"taskmanager.memory.task.heap.size\":\"2g\"}"))));
    cr_expect(
        refuses("jobManager", EDITS(PROPERTIES("{\"jobmanager.memory.off-heap.size\":\"2g\"}"))));
}

Test(flink_memory, what_it_can_not_tell_it_does_not_refuse)
{
    cr_expect_not(
        refuses("taskManager", EDITS(TM_MEMORY("\"1Gi\""), {"spec.flinkVersion", "\"1.9\""})));
    cr_expect_not(
        refuses("jobManager", EDITS(JM_MEMORY("\"512Mi\""), {"spec.flinkVersion", "\"1.10\""})));
    cr_expect_not(refuses("taskManager", EDITS({"spec.taskManager.resources", NULL})));
    cr_expect_not(refuses("taskManager", EDITS({"spec.taskManager", NULL})));
    cr_expect_not(
        refuses("taskManager", EDITS(TM_MEMORY("\"1Gi\""),
                                     PROPERTIES("{\"taskmanager.memory.flink.size\":\"1g\"}"))));
    cr_expect_not(refuses("taskManager", EDITS({"spec", "[]"})));
}

Test(flink_memory, absurd_sizes_overflow_nothing)
{
    cr_expect_not(refuses("taskManager", EDITS(TM_MEMORY("\"7Ei\""))));
    cr_expect(refuses(
        "taskManager",
        EDITS(PROPERTIES("{\"taskmanager.memory.framework.heap.size\":\"9223372036854775807\","
                         "\"taskmanager.memory.task.off-heap.size\":\"9223372036854775807\","
                         "\"taskmanager.memory.network.min\":\"9223372036854775807\"}"))));
}

Test(flink_memory, sizes_are_read_as_flink_reads_them)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {{"1024", 1024},           {"1b", 1},       {"2 kb", 2048},
                 {" 3m ", 3 << 20},        {"1G", 1 << 30}, {"1gibibytes", 1 << 30},
                 {"1T", (int64_t)1 << 40}, {"0", 0}};
    static const char *const bad[] = {
        "", "m", "1.5g", "-1", "1x", "1 m m", "99999999999999999999999999", "9223372036854775807k"};
    int64_t bytes;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cr_expect_eq(flink_memory_parse(cases[i].text, &bytes), 0, "%s", cases[i].text);
        cr_expect_eq(bytes, cases[i].bytes, "%s", cases[i].text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_lt(flink_memory_parse(bad[i], &bytes), 0, "%s", bad[i]);
    cr_expect_eq(flink_memory_parse(NULL, &bytes), -EINVAL);
}
