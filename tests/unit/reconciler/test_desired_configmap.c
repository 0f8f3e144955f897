#include <stdio.h>
#include <string.h>

#include "tests/unit/reconciler/rendering.h"

TestSuite(desired_configmap, .fini = rendering_done, .timeout = 10);
TestSuite(flink_configuration, .fini = rendering_done, .timeout = 10);

static const cJSON *configmap(const struct edit *edits)
{
    render(fixture_session(edits));
    return child("ConfigMap", "mine-configmap");
}

static const char *text_of(const cJSON *map, const char *key)
{
    return cJSON_GetStringValue(json_member(json_member(map, "data"), key));
}

/* ---- the object ---- */

Test(desired_configmap, has_the_clusters_and_the_revisions_labels)
{
    const cJSON *map = configmap(NULL);
    const cJSON *labels = json_get(map, "metadata.labels");

    expect_json(map, "apiVersion", "'v1'");
    expect_json(map, "metadata.namespace", "'default'");
    expect_json(map, "metadata.annotations", NULL);
    cr_expect_eq(cJSON_GetArraySize(labels), 3);
    expect_json(labels, "app", "'flink'");
    expect_json(labels, "cluster", "'mine'");
    cr_expect_str_eq(cJSON_GetStringValue(json_member(labels, LABEL_REVISION)), "mine-hash");
}

Test(desired_configmap, is_owned_without_blocking_the_owners_deletion)
{
    expect_json(configmap(NULL), "metadata.ownerReferences",
                "[{'apiVersion':'flinkoperator.k8s.io/v1beta1','kind':'FlinkCluster',"
                "'name':'mine','uid':'u','controller':true,'blockOwnerDeletion':false}]");
}

Test(desired_configmap, brings_a_script_and_logging_files)
{
    const cJSON *map = configmap(NULL);

    cr_expect_eq(json_count(map, "data"), 5);
    cr_expect_not_null(text_of(map, "submit-job.sh"));
    cr_expect_not_null(text_of(map, "logback-console.xml"));
    cr_expect_not_null(text_of(map, "log4j-console.properties"));
    cr_expect_str_eq(text_of(map, "log4j-cli.properties"),
                     text_of(map, "log4j-console.properties"));
}

Test(desired_configmap, log4j_is_of_the_version_that_flink_has)
{
    cr_expect(strstr(text_of(configmap(NULL), "log4j-console.properties"), "rootLogger.level"));
    cr_expect_null(strstr(text_of(configmap(NULL), "log4j-console.properties"), "log4j.root"));
    configmap(EDITS({"spec.flinkVersion", "\"1.10\""}));
    cr_expect(strstr(text_of(child("ConfigMap", "mine-configmap"), "log4j-console.properties"),
                     "log4j.rootLogger"));
    configmap(EDITS({"spec.flinkVersion", "\"\""}));
    cr_expect(strstr(text_of(child("ConfigMap", "mine-configmap"), "log4j-console.properties"),
                     "\nrootLogger.level"),
              "without a version: both");
    cr_expect(strstr(text_of(child("ConfigMap", "mine-configmap"), "log4j-console.properties"),
                     "\nlog4j.rootLogger"));
}

Test(desired_configmap, the_users_logging_files_replace_ours)
{
    const cJSON *map = configmap(
        EDITS({"spec.logConfig", q("{'log4j-console.properties':'mine','other.txt':'hello'}")}));

    cr_expect_str_eq(text_of(map, "log4j-console.properties"), "mine");
    cr_expect_str_eq(text_of(map, "other.txt"), "hello");
    cr_expect(strstr(text_of(map, "log4j-cli.properties"), "flinkd"));
}

Test(desired_configmap, configuration_and_script_replace_the_users)
{
    const cJSON *map =
        configmap(EDITS({"spec.logConfig", q("{'flink-conf.yaml':'x','submit-job.sh':'y'}")}));

    cr_expect(strstr(text_of(map, "flink-conf.yaml"), "rest.port: 8081\n"));
    cr_expect(strstr(text_of(map, "submit-job.sh"), "flink"));
}

Test(desired_configmap, flink_2_has_another_file)
{
    const cJSON *map = configmap(EDITS({"spec.flinkVersion", "\"2.0\""}));

    cr_expect_null(text_of(map, "flink-conf.yaml"));
    cr_expect_not_null(text_of(map, "config.yaml"));
}

