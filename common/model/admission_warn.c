/* What is legal, and will not do what its author expects. */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/findings.h"
#include "common/model/flink_memory.h"
#include "common/model/names.h"
#include "common/model/python_args.h"

static bool is_application(const cJSON *spec)
{
    return str_eq(json_str(spec, "job.mode"), "Application");
}

static void warn_deprecated(const cJSON *spec, struct findings *f)
{
    if (str_empty(json_str(spec, "flinkVersion")))
        findings_warn(
            f, "spec.flinkVersion is not set: the memory settings of Flink before 1.10 are used");
    if (json_has(spec, "batchSchedulerName"))
        findings_warn(f, "spec.batchSchedulerName is deprecated and replaces spec.batchScheduler, "
                         "with its queue and priorityClassName; use spec.batchScheduler.name");
    if (json_has(spec, "job.cancelRequested"))
        findings_warn(f, "spec.job.cancelRequested is deprecated; to stop the job, annotate the "
                         "FlinkCluster with " ANNOTATION_USER_CONTROL
                         "=job-cancel, or set spec.job.suspend");
}

static void warn_memory(const cJSON *spec, struct findings *f)
{
    char text[WARNING_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(components); i++)
        if (flink_memory_check(spec, components[i].key, text, sizeof(text)))
            findings_warn(f, "%s", text);
}

static void warn_properties(const cJSON *spec, struct findings *f)
{
    /* spec 03-children 2.1 */
    static const struct {
        const char *key, *instead;
    } ours[] = {
        {"jobmanager.rpc.address", "it is the JobManager's Service"},
        {"jobmanager.rpc.port", "set spec.jobManager.ports.rpc"},
        {"blob.server.port", "set spec.jobManager.ports.blob"},
        {"query.server.port", "set spec.jobManager.ports.query"},
        {"rest.port", "set spec.jobManager.ports.ui"},
    };
    const cJSON *properties = json_member(spec, "flinkProperties");
    const char *slots;
    int64_t n;

    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (json_member(properties, ours[i].key))
            findings_warn(f, "spec.flinkProperties %s is ignored: %s", ours[i].key,
                          ours[i].instead);
    slots = cJSON_GetStringValue(json_member(properties, "taskmanager.numberOfTaskSlots"));
    if (slots && (str_to_i64(slots, &n) || n < 1 || n > INT32_MAX))
        findings_warn(
            f,
            "spec.flinkProperties taskmanager.numberOfTaskSlots %s is no number of slots, so the "
            "job's parallelism can't be computed from it",
            quote(slots).text);
    if (str_eq(cJSON_GetStringValue(json_member(properties, "security.ssl.rest.enabled")), "true"))
        findings_warn(
            f, "spec.flinkProperties security.ssl.rest.enabled: flinkd speaks plain HTTP with "
               "Flink's REST API, so it can't submit the job or see its state");
}

/* Arguments come last on Flink's command line, so these reach the program instead of Flink. Other
 * options for Python are put in front. */
static void warn_python(const cJSON *job, struct findings *f)
{
    static const char *const options[] = {
        "-py", "--python",      "-pym", "--pyModule",
        "-p",  "--parallelism", "-s",   "--fromSavepoint",
        "-d",  "--detached",    "-m",   "--jobmanager",
        "-C",  "--classpath",   "-n",   "--allowNonRestoredState",
    };

    if (!python_is_named(job) || !python_is_job(job))
        return;
    json_foreach (arg, json_member(job, "args")) {
        const char *text = cJSON_GetStringValue(arg);

        for (size_t i = 0; text && i < ARRAY_SIZE(options); i++)
            if (str_eq(text, options[i]))
                findings_warn(f,
                              "spec.job.args %s follows the Python program, so it reaches the "
                              "program instead of Flink; use a field of spec.job or "
                              "spec.flinkProperties if it is meant for Flink",
                              quote(text).text);
    }
}

static void warn_reserved_labels(const cJSON *spec, struct findings *f)
{
    static const char *const parts[] = {"jobManager", "taskManager", "job"};
    static const char *const reserved[] = {LABEL_CLUSTER, LABEL_APP, LABEL_COMPONENT};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        for (size_t k = 0; k < ARRAY_SIZE(reserved); k++)
            if (json_has(json_member(json_member(spec, parts[i]), "podLabels"), reserved[k]))
                findings_warn(f,
                              "spec.%s.podLabels: the label %s is the operator's, its Services "
                              "select pods by it; use another key",
                              parts[i], reserved[k]);
}

