#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/model/revision.h"
#include "tests/lib/quoted_json.h"

TestSuite(revision_change, .timeout = 10);

static unsigned change_of(const char *from_text, const char *to_text)
{
    _cleanup_(json_freep) cJSON *from = json_of(from_text);
    _cleanup_(json_freep) cJSON *to = json_of(to_text);

    return revision_change(from, to);
}

/* Adding a field, changing it and taking it away are the same change. */
static void expect_field(const char *path, const char *value, const char *other, unsigned change)
{
    _cleanup_(json_freep) cJSON *without = json_of("{'job':{'jarFile':'x'},'taskManager':{}}");
    _cleanup_(json_freep) cJSON *one = json_copy(without);
    _cleanup_(json_freep) cJSON *two = json_copy(without);

    json_set(one, path, json_of(value));
    json_set(two, path, json_of(other));
    cr_expect_eq(revision_change(without, one), change, "%s added: %u", path,
                 revision_change(without, one));
    cr_expect_eq(revision_change(one, two), change, "%s changed: %u", path,
                 revision_change(one, two));
    cr_expect_eq(revision_change(two, without), change, "%s removed: %u", path,
                 revision_change(two, without));
    cr_expect_eq(revision_change(two, two), CHANGE_NONE, "%s as it was", path);
}

Test(revision_change, nothing_is_no_change)
{
    cr_expect_eq(change_of("{}", "{}"), CHANGE_NONE);
    cr_expect_eq(change_of("{'taskManager':{'replicas':3}}", "{}"), CHANGE_NONE, "a default");
    cr_expect_eq(change_of("{'taskManager':{'resources':{'limits':{'cpu':'1.125'}}}}",
                           "{'taskManager':{'resources':{'limits':{'cpu':'1125m'}}}}"),
                 CHANGE_NONE, "another way to write a quantity");
}

Test(revision_change, what_neither_job_nor_pods_see_is_changed_in_place)
{
    expect_field("revisionHistoryLimit", "3", "4", CHANGE_IN_PLACE);
    expect_field("podDisruptionBudget", "{'minAvailable':1}", "{'minAvailable':2}",
                 CHANGE_IN_PLACE);
    expect_field("jobManager.ServiceAnnotations", "{'a':'1'}", "{'a':'2'}", CHANGE_IN_PLACE);
    expect_field("jobManager.ServiceLabels", "{'a':'1'}", "{'a':'2'}", CHANGE_IN_PLACE);
    expect_field("jobManager.ingress", "{}", "{'hostFormat':'x'}", CHANGE_IN_PLACE);
    expect_field("jobManager.accessScope", "'VPC'", "'External'", CHANGE_IN_PLACE);
    expect_field("taskManager.horizontalPodAutoscaler", "{'maxReplicas':4}", "{'maxReplicas':5}",
                 CHANGE_IN_PLACE);
    cr_expect_eq(change_of("{'recreateOnUpdate':false}", "{}"), CHANGE_IN_PLACE);
}

Test(revision_change, how_a_job_is_saved_and_ended_is_changed_in_place)
{
    expect_field("job.autoSavepointSeconds", "60", "90", CHANGE_IN_PLACE);
    expect_field("job.savepointsDir", "'/a'", "'/b'", CHANGE_IN_PLACE);
    expect_field("job.takeSavepointOnUpdate", "false", "true", CHANGE_IN_PLACE);
    expect_field("job.maxStateAgeToRestoreSeconds", "1", "2", CHANGE_IN_PLACE);
}