Test(desired_configmap, own_texts_are_known_by_name)
{
    cr_expect(desired_is_own_text("submit-job.sh"));
    cr_expect(desired_is_own_text("logback-console.xml"));
    cr_expect(desired_is_own_text("log4j-cli.properties"));
    cr_expect(desired_is_own_text("log4j-console.properties"));
    cr_expect_not(desired_is_own_text("flink-conf.yaml"));
    cr_expect_not(desired_is_own_text("other.txt"));
}

/* ---- Flink's configuration ---- */

static const char *configuration(const struct edit *edits)
{
    const cJSON *map = configmap(edits);
    const char *text = text_of(map, "flink-conf.yaml");

    return text ? text : text_of(map, "config.yaml");
}

/* @line, whole, or the beginning of one that ends with "…". NULL @line: no line of @key. */
static void expect_line(const char *text, const char *key, const char *line)
{
    const char *found = NULL;

    for (const char *p = text; p && *p; p = strchr(p, '\n')) {
        p += *p == '\n';
        if (strncmp(p, key, strlen(key)) == 0 && p[strlen(key)] == ':')
            found = p;
    }
    if (!line) {
        cr_expect_null(found, "%s is there", key);
        return;
    }
    cr_assert_not_null(found, "no %s in %s", key, text);
    cr_expect(str_starts(found, line) && found[strlen(line)] == '\n', "%.200s", found);
}

Test(flink_configuration, is_sorted_and_has_addresses_and_ports)
{
    const char *text = configuration(EDITS({"spec.flinkVersion", "\"1.17\""}));

    cr_expect_str_eq(text, "blob.server.port: 6124\n"
                           "jobmanager.memory.process.size: 1639m\n"
                           "jobmanager.rpc.address: mine-jobmanager\n"
                           "jobmanager.rpc.port: 6123\n"
                           "query.server.port: 6125\n"
                           "rest.port: 8081\n"
                           "taskmanager.data.port: 6121\n"
                           "taskmanager.memory.process.size: 1639m\n"
                           "taskmanager.numberOfTaskSlots: 1\n"
                           "taskmanager.rpc.port: 6122\n");
}

Test(flink_configuration, ports_are_those_of_the_spec)
{
    const char *text =
        configuration(EDITS({"spec.jobManager.ports", q("{'rpc':1,'blob':2,'query':3,'ui':4}")},
                            {"spec.taskManager.ports", q("{'data':5,'rpc':6,'query':7}")}));

    expect_line(text, "jobmanager.rpc.port", "jobmanager.rpc.port: 1");
    expect_line(text, "blob.server.port", "blob.server.port: 2");
    expect_line(text, "query.server.port", "query.server.port: 3");
    expect_line(text, "rest.port", "rest.port: 4");
    expect_line(text, "taskmanager.data.port", "taskmanager.data.port: 5");
    expect_line(text, "taskmanager.rpc.port", "taskmanager.rpc.port: 6");
    expect_line(text, "queryable-state.server.ports", NULL);
}

Test(flink_configuration, the_query_port_is_written_where_queryable_state_is_used)
{
    const char *text =
        configuration(EDITS({"spec.flinkProperties", q("{'queryable-state.enable':'true'}")}));

    expect_line(text, "queryable-state.server.ports", "queryable-state.server.ports: 6125");
}

Test(flink_configuration, protected_properties_of_the_user_are_ignored_the_others_win)
{
    const char *text = configuration(EDITS(
        {"spec.flinkProperties",
         q("{'jobmanager.rpc.address':'x','jobmanager.rpc.port':'1','blob.server.port':'1',"
           "'query.server.port':'1','rest.port':'1','taskmanager.rpc.port':'1',"
           "'taskmanager.data.port':'2','jobmanager.memory.process.size':'777m','a.b':''}")}));

    expect_line(text, "jobmanager.rpc.address", "jobmanager.rpc.address: mine-jobmanager");
    expect_line(text, "jobmanager.rpc.port", "jobmanager.rpc.port: 6123");
    expect_line(text, "blob.server.port", "blob.server.port: 6124");
    expect_line(text, "query.server.port", "query.server.port: 6125");
    expect_line(text, "rest.port", "rest.port: 8081");
    expect_line(text, "taskmanager.rpc.port", "taskmanager.rpc.port: 1");
    expect_line(text, "taskmanager.data.port", "taskmanager.data.port: 2");
    expect_line(text, "jobmanager.memory.process.size", "jobmanager.memory.process.size: 777m");
    expect_line(text, "a.b", "a.b: ");
}

