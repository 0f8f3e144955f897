/* How the rules of admission report (see admission.h); for common/model/ only. */
#ifndef COMMON_MODEL_FINDINGS_H
#define COMMON_MODEL_FINDINGS_H

#include "common/base/cleanup.h"
#include "common/model/admission.h"

/** Add an error; over FINDINGS_MAX it is dropped. @rule is a static string. Texts are cut at a
 * character. */
void finding_add(struct findings *f, const char *rule, const char *field, const char *fmt, ...)
    _printf_(4, 5);
void findings_warn(struct findings *f, const char *fmt, ...) _printf_(2, 3);

/* A foreign string in quotes, cut to a length that leaves room for the rule: quote(x).text in a
 * call's arguments. */
struct quoted {
    char text[104];
};
struct quoted quote(const char *value); /* NULL: <none> */

/* The parts of a cluster that have pods. Each rule that holds for several walks these. */
struct component {
    const char *key; /* "jobManager": of spec */
    const char *name; /* "jobmanager": as messages have it */
    const char *const *ports; /* names of spec.<key>.ports, in order; ends with NULL */
    const char *labels_rule, *annotations_rule; /* "C6", "C5" */
    const char *ports_rule, *resources_rule; /* "C7", "C8" */
    const char *memory_rules[5]; /* C9 to C13: see admission_memory.c */
};
extern const struct component components[2]; /* JobManager, TaskManager */

/* Each file's rules, in the reference's order. @spec and @old_spec may be NULL (then nothing is
 * found). */
void validate_component(const cJSON *spec, const struct component *component,
                        const struct flink_version *version, struct findings *f);
void validate_pod_metadata(const cJSON *spec, const char *key, const char *annotations_rule,
                           const char *labels_rule, struct findings *f);
void validate_memory(const cJSON *spec, const struct component *component,
                     const struct flink_version *version, struct findings *f);
void validate_job(const cJSON *spec, const cJSON *old_spec, struct findings *f);
void validate_update(const cJSON *cluster, const cJSON *old, int64_t now_ms, struct findings *f,
                     bool *settled);

/* Every field that is read here has the type it should have. -EINVAL with the fields in the text.
 */
int cluster_check_types(const cJSON *cluster, struct error *err);
/* What cluster_default() does, except that what it doesn't touch stays as it is written. */
int cluster_fill_defaults(cJSON *cluster, struct error *err);
/* Quantities as Kubernetes' clients write them, and what they always write, set or not. */
void cluster_canonical(cJSON *spec);
/* One text for each value, for comparing. */
void cluster_canonical_quantities(cJSON *spec);

#endif
