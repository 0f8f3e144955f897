/* A journal in a directory of its own, which goes with the test. */
#ifndef TESTS_LIB_JOURNAL_FIXTURE_H
#define TESTS_LIB_JOURNAL_FIXTURE_H

#include "common/store/journal.h"

/* For a suite's .init and .fini. */
void journal_fixture_open(void);
void journal_fixture_close(void);

struct journal *fixture(void);
const char *fixture_path(void);
void fixture_reopen(void);

/* Within transactions of their own; a failure ends the test. */
int64_t fixture_put(const struct object *o); /* the row */
/* A child of cluster "c" in "ns" with uid @name; @cluster_uid, @cluster_name may be NULL. */
int64_t fixture_put_child(const char *kind, const char *name, const char *rv,
                          const char *cluster_uid, const char *cluster_name);
/* FlinkCluster ns/@name. */
int64_t fixture_put_cluster(const char *name, const char *uid, const char *rv);
/* How many rows a query's first column counts, on a connection of its own. */
int64_t fixture_count(const char *sql);

#endif
