#include <string.h>
#include <time.h>

#include <criterion/criterion.h>

#include "common/base/base64.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/names.h"
#include "tests/lib/admission_fixture.h"
#include "webhook/review.h"

TestSuite(review, .timeout = 10);

static struct error err;
static int status;

/* The answer's .response; the caller's. */
static cJSON *answer_text(enum review_kind kind, const char *body)
{
    _cleanup_(freep) char *text = NULL;
    _cleanup_(json_freep) cJSON *answer = NULL;
    cJSON *response;

    cr_assert_eq(review_answer(kind, body, strlen(body), time_parse_rfc3339("2026-01-01T00:10:00Z"),
                               &status, &text, &err),
                 0, "%s", err.text);
    answer = cJSON_Parse(text);
    cr_expect_str_eq(json_str(answer, "apiVersion"), "admission.k8s.io/v1");
    cr_expect_str_eq(json_str(answer, "kind"), "AdmissionReview");
    response = json_copy(json_get(answer, "response"));
    cr_assert(response);
    return response;
}

/* Takes both. */
static cJSON *review_of(const char *operation, cJSON *object, cJSON *old)
{
    cJSON *review = cJSON_CreateObject();

    json_set_str(review, "apiVersion", "admission.k8s.io/v1");
    json_set_str(review, "kind", "AdmissionReview");
    json_set_str(review, "request.uid", "705ab4f5-6393-11e8-b7cc-42010a800002");
    json_set_str(review, "request.operation", operation);
    json_set_str(review, "request.namespace", "default");
    json_set(review, "request.object", object ? object : cJSON_CreateNull());
    json_set(review, "request.oldObject", old ? old : cJSON_CreateNull());
    return review;
}

static cJSON *answer(enum review_kind kind, const char *operation, cJSON *object, cJSON *old)
{
    _cleanup_(json_freep) cJSON *review = review_of(operation, object, old);
    _cleanup_(freep) char *body = json_text(review);

    return answer_text(kind, body);
}

static void expect_denied(const cJSON *response, int64_t code, const char *reason,
                          const char *words)
{
    cr_expect_not(json_bool(response, "allowed", true));
    cr_expect_eq(json_int(response, "status.code", 0), code);
    cr_expect(str_eq(json_str(response, "status.reason"), reason), "%s",
              json_str_or(response, "status.reason", "none"));
    cr_expect(strstr(json_str_or(response, "status.message", ""), words), "%s",
              json_str_or(response, "status.message", "none"));
    cr_expect_null(json_get(response, "patch"));
}

static void expect_allowed(const cJSON *response)
{
    cr_expect(json_bool(response, "allowed", false), "%s",
              json_str_or(response, "status.message", ""));
    cr_expect_null(json_get(response, "status"));
}

/* The decoded patch; the caller's. */
static cJSON *patch_of(const cJSON *response)
{
    _cleanup_(freep) char *text = NULL;
    size_t len;

    cr_expect_str_eq(json_str_or(response, "patchType", ""), "JSONPatch");
    cr_assert_eq(base64_decode(json_str_or(response, "patch", ""), &text, &len), 0);
    return cJSON_Parse(text);
}

/* ---- mutating ---- */

Test(review, mutating_adds_defaults_as_a_patch_and_echoes_the_uid)
{
    _cleanup_(json_freep) cJSON *response =
        answer(REVIEW_MUTATE, "CREATE", fixture_job(NULL), NULL);
    _cleanup_(json_freep) cJSON *patch = patch_of(response);
    bool found = false;

    expect_allowed(response);
    cr_expect_eq(status, 200);
    cr_expect_str_eq(json_str(response, "uid"), "705ab4f5-6393-11e8-b7cc-42010a800002");
    json_foreach (op, patch) {
        cr_expect_str_eq(json_str(op, "op"), "add");
        cr_expect(str_starts(json_str(op, "path"), "/spec/"), "%s", json_str(op, "path"));
        found |= str_eq(json_str(op, "path"), "/spec/jobManager/memoryProcessRatio");
    }
    cr_expect(found);
}

Test(review, mutating_a_complete_object_needs_no_patch)
{
    cJSON *cluster = fixture_job(NULL);

    cr_assert_eq(cluster_default(cluster, &err), 0);
    {
        _cleanup_(json_freep) cJSON *response = answer(REVIEW_MUTATE, "CREATE", cluster, NULL);

        expect_allowed(response);
        cr_expect_null(json_get(response, "patch"));
        cr_expect_null(json_get(response, "patchType"));
    }
}

