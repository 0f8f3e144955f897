/* AdmissionReview v1, in and out. Hostile input: whatever the bytes are, there is an answer. Pure.
 */
#ifndef WEBHOOK_REVIEW_H
#define WEBHOOK_REVIEW_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/* spec 02-admission 1 */
#define REVIEW_PATH_MUTATE   "/mutate-flinkoperator-k8s-io-v1beta1-flinkcluster"
#define REVIEW_PATH_VALIDATE "/validate-flinkoperator-k8s-io-v1beta1-flinkcluster"

enum review_kind { REVIEW_MUTATE, REVIEW_VALIDATE };

/**
 * Answer one review.
 * @ret_status HTTP status: 200, or 400 when @body is no AdmissionReview, so that there is nothing
 * to answer to.
 * @ret_body   the answer, JSON; the caller's, free().
 * Returns 0, or -ENOMEM.
 */
int review_answer(enum review_kind kind, const char *body, size_t len, int64_t now_ms,
                  int *ret_status, char **ret_body, struct error *err);

#endif