/* ---- memory: the vectors of spec 03-children 2.2, 2.3 ---- */

static void expect_process_size(const char *resources, const char *ratio, const char *value)
{
    const char *text = configuration(EDITS({"spec.taskManager.resources", q(resources)},
                                           {"spec.taskManager.memoryProcessRatio", ratio}));
    char line[128];

    (void)snprintf(line, sizeof(line), "taskmanager.memory.process.size: %s", value ? value : "");
    expect_line(text, "taskmanager.memory.process.size", value ? line : NULL);
}

Test(flink_configuration, process_size_is_a_ratio_of_the_limit_rounded_up)
{
    expect_process_size("{'limits':{'memory':'1Gi'}}", "80", "820m");
    expect_process_size("{'limits':{'memory':'4Gi'}}", "80", "3277m");
    expect_process_size("{'limits':{'memory':'1500M'}}", "65", "930m");
    expect_process_size("{'requests':{'memory':'2Gi'}}", "33", "676m");
    expect_process_size("{'limits':{'memory':'0'},'requests':{'memory':'1Gi'}}", "80", "820m");
    expect_process_size("{'limits':{'memory':'1Gi'}}", "0", NULL);
    expect_process_size("{'limits':{'cpu':'1'}}", "80", NULL);
}

Test(flink_configuration, process_size_without_a_ratio_has_the_default_one)
{
    expect_process_size("{'limits':{'memory':'1Gi'}}", NULL, "820m");
}

static void expect_heap_size(const char *memory, const char *value)
{
    char resources[128], line[64];
    const char *text;

    (void)snprintf(resources, sizeof(resources), "{'limits':{'memory':'%s'}}", memory);
    (void)snprintf(line, sizeof(line), "jobmanager.heap.size: %s", value ? value : "");
    text = configuration(EDITS({"spec.flinkVersion", "\"1.9\""},
                               {"spec.jobManager.memoryOffHeapRatio", "25"},
                               {"spec.jobManager.memoryOffHeapMin", "\"600M\""},
                               {"spec.taskManager.memoryOffHeapRatio", "25"},
                               {"spec.jobManager.resources", q(resources)}));
    expect_line(text, "jobmanager.heap.size", value ? line : NULL);
    expect_line(text, "jobmanager.memory.process.size", NULL);
}

Test(flink_configuration, heap_size_is_what_off_heap_leaves)
{
    expect_heap_size("1Gi", "452m");
    expect_heap_size("4Gi", "3072m");
    expect_heap_size("500Mi", NULL);
}

Test(flink_configuration, heap_size_has_its_defaults_without_the_webhook)
{
    const char *text = configuration(EDITS({"spec.flinkVersion", "\"1.9\""}));

    expect_line(text, "jobmanager.heap.size", "jobmanager.heap.size: 1476m");
    expect_line(text, "taskmanager.heap.size", "taskmanager.heap.size: 1476m");
}

