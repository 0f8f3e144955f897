/* The children a FlinkCluster should have (spec 03-children). Pure. */
#ifndef RECONCILER_DESIRED_H
#define RECONCILER_DESIRED_H

#include "common/model/view.h"

struct desired_input {
    const struct view *view;
    const cJSON
        *spec; /* what to render: the live spec, or the current revision's while an update waits */
    const char *revision; /* revision label: "<c>-<hash>" */
    bool jobmanager, taskmanager; /* false: that workload is cleaned up or suspended */
    bool everything; /* false: DeleteCluster clean-up or so: nothing is desired */
    const char
        *configured_by; /* revision for ANNOTATION_CONFIGURED_BY on pod templates; NULL: none */
};

/** Array of manifests, in the order in which they are applied (ConfigMap first). Each complete:
 * apiVersion, kind, metadata with namespace, labels, owner reference. Without the
 * submitter/Application Job. Caller's. */
cJSON *desired_children(const struct desired_input *in);

struct desired_job {
    const struct view *view;
    const char *revision; /* revision label */
    const char *job_id; /* 32 hex, chosen before */
    const char *from_savepoint; /* NULL: none */
    int64_t restart_count;
};
/** The submitter Job (Detached, Blocking) or the Application Job of the live spec. Caller's. */
cJSON *desired_submitter(const struct desired_job *in);

/** Does the live object say what the manifest wants? Every field of @desired equal in @live
 * (quantities, defaults of the API server that are absent in desired are ignored; lists of maps by
 * position after API normalisation). */
bool desired_matches(const cJSON *desired, const cJSON *live);
/** Keys of a ConfigMap's data that are flinkd's own texts (submit-job.sh, logging defaults): left
 * alone in a ConfigMap that somebody else wrote (no "flinkd" in its managedFields). */
bool desired_is_own_text(const char *configmap_key);

#endif
