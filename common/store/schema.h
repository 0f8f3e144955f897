/* Inside common/store only. */
#ifndef COMMON_STORE_SCHEMA_H
#define COMMON_STORE_SCHEMA_H

#include "common/store/query.h"

/** Bring a new or older file to JOURNAL_SCHEMA, in one transaction. -EPROTO: newer, or another
 * program's. */
int schema_migrate(struct journal *j, struct error *err);
/** Read-only connections: exactly our schema, else -EPROTO. */
int schema_check(struct journal *j, struct error *err);

#endif
