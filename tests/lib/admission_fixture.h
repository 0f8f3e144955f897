/* FlinkClusters for tests of admission: valid ones, and edits of them. */
#ifndef TESTS_LIB_ADMISSION_FIXTURE_H
#define TESTS_LIB_ADMISSION_FIXTURE_H

#include "common/model/admission.h"

/* What is at @path becomes @json (a JSON text); NULL: it goes. */
struct edit {
    const char *path, *json;
};
#define EDITS(...) ((const struct edit[]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL}})

/* As the API server has them before admission, with the schema's defaults; the caller's. */
cJSON *fixture_session(const struct edit *edits);
cJSON *fixture_job(const struct edit *edits); /* running, with a savepointsDir */
void fixture_edit(cJSON *cluster, const struct edit *edits);

/* What the rules say on creating @cluster (taken), after its defaults. Valid until the next call.
 */
const struct findings *fixture_create(cJSON *cluster);
/* … on changing @old to it; both are taken. */
const struct findings *fixture_update(cJSON *cluster, cJSON *old);

/* The findings have an error of @rule at @field whose text has @words; field and words may be NULL.
 */
void expect_error(const struct findings *f, const char *rule, const char *field, const char *words);
/* … no error but those of @rule. */
void expect_only(const struct findings *f, const char *rule);
void expect_no_error(const struct findings *f);
void expect_warning(const struct findings *f, const char *words);
void expect_no_warning(const struct findings *f, const char *words);

/* fixture_job() edited is refused by @rule and nothing else. */
void expect_refused(const char *rule, const char *field, const char *words,
                    const struct edit *edits);
void expect_accepted(const struct edit *edits);

#endif
