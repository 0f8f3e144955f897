#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "tests/lib/admission_fixture.h"

TestSuite(admission_create, .timeout = 10);

Test(admission_create, valid_clusters_are_accepted)
{
    expect_no_error(fixture_create(fixture_session(NULL)));
    expect_no_error(fixture_create(fixture_job(NULL)));
}

Test(admission_create, all_errors_are_reported_in_one_text)
{
    const struct findings *f = fixture_create(
        fixture_job(EDITS({"metadata.name", "\"1st\""}, {"spec.flinkVersion", "\"one.two\""},
                          {"spec.job.parallelism", "0"})));
    char text[8192];

    expect_error(f, "C1b", "metadata.name", "1st");
    expect_error(f, "C3", "spec.flinkVersion", "one.two");
    expect_error(f, "C25", "spec.job.parallelism", "0");
    findings_text(f, text, sizeof(text));
    cr_expect(str_starts(text, "metadata.name: "));
    cr_expect(strstr(text, "; spec.flinkVersion: "));
    cr_expect(strstr(text, "; spec.job.parallelism: 0: job parallelism must be >= 1"));
}

Test(admission_create, the_text_of_many_errors_is_cut_at_its_size)
{
    const struct findings *f = fixture_create(fixture_job(EDITS({"metadata.name", "\"1st\""})));
    char text[16];

    findings_text(f, text, sizeof(text));
    cr_expect_str_eq(text, "metadata.name: ");
}

Test(admission_create, a_thousand_errors_are_cut_at_the_limit)
{
    cJSON *cluster = fixture_job(NULL);
    char key[16];

    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "-%d", i);
        json_set_str(cluster, "spec.job.podLabels.x", "");
        json_set_member_str(json_get(cluster, "spec.job.podLabels"), key, "v");
    }
    cr_expect_eq(fixture_create(cluster)->n_errors, FINDINGS_MAX);
}

/* ---- C1 to C3 ---- */

Test(admission_create, C1_a_name_of_48_is_the_longest)
{
    expect_accepted(
        EDITS({"metadata.name", "\"a23456789012345678901234567890123456789012345678\""}));
    expect_refused(
        "C1", "metadata.name", "cluster name size",
        EDITS({"metadata.name", "\"a234567890123456789012345678901234567890123456789\""}));
}

Test(admission_create, C1_a_name_is_needed)
{
    expect_refused("C1", "metadata.name", "less than 50", EDITS({"metadata.name", NULL}));
}

Test(admission_create, C1b_a_name_is_a_dns_1035_label)
{
    static const char *const names[] = {"\"1st\"", "\"a_b\"", "\"A\"", "\"a-\"", "\"a.b\""};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        expect_refused("C1b", "metadata.name", "DNS-1035", EDITS({"metadata.name", names[i]}));
}

Test(admission_create, C2_a_namespace_is_needed_and_valid)
{
    expect_refused("C2", "metadata.namespace", "unspecified", EDITS({"metadata.namespace", NULL}));
    expect_refused("C2", "metadata.namespace", "not a valid namespace",
                   EDITS({"metadata.namespace", "\"a.b\""}));
}

Test(admission_create, C3_a_version_must_be_one)
{
    expect_refused(
        "C3", "spec.flinkVersion", "malformed version: \"latest\"",
        EDITS({"spec.flinkVersion", "\"latest\""}, {"spec.jobManager.memoryOffHeapRatio", "25"}));
    expect_accepted(EDITS({"spec.flinkVersion", "\"\""}));
    expect_accepted(EDITS({"spec.flinkVersion", "\"v1.14.0-rc1+x\""}));
}

/* ---- C4 ---- */

#define ACCOUNT "spec.gcpConfig.serviceAccount"

