/* Defaults and rules of a FlinkCluster (spec 02-admission), shared by the webhook and the
 * reconciler. Pure. */
#ifndef COMMON_MODEL_ADMISSION_H
#define COMMON_MODEL_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"

enum { FINDINGS_MAX = 64 };

struct finding {
    const char
        *rule; /* "C7", "U3", "J7", …: static; what tests and callers tell findings apart by */
    char field[256]; /* "spec.jobManager.ports.ui" */
    char text[1024]; /* the value, the rule, what to do */
    bool expired; /* answered as 410 Expired instead of 403 Forbidden (rule U3) */
};

enum { WARNINGS_MAX = 16, WARNING_SIZE = 256 };

struct findings {
    struct finding errors[FINDINGS_MAX];
    int n_errors;
    char warnings[WARNINGS_MAX][WARNING_SIZE];
    int n_warnings;
};

/** The mutating webhook's defaults, in place (spec 02-admission 2). Idempotent. Fields it doesn't
 * know stay. -EINVAL: not decodable (a field of the wrong type, a malformed quantity); the text
 * names the fields and
 *  @cluster is as it was. */
int cluster_default(cJSON *cluster, struct error *err);
/** Before cluster_default() on update: values in @cluster that an earlier admission filled in, that
 * the user didn't touch and that the change made wrong (memory ratios of the other memory model,
 * probes of the old rpc port) are taken back, so that they are filled in anew. */
void cluster_redefault(cJSON *cluster, const cJSON *old);
/** Rules on create (spec 02-admission 3), on update (@old, as stored) those of section 4 before;
 * all findings, in the reference's order. @cluster went through cluster_default(). @now_ms: for the
 * age of savepoints. */
void cluster_validate(const cJSON *cluster, const cJSON *old, int64_t now_ms, struct findings *ret);
/** What is legal, and will not do what its author expects: added to what cluster_validate() found.
 */
void cluster_warn(const cJSON *cluster, const cJSON *old, struct findings *f);
/** All errors as one message ("field: text; field: text"), bounded. "" when none. */
void findings_text(const struct findings *findings, char *out, size_t size);
/** The first error of @rule; NULL. */
const struct finding *findings_find(const struct findings *findings, const char *rule);

/* flinkVersion (spec 02-admission 2.1) */
struct flink_version {
    bool known; /* false: absent, "", "latest" or unparsable */
    int part[4]; /* 1.20.5 -> 1,20,5,0 */
    bool prerelease;
};
/** 0, or -EINVAL (malformed; ret->known is false). "" and NULL: 0 and not known. */
int flink_version_parse(const char *text, struct flink_version *ret);
/** known and >= major.minor (a pre-release of it is less) */
bool flink_version_at_least(const struct flink_version *v, int major, int minor);

/** The batch scheduler's name; NULL or "": none. The deprecated batchSchedulerName comes first, as
 * it replaces batchScheduler. */
const char *cluster_batch_scheduler(const cJSON *spec);

/** HA as spec 02-admission 4.6, the newer key high-availability.type too. */
bool cluster_ha_enabled(const cJSON *spec);
/** As the reference sees it: high-availability.type is unknown. */
bool cluster_ha_enabled_classic(const cJSON *spec);

#endif