Test(flink_configuration, no_off_heap_of_the_users_is_not_the_same_as_none_given)
{
    static const struct {
        const char *min, *patch, *line;
    } cases[] = {
        {"\"0\"", NULL, "jobmanager.heap.size: 768m"},
        {NULL, NULL, "jobmanager.heap.size: 452m"},
        {"\"0\"", "\"replace\"", "jobmanager.heap.size: 452m"}, /* a revision says 0 for both */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect_line(configuration(EDITS({"spec.flinkVersion", "\"1.9\""},
                                        {"spec.jobManager.resources.limits.memory", "\"1Gi\""},
                                        {"spec.jobManager.memoryOffHeapMin", cases[i].min},
                                        {"spec.$patch", cases[i].patch})),
                    "jobmanager.heap.size", cases[i].line);
}

/* ---- slots ---- */

static void expect_slots(const char *cpu, const char *slots)
{
    char resources[64], line[64];
    const char *text;

    (void)snprintf(resources, sizeof(resources), "{'requests':{'cpu':%s}}", cpu);
    (void)snprintf(line, sizeof(line), "taskmanager.numberOfTaskSlots: %s", slots);
    text = configuration(EDITS({"spec.taskManager.resources", q(resources)}));
    expect_line(text, "taskmanager.numberOfTaskSlots", line);
}

Test(flink_configuration, slots_are_half_the_cores_and_one_at_least)
{
    expect_slots("'500m'", "1");
    expect_slots("2", "1");
    expect_slots("'4'", "2");
    expect_slots("5", "2");
    expect_slots("'5500m'", "3");
}

Test(flink_configuration, the_users_slots_are_copied_even_when_they_are_no_number)
{
    const char *text = configuration(
        EDITS({"spec.flinkProperties", q("{'taskmanager.numberOfTaskSlots':'many'}")}));

    expect_line(text, "taskmanager.numberOfTaskSlots", "taskmanager.numberOfTaskSlots: many");
}

/* ---- Java ---- */

#define FIRST_OPTION "--add-exports=java.base/sun.net.util="
static const char last_option[] = " --add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED\n";

Test(flink_configuration, java_17_gets_the_modules_it_has_to_open)
{
    const char *text = configuration(NULL); /* 1.20 */

    cr_expect(strstr(text, "env.java.default-opts.all: " FIRST_OPTION));
    cr_expect(strstr(text, last_option));
    expect_line(text, "env.java.opts.all", NULL);
    text = configuration(EDITS({"spec.flinkVersion", "\"1.18\""}));
    cr_expect(strstr(text, "env.java.opts.all: " FIRST_OPTION));
    cr_expect(strstr(text, last_option));
    expect_line(text, "env.java.default-opts.all", NULL);
    cr_expect_null(strstr(configuration(EDITS({"spec.flinkVersion", "\"1.17\""})), FIRST_OPTION));
    cr_expect_null(strstr(configuration(EDITS({"spec.flinkVersion", "\"\""})), FIRST_OPTION));
}

Test(flink_configuration, the_users_java_options_are_written_as_they_are)
{
    const char *text =
        configuration(EDITS({"spec.flinkProperties", q("{'env.java.opts.all':'-Dx=y -Dz'}")}));

    expect_line(text, "env.java.opts.all", "env.java.opts.all: -Dx=y -Dz");
    cr_expect(strstr(text, "env.java.default-opts.all: " FIRST_OPTION));
    text = configuration(EDITS({"spec.flinkProperties", q("{'env.java.opts':'-Dx=y'}")}));
    expect_line(text, "env.java.opts", "env.java.opts: -Dx=y");
    expect_line(text, "env.java.opts.all", NULL);
    cr_expect(strstr(text, "env.java.default-opts.all: " FIRST_OPTION));
}

Test(flink_configuration, before_1_19_the_list_follows_the_users_java_options)
{
    const char *text =
        configuration(EDITS({"spec.flinkVersion", "\"1.18\""},
                            {"spec.flinkProperties", q("{'env.java.opts.all':'-Dx=y -Dz'}")}));

    cr_expect(strstr(text, "env.java.opts.all: -Dx=y -Dz " FIRST_OPTION));
    cr_expect(strstr(text, last_option));
}

Test(flink_configuration, options_under_the_old_key_are_not_hidden_by_the_new_one)
{
    const char *text =
        configuration(EDITS({"spec.flinkVersion", "\"1.18\""},
                            {"spec.flinkProperties", q("{'env.java.opts':'-Dx=y'}")}));

    expect_line(text, "env.java.opts", "env.java.opts: -Dx=y");
    cr_expect(strstr(text, "env.java.opts.all: -Dx=y " FIRST_OPTION));
}

Test(flink_configuration, where_the_users_options_come_first_too_the_list_is_the_last)
{
    const char *text = configuration(
        EDITS({"spec.flinkProperties", q("{'env.java.default-opts.all':'-Da','env.java.opts.all':"
                                         "'-Db'}")}));

    expect_line(text, "env.java.default-opts.all", "env.java.default-opts.all: -Da");
    cr_expect(strstr(text, "env.java.opts.all: -Db " FIRST_OPTION));
}

Test(flink_configuration, a_list_of_the_users_own_is_left_alone)
{
    static const char *const keys[] = {"env.java.default-opts.all", "env.java.opts.all",
                                       "env.java.opts"};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char json[128], line[128];
        const char *text;

        (void)snprintf(json, sizeof json, "{\"%s\":\"--add-opens=a/b=c\"}", keys[i]);
        (void)snprintf(line, sizeof line, "%s: --add-opens=a/b=c", keys[i]);
        text = configuration(EDITS({"spec.flinkProperties", json}));
        expect_line(text, keys[i], line);
        cr_expect_null(strstr(text, FIRST_OPTION), "%s", keys[i]);
    }
}

