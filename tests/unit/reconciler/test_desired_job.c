#include <stdio.h>

#include "tests/unit/reconciler/rendering.h"

TestSuite(desired_submitter, .fini = rendering_done, .timeout = 10);
TestSuite(desired_application, .fini = rendering_done, .timeout = 10);

#define POD  "spec.template.spec."
#define MAIN "spec.template.spec.containers[0]."

static const cJSON *submitter(const struct edit *edits)
{
    return render_run(fixture_job(edits), NULL);
}

static const char *annotation(const cJSON *job, const char *key)
{
    return cJSON_GetStringValue(json_member(json_get(job, "metadata.annotations"), key));
}

/* ---- the Job ---- */

Test(desired_submitter, runs_once)
{
    const cJSON *job = submitter(NULL);

    expect_json(job, "apiVersion", "'batch/v1'");
    expect_json(job, "metadata.name", "'mine-job-submitter'");
    expect_json(job, "spec.backoffLimit", "0");
    expect_json(job, "spec.ttlSecondsAfterFinished", NULL);
    expect_json(job, "spec.podFailurePolicy", NULL);
    expect_json(job, POD "restartPolicy", "'Never'");
    expect_json(job, POD "terminationGracePeriodSeconds", NULL);
    expect_json(job, MAIN "lifecycle", NULL);
    expect_json(job, MAIN "livenessProbe", NULL);
}

Test(desired_submitter, says_which_run_it_is)
{
    const cJSON *job = submitter(NULL);

    cr_expect_str_eq(annotation(job, LABEL_JOB_ID), RUN_ID);
    cr_expect_str_eq(annotation(job, ANNOTATION_RESTART_COUNT), "2");
    expect_json(
        job, "metadata.labels",
        "{'cluster':'mine','app':'flink','flinkoperator.k8s.io/revision-name':'mine-hash'}");
}

Test(desired_submitter, labels_and_annotations_of_the_user_are_the_pods_too)
{
    const cJSON *job = submitter(EDITS({"spec.job.podLabels", q("{'app':'changed','pl':'1'}")},
                                       {"spec.job.podAnnotations", q("{'pa':'1'}")}));
    const char *labels = "{'cluster':'mine','app':'changed',"
                         "'flinkoperator.k8s.io/revision-name':'mine-hash','pl':'1'}";

    expect_json(job, "metadata.labels", labels);
    expect_json(job, "spec.template.metadata.labels", labels);
    expect_json(job, "spec.template.metadata.annotations", "{'pa':'1'}");
    cr_expect_null(annotation(job, "pa"));
}

Test(desired_submitter, the_job_id_is_the_last_of_the_main_containers_environment)
{
    const cJSON *job = submitter(
        EDITS({"spec.envVars", q("[{'name':'A','value':'1'},{'name':'FLINK_JOB_ID'}]")},
              {"spec.hadoopConfig", q("{'configMapName':'h'}")},
              {"spec.job.initContainers", q("[{'name':'i','env':[{'name':'A','value':'own'}]}]")}));

    expect_json(job, MAIN "env",
                "[{'name':'FLINK_JM_ADDR','value':'mine-jobmanager:8081'},"
                "{'name':'A','value':'1'},"
                "{'name':'HADOOP_CONF_DIR','value':'/etc/hadoop/conf'},"
                "{'name':'FLINK_JOB_ID','value':'" RUN_ID "'}]");
    expect_json(job, POD "initContainers[0].env",
                "[{'name':'A','value':'own'},"
                "{'name':'FLINK_JM_ADDR','value':'mine-jobmanager:8081'},"
                "{'name':'FLINK_JOB_ID'},"
                "{'name':'HADOOP_CONF_DIR','value':'/etc/hadoop/conf'}]");
}

static void expect_no_chosen_id(const cJSON *job)
{
    cr_expect_null(annotation(job, LABEL_JOB_ID));
    expect_json(job, MAIN "env", "[{'name':'FLINK_JM_ADDR','value':'mine-jobmanager:8081'}]");
}

Test(desired_submitter, leaves_the_id_to_flink_when_told_to)
{
    expect_no_chosen_id(
        submitter(EDITS({"spec.flinkProperties", q("{'$internal.pipeline.job-id':''}")})));
}

