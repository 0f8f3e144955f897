/* The spec of a FlinkCluster in comparable forms. A typed client (the reference operator, kubectl)
 * drops and adds empty values as its types say, so the same spec is written in several ways; here
 * each has one form. Pure. */
#ifndef COMMON_MODEL_SPEC_TYPED_H
#define COMMON_MODEL_SPEC_TYPED_H

#include <cjson/cJSON.h>

/** As the reference's types serialise it (spec 05-lifecycle 3.1): no nulls, no empty optional
 * values, the mandatory ones present, quantities canonical. @spec may be NULL. The caller's. */
cJSON *spec_typed(const cJSON *spec);

/** Typed, with the defaults of the CRD and of admission filled in, as the API server stores it:
 * what is rendered doesn't depend on whether the webhook was there. That of a revision is told by
 * its
 * "$patch". The caller's. */
cJSON *spec_defaulted(const cJSON *spec);

/** For comparing: typed, and without what means the same as being absent: the defaults of the CRD
 * and of admission, empty objects and strings (unless empty says something), and the fields that
 * are no part of a revision. The caller's. */
cJSON *spec_normal(const cJSON *spec);

/** Two specs as spec_normal() makes them, except that neither has a component that both say in the
 * same words. The caller's; NULL without memory. */
void spec_normal_pair(const cJSON *a, const cJSON *b, cJSON **ret_a, cJSON **ret_b);

/** Fields of spec.job that are no part of a revision are taken out of @spec. */
void spec_strip_job(cJSON *spec);

#endif