Test(flink_configuration, quoted_java_options_of_flink_1_are_left_alone)
{
    const char *properties = "{\"env.java.opts.all\":\"\\\"-Dx=y\\\"\"}";
    const char *text = configuration(EDITS({"spec.flinkProperties", properties}));

    expect_line(text, "env.java.opts.all", "env.java.opts.all: \"-Dx=y\"");
    cr_expect_null(strstr(text, FIRST_OPTION), "the scripts strip quotes at the ends alone");
    text = configuration(
        EDITS({"spec.flinkVersion", "\"2.0\""}, {"spec.flinkProperties", properties}));
    expect_line(text, "env.java.opts.all", "env.java.opts.all: \"-Dx=y\"");
    cr_expect(strstr(text, "env.java.default-opts.all: " FIRST_OPTION));
}

/* ---- text ---- */

Test(flink_configuration, a_line_break_cannot_make_a_property_before_flink_2)
{
    const char *text =
        configuration(EDITS({"spec.flinkProperties", "{\"a\":\"x\\nrest.port: 1\\r\\n\",\"b\\nrest"
                                                     ".port\":\"2\"}"}));

    expect_line(text, "a", "a: x rest.port: 1 ");
    cr_expect(strstr(text, "\nb rest.port: 2\n"));
    expect_line(text, "rest.port", "rest.port: 8081");
}

static void expect_yaml(const char *value_json, const char *written)
{
    char properties[256], line[256];
    const char *text;

    (void)snprintf(properties, sizeof(properties), "{\"a\":%s}", value_json);
    (void)snprintf(line, sizeof(line), "a: %s", written);
    text = configuration(
        EDITS({"spec.flinkVersion", "\"2.0\""}, {"spec.flinkProperties", properties}));
    expect_line(text, "a", line);
}

Test(flink_configuration, yaml_values_that_say_themselves_are_written_as_they_are)
{
    expect_yaml("\"rocksdb\"", "rocksdb");
    expect_yaml("\"1639m\"", "1639m");
    expect_yaml("\"true\"", "true");
    expect_yaml("\"s3://bucket/path\"", "s3://bucket/path");
    expect_yaml("\"-Dx=y -Dz\"", "-Dx=y -Dz");
    expect_yaml("\"a#b\"", "a#b");
    expect_yaml("\"[a, b]\"", "[a, b]");
    expect_yaml("\"\\\"was: quoted\\\"\"", "\"was: quoted\"");
}

Test(flink_configuration, yaml_values_with_characters_that_yaml_has_no_room_for_are_escaped)
{
    expect_yaml("\"a\\u0085b\"", "\"a\\x85b\"");
    expect_yaml("\"a\\u2028b\\u2029\"", "\"a\\u2028b\\u2029\"");
    expect_yaml("\"\\ufeffé\\uffff\"", "\"\\ufeffé\\uffff\"");
}

Test(flink_configuration, yaml_values_that_would_say_something_else_are_quoted)
{
    expect_yaml("\"\"", "\"\"");
    expect_yaml("\"a: b\"", "\"a: b\"");
    expect_yaml("\"a #b\"", "\"a #b\"");
    expect_yaml("\"*a\"", "\"*a\"");
    expect_yaml("\"%a\"", "\"%a\"");
    expect_yaml("\"{a\"", "\"{a\"");
    expect_yaml("\"[a] b\"", "\"[a] b\"");
    expect_yaml("\"a\\nb: c\"", "\"a\\nb: c\"");
    expect_yaml("\"'a' b\"", "\"'a' b\"");
    expect_yaml("\"  a \"", "\"  a \"");
    expect_yaml("\"a\\\\\\\"*: \\t\"", "\"a\\\\\\\"*: \\x09\"");
    expect_yaml("\"\\u0001\"", "\"\\x01\"");
    expect_yaml("\"- a\"", "\"- a\"");
    expect_yaml("\"a:\"", "\"a:\"");
}

Test(flink_configuration, yaml_keys_are_quoted_too)
{
    const char *text = configuration(
        EDITS({"spec.flinkVersion", "\"2.0\""}, {"spec.flinkProperties", "{\"a: b\":\"c\"}"}));

    cr_expect(strstr(text, "\"a: b\": c\n"));
}

Test(flink_configuration, an_empty_job_id_is_a_word_to_us_and_not_to_flink)
{
    expect_line(
        configuration(EDITS({"spec.flinkProperties", q("{'$internal.pipeline.job-id':''}")})),
        "$internal.pipeline.job-id", NULL);
    expect_line(
        configuration(EDITS({"spec.flinkProperties", q("{'$internal.pipeline.job-id':'x'}")})),
        "$internal.pipeline.job-id", "$internal.pipeline.job-id: x");
}