Test(admission_create, C4_gcp_needs_secret_key_file_and_mount_path)
{
    expect_refused("C4", ACCOUNT ".secretName", "secret name",
                   EDITS({ACCOUNT, "{\"keyFile\":\"k\",\"mountPath\":\"/m\"}"}));
    expect_refused("C4", ACCOUNT ".keyFile", "key file name",
                   EDITS({ACCOUNT, "{\"secretName\":\"s\",\"mountPath\":\"/m\"}"}));
    expect_refused("C4", ACCOUNT ".mountPath", "volume mount path",
                   EDITS({ACCOUNT, "{\"secretName\":\"s\",\"keyFile\":\"k\"}"}));
    expect_accepted(
        EDITS({ACCOUNT, "{\"secretName\":\"s\",\"keyFile\":\"k\",\"mountPath\":\"/m\"}"}));
}

Test(admission_create, C4_the_mount_path_does_not_end_with_the_key_file)
{
    expect_refused(
        "C4", ACCOUNT ".mountPath", "should not end with the key file name",
        EDITS({ACCOUNT, "{\"secretName\":\"s\",\"keyFile\":\"k\",\"mountPath\":\"/m/k\"}"}));
}

Test(admission_create, C4b_gcp_without_a_service_account_is_refused)
{
    expect_refused("C4b", ACCOUNT, "GCP service account", EDITS({"spec.gcpConfig", "{}"}));
}

/* ---- rules that JobManager and TaskManager share ---- */

struct side {
    const char *key, *name, *annotations, *labels, *ports, *resources, *memory[5];
};

static const struct side sides[] = {
    {"jobManager", "jobmanager", "C5", "C6", "C7", "C8", {"C9", "C10", "C11", "C12", "C13"}},
    {"taskManager", "taskmanager", "C14", "C15", "C16", "C17", {"C18", "C19", "C20", "C21", "C22"}},
};

/* expect_refused() with "%" in paths and words standing for the component's key or name. */
static void expect_refused_of(const struct side *side, const char *rule, const char *field,
                              const char *words, const struct edit *edits)
{
    char paths[4][128], at[128], text[256];
    struct edit own[5] = {{NULL, NULL}};

    for (size_t i = 0; edits[i].path; i++) {
        const char *rest = strchr(edits[i].path, '%');

        (void)snprintf(paths[i], sizeof(paths[i]), "%.*s%s%s", (int)strcspn(edits[i].path, "%"),
                       edits[i].path, rest ? side->key : "", rest ? rest + 1 : "");
        own[i] = (struct edit){paths[i], edits[i].json};
    }
    (void)snprintf(at, sizeof(at), "spec.%s.%s", side->key, field);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)strcspn(words, "%"), words,
                   strchr(words, '%') ? side->name : "",
                   strchr(words, '%') ? strchr(words, '%') + 1 : "");
    expect_refused(rule, at, text, own);
}

#define EACH_SIDE for (const struct side *s = sides; s < sides + ARRAY_SIZE(sides); s++)

Test(admission_create, C5_C14_annotation_keys_are_qualified_names)
{
    EACH_SIDE
    {
        expect_refused_of(s, s->annotations, "podAnnotations", "bad key",
                          EDITS({"spec.%.podAnnotations", "{\"bad key\":\"x\"}"}));
        expect_refused_of(s, s->annotations, "podAnnotations", "-x",
                          EDITS({"spec.%.podAnnotations", "{\"-x\":\"y\"}"}));
    }
    expect_accepted(
        EDITS({"spec.jobManager.podAnnotations", "{\"Prefix.Example.com/a\":\"any value!\"}"}));
}

Test(admission_create, C5_annotations_together_have_at_most_256_KiB)
{
    enum { VALUE_MAX = 256 * 1024 - 1 }; /* the key is "a" */
    _cleanup_(freep) char *most = str_printf("{\"a\":\"%0*d\"}", VALUE_MAX, 0);
    _cleanup_(freep) char *more = str_printf("{\"a\":\"%0*d\"}", VALUE_MAX + 1, 0);

    expect_accepted(EDITS({"spec.jobManager.podAnnotations", most}));
    expect_refused("C5", "spec.jobManager.podAnnotations", "too long: 262145 bytes",
                   EDITS({"spec.jobManager.podAnnotations", more}));
}