Test(desired_submitter, leaves_the_id_to_a_flink_that_takes_none)
{
    expect_no_chosen_id(submitter(EDITS({"spec.flinkVersion", "\"1.11.3\""})));
    cr_expect_str_eq(annotation(submitter(EDITS({"spec.flinkVersion", "\"1.12\""})), LABEL_JOB_ID),
                     RUN_ID);
    cr_expect_str_eq(annotation(submitter(EDITS({"spec.flinkVersion", "\"\""})), LABEL_JOB_ID),
                     RUN_ID);
}

Test(desired_submitter, mounts_the_script_and_the_configuration_everywhere)
{
    const char *mounts = "[{'name':'v','mountPath':'/v'},"
                         "{'name':'flink-config-volume',"
                         "'mountPath':'/opt/flink-operator/submit-job.sh',"
                         "'subPath':'submit-job.sh'},"
                         "{'name':'flink-config-volume','mountPath':'/opt/flink/conf'}]";
    const cJSON *job =
        submitter(EDITS({"spec.job.volumes", q("[{'name':'v','emptyDir':{}}]")},
                        {"spec.job.volumeMounts", q("[{'name':'v','mountPath':'/v'}]")},
                        {"spec.job.initContainers", q("[{'name':'i'}]")}));

    expect_json(job, MAIN "volumeMounts", mounts);
    expect_json(job, POD "initContainers[0].volumeMounts", mounts);
    expect_json(job, POD "volumes",
                "[{'name':'v','emptyDir':{}},"
                "{'name':'flink-config-volume','configMap':{'name':'mine-configmap'}}]");
}

static void expect_job_field(const char *field, const char *path, const char *value)
{
    char spec_path[128];

    (void)snprintf(spec_path, sizeof(spec_path), "spec.job.%s", field);
    expect_json(submitter(EDITS({spec_path, q(value)})), path, value);
}

Test(desired_submitter, fields_of_the_job_are_the_pods)
{
    expect_job_field("affinity", POD "affinity", "{'nodeAffinity':{}}");
    expect_job_field("nodeSelector", POD "nodeSelector", "{'a':'b'}");
    expect_job_field("tolerations", POD "tolerations", "[{'key':'k'}]");
    expect_job_field("hostAliases", POD "hostAliases", "[{'ip':'1.1.1.1','hostnames':['a']}]");
    expect_job_field("securityContext", POD "securityContext", "{'runAsUser':1}");
    expect_job_field("resources", MAIN "resources", "{'requests':{'cpu':'50m'}}");
}

/* ---- arguments ---- */

#define PREFIX "'bash','/opt/flink-operator/submit-job.sh','--jobmanager','mine-jobmanager:8081'"

Test(desired_submitter, arguments_come_in_flinks_order)
{
    const cJSON *job =
        render_run(fixture_job(EDITS({"spec.job.args", q("['--input','a b']")},
                                     {"spec.job.allowNonRestoredState", "true"},
                                     {"spec.job.noLoggingToStdout", "true"},
                                     {"spec.job.classPath", q("['file:///a','file:///b']")})),
                   "s3://sp/1");

    expect_json(job, MAIN "args",
                "[" PREFIX ",'--class','X','--fromSavepoint','s3://sp/1',"
                "'--allowNonRestoredState','--parallelism','1','--sysoutLogging','--detached',"
                "'-C','file:///a','-C','file:///b','/x.jar','--input','a b']");
}

Test(desired_submitter, a_blocking_job_is_not_detached)
{
    expect_json(submitter(EDITS({"spec.job.mode", "\"Blocking\""})), MAIN "args",
                "[" PREFIX ",'--class','X','--parallelism','1','/x.jar']");
}

Test(desired_submitter, python_programs_follow_the_options)
{
    expect_json(submitter(EDITS({"spec.job.jarFile", NULL}, {"spec.job.className", NULL},
                                {"spec.job.pyFile", "\"/p.py\""}, {"spec.job.pyFiles", "\"/a,/b\""},
                                {"spec.job.args", q("['--n','3']")})),
                MAIN "args",
                "[" PREFIX ",'--parallelism','1','--detached','--python','/p.py',"
                "'--pyFiles','/a,/b','--n','3']");
    expect_json(submitter(EDITS({"spec.job.jarFile", NULL}, {"spec.job.className", NULL},
                                {"spec.job.pyModule", "\"m\""}, {"spec.job.pyFiles", "\"/a\""})),
                MAIN "args",
                "[" PREFIX ",'--parallelism','1','--detached','--pyFiles','/a','--pyModule','m']");
}

