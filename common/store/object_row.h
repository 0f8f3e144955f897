/* Inside common/store only: an object's row as a struct. */
#ifndef COMMON_STORE_OBJECT_ROW_H
#define COMMON_STORE_OBJECT_ROW_H

#include "common/store/query.h"

#define OBJECT_COLUMNS                                                                             \
    "kind, ns, name, uid, resource_version, cluster_uid, cluster_name, json, row, deleted"

/** From a query of OBJECT_COLUMNS. */
int object_load(struct query *q, struct object *ret, struct error *err);

#endif