Test(admission_create, C6_C15_labels_are_valid)
{
    EACH_SIDE
    {
        expect_refused_of(s, s->labels, "podLabels", "not ok!",
                          EDITS({"spec.%.podLabels", "{\"ok\":\"not ok!\"}"}));
        expect_refused_of(s, s->labels, "podLabels", "no/slash/es",
                          EDITS({"spec.%.podLabels", "{\"no/slash/es\":\"x\"}"}));
    }
}

Test(admission_create, C7_C16_port_numbers_are_unique)
{
    EACH_SIDE
    {
        expect_refused_of(
            s, s->ports, "extraPorts[0]", "duplicate containerPort 6125 in %",
            EDITS({"spec.%.extraPorts", "[{\"name\":\"x\",\"containerPort\":6125}]"}));
        expect_refused_of(
            s, s->ports, "extraPorts[1]", "duplicate containerPort 9 in %",
            EDITS({"spec.%.extraPorts", "[{\"containerPort\":9},{\"containerPort\":9}]"}));
        expect_refused_of(s, s->ports, "ports.query", "duplicate containerPort 7000 in %",
                          EDITS({"spec.%.ports.rpc", "7000"}, {"spec.%.ports.query", "7000"}));
    }
}

Test(admission_create, C7_C16_port_names_are_unique)
{
    EACH_SIDE
    {
        expect_refused_of(s, s->ports, "extraPorts[1]", "duplicate port name p in %",
                          EDITS({"spec.%.extraPorts", "[{\"name\":\"p\",\"containerPort\":1},"
                                                      "{\"name\":\"p\",\"containerPort\":2}]"}));
        expect_refused_of(s, s->ports, "extraPorts[0]", "duplicate port name rpc in %",
                          EDITS({"spec.%.extraPorts", "[{\"name\":\"rpc\",\"containerPort\":1}]"}));
    }
    expect_accepted(
        EDITS({"spec.jobManager.extraPorts", "[{\"containerPort\":1},{\"containerPort\":2}]"}));
    expect_accepted(
        EDITS({"spec.jobManager.extraPorts", "[{\"name\":\"data\",\"containerPort\":6121}]"}));
}

Test(admission_create, C8_C17_cpu_and_memory_are_needed)
{
    EACH_SIDE
    {
        expect_refused_of(s, s->resources, "resources",
                          "% resource requests/limits are unspecified",
                          EDITS({"spec.%.resources", "{}"}));
        expect_refused_of(s, s->resources, "resources", "% cpu request/limit is unspecified",
                          EDITS({"spec.%.resources", "{\"limits\":{\"memory\":\"2Gi\"}}"}));
        expect_refused_of(
            s, s->resources, "resources", "% cpu request/limit is unspecified",
            EDITS({"spec.%.resources", "{\"limits\":{\"memory\":\"2Gi\",\"cpu\":\"0\"}}"}));
        expect_refused_of(s, s->resources, "resources", "% memory request/limit is unspecified",
                          EDITS({"spec.%.resources", "{\"requests\":{\"cpu\":1}}"}));
    }
    expect_accepted(EDITS({"spec.jobManager.resources",
                           "{\"limits\":{\"memory\":\"2Gi\"},\"requests\":{\"cpu\":1}}"}));
}

Test(admission_create, C9_C18_a_process_ratio_needs_flink_1_10)
{
    EACH_SIDE
    expect_refused_of(s, s->memory[0], "memoryProcessRatio", "MemoryProcessRatio",
                      EDITS({"spec.flinkVersion", "\"1.9\""}, {"spec.%.memoryProcessRatio", "50"}));
}