Test(revision_change, what_is_no_part_of_a_revision_is_no_change)
{
    expect_field("job.restartPolicy", "'Never'", "'FromSavepointOnFailure'", CHANGE_NONE);
    expect_field("job.cleanupPolicy", "{'afterJobFails':'KeepCluster'}",
                 "{'afterJobFails':'DeleteCluster'}", CHANGE_NONE);
    expect_field("job.savepointGeneration", "1", "2", CHANGE_NONE);
    expect_field("updateStrategy", "{'rollback':true}", "{'rollback':false}", CHANGE_NONE);
    expect_field("job.autoSavepointSchedule", "'0 * * * *'", "'5 * * * *'", CHANGE_NONE);
    expect_field("job.savepointRetention", "{'count':1}", "{'count':2}", CHANGE_NONE);
    expect_field("job.suspend", "true", "false", CHANGE_NONE);
    expect_field("job.restoreFrom", "'Savepoint'", "'LatestState'", CHANGE_NONE);
    expect_field("job.savepointOnDeletion", "true", "false", CHANGE_NONE);
    expect_field("job.drainOnCancel", "true", "false", CHANGE_NONE);
}

Test(revision_change, replicas_alone_are_a_scaling)
{
    expect_field("taskManager.replicas", "2", "5", CHANGE_SCALE);
    cr_expect_eq(change_of("{'taskManager':{'replicas':2}}",
                           "{'taskManager':{'replicas':4},'revisionHistoryLimit':1}"),
                 CHANGE_SCALE | CHANGE_IN_PLACE);
    cr_expect_eq(change_of("{'taskManager':{'replicas':2}}",
                           "{'taskManager':{'replicas':4,'podLabels':{'a':'b'}}}"),
                 CHANGE_SCALE | CHANGE_PODS);
}

Test(revision_change, what_the_job_runs_with_needs_another_run)
{
    expect_field("job.jarFile", "'y'", "'z'", CHANGE_JOB);
    expect_field("job.className", "'A'", "'B'", CHANGE_JOB);
    expect_field("job.args", "['1']", "['2']", CHANGE_JOB);
    expect_field("job.parallelism", "2", "4", CHANGE_JOB);
    expect_field("job.fromSavepoint", "'/a'", "'/b'", CHANGE_JOB);
    expect_field("job.classPath", "['a']", "['b']", CHANGE_JOB);
    expect_field("job.pyFile", "'a'", "'b'", CHANGE_JOB);
    expect_field("job.pyFiles", "'a'", "'b'", CHANGE_JOB);
    expect_field("job.pyModule", "'a'", "'b'", CHANGE_JOB);
    expect_field("job.podLabels", "{'a':'b'}", "{'a':'c'}", CHANGE_JOB);
    expect_field("job.somethingNew", "1", "2", CHANGE_JOB);
    cr_expect_eq(change_of("{'job':{}}", "{'job':{'allowNonRestoredState':true}}"), CHANGE_JOB);
    cr_expect_eq(change_of("{'job':{'mode':'Detached'}}", "{'job':{'mode':'Blocking'}}"),
                 CHANGE_JOB);
}

Test(revision_change, what_pods_and_flink_are_configured_with_needs_other_pods)
{
    expect_field("flinkVersion", "'1.19'", "'1.20'", CHANGE_PODS);
    expect_field("image.name", "'a'", "'b'", CHANGE_PODS);
    expect_field("image.pullSecrets", "[{'name':'a'}]", "[{'name':'b'}]", CHANGE_PODS);
    expect_field("serviceAccountName", "'a'", "'b'", CHANGE_PODS);
    expect_field("envVars", "[{'name':'A','value':'1'}]", "[{'name':'A','value':'2'}]",
                 CHANGE_PODS);
    expect_field("envFrom", "[{'secretRef':{'name':'a'}}]", "[{'secretRef':{'name':'b'}}]",
                 CHANGE_PODS);
    expect_field("logConfig", "{'a':'1'}", "{'a':'2'}", CHANGE_PODS);
    expect_field("hadoopConfig", "{'configMapName':'a'}", "{'configMapName':'b'}", CHANGE_PODS);
    expect_field("gcpConfig", "{'serviceAccount':{'secretName':'a'}}",
                 "{'serviceAccount':{'secretName':'b'}}", CHANGE_PODS);
    expect_field("jobManager.resources", "{'limits':{'cpu':'1'}}", "{'limits':{'cpu':'2'}}",
                 CHANGE_PODS);
    expect_field("jobManager.volumeClaimTemplates", "[{'metadata':{'name':'a'}}]",
                 "[{'metadata':{'name':'b'}}]", CHANGE_PODS);
    expect_field("taskManager.volumes", "[{'name':'a'}]", "[{'name':'b'}]", CHANGE_PODS);
    expect_field("taskManager.ports.data", "1", "2", CHANGE_PODS);
    expect_field("batchScheduler", "{'name':'volcano'}",
                 "{'name':'volcano','priorityClassName':'h'}", CHANGE_PODS);
    expect_field("somethingNew", "1", "2", CHANGE_PODS);
    cr_expect_eq(change_of("{'taskManager':{'deploymentType':'Deployment'}}", "{}"), CHANGE_PODS);
}

