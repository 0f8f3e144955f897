/* ControllerRevisions (spec 03-children 15, 05-lifecycle 3). Pure. */
#ifndef COMMON_MODEL_REVISION_H
#define COMMON_MODEL_REVISION_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"

/** {"spec": {..., "$patch": "replace"}} in the reference's typed form (omitempty rules, canonical
 * quantities). Caller's. */
cJSON *revision_data(const cJSON *spec);
/** SafeEncode(FNV-1 of the canonical bytes and the collision count). out holds 16 bytes. */
void revision_hash(const cJSON *data, int64_t collision_count, char out[16]);
/** Equal content: absent, null and empty are the same; quantities by value; defaults of the CRD
 * schema that one side lacks count as present. What only an upgrade changed is no difference. */
bool revision_equal(const cJSON *data_a, const cJSON *data_b);

/* What differs between two revisions' specs, so what has to happen (spec 05-lifecycle 4, its
 * weaknesses mended). */
enum change_kind {
    CHANGE_NONE = 0,
    CHANGE_IN_PLACE = 1, /* fields that neither the job nor a pod sees (PDB, HPA, Service
                            annotations, savepoint schedule, …) */
    CHANGE_SCALE = 2, /* only taskManager.replicas (and in-place fields) */
    CHANGE_JOB = 4, /* the job has to be stopped and submitted again; the components' pods stay */
    CHANGE_PODS = 8, /* JobManager or TaskManager pods (or Flink's configuration) change */
    CHANGE_MODE = 16, /* Application <-> others */
};
/** Bits of change_kind from @from to @to (both .spec objects, typed form or live). */
unsigned revision_change(const cJSON *from, const cJSON *to);

struct revision_sync {
    char current[320]; /* "<name>-<number>" for status.revision.currentRevision */
    char next[320]; /* "<name>-<number>" */
    char next_name[300]; /* "<cluster>-<hash>": the revision label of children */
    bool update_triggered; /* current and next name differ (numbers aside: a revert cancels an
                              update) */
    unsigned change; /* revision_change() of the current one -> spec; CHANGE_NONE when no update is
                        triggered */
    cJSON *create; /* ControllerRevision manifest to create; NULL */
    const char *renumber; /* name of an existing one whose .revision becomes renumber_to
                             (roll-back); NULL */
    int64_t renumber_to;
    const char *remove[64]; /* names over the history limit */
    int n_remove;
    const cJSON *current_spec; /* .data.spec of the current revision; NULL: not found. Borrowed from
                                  @revisions */
    int64_t collision_count;
};
/** @cluster: the FlinkCluster (spec, status.revision, metadata). @revisions: array of live
 * ControllerRevision JSON. What @ret borrows comes from the arguments; free with
 * revision_sync_done(). */
void revision_sync(const cJSON *cluster, const cJSON *revisions, struct revision_sync *ret);
void revision_sync_done(struct revision_sync *sync);

#endif