Test(admission_create, C10_C19_an_off_heap_ratio_is_a_percentage)
{
    EACH_SIDE
    {
        expect_refused_of(
            s, s->memory[1], "memoryOffHeapRatio", "invalid % memoryOffHeapRatio",
            EDITS({"spec.flinkVersion", "\"1.9\""}, {"spec.%.memoryOffHeapRatio", "-5"}));
        expect_refused_of(
            s, s->memory[1], "memoryOffHeapRatio", "between 0 and 100",
            EDITS({"spec.flinkVersion", "\"\""}, {"spec.%.memoryOffHeapRatio", "101"}));
    }
}

Test(admission_create, C11_C20_the_off_heap_minimum_fits_into_the_container)
{
    EACH_SIDE
    expect_refused_of(
        s, s->memory[2], "memoryOffHeapMin", "600000000 bytes",
        EDITS({"spec.flinkVersion", "\"1.9\""}, {"spec.%.resources.limits.memory", "\"512Mi\""}));
    expect_refused(
        "C11", NULL, "536870912", /* no limit: the request counts */
        EDITS({"spec.flinkVersion", "\"1.9\""}, {"spec.jobManager.resources.limits.memory", NULL}));
}

Test(admission_create, C12_C21_off_heap_settings_need_flink_before_1_10)
{
    EACH_SIDE
    {
        expect_refused_of(s, s->memory[3], "memoryOffHeapRatio", "MemoryOffHeapRatio",
                          EDITS({"spec.%.memoryOffHeapRatio", "25"}));
        expect_refused_of(s, s->memory[3], "memoryOffHeapMin", "MemoryOffHeapMin",
                          EDITS({"spec.%.memoryOffHeapMin", "\"100M\""}));
        expect_refused_of(s, s->memory[3], "memoryOffHeapMin",
                          "cannot be used with flinkVersion >= 1.11",
                          EDITS({"spec.%.memoryOffHeapMin", "1"}));
    }
    expect_accepted(EDITS({"spec.jobManager.memoryOffHeapMin", "0"}));
}

Test(admission_create, C13_C22_a_process_ratio_is_a_percentage)
{
    EACH_SIDE
    {
        expect_refused_of(s, s->memory[4], "memoryProcessRatio", "invalid % memoryProcessRatio",
                          EDITS({"spec.%.memoryProcessRatio", "101"}));
        expect_refused_of(s, s->memory[4], "memoryProcessRatio", "100",
                          EDITS({"spec.%.memoryProcessRatio", "-1"}));
    }
    expect_accepted(EDITS({"spec.jobManager.memoryProcessRatio", "0"}));
}

Test(admission_create, C22b_an_unknown_deployment_type_is_refused)
{
    expect_refused("C22b", "spec.taskManager.deploymentType", "DaemonSet",
                   EDITS({"spec.taskManager.deploymentType", "\"DaemonSet\""}));
    expect_accepted(EDITS({"spec.taskManager.deploymentType", "\"Deployment\""}));
    expect_accepted(EDITS({"spec.taskManager.deploymentType", "\"\""}));
}

Test(admission_create, C4c_hadoops_configmap_is_named)
{
    expect_refused("C4c", "spec.hadoopConfig.configMapName", "ConfigMap is unspecified",
                   EDITS({"spec.hadoopConfig", "{\"mountPath\":\"/h\"}"}));
    expect_accepted(EDITS({"spec.hadoopConfig", "{\"configMapName\":\"h\"}"}));
}

/* ---- C23 to C29 ---- */

Test(admission_create, C23_annotations_and_labels_of_the_job_are_valid)
{
    expect_refused("C23", "spec.job.podAnnotations", "a/b/c",
                   EDITS({"spec.job.podAnnotations", "{\"a/b/c\":\"\"}"}));
    expect_refused("C23", "spec.job.podLabels", "b c",
                   EDITS({"spec.job.podLabels", "{\"a\":\"b c\"}"}));
}