Test(review, mutating_takes_back_defaults_that_a_change_made_wrong)
{
    cJSON *old = fixture_session(EDITS({"spec.flinkVersion", "\"1.9\""})), *cluster;

    cr_assert_eq(cluster_default(old, &err), 0);
    cluster = json_copy(old);
    json_set_str(cluster, "spec.flinkVersion", "1.20");
    {
        _cleanup_(json_freep) cJSON *response = answer(REVIEW_MUTATE, "UPDATE", cluster, old);
        _cleanup_(json_freep) cJSON *patch = patch_of(response);
        _cleanup_(freep) char *text = json_text(patch);

        expect_allowed(response);
        cr_expect(
            strstr(text, "{\"op\":\"remove\",\"path\":\"/spec/jobManager/memoryOffHeapRatio\"}"),
            "%s", text);
    }
}

Test(review, mutating_refuses_what_it_can_not_decode_without_a_reason)
{
    _cleanup_(json_freep) cJSON *response =
        answer(REVIEW_MUTATE, "CREATE",
               fixture_job(EDITS({"spec.jobManager.resources.limits.memory", "\"lots\""})), NULL);

    expect_denied(response, 400, NULL, "quantities must match");
    cr_expect_eq(status, 200);
}

Test(review, mutating_refuses_what_breaks_a_rule_before_the_schema_does)
{
    _cleanup_(json_freep) cJSON *response =
        answer(REVIEW_MUTATE, "CREATE", fixture_job(EDITS({"spec.job.parallelism", "0"})), NULL);

    expect_denied(response, 403, "Forbidden", "spec.job.parallelism");
}

Test(review, mutating_leaves_to_the_schema_what_it_says_itself)
{
    _cleanup_(json_freep) cJSON *response =
        answer(REVIEW_MUTATE, "CREATE",
               fixture_job(EDITS({"spec.job.restartPolicy", "\"Always\""})), NULL);

    expect_allowed(response);
}

Test(review, mutating_knows_no_generated_name_yet)
{
    _cleanup_(json_freep) cJSON *response = answer(
        REVIEW_MUTATE, "CREATE",
        fixture_job(EDITS({"metadata.name", NULL}, {"metadata.generateName", "\"a-\""})), NULL);

    expect_allowed(response);
}

/* ---- validating ---- */

Test(review, validating_allows_with_warnings)
{
    _cleanup_(json_freep) cJSON *response =
        answer(REVIEW_VALIDATE, "CREATE",
               fixture_job(EDITS({"spec.batchSchedulerName", "\"volcano\""})), NULL);

    expect_allowed(response);
    cr_expect_eq(json_count(response, "warnings"), 1);
    cr_expect_null(json_get(response, "patch"));
}

Test(review, validating_denies_with_all_errors)
{
    _cleanup_(json_freep) cJSON *response =
        answer(REVIEW_VALIDATE, "CREATE",
               fixture_job(EDITS({"spec.job.parallelism", "0"}, {"spec.job.jarFile", NULL})), NULL);

    expect_denied(response, 403, "Forbidden", "parallelism");
    expect_denied(response, 403, "Forbidden", "jarFile");
}

Test(review, validating_answers_410_when_there_is_no_job_to_cancel)
{
    cJSON *cluster = fixture_job(EDITS({"status", NULL}, {"metadata.annotations", "{}"}));

    json_set_member_str(json_get(cluster, "metadata.annotations"), ANNOTATION_USER_CONTROL,
                        "job-cancel");
    {
        _cleanup_(json_freep) cJSON *response =
            answer(REVIEW_VALIDATE, "UPDATE", cluster, fixture_job(EDITS({"status", NULL})));

        expect_denied(response, 410, "Expired", "job-cancel");
    }
}

Test(review, the_namespace_of_the_request_is_enough)
{
    _cleanup_(json_freep) cJSON *response =
        answer(REVIEW_VALIDATE, "CREATE", fixture_job(EDITS({"metadata.namespace", NULL})), NULL);

    expect_allowed(response);
}

/* ---- what is not looked at ---- */

