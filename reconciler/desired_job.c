/* The Kubernetes Job of a run: the submitter (spec 03-children 10), or in Application mode the
 * JobManager (11). */
#include "reconciler/desired_internal.h"

#include "common/model/python_args.h"
#include <stdio.h>

enum {
    /* An Application's JobManager with high availability recovers its job in a new pod. Kubernetes
     * waits longer each time, up to 6 minutes: this ends a crash loop after some ten hours. */
    HA_BACKOFF_LIMIT = 100,
    /* ApplicationStatus.FAILED (1443) as an exit status: the Flink job failed for good, to run it
       again is a new run. */
    EXIT_JOB_FAILED = 1443 & 0xff,
};

/* ---- arguments ---- */

static void add_word(cJSON *args, const char *word)
{
    json_add_item(args, cJSON_CreateString(word));
}

/* Nothing for a blank value: it would take the place of an argument. */
static void add_option(cJSON *args, const char *option, const char *value)
{
    if (str_blank(value))
        return;
    if (option)
        add_word(args, option);
    add_word(args, value);
}

static void add_number(cJSON *args, const char *option, int64_t value)
{
    char text[24];

    if (value < 1)
        return;
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    add_option(args, option, text);
}

static void add_items(cJSON *args, const cJSON *items)
{
    json_foreach (item, items)
        if (cJSON_IsString(item))
            add_word(args, item->valuestring);
}

static void add_args(cJSON *args, const cJSON *job)
{
    _cleanup_(json_freep) cJSON *sorted = python_sorted_args(job);

    add_items(args, sorted);
}

static void add_program(cJSON *args, const cJSON *job)
{
    add_option(args, NULL, json_str(job, "jarFile"));
    add_option(args, "--python", json_str(job, "pyFile"));
    add_option(args, "--pyFiles", json_str(job, "pyFiles"));
    add_option(args, "--pyModule", json_str(job, "pyModule"));
    add_args(args, job);
}

static cJSON *submitter_args(const struct desired *d, const struct desired_job *run)
{
    _cleanup_(freep) char *address = jobmanager_address(d);
    cJSON *args = cJSON_CreateArray();

    add_word(args, "bash");
    add_word(args, SCRIPT_PATH);
    add_option(args, "--jobmanager", address);
    add_option(args, "--class", json_str(d->job, "className"));
    add_option(args, "--fromSavepoint", run->from_savepoint);
    if (json_bool(d->job, "allowNonRestoredState", false))
        add_word(args, "--allowNonRestoredState");
    add_number(args, "--parallelism", job_parallelism(d));
    if (json_bool(d->job, "noLoggingToStdout", false))
        add_word(args, "--sysoutLogging");
    if (d->mode == MODE_DETACHED)
        add_word(args, "--detached");
    json_foreach (url, json_member(d->job, "classPath"))
        add_option(args, "-C", cJSON_GetStringValue(url));
    add_program(args, d->job);
    return args;
}

/* Python is run by a Java program of Flink's. A class of the user's has all its arguments to
 * itself.
 */
static void add_application_program(const struct desired *d, cJSON *args)
{
    bool python = python_is_job(d->job);

    add_option(args, "--job-classname", python ? PYTHON_DRIVER : json_str(d->job, "className"));
    if (python && python_is_named(d->job)) {
        add_option(args, "-py", json_str(d->job, "pyFile"));
        add_option(args, "-pyfs", json_str(d->job, "pyFiles"));
        add_option(args, "-pym", json_str(d->job, "pyModule"));
    }
    add_args(args, d->job);
}

static cJSON *application_args(const struct desired *d, const struct desired_job *run)
{
    cJSON *args = cJSON_CreateArray();
    int64_t parallelism = job_parallelism(d);
    char text[64];

    add_word(args, "standalone-job");
    (void)snprintf(text, sizeof(text), "-Dparallelism.default=%lld", (long long)parallelism);
    if (parallelism > 0)
        add_word(args, text);
    add_option(args, "--fromSavepoint", run->from_savepoint);
    if (json_bool(d->job, "allowNonRestoredState", false))
        add_word(args, "--allowNonRestoredState");
    add_option(args, "--job-id", run->job_id);
    add_application_program(d, args);
    return args;
}

/* ---- the Job ---- */