Test(revision_change, of_flink_properties_counts_only_what_flink_gets)
{
    cr_expect_eq(change_of("{'flinkProperties':{'a':'1'}}", "{'flinkProperties':{'a':'2'}}"),
                 CHANGE_PODS);
    cr_expect_eq(change_of("{}", "{'flinkProperties':{'a.b.c':''}}"), CHANGE_PODS);
    cr_expect_eq(change_of("{}", "{'flinkProperties':{'rest.port':'1'}}"), CHANGE_IN_PLACE,
                 "it is ignored");
}

Test(revision_change, of_a_batch_scheduler_the_queue_is_the_pod_groups)
{
    cr_expect_eq(change_of("{'batchScheduler':{'name':'volcano'}}",
                           "{'batchScheduler':{'name':'volcano','queue':'q'}}"),
                 CHANGE_IN_PLACE);
}

Test(revision_change, to_and_from_application_mode_is_a_change_of_mode)
{
    cr_expect_eq(change_of("{'job':{}}", "{'job':{'mode':'Application'}}"),
                 CHANGE_MODE | CHANGE_JOB);
    cr_expect_eq(change_of("{'job':{'mode':'Application'}}", "{'job':{'mode':'Blocking'}}"),
                 CHANGE_MODE | CHANGE_JOB);
}

Test(revision_change, an_application_has_no_submitter_that_could_change)
{
    cr_expect_eq(change_of("{'job':{'mode':'Application','jarFile':'a'}}",
                           "{'job':{'mode':'Application','jarFile':'b','podLabels':{'a':'b'}}}"),
                 CHANGE_IN_PLACE);
    cr_expect_eq(change_of("{'job':{'mode':'Application','className':'a'}}",
                           "{'job':{'mode':'Application','className':'b'}}"),
                 CHANGE_JOB);
}

Test(revision_change, from_session_to_job_the_job_is_what_changes)
{
    cr_expect_eq(change_of("{}", "{'job':{}}"), CHANGE_JOB);
    cr_expect_eq(change_of("{'job':{}}", "{}"), CHANGE_JOB);
}

Test(revision_change, what_both_specs_say_in_the_same_words_hides_no_change)
{
    cr_expect_eq(change_of("{'jobManager':{'ports':{'ui':1}},'taskManager':{'replicas':1}}",
                           "{'jobManager':{'ports':{'ui':1}},'taskManager':{'replicas':2}}"),
                 CHANGE_SCALE);
    cr_expect_eq(change_of("{'jobManager':{'extraPorts':[]},'taskManager':{'replicas':1}}",
                           "{'jobManager':{},'taskManager':{'replicas':1}}"),
                 CHANGE_NONE);
    cr_expect_eq(change_of("{'flinkVersion':'1.9','taskManager':{'replicas':1}}",
                           "{'flinkVersion':'1.20','taskManager':{'replicas':1}}"),
                 CHANGE_PODS, "its defaults are others");
}
