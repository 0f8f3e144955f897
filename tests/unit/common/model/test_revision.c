#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/names.h"
#include "common/model/revision.h"
#include "tests/lib/quoted_json.h"

TestSuite(revision_data, .timeout = 10);
TestSuite(revision_equal, .timeout = 10);

/* The test vector of the reference operator (spec 05-lifecycle 3.1). */
static const char vector[] =
    "{'spec':{'$patch':'replace','flinkVersion':'','image':{'name':'flink:1.8.1',"
    "'pullPolicy':'Always'},'job':{'jarFile':'gs://my-bucket/myjob.jar','parallelism':2,"
    "'resources':{},'restartPolicy':null,'savepointsDir':'/savepoint_dir'},"
    "'jobManager':{'accessScope':'VPC','memoryOffHeapMin':'600M','memoryOffHeapRatio':25,"
    "'ports':{'blob':8002,'query':8003,'rpc':8001,'ui':8004},'replicas':1,'resources':{}},"
    "'taskManager':{'memoryOffHeapMin':'600M','memoryOffHeapRatio':25,"
    "'ports':{'data':8005,'query':8003,'rpc':8001},'replicas':3,'resources':{}}}}";

/* ---- data ---- */

static void expect_data(const char *spec_text, const char *path, const char *text)
{
    _cleanup_(json_freep) cJSON *spec = json_of(spec_text);
    _cleanup_(json_freep) cJSON *data = revision_data(spec);

    expect_json(data, path, text);
}

Test(revision_data, of_the_vector_is_the_vector_byte_for_byte)
{
    _cleanup_(json_freep) cJSON *wanted = json_of(vector);
    _cleanup_(json_freep) cJSON *data = revision_data(json_member(wanted, "spec"));
    _cleanup_(freep) char *text = json_canonical(data);

    cr_expect_str_eq(text, q(vector));
}

Test(revision_data, hash_of_the_vector)
{
    _cleanup_(json_freep) cJSON *data = json_of(vector);
    char hash[16];

    revision_hash(data, 0, hash);
    cr_expect_str_eq(hash, "7bc87c954f");
    revision_hash(data, 1, hash);
    cr_expect_str_neq(hash, "7bc87c954f", "a collision gives another name");
}

Test(revision_data, mandatory_empties_are_there_and_optional_ones_are_not)
{
    const char *spec = "{'flinkVersion':'1.14','image':{'name':'flink:1.14'},'jobManager':{"
                       "'ports':{'rpc':1},'affinity':{},'podLabels':{},'extraPorts':[],"
                       "'initContainers':[{'name':'i','image':'x','stdin':false}],"
                       "'volumes':[{'name':'v','emptyDir':{}}],"
                       "'volumeClaimTemplates':[{'metadata':{'name':'p'},"
                       "'spec':{'accessModes':['ReadWriteOnce']}}]}}";

    expect_data(spec, "spec.jobManager.affinity", "{}");
    expect_data(spec, "spec.jobManager.podLabels", NULL);
    expect_data(spec, "spec.jobManager.extraPorts", NULL);
    expect_data(spec, "spec.jobManager.volumes", "[{'name':'v','emptyDir':{}}]");
    expect_data(spec, "spec.jobManager.initContainers",
                "[{'image':'x','name':'i','resources':{}}]");
    expect_data(spec, "spec.jobManager.memoryOffHeapMin", "'0'");
    expect_data(spec, "spec.jobManager.resources", "{}");
    expect_data(spec, "spec.jobManager.volumeClaimTemplates",
                "[{'metadata':{'name':'p'},'spec':{'accessModes':['ReadWriteOnce'],"
                "'resources':{}},'status':{}}]");
}

Test(revision_data, an_image_and_a_version_are_always_there)
{
    expect_data("{}", "spec", "{'$patch':'replace','flinkVersion':'','image':{'name':''}}");
}

Test(revision_data, what_is_no_part_of_a_revision_is_taken_out)
{
    expect_data("{'job':{'mode':'Detached','cleanupPolicy':{'afterJobFails':'KeepCluster'},"
                "'cancelRequested':true,'savepointGeneration':3,'savepointFormatType':'NATIVE',"
                "'restartPolicy':'Never'}}",
                "spec.job", "{'mode':'Detached','resources':{},'restartPolicy':null}");
}

Test(revision_data, explicit_false_of_a_pointer_is_kept)
{
    expect_data("{'job':{'allowNonRestoredState':false,'takeSavepointOnUpdate':false}}", "spec.job",
                "{'allowNonRestoredState':false,'takeSavepointOnUpdate':false,'resources':{},"
                "'restartPolicy':null}");
}

Test(revision_data, quantities_are_canonical)
{
    expect_data("{'taskManager':{'resources':{'limits':{'cpu':2,'memory':'2048Mi'}}}}",
                "spec.taskManager.resources.limits", "{'cpu':'2','memory':'2Gi'}");
}

Test(revision_data, empty_values_of_the_users_own_maps_are_kept)
{
    expect_data("{'flinkProperties':{'a.b':''}}", "spec.flinkProperties", "{'a.b':''}");
}

Test(revision_data, no_spec_is_an_empty_one)
{
    _cleanup_(json_freep) cJSON *data = revision_data(NULL);

    expect_json(data, "spec.flinkVersion", "''");
}

/* ---- equality ---- */

static bool are_equal(const char *a_text, const char *b_text)
{
    _cleanup_(json_freep) cJSON *a = cJSON_CreateObject();
    _cleanup_(json_freep) cJSON *b = cJSON_CreateObject();

    json_set(a, "spec", json_of(a_text));
    json_set(b, "spec", json_of(b_text));
    cr_expect_eq(revision_equal(a, b), revision_equal(b, a), "both ways: %s, %s", a_text, b_text);
    return revision_equal(a, b);
}