/* Flink before 1.12 doesn't take an id with 'flink run'; what it made up is read from the
 * submitter's result. */
static const char *chosen_job_id(const struct desired *d, const struct desired_job *run)
{
    bool takes_id = !d->version.known || flink_version_at_least(&d->version, 1, 12);

    return takes_id && !is_job_id_left_to_flink(d) ? run->job_id : NULL;
}

static cJSON *application_labels(const struct desired *d, const struct desired_job *run)
{
    cJSON *labels = workload_labels(d, d->jobmanager, "jobmanager");

    (void)json_set_member_str(labels, LABEL_REVISION, d->revision);
    (void)json_set_member_str(labels, LABEL_JOB_ID, run->job_id);
    return labels;
}

static cJSON *submitter_labels(const struct desired *d)
{
    cJSON *labels = desired_labels(d, NULL);

    merge_map(labels, json_member(d->job, "podLabels"));
    (void)json_set_member_str(labels, LABEL_REVISION, d->revision);
    return labels;
}

static cJSON *application_template(const struct desired *d, const struct desired_job *run)
{
    _cleanup_(json_freep) cJSON *labels = application_labels(d, run);
    cJSON *template =
        component_pod(d, d->jobmanager, "jobmanager", labels, application_args(d, run));

    (void)json_set_str(template, "spec.restartPolicy", "Never");
    return template;
}

static cJSON *submitter_template(const struct desired *d, const struct desired_job *run)
{
    cJSON *template = cJSON_CreateObject();

    (void)json_set(template, "metadata.labels", submitter_labels(d));
    copy_member(template, "metadata.annotations", d->job, "podAnnotations");
    (void)json_set(template, "spec",
                   submitter_pod(d, submitter_args(d, run), chosen_job_id(d, run)));
    schedule_by_volcano(d, template);
    return template;
}

cJSON *job_template(const struct desired *d, const struct desired_job *run)
{
    return d->mode == MODE_APPLICATION ? application_template(d, run) : submitter_template(d, run);
}

/* With high availability a JobManager that dies is replaced and goes on; not one whose job failed.
 */
static void add_recovery(cJSON *job)
{
    cJSON *policy = cJSON_CreateObject(), *rule = cJSON_CreateObject();
    cJSON *values = cJSON_CreateArray();

    json_add_item(values, cJSON_CreateNumber(EXIT_JOB_FAILED));
    (void)json_set_str(rule, "action", "FailJob");
    (void)json_set_str(rule, "onExitCodes.containerName", "jobmanager");
    (void)json_set_str(rule, "onExitCodes.operator", "In");
    (void)json_set(rule, "onExitCodes.values", values);
    json_add_item(array_of(policy, "rules"), rule);
    (void)json_set(job, "spec.podFailurePolicy", policy);
    (void)json_set_int(job, "spec.backoffLimit", HA_BACKOFF_LIMIT);
}

static void add_application(const struct desired *d, const struct desired_job *run, cJSON *job)
{
    (void)json_set(job, "metadata.labels", application_labels(d, run));
    (void)json_set_int(job, "spec.backoffLimit", 0);
    if (cluster_ha_enabled(d->spec))
        add_recovery(job);
}

static void add_submitter(const struct desired *d, const struct desired_job *run, cJSON *job)
{
    (void)json_set(job, "metadata.labels", submitter_labels(d));
    set_annotation(job, LABEL_JOB_ID, chosen_job_id(d, run));
    (void)json_set_int(job, "spec.backoffLimit", 0);
}

cJSON *desired_submitter(const struct desired_job *in)
{
    _cleanup_(desired_done) struct desired d = {0};
    bool application = in->view->mode == MODE_APPLICATION;
    char restarts[24];
    cJSON *job;

    if (desired_init(&d, in->view, in->view->spec, in->revision) || !d.job)
        return NULL;
    job = desired_object(&d, "batch/v1", "Job", application ? NAME_JOBMANAGER : NAME_SUBMITTER);
    if (application)
        add_application(&d, in, job);
    else
        add_submitter(&d, in, job);
    (void)snprintf(restarts, sizeof(restarts), "%lld", (long long)in->restart_count);
    set_annotation(job, ANNOTATION_RESTART_COUNT, restarts);
    (void)json_set(job, "spec.template", job_template(&d, in));
    return job;
}