Test(desired_submitter, blank_values_are_no_arguments)
{
    expect_json(submitter(EDITS({"spec.job.jarFile", "\"\""}, {"spec.job.className", "\" \""},
                                {"spec.job.pyFile", "\"/p.py\""})),
                MAIN "args", "[" PREFIX ",'--parallelism','1','--detached','--python','/p.py']");
}

Test(desired_submitter, a_python_program_in_the_arguments_comes_before_its_own)
{
    expect_json(submitter(EDITS({"spec.job.jarFile", "\"\""}, {"spec.job.className", "\"\""},
                                {"spec.job.args",
                                 q("['--input','x','-py','/p.py','--pyFiles','/a','--out','y']")})),
                MAIN "args",
                "[" PREFIX ",'--parallelism','1','--detached','-py','/p.py','--pyFiles','/a',"
                "'--input','x','--out','y']");
}

Test(desired_submitter, arguments_of_a_jar_are_its_own_whatever_they_look_like)
{
    expect_json(submitter(EDITS({"spec.job.className", NULL},
                                {"spec.job.args", q("['--input','x','-py','y']")})),
                MAIN "args",
                "[" PREFIX ",'--parallelism','1','--detached','/x.jar','--input','x','-py','y']");
}

/* What follows the options that are none of the program's. */
#define OF_SUBMIT "[" PREFIX ",'--parallelism','1','--detached',%s]"
#define OF_APPLICATION                                                                             \
    "['standalone-job','-Dparallelism.default=1','--job-id','" RUN_ID "','--job-classname',"       \
    "'org.apache.flink.client.python.PythonDriver',%s]"

static void expect_order(const char *mode, const char *py_file, const char *args,
                         const char *expected)
{
    bool application = str_eq(mode, "'Application'");
    char text[512];

    (void)snprintf(text, sizeof text, application ? OF_APPLICATION : OF_SUBMIT, expected);
    expect_json(submitter(EDITS({"spec.job.jarFile", NULL}, {"spec.job.className", NULL},
                                {"spec.job.mode", q(mode)}, {"spec.job.pyFile", q(py_file)},
                                {"spec.job.args", q(args)})),
                MAIN "args", text);
}

Test(desired_submitter, options_for_python_come_first_in_whatever_order_they_were_written)
{
    static const struct {
        const char *args, *in_args, *with_py_file; /* what follows the class or pyFile */
    } cases[] = {
        {"['-py','/q.py','--n','3']", "'-py','/q.py','--n','3'", "'-py','/q.py','--n','3'"},
        {"['--n','3','-py','/q.py']", "'-py','/q.py','--n','3'", "'--n','3','-py','/q.py'"},
        {"['--n','3','--python','/q.py']", "'--python','/q.py','--n','3'",
         "'--n','3','--python','/q.py'"},
        {"['--n','3','--python=/q.py']", "'--python','/q.py','--n','3'",
         "'--n','3','--python=/q.py'"},
        {"['--n','-pym','m']", "'-pym','m','--n'", "'--n','-pym','m'"},
        {"['a','--pyModule','m','-pyfs','/f']", "'--pyModule','m','-pyfs','/f','a'",
         "'-pyfs','/f','a','--pyModule','m'"},
        {"['a','-py','/q.py','-pyfs','/f']", "'-py','/q.py','-pyfs','/f','a'",
         "'-pyfs','/f','a','-py','/q.py'"},
        {"['-pyfs=/f=1','a','-py=/q.py']", "'-pyfs','/f=1','-py','/q.py','a'",
         "'-pyfs','/f=1','a','-py=/q.py'"},
        {"['a','-py','/q.py','--pyRequirements','/r']", "'-py','/q.py','--pyRequirements','/r','a'",
         "'--pyRequirements','/r','a','-py','/q.py'"},
        {"['a','-pyreq','/r','-py','/q.py']", "'-pyreq','/r','-py','/q.py','a'",
         "'-pyreq','/r','a','-py','/q.py'"},
        {"['a','-pyarch','/z','b','-py','/q.py']", "'-pyarch','/z','-py','/q.py','a','b'",
         "'-pyarch','/z','a','b','-py','/q.py'"},
        {"['-pyexec','/e','-py','/q.py','a']", "'-pyexec','/e','-py','/q.py','a'",
         "'-pyexec','/e','-py','/q.py','a'"},
        {"['a','-py','/q.py','-pyclientexec','/c']", "'-py','/q.py','-pyclientexec','/c','a'",
         "'-pyclientexec','/c','a','-py','/q.py'"},
        {"['a','-py','/q.py','-pypath','/x','-pyreq']", "'-py','/q.py','-pypath','/x','a','-pyreq'",
         "'-pypath','/x','a','-py','/q.py','-pyreq'"},
        {"['a','-py','/q.py','--','-pyreq','/r']", "'-py','/q.py','a','--','-pyreq','/r'",
         "'a','-py','/q.py','--','-pyreq','/r'"},
    };
    char text[512];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        expect_order("'Detached'", "null", cases[i].args, cases[i].in_args);
        expect_order("'Application'", "null", cases[i].args, cases[i].in_args);
        (void)snprintf(text, sizeof text, "'--python','/p.py',%s", cases[i].with_py_file);
        expect_order("'Detached'", "'/p.py'", cases[i].args, text);
        (void)snprintf(text, sizeof text, "'-py','/p.py',%s", cases[i].with_py_file);
        expect_order("'Application'", "'/p.py'", cases[i].args, text);
    }
}

