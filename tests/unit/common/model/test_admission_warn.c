#include <criterion/criterion.h>

#include "common/model/names.h"
#include "tests/lib/admission_fixture.h"

TestSuite(admission_warn, .timeout = 10);

static void warns(const char *words, const struct edit *edits)
{
    const struct findings *f = fixture_create(fixture_job(edits));

    expect_warning(f, words);
}

Test(admission_warn, a_good_cluster_has_no_warning)
{
    cr_expect_eq(fixture_create(fixture_job(NULL))->n_warnings, 0);
    cr_expect_eq(fixture_create(fixture_session(NULL))->n_warnings, 0);
}

Test(admission_warn, memory_that_flink_refuses)
{
    warns("Flink will refuse taskManager's memory: process size 820m - metaspace 256m - overhead "
          "192m = 372m",
          EDITS({"spec.taskManager.resources.limits.memory", "\"1Gi\""}));
}

Test(admission_warn, a_missing_version)
{
    warns("spec.flinkVersion is not set", EDITS({"spec.flinkVersion", "\"\""}));
}

Test(admission_warn, deprecated_fields)
{
    warns("spec.batchSchedulerName is deprecated",
          EDITS({"spec.batchSchedulerName", "\"volcano\""}));
    warns("spec.job.cancelRequested is deprecated", EDITS({"spec.job.cancelRequested", "false"}));
}

Test(admission_warn, properties_that_are_overridden)
{
    static const char *const keys[] = {"jobmanager.rpc.address", "jobmanager.rpc.port",
                                       "blob.server.port", "query.server.port", "rest.port"};
    const struct findings *f = fixture_create(fixture_job(
        EDITS({"spec.flinkProperties",
               "{\"jobmanager.rpc.address\":\"x\",\"jobmanager.rpc.port\":\"1\",\"blob.server."
               "port\":\"1\",\"query.server.port\":\"1\",\"rest.port\":\"1\",\"a\":\"b\"}"})));

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        expect_warning(f, keys[i]);
    cr_expect_eq(f->n_warnings, 5);
}

Test(admission_warn, task_slots_that_are_no_number)
{
    warns("numberOfTaskSlots",
          EDITS({"spec.flinkProperties", "{\"taskmanager.numberOfTaskSlots\":\"many\"}"}));
    warns("numberOfTaskSlots \"0\" is no number of slots",
          EDITS({"spec.flinkProperties", "{\"taskmanager.numberOfTaskSlots\":\"0\"}"}));
}

Test(admission_warn, a_rest_api_that_only_speaks_tls)
{
    warns("flinkd speaks plain HTTP",
          EDITS({"spec.flinkProperties", "{\"security.ssl.rest.enabled\":\"true\"}"}));
    cr_expect_eq(fixture_create(fixture_job(EDITS({"spec.flinkProperties",
                                                   "{\"security.ssl.rest.enabled\":\"false\"}"})))
                     ->n_warnings,
                 0);
}

Test(admission_warn, python_options_after_the_program)
{
    const struct edit python[] = {{"spec.job.jarFile", NULL},
                                  {"spec.job.className", NULL},
                                  {"spec.job.pyFile", "\"a.py\""},
                                  {"spec.job.args", "[\"--parallelism\",\"2\"]"},
                                  {NULL, NULL}};

    warns("\"--parallelism\" follows the Python program", python);
    expect_no_warning(fixture_create(fixture_job(EDITS({"spec.job.args", "[\"--parallelism\"]"}))),
                      "follows");
    expect_no_warning(fixture_create(fixture_job(
                          EDITS({"spec.job.jarFile", NULL}, {"spec.job.pyFile", "\"a.py\""},
                                {"spec.job.args", "[\"--pyFiles\",\"b.py\"]"}))),
                      "follows");
    expect_no_warning(fixture_create(fixture_job(EDITS({"spec.job.pyFile", "\"a.py\""},
                                                       {"spec.job.args", "[\"--input\"]"}))),
                      "follows");
}