Test(review, deletion_other_operations_and_subresources_are_allowed)
{
    static const char *const operations[] = {"DELETE", "CONNECT"};

    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        _cleanup_(json_freep) cJSON *response = answer(REVIEW_VALIDATE, operations[i], NULL, NULL);

        expect_allowed(response);
    }
    {
        _cleanup_(json_freep) cJSON *review = review_of("UPDATE", NULL, NULL);
        _cleanup_(freep) char *body = NULL;
        _cleanup_(json_freep) cJSON *response = NULL;

        json_set_str(review, "request.subResource", "status");
        body = json_text(review);
        response = answer_text(REVIEW_VALIDATE, body);
        expect_allowed(response);
    }
}

Test(review, an_object_on_its_way_out_may_change)
{
    const struct edit *broken = EDITS({"spec.job.parallelism", "0"},
                                      {"metadata.deletionTimestamp", "\"2026-01-01T00:00:00Z\""});
    _cleanup_(json_freep) cJSON *response =
        answer(REVIEW_VALIDATE, "UPDATE", fixture_job(broken), fixture_job(NULL));

    expect_allowed(response);
}

/* ---- hostile input ---- */

Test(review, a_body_that_is_no_review_is_a_bad_request)
{
    static const char wrong_uid[] = "{\"apiVersion\":\"admission.k8s.io/"
                                    "v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":1}}";
    static const char *const bodies[] = {
        "",
        "x",
        "{}",
        "[]",
        "null",
        "{\"kind\":\"AdmissionReview\"}",
        "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\"}",
        wrong_uid,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"request\":{\"uid\":\"u\"}}"};

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        _cleanup_(json_freep) cJSON *response = answer_text(REVIEW_MUTATE, bodies[i]);

        cr_expect_eq(status, 400, "%s", bodies[i]);
        expect_denied(response, 400, NULL, "");
    }
}

Test(review, a_review_without_an_object_is_denied_to_its_uid)
{
    static const char *const requests[] = {
        "{\"uid\":\"u\",\"operation\":\"CREATE\"}",
        "{\"uid\":\"u\",\"operation\":\"CREATE\",\"object\":[]}",
        "{\"uid\":\"u\",\"operation\":\"CREATE\",\"object\":{\"kind\":\"Pod\"}}",
        "{\"uid\":\"u\",\"operation\":\"UPDATE\",\"object\":{\"kind\":\"FlinkCluster\"}}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        _cleanup_(freep) char *body = str_printf(
            "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":%s}",
            requests[i]);
        _cleanup_(json_freep) cJSON *response = answer_text(REVIEW_VALIDATE, body);

        expect_denied(response, 400, NULL, "cannot decode");
        cr_expect_str_eq(json_str(response, "uid"), "u");
    }
}

Test(review, an_older_version_of_reviews_is_not_understood)
{
    _cleanup_(json_freep) cJSON *response = answer_text(
        REVIEW_MUTATE, "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\","
                       "\"request\":{\"uid\":\"u\",\"operation\":\"CREATE\"}}");

    expect_denied(response, 400, NULL, "only admission.k8s.io/v1");
}

Test(review, deep_nesting_is_refused)
{
    char body[4096];

    memset(body, '[', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    {
        _cleanup_(json_freep) cJSON *response = answer_text(REVIEW_MUTATE, body);

        expect_denied(response, 400, NULL, "nested");
    }
}

Test(review, a_million_values_are_refused_before_they_take_memory)
{
    _cleanup_(freep) char *body = malloc(2000000);

    cr_assert(body);
    memset(body, '0', 2000000);
    for (size_t i = 0; i < 1999999; i += 2)
        body[i] = ',';
    body[0] = '[';
    body[1999999] = '\0';
    {
        _cleanup_(json_freep) cJSON *response = answer_text(REVIEW_MUTATE, body);

        expect_denied(response, 400, NULL, "more than 100000 values");
    }
}

Test(review, a_review_takes_less_than_a_millisecond)
{
    _cleanup_(json_freep) cJSON *review = review_of(
        "UPDATE", fixture_job(EDITS({"spec.job.jarFile", "\"/y.jar\""})), fixture_job(NULL));
    _cleanup_(freep) char *body = json_text(review);
    clock_t start = clock();
    long per_review_us;

    for (int i = 0; i < 200; i++) {
        _cleanup_(json_freep) cJSON *response = answer_text(REVIEW_MUTATE, body);

        expect_allowed(response);
    }
    per_review_us = (long)((clock() - start) * 1000000 / CLOCKS_PER_SEC / 200);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    cr_expect_lt(per_review_us, 1000, "%ld us", per_review_us);
#else
    (void)per_review_us;
#endif
}
