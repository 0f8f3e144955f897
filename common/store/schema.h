/* Inside common/store only. */
#ifndef COMMON_STORE_SCHEMA_H
#define COMMON_STORE_SCHEMA_H

#include "common/store/query.h"

struct schema {
    const char *const *steps; /* SQL: step n brings schema n to n + 1 */
    int version; /* as many steps */
};

/** Bring a new or older file to JOURNAL_SCHEMA, in one transaction. -EPROTO: newer, or another
 * program's. */
int schema_migrate(struct journal *j, struct error *err);
/** The same with other steps, for tests of what an update does to a journal. */
int schema_migrate_to(struct journal *j, const struct schema *to, struct error *err);
/** Read-only connections: exactly our schema, else -EPROTO. */
int schema_check(struct journal *j, struct error *err);

#endif