Test(admission_create, C24_there_is_something_to_run)
{
    expect_refused("C24", "spec.job.jarFile", "jarFile or pythonFile or pythonModule",
                   EDITS({"spec.job.jarFile", NULL}));
    expect_accepted(EDITS({"spec.job.jarFile", NULL}, {"spec.job.pyFile", "\"x.py\""}));
    expect_accepted(EDITS({"spec.job.jarFile", NULL}, {"spec.job.pyModule", "\"x\""}));
    expect_accepted(EDITS({"spec.job.jarFile", "\"\""})); /* counts as present */
    expect_accepted(EDITS({"spec.job.jarFile", NULL}, {"spec.job.mode", "\"Application\""}));
}

Test(admission_create, C24b_application_mode_needs_a_class)
{
    expect_refused("C24b", "spec.job.className", "className is unspecified",
                   EDITS({"spec.job.mode", "\"Application\""}, {"spec.job.className", NULL}));
    expect_accepted(EDITS({"spec.job.mode", "\"Application\""}, {"spec.job.className", NULL},
                          {"spec.job.pyModule", "\"m\""}));
    expect_accepted(EDITS({"spec.job.mode", "\"Application\""}, {"spec.job.className", NULL},
                          {"spec.job.args", "[\"-py\",\"x.py\"]"}));
    expect_accepted(EDITS({"spec.job.mode", "\"Application\""}, {"spec.job.className", NULL},
                          {"spec.job.args", "[\"--pyModule=m\"]"}));
    expect_refused("C24b", "spec.job.className", "className is unspecified",
                   EDITS({"spec.job.mode", "\"Application\""}, {"spec.job.className", "\" \""},
                         {"spec.job.pyFile", "\" \""}));
}

Test(admission_create, C25_parallelism_is_at_least_one)
{
    expect_refused("C25", "spec.job.parallelism", "0: job parallelism must be >= 1",
                   EDITS({"spec.job.parallelism", "0"}));
    expect_refused("C25", "spec.job.parallelism", "-3", EDITS({"spec.job.parallelism", "-3"}));
    expect_accepted(EDITS({"spec.job.parallelism", NULL}));
}

#define RESTART                                                                                    \
    {                                                                                              \
        "spec.job.restartPolicy", "\"FromSavepointOnFailure\""                                     \
    }
#define AGE                                                                                        \
    {                                                                                              \
        "spec.job.maxStateAgeToRestoreSeconds", "60"                                               \
    }

Test(admission_create, C26_restarting_needs_an_age)
{
    expect_refused("C26", "spec.job.maxStateAgeToRestoreSeconds",
                   "must be specified when restartPolicy", EDITS(RESTART));
    expect_accepted(EDITS(RESTART, AGE));
}

Test(admission_create, C27_an_unknown_restart_policy_is_refused)
{
    expect_refused("C27", "spec.job.restartPolicy", "invalid job restartPolicy: \"Always\"",
                   EDITS({"spec.job.restartPolicy", "\"Always\""}));
}

Test(admission_create, C28_an_update_without_a_savepoint_needs_an_age)
{
    expect_refused("C28", "spec.job.maxStateAgeToRestoreSeconds",
                   "must be specified when takeSavepointOnUpdate",
                   EDITS({"spec.job.takeSavepointOnUpdate", "false"}));
    expect_accepted(EDITS({"spec.job.takeSavepointOnUpdate", "false"}, AGE));
    expect_accepted(EDITS({"spec.job.takeSavepointOnUpdate", "true"}));
}

Test(admission_create, C29_a_new_job_is_not_to_be_cancelled)
{
    expect_refused("C29", "spec.job.cancelRequested", "cancelRequested",
                   EDITS({"spec.job.cancelRequested", "true"}));
    expect_accepted(EDITS({"spec.job.cancelRequested", "false"}));
}

/* ---- fields of flinkd's own ---- */

#define SCHEDULE "spec.job.autoSavepointSchedule"
#define NO_DIR                                                                                     \
    {                                                                                              \
        "spec.job.savepointsDir", NULL                                                             \
    }