Test(desired_submitter, arguments_that_name_no_python_program_are_as_they_were_given)
{
    static const char *const cases[] = {"'/x.jar','-py','y'", "'a','-pyfs','/f'", "'a','-py'",
                                        "'a','--','-py','/q.py'", "'--input','--python='"};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char given[64], text[512];

        (void)snprintf(given, sizeof given, "[%s]", cases[i]);
        (void)snprintf(text, sizeof text, OF_SUBMIT, cases[i]);
        expect_json(submitter(EDITS({"spec.job.jarFile", q("''")}, {"spec.job.className", NULL},
                                    {"spec.job.args", q(given)})),
                    MAIN "args", text);
    }
    expect_json(submitter(EDITS({"spec.job.mode", q("'Application'")},
                                {"spec.job.args", q("['a','-py','/q.py']")})),
                MAIN "args",
                "['standalone-job','-Dparallelism.default=1','--job-id','" RUN_ID
                "','--job-classname','X','a','-py','/q.py']");
}

static void expect_parallelism(const char *value, const struct edit *edits)
{
    const cJSON *args = json_at(submitter(edits), MAIN "args");
    const char *found = NULL;

    json_foreach (word, args)
        if (str_eq(cJSON_GetStringValue(word), "--parallelism"))
            found = cJSON_GetStringValue(word->next);
    cr_expect(str_eq(found, value), "%s", found ? found : "none");
}

Test(desired_submitter, parallelism_is_the_number_of_slots_unless_given)
{
    expect_parallelism("7", EDITS({"spec.job.parallelism", "7"}));
    expect_parallelism("3", EDITS({"spec.job.parallelism", NULL}));
    expect_parallelism("8",
                       EDITS({"spec.job.parallelism", NULL}, {"spec.taskManager.replicas", "2"},
                             {"spec.flinkProperties", q("{'taskmanager.numberOfTaskSlots':'4'}")}));
    expect_parallelism(
        NULL, EDITS({"spec.job.parallelism", NULL},
                    {"spec.flinkProperties", q("{'taskmanager.numberOfTaskSlots':'many'}")}));
}

/* ---- Application ---- */

#define APPLICATION                                                                                \
    {                                                                                              \
        "spec.job.mode", "\"Application\""                                                         \
    }