Test(admission_warn, labels_of_the_operator)
{
    warns("the label app is the operator's",
          EDITS({"spec.jobManager.podLabels", "{\"app\":\"x\"}"}));
    warns("the label component is the operator's",
          EDITS({"spec.taskManager.podLabels", "{\"component\":\"x\"}"}));
    warns("the label cluster is the operator's",
          EDITS({"spec.job.podLabels", "{\"cluster\":\"x\"}"}));
}

Test(admission_warn, fields_of_the_job_that_application_mode_ignores)
{
    const struct edit *edits =
        EDITS({"spec.job.mode", "\"Application\""}, {"spec.job.nodeSelector", "{\"a\":\"b\"}"});

    warns("spec.job.nodeSelector is ignored in mode Application", edits);
    expect_no_warning(
        fixture_create(fixture_job(EDITS({"spec.job.nodeSelector", "{\"a\":\"b\"}"}))), "ignored");
}

Test(admission_warn, what_runs_the_jobmanager_in_application_mode_takes_no_jar)
{
    static const struct {
        const char *path, *json, *words;
    } cases[] = {
        {"spec.job.jarFile", "\"/x.jar\"", "spec.job.jarFile is ignored"},
        {"spec.job.classPath", "[\"file:///x\"]", "spec.job.classPath is ignored"},
        {"spec.job.noLoggingToStdout", "true", "spec.job.noLoggingToStdout is ignored"},
        {"spec.job.pyFile", "\"/x.py\"", "pyModule are ignored in mode Application beside"},
        {"spec.jobManager.volumeClaimTemplates", "[{\"spec\":{}}]",
         "spec.jobManager.volumeClaimTemplates is ignored"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        warns(cases[i].words,
              EDITS({"spec.job.mode", "\"Application\""}, {cases[i].path, cases[i].json}));
        expect_no_warning(fixture_create(fixture_job(EDITS({cases[i].path, cases[i].json}))),
                          "ignored in mode");
    }
    cr_expect_eq(fixture_create(fixture_job(EDITS({"spec.job.mode", "\"Application\""},
                                                  {"spec.job.jarFile", NULL})))
                     ->n_warnings,
                 0);
}

Test(admission_warn, an_autoscaler_that_kubernetes_refuses)
{
    warns("horizontalPodAutoscaler", EDITS({"spec.taskManager.horizontalPodAutoscaler",
                                            "{\"minReplicas\":3,\"maxReplicas\":2}"}));
    expect_no_warning(fixture_create(fixture_job(EDITS(
                          {"spec.taskManager.horizontalPodAutoscaler", "{\"maxReplicas\":2}"}))),
                      "horizontalPodAutoscaler");
}

Test(admission_warn, a_scheduler_that_is_not_known)
{
    warns("only volcano is", EDITS({"spec.batchScheduler", "{\"name\":\"yunikorn\"}"}));
    warns("only volcano is", EDITS({"spec.batchSchedulerName", "\"yunikorn\""},
                                   {"spec.batchScheduler", "{\"name\":\"volcano\"}"}));
    expect_no_warning(
        fixture_create(fixture_job(EDITS({"spec.batchScheduler", "{\"name\":\"volcano\"}"}))),
        "only");
    expect_no_warning(
        fixture_create(fixture_job(EDITS({"spec.batchScheduler", "{\"name\":\"\"}"}))), "only");
}

Test(admission_warn, savepoints_without_a_directory)
{
    warns("autoSavepointSeconds has no effect",
          EDITS({"spec.job.savepointsDir", NULL}, {"spec.job.autoSavepointSeconds", "60"}));
    warns("spec.job.suspend without",
          EDITS({"spec.job.savepointsDir", NULL}, {"spec.job.suspend", "true"}));
}

Test(admission_warn, warnings_are_there_beside_errors)
{
    const struct findings *f = fixture_create(fixture_job(
        EDITS({"spec.job.parallelism", "0"}, {"spec.batchSchedulerName", "\"volcano\""})));

    expect_error(f, "C25", NULL, NULL);
    expect_warning(f, "batchSchedulerName");
}