static void expect_same(const char *a, const char *b)
{
    cr_expect(are_equal(a, b), "%s is the same as %s", a, b);
}

static void expect_other(const char *a, const char *b)
{
    cr_expect_not(are_equal(a, b), "%s is not the same as %s", a, b);
}

Test(revision_equal, absent_null_and_empty_are_the_same)
{
    expect_same("{'serviceAccountName':null}", "{}");
    expect_same("{'envVars':[]}", "{}");
    expect_same("{'flinkProperties':{}}", "{}");
    expect_same("{'job':{'className':''}}", "{'job':{}}");
    expect_same("{'jobManager':{'affinity':{}}}", "{}");
    expect_same("{'jobManager':{'memoryOffHeapMin':'0','resources':{}}}", "{}");
    expect_same("{'flinkVersion':'','image':{}}", "{}");
}

Test(revision_equal, empty_is_something_where_it_says_something)
{
    expect_other("{'jobManager':{'ingress':{}}}", "{}");
    expect_other("{'podDisruptionBudget':{}}", "{}");
    expect_other("{'job':{}}", "{}");
    expect_other("{'flinkProperties':{'a':''}}", "{}");
    expect_other("{'job':{'args':['']}}", "{'job':{}}");
    expect_other("{'jobManager':{'volumeClaimTemplates':[{'spec':{'storageClassName':''}}]}}",
                 "{'jobManager':{'volumeClaimTemplates':[{'spec':{}}]}}");
    expect_other("{'jobManager':{'affinity':{'x':[{'namespaceSelector':{}}]}}}",
                 "{'jobManager':{'affinity':{'x':[{}]}}}");
}

Test(revision_equal, quantities_are_compared_by_value)
{
    expect_same("{'taskManager':{'resources':{'limits':{'cpu':2,'memory':'2048Mi'}}}}",
                "{'taskManager':{'resources':{'limits':{'cpu':'2000m','memory':'2Gi'}}}}");
    expect_other("{'taskManager':{'resources':{'limits':{'cpu':'2'}}}}",
                 "{'taskManager':{'resources':{'limits':{'cpu':'2100m'}}}}");
}

Test(revision_equal, a_default_that_one_side_lacks_counts_as_there)
{
    expect_same("{'recreateOnUpdate':true,'image':{'pullPolicy':'Always'}}", "{}");
    expect_same("{'jobManager':{'replicas':1,'accessScope':'Cluster',"
                "'ports':{'rpc':6123,'blob':6124,'query':6125,'ui':8081}}}",
                "{}");
    expect_same("{'taskManager':{'replicas':3,'deploymentType':'StatefulSet',"
                "'ports':{'data':6121,'rpc':6122,'query':6125}}}",
                "{'taskManager':{'deploymentType':''}}");
    expect_same("{'job':{'mode':'Detached','allowNonRestoredState':false,"
                "'noLoggingToStdout':false}}",
                "{'job':{}}");
    expect_same("{'hadoopConfig':{'configMapName':'h','mountPath':'/etc/hadoop/conf'}}",
                "{'hadoopConfig':{'configMapName':'h'}}");
    expect_same("{'jobManager':{'sidecars':[{'ports':[{'containerPort':1,'protocol':'TCP'}]}]}}",
                "{'jobManager':{'sidecars':[{'ports':[{'containerPort':1}]}]}}");
    expect_same("{'jobManager':{'livenessProbe':{'grpc':{'port':1,'service':''}}}}",
                "{'jobManager':{'livenessProbe':{'grpc':{'port':1}}}}");
}

Test(revision_equal, what_admission_fills_in_counts_as_there)
{
    expect_same("{'flinkVersion':'1.20','jobManager':{'memoryProcessRatio':80,"
                "'livenessProbe':{'tcpSocket':{'port':6123},'initialDelaySeconds':5,"
                "'timeoutSeconds':10,'periodSeconds':60,'failureThreshold':5}}}",
                "{'flinkVersion':'1.20'}");
    expect_same("{'batchSchedulerName':'volcano','batchScheduler':{'name':'volcano'}}",
                "{'batchSchedulerName':'volcano'}");
}

Test(revision_equal, values_other_than_the_default_differ)
{
    expect_other("{'recreateOnUpdate':false}", "{}");
    expect_other("{'taskManager':{'replicas':4}}", "{}");
    expect_other("{'job':{'takeSavepointOnUpdate':false}}", "{'job':{}}");
    expect_other("{'jobManager':{'securityContext':{'runAsUser':0}}}", "{}");
    expect_other("{'jobManager':{'sidecars':[{'ports':[{'protocol':'UDP'}]}]}}",
                 "{'jobManager':{'sidecars':[{'ports':[{}]}]}}");
    expect_other("{'job':{'args':['a','b']}}", "{'job':{'args':['b','a']}}");
}

Test(revision_equal, fields_that_are_no_part_of_it_are_ignored)
{
    expect_same("{'job':{'restartPolicy':'Never','savepointGeneration':2,'cancelRequested':true,"
                "'savepointFormatType':'NATIVE','cleanupPolicy':{'afterJobFails':'KeepCluster'}}}",
                "{'$patch':'replace','job':{'restartPolicy':null}}");
}

Test(revision_equal, nothing_equals_only_an_empty_spec)
{
    _cleanup_(json_freep) cJSON *empty = json_of("{'spec':{}}");

    cr_expect(revision_equal(NULL, empty));
    cr_expect(revision_equal(NULL, NULL));
}
