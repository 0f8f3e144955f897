#include <string.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "webhook/review.h"
#include "webhook/webhook.h"

enum { HTTP_NOT_FOUND = 404, HTTP_METHOD_NOT_ALLOWED = 405, HTTP_INTERNAL_ERROR = 500 };

static const struct {
    const char *path;
    enum review_kind kind;
} paths[] = {
    {REVIEW_PATH_MUTATE, REVIEW_MUTATE},
    {REVIEW_PATH_VALIDATE, REVIEW_VALIDATE},
};

static void answer_text(struct httpd_answer *answer, int status, const char *text)
{
    answer->status = status;
    answer->content_type = "text/plain";
    answer->body = strdup(text);
}

void webhook_dispatch(const struct httpd_request *request, struct httpd_answer *answer,
                      void *userdata)
{
    struct webhook *w = userdata;
    struct error err = {0};
    size_t i = 0;

    while (i < ARRAY_SIZE(paths) && !str_eq(request->path, paths[i].path))
        i++;
    if (i == ARRAY_SIZE(paths)) {
        answer_text(answer, HTTP_NOT_FOUND, "not found\n");
        return;
    }
    if (!str_eq(request->method, "POST")) {
        answer_text(answer, HTTP_METHOD_NOT_ALLOWED, "POST an AdmissionReview\n");
        return;
    }
    w->requests++;
    answer->content_type = "application/json";
    if (review_answer(paths[i].kind, request->body, request->body_len, time_now_ms(),
                      &answer->status, &answer->body, &err)) {
        log_error("%s", err.text);
        answer_text(answer, HTTP_INTERNAL_ERROR, "the webhook failed\n");
    }
}
