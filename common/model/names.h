/* Names, labels and annotations of a FlinkCluster's children (spec 03-children 1). */
#ifndef COMMON_MODEL_NAMES_H
#define COMMON_MODEL_NAMES_H

#define LABEL_CLUSTER    "cluster"
#define LABEL_APP        "app"
#define LABEL_COMPONENT  "component"
#define LABEL_REVISION   "flinkoperator.k8s.io/revision-name"
#define LABEL_HASH       "flinkoperator.k8s.io/hash"
#define LABEL_MANAGED_BY "flinkoperator.k8s.io/managed-by"
/* Flink's job id: label of an Application Job and its pods; annotation of a submitter Job (there
 * flinkd's own). */
#define LABEL_JOB_ID "flinkoperator.k8s.io/job-id"
/* How many restarts of this revision came before this run: annotation of submitter and Application
 * Jobs. */
#define ANNOTATION_RESTART_COUNT "flinkoperator.k8s.io/restart-count"
/* Why a revision was taken back: on its ControllerRevision (see rollback.h). */
#define ANNOTATION_ROLLED_BACK  "flinkoperator.k8s.io/rolled-back"
#define ANNOTATION_USER_CONTROL "flinkclusters.flinkoperator.k8s.io/user-control"
/* Revision whose Flink configuration the pods were started with: pod template annotation, in-place
 * updates only. */
#define ANNOTATION_CONFIGURED_BY "flinkoperator.k8s.io/configured-by"
#define FINALIZER_SAVEPOINT      "flinkoperator.k8s.io/savepoint-on-deletion"
#define FIELD_MANAGER            "flinkd"
/* Environment of the submit script: the job id chosen before the submission. */
#define ENV_JOB_ID "FLINK_JOB_ID"

/* Of the ConfigMaps that Flink keeps its HA metadata in. */
#define LABEL_CONFIGMAP_TYPE "configmap-type"
#define CONFIGMAP_TYPE_HA    "high-availability"
#define NAME_CONFIGMAP       "%s-configmap"
#define NAME_JOBMANAGER      "%s-jobmanager"
#define NAME_TASKMANAGER     "%s-taskmanager"
#define NAME_SUBMITTER       "%s-job-submitter"
#define NAME_SHARED          "flink-%s" /* PodDisruptionBudget, HorizontalPodAutoscaler, PodGroup */

enum { CLUSTER_NAME_MAX = 48, CHILD_NAME_MAX = 300 };

/** @format is one of the NAME_ above: the cluster's name goes where its "%s" is. */
void child_name(char out[CHILD_NAME_MAX], const char *format, const char *cluster);

/** The Flink job id of the run of revision @revision that follows the run @previous ("": the
 * first). Whoever decides it decides the same. */
void run_id(char out[33], const char *uid, const char *previous, const char *revision);

#endif
