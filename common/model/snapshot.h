/* Everything known about one FlinkCluster at one row of the journal. What is decided or said is a
 * pure function of a snapshot and the time; as one JSON document it can be stored and replayed. */
#ifndef COMMON_MODEL_SNAPSHOT_H
#define COMMON_MODEL_SNAPSHOT_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"
#include "common/store/journal.h"

struct snapshot {
    int64_t row; /* newest row of the cluster that is in here */
    cJSON *cluster; /* the FlinkCluster; NULL: gone */
    cJSON *objects; /* array: every live object of the cluster (children, pods, PVCs), as JSON with
                       "kind" */
    cJSON *observations; /* object: key -> value with "observedAt" (see watcher/flink_source.h for
                            the keys) */
    cJSON *
        commands; /* array:
                     {"id","kind","key","args","state","attempts","notBefore","createdAt","changedAt","result"},
                     oldest first */
};

/** Read from the journal. A cluster that is gone: 0 and snapshot->cluster NULL. */
int snapshot_load(struct journal *j, const char *ns, const char *name, const char *uid,
                  struct snapshot *ret, struct error *err);
void snapshot_done(struct snapshot *s);
/** {"row","cluster","objects","observations","commands"}; caller's. */
cJSON *snapshot_json(const struct snapshot *s);
/** Takes the members out of @json; hostile input: -EPROTO. */
int snapshot_from_json(cJSON *json, struct snapshot *ret, struct error *err);

/** The live object of that kind and name; NULL. */
const cJSON *snapshot_object(const struct snapshot *s, const char *kind, const char *name);

#endif