Test(admission_create, N1_a_savepoint_schedule_is_a_cron_expression)
{
    static const char *const wrong[] = {"\"every day\"", "\"\"", "\"* * * *\"", "\"61 * * * *\"",
                                        "\"0 0 31 2 *\""};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        expect_refused("N1", SCHEDULE, "no", EDITS({SCHEDULE, wrong[i]}));
    expect_accepted(EDITS({SCHEDULE, "\"0 */6 * * *\""}));
    expect_accepted(EDITS({SCHEDULE, "\"@daily\""}));
}

Test(admission_create, N2_a_schedule_and_an_interval_exclude_each_other)
{
    expect_refused("N2", SCHEDULE, "exclude each other",
                   EDITS({SCHEDULE, "\"@daily\""}, {"spec.job.autoSavepointSeconds", "60"}));
}

Test(admission_create, N3_N4_N5_savepoints_need_a_directory)
{
    expect_refused("N3", SCHEDULE, "savepointsDir", EDITS({SCHEDULE, "\"@daily\""}, NO_DIR));
    expect_refused("N4", "spec.job.savepointOnDeletion", "savepointsDir",
                   EDITS({"spec.job.savepointOnDeletion", "true"}, NO_DIR));
    expect_refused("N5", "spec.job.drainOnCancel", "savepointsDir",
                   EDITS({"spec.job.drainOnCancel", "true"}, NO_DIR));
    expect_accepted(
        EDITS({"spec.job.savepointOnDeletion", "true"}, {"spec.job.drainOnCancel", "true"}));
    expect_accepted(EDITS({"spec.job.savepointOnDeletion", "false"}, NO_DIR));
}

Test(admission_create, N6_retention_keeps_something)
{
    expect_refused("N6", "spec.job.savepointRetention", "count or maxAgeSeconds",
                   EDITS({"spec.job.savepointRetention", "{}"}));
    expect_refused("N6", "spec.job.savepointRetention.count", "0",
                   EDITS({"spec.job.savepointRetention.count", "0"}));
    expect_refused("N6", "spec.job.savepointRetention.maxAgeSeconds", "5",
                   EDITS({"spec.job.savepointRetention.maxAgeSeconds", "5"}));
    expect_accepted(EDITS({"spec.job.savepointRetention.count", "1"}));
    expect_accepted(EDITS({"spec.job.savepointRetention.maxAgeSeconds", "86400"}));
}

Test(admission_create, N7_restoreFrom_is_one_of_two)
{
    expect_refused("N7", "spec.job.restoreFrom", "Nothing",
                   EDITS({"spec.job.restoreFrom", "\"Nothing\""}));
    expect_accepted(EDITS({"spec.job.restoreFrom", "\"LatestState\""}));
    expect_accepted(EDITS({"spec.job.restoreFrom", "\"Savepoint\""}));
}

Test(admission_create, N8_an_update_has_at_least_30_seconds)
{
    expect_refused("N8", "spec.updateStrategy.progressDeadlineSeconds", "29",
                   EDITS({"spec.updateStrategy.progressDeadlineSeconds", "29"}));
    expect_accepted(
        EDITS({"spec.updateStrategy", "{\"rollback\":true,\"progressDeadlineSeconds\":30}"}));
}

Test(admission_create, any_shape_of_a_cluster_is_survived)
{
    static const char *const shapes[] = {
        "{}",
        "[]",
        "1",
        "null",
        "\"x\"",
        "{\"spec\":1}",
        "{\"spec\":{\"job\":[]}}",
        "{\"metadata\":[],\"spec\":{\"jobManager\":1,\"taskManager\":[1]}}"};
    static struct findings f;

    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        cJSON *shape = cJSON_Parse(shapes[i]);

        cluster_validate(shape, NULL, 0, &f);
        cr_expect_gt(f.n_errors, 0, "%s", shapes[i]);
        cluster_warn(shape, NULL, &f);
        cluster_validate(shape, shape, 0, &f);
        cluster_warn(shape, shape, &f);
        cJSON_Delete(shape);
    }
}