static void warn_application_program(const cJSON *job, struct findings *f)
{
    if (!str_blank(json_str(job, "jarFile")))
        findings_warn(f,
                      "spec.job.jarFile is ignored in mode Application: the jar is looked for in "
                      "the image, in /opt/flink/usrlib");
    if (json_count(job, "classPath"))
        findings_warn(f, "spec.job.classPath is ignored in mode Application: put the jars into "
                         "/opt/flink/usrlib");
    if (json_bool(job, "noLoggingToStdout", false))
        findings_warn(f, "spec.job.noLoggingToStdout is ignored in mode Application: set "
                         "spec.logConfig");
    if (python_is_named(job) && !python_is_job(job))
        findings_warn(f, "spec.job.pyFile and pyModule are ignored in mode Application beside "
                         "className: remove spec.job.className if this is a Python job");
}

/* The JobManager's pod runs the job there. */
static void warn_application(const cJSON *spec, struct findings *f)
{
    static const char *const ignored[] = {
        "volumes",     "volumeMounts",    "initContainers", "affinity",  "nodeSelector",
        "tolerations", "securityContext", "hostAliases",    "podLabels", "podAnnotations"};

    if (!is_application(spec))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
        if (json_count(json_member(spec, "job"), ignored[i]) == 0)
            continue;
        findings_warn(f, "spec.job.%s is ignored in mode Application: set spec.jobManager.%s",
                      ignored[i], ignored[i]);
    }
    warn_application_program(json_member(spec, "job"), f);
    if (json_count(json_member(spec, "jobManager"), "volumeClaimTemplates"))
        findings_warn(f,
                      "spec.jobManager.volumeClaimTemplates is ignored in mode Application, whose "
                      "JobManager is a Job: use spec.jobManager.volumes");
}

static void warn_autoscaler(const cJSON *spec, struct findings *f)
{
    const cJSON *hpa = json_get(spec, "taskManager.horizontalPodAutoscaler");
    int64_t min = json_int(hpa, "minReplicas", 1), max = json_int(hpa, "maxReplicas", 0);

    if (!cJSON_IsObject(hpa))
        return;
    if (min < 1 || max < min)
        findings_warn(f,
                      "spec.taskManager.horizontalPodAutoscaler: minReplicas %lld and maxReplicas "
                      "%lld are no range, Kubernetes will refuse the autoscaler",
                      (long long)min, (long long)max);
}

static void warn_scheduler(const cJSON *spec, struct findings *f)
{
    const char *name = cluster_batch_scheduler(spec);

    if (!str_empty(name) && !str_eq(name, "volcano"))
        findings_warn(
            f, "spec.batchScheduler.name %s is not known, nothing will be made; only volcano is",
            quote(name).text);
}

static void warn_savepoints(const cJSON *job, const cJSON *old_job, struct findings *f)
{
    if (!cJSON_IsObject(job) || !str_blank(json_str(job, "savepointsDir")))
        return;
    if (json_bool(job, "suspend", false) && !json_bool(old_job, "suspend", false))
        findings_warn(f, "spec.job.suspend without spec.job.savepointsDir: the job is cancelled "
                         "without a savepoint, and its state is lost unless its checkpoints are "
                         "retained");
    if (json_int(job, "autoSavepointSeconds", 0) > 0)
        findings_warn(f,
                      "spec.job.autoSavepointSeconds has no effect without spec.job.savepointsDir");
    if (json_int(job, "savepointGeneration", 0) > json_int(old_job, "savepointGeneration", 0))
        findings_warn(f,
                      "spec.job.savepointGeneration has no effect without spec.job.savepointsDir");
}

void cluster_warn(const cJSON *cluster, const cJSON *old, struct findings *f)
{
    const cJSON *spec = json_member(cluster, "spec");
    const cJSON *job = json_member(spec, "job");

    warn_memory(spec, f);
    warn_deprecated(spec, f);
    warn_properties(spec, f);
    warn_python(job, f);
    warn_reserved_labels(spec, f);
    warn_application(spec, f);
    warn_autoscaler(spec, f);
    warn_scheduler(spec, f);
    warn_savepoints(job, json_get(old, "spec.job"), f);
}
