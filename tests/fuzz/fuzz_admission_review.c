/* Any bytes as an AdmissionReview: each webhook has an answer, and the answer is JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "webhook/review.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void review(enum review_kind kind, const char *body, size_t len)
{
    _cleanup_(freep) char *text = NULL;
    _cleanup_(json_freep) cJSON *answer = NULL;
    struct error err = {0};
    int status = 0;

    if (review_answer(kind, body, len, 1767225600000, &status, &text, &err))
        abort();
    if ((status != 200 && status != 400) || json_parse(text, strlen(text), &answer, &err))
        abort();
    if (!cJSON_IsBool(json_get(answer, "response.allowed")))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    review(REVIEW_MUTATE, (const char *)data, size);
    review(REVIEW_VALIDATE, (const char *)data, size);
    return 0;
}
