/* How children are made (see desired.h); for reconciler/desired_*.c only. */
#ifndef RECONCILER_DESIRED_INTERNAL_H
#define RECONCILER_DESIRED_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/names.h"
#include "reconciler/desired.h"

#define CONFIG_VOLUME "flink-config-volume"
#define CONFIG_PATH   "/opt/flink/conf"
#define SCRIPT_KEY    "submit-job.sh"
#define SCRIPT_PATH   "/opt/flink-operator/submit-job.sh"

/* What is to be rendered, read once. */
struct desired {
    const struct view *view;
    const char *name, *ns, *uid; /* of the FlinkCluster */
    const char *revision; /* revision label */
    cJSON *spec; /* typed and with all defaults; owned */
    const cJSON *jobmanager, *taskmanager, *job; /* parts of spec; job NULL: session cluster */
    enum job_mode mode;
    struct flink_version version;
    bool volcano; /* spec.batchScheduler.name */
    const char *configured_by;
};

int desired_init(struct desired *d, const struct view *view, const cJSON *spec,
                 const char *revision);
void desired_done(struct desired *d);

/* ---- objects (desired.c) ---- */

/** apiVersion, kind, metadata with name (format with the cluster's name), namespace, owner
 * reference. The caller's. */
cJSON *desired_object(const struct desired *d, const char *api_version, const char *kind,
                      const char *name_format);
/** Labels cluster and app; component too unless NULL. The caller's. */
cJSON *desired_labels(const struct desired *d, const char *component);
/** The members of @from go over those of @to. @from may be NULL. */
void merge_map(cJSON *to, const cJSON *from);
/** Sets metadata.labels to @take and the revision label, over all others. */
void set_labels(const struct desired *d, cJSON *object, cJSON *take);
/** One member of metadata.annotations. */
void set_annotation(cJSON *object, const char *key, const char *value);
cJSON *owner_references(const struct desired *d);
void set_name(cJSON *object, const char *path, const char *format, const char *name);
/** A copy of a member, unless it is absent. */
void copy_member(cJSON *to, const char *to_path, const cJSON *from, const char *path);
/** The array under @key, made when absent. */
cJSON *array_of(cJSON *object, const char *key);
cJSON *string_array(const char *const *items, size_t n);
/** The item of @array whose member @key is @value; NULL. */
cJSON *find_item(const cJSON *array, const char *key, const char *value);
int port_of(const cJSON *part, const char *name);

/* ---- sizes (desired_size.c) ---- */

/** The limit if it isn't zero, else the request; NULL. (spec 03-children 2.1) */
const cJSON *upper_bound(const cJSON *resources, const char *resource);
/** taskmanager.numberOfTaskSlots; 0: the user's value is no number. */
int64_t task_slots(const struct desired *d);
/** spec.job.parallelism, else replicas x slots; 0: can't be told. */
int64_t job_parallelism(const struct desired *d);

/* ---- Flink's configuration (desired_flink.c, desired_yaml.c) ---- */

/** The text of flink-conf.yaml or config.yaml. free(). */
char *flink_configuration(const struct desired *d);
/** The key of the ConfigMap that it belongs under. */
const char *flink_configuration_key(const struct desired *d);
/** "key: value\n", the value quoted if it has to be. */
void yaml_property(struct buf *out, const char *key, const char *value);
/** spec.flinkProperties $internal.pipeline.job-id is "": Flink makes up the ids (a program with
 * several jobs). */
bool is_job_id_left_to_flink(const struct desired *d);

/* ---- pods (desired_pod.c) ---- */

/** The pod of JobManager or TaskManager (spec 03-children 3): @part is its part of the spec.
 * {"metadata", "spec"}. */
cJSON *component_pod(const struct desired *d, const cJSON *part, const char *component,
                     const cJSON *labels, cJSON *take_args);
/** The submitter's pod spec (spec 03-children 10). */
cJSON *submitter_pod(const struct desired *d, cJSON *take_args, const char *job_id);
/** "<c>-jobmanager:<ui>". free(). */
char *jobmanager_address(const struct desired *d);
/** Container ports: names and numbers of spec.<part>.ports, then extraPorts. */
cJSON *container_ports(const cJSON *part, const char *const *names, size_t n);
extern const char *const jobmanager_ports[4];
extern const char *const taskmanager_ports[3];
/** schedulerName and so on, when the batch scheduler is Volcano. @template: {"metadata", "spec"}.
 */
void schedule_by_volcano(const struct desired *d, cJSON *template);
/** Claim templates with the FlinkCluster as their owner; NULL: none. */
cJSON *claim_templates(const struct desired *d, const cJSON *part);

/* ---- one child each ---- */

cJSON *desired_configmap(const struct desired *d);
cJSON *desired_jobmanager(const struct desired *d);
cJSON *desired_jobmanager_service(const struct desired *d);
cJSON *desired_ingress(const struct desired *d); /* NULL: not specified */
cJSON *desired_taskmanager(const struct desired *d); /* StatefulSet or Deployment; NULL: neither */
cJSON *desired_taskmanager_service(const struct desired *d);
cJSON *desired_pdb(const struct desired *d); /* NULL: not specified */
cJSON *desired_hpa(const struct desired *d); /* NULL: not specified */
/** @workloads: those that are desired. NULL: not specified, or there is none. */
cJSON *desired_podgroup(const struct desired *d, const cJSON *workloads);
/** Labels of a component's workload and pods: component labels and the user's. */
cJSON *workload_labels(const struct desired *d, const cJSON *part, const char *component);
/** The template of the Job's pod: the submitter, or in Application mode the JobManager. */
cJSON *job_template(const struct desired *d, const struct desired_job *run);

/* ---- texts (submit_script.c, logging_texts.c) ---- */

extern const char submit_script[];
extern const char log4j1_properties[], log4j2_properties[], logback_xml[];

#endif