Test(desired_application, is_the_jobmanager_as_a_job)
{
    const cJSON *job = submitter(EDITS(APPLICATION, {"spec.jobManager.podLabels", q("{'jl':'1'}")},
                                       {"spec.jobManager.podAnnotations", q("{'ja':'1'}")},
                                       {"spec.job.podLabels", q("{'x':'y'}")},
                                       {"spec.jobManager.sidecars", q("[{'name':'s'}]")}));
    const char *labels = "{'cluster':'mine','app':'flink','component':'jobmanager','jl':'1',"
                         "'flinkoperator.k8s.io/revision-name':'mine-hash',"
                         "'flinkoperator.k8s.io/job-id':'" RUN_ID "'}";

    expect_json(job, "metadata.name", "'mine-jobmanager'");
    expect_json(job, "metadata.labels", labels);
    expect_json(job, "spec.template.metadata.labels", labels);
    expect_json(job, "spec.template.metadata.annotations", "{'ja':'1'}");
    expect_json(job, POD "terminationGracePeriodSeconds", "60");
    expect_json(job, MAIN "name", "'jobmanager'");
    expect_json(job, MAIN "env", NULL);
    expect_json(job, POD "containers[1].name", "'s'");
    cr_expect_str_eq(annotation(job, ANNOTATION_RESTART_COUNT), "2");
}

Test(desired_application, arguments_come_in_flinks_order)
{
    const cJSON *job =
        render_run(fixture_job(EDITS(APPLICATION, {"spec.job.allowNonRestoredState", "true"},
                                     {"spec.job.args", q("['--a','b']")})),
                   "s3://sp/1");

    expect_json(job, MAIN "args",
                "['standalone-job','-Dparallelism.default=1','--fromSavepoint','s3://sp/1',"
                "'--allowNonRestoredState','--job-id','" RUN_ID "','--job-classname','X',"
                "'--a','b']");
}

Test(desired_application, a_missing_class_is_for_flink_to_find)
{
    expect_json(submitter(EDITS(APPLICATION, {"spec.job.className", NULL})), MAIN "args",
                "['standalone-job','-Dparallelism.default=1','--job-id','" RUN_ID "']");
}

Test(desired_application, python_is_run_by_flinks_driver_with_its_options_first)
{
    expect_json(
        submitter(EDITS(APPLICATION, {"spec.job.className", NULL}, {"spec.job.pyModule", q("'m'")},
                        {"spec.job.pyFiles", q("'/m.py'")}, {"spec.job.args", q("['--a']")})),
        MAIN "args",
        "['standalone-job','-Dparallelism.default=1','--job-id','" RUN_ID
        "','--job-classname','org.apache.flink.client.python.PythonDriver',"
        "'-pyfs','/m.py','-pym','m','--a']");
}

Test(desired_application, with_a_class_of_the_users_python_fields_are_ignored)
{
    expect_json(
        submitter(EDITS(APPLICATION, {"spec.job.className", q("'org.X'")},
                        {"spec.job.pyFile", q("'/a.py'")}, {"spec.job.pyFiles", q("'/b.py'")},
                        {"spec.job.pyModule", q("'m'")}, {"spec.job.args", q("['x']")})),
        MAIN "args",
        "['standalone-job','-Dparallelism.default=1','--job-id','" RUN_ID
        "','--job-classname','org.X','x']");
    expect_json(
        submitter(EDITS(APPLICATION,
                        {"spec.job.className", q("'org.apache.flink.client.python.PythonDriver'")},
                        {"spec.job.pyFile", q("'/a.py'")}, {"spec.job.args", q("['x']")})),
        MAIN "args",
        "['standalone-job','-Dparallelism.default=1','--job-id','" RUN_ID
        "','--job-classname','org.apache.flink.client.python.PythonDriver','-py','/a.py','x']");
}

Test(desired_application, without_high_availability_it_ends_with_its_first_pod)
{
    const cJSON *job = submitter(EDITS(APPLICATION));

    expect_json(job, "spec.backoffLimit", "0");
    expect_json(job, POD "restartPolicy", "'Never'");
    expect_json(job, "spec.podFailurePolicy", NULL);
}

Test(desired_application,
     with_high_availability_a_lost_jobmanager_is_replaced_unless_the_job_failed)
{
    const cJSON *job = submitter(
        EDITS(APPLICATION, {"spec.flinkProperties",
                            q("{'high-availability':'kubernetes','kubernetes.cluster-id':'c',"
                              "'high-availability.storageDir':'s3://ha'}")}));

    cr_expect_gt(json_int(job, "spec.backoffLimit", 0), 0);
    expect_json(job, POD "restartPolicy", "'Never'");
    expect_json(job, "spec.podFailurePolicy.rules",
                "[{'action':'FailJob','onExitCodes':{'containerName':'jobmanager',"
                "'operator':'In','values':[163]}}]");
}
