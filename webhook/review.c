#include "webhook/review.h"

#include <string.h>

#include "common/base/base64.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/admission.h"
#include "webhook/json_patch.h"

enum { MESSAGE_MAX = 16 * 1024, UID_MAX = 253, VALUES_MAX = 100 * 1000 };

enum { HTTP_OK = 200, HTTP_BAD_REQUEST = 400, HTTP_FORBIDDEN = 403, HTTP_GONE = 410 };

struct review {
    enum review_kind kind;
    int64_t now_ms;
    cJSON *json; /* the AdmissionReview */
    const cJSON *object, *old; /* old NULL: create */
    cJSON *cluster; /* copy of object that is defaulted */
    const char *uid;
    struct findings *findings;
    cJSON *response; /* .response of the answer */
};

static void review_done(struct review *r)
{
    cJSON_Delete(r->json);
    cJSON_Delete(r->cluster);
    cJSON_Delete(r->response);
    free(r->findings);
}

/* ---- the answer ---- */

static void allow(struct review *r)
{
    json_set_bool(r->response, "allowed", true);
}

/* @reason NULL: none, as the reference answers what it can't decode. */
static void deny(struct review *r, int code, const char *reason, const char *message)
{
    json_set_bool(r->response, "allowed", false);
    json_set_str(r->response, "status.status", "Failure");
    json_set_int(r->response, "status.code", code);
    json_set_str(r->response, "status.reason", reason);
    json_set_str(r->response, "status.message", message);
}

static void add_warnings(struct review *r)
{
    cJSON *list = r->findings->n_warnings ? cJSON_CreateArray() : NULL;

    for (int i = 0; i < r->findings->n_warnings; i++)
        json_add_item(list, cJSON_CreateString(r->findings->warnings[i]));
    if (list)
        json_set(r->response, "warnings", list);
}

static void deny_findings(struct review *r)
{
    char message[MESSAGE_MAX];

    findings_text(r->findings, message, sizeof(message));
    if (r->findings->errors[0].expired)
        deny(r, HTTP_GONE, "Expired", message);
    else
        deny(r, HTTP_FORBIDDEN, "Forbidden", message);
}

static int add_patch(struct review *r, struct error *err)
{
    _cleanup_(json_freep) cJSON *patch = NULL;
    _cleanup_(freep) char *text = NULL, *encoded = NULL;
    int result;

    result = json_patch(r->object, r->cluster, &patch, err);
    if (result || cJSON_GetArraySize(patch) == 0)
        return result;
    text = json_text(patch);
    encoded = text ? base64_encode(text, strlen(text)) : NULL;
    if (!encoded)
        return error_set(err, ENOMEM, "no memory for a patch");
    json_set_str(r->response, "patch", encoded);
    json_set_str(r->response, "patchType", "JSONPatch");
    return 0;
}

/* ---- deciding ---- */

/* The CRD's schema says these too, after the mutating webhook and in its own words. */
static bool only_schema_rules(const struct findings *f)
{
    static const char *const rules[] = {"C22b", "C27", "N6", "N7", "N8"};

    for (int i = 0; i < f->n_errors; i++) {
        bool known = false;

        for (size_t k = 0; k < ARRAY_SIZE(rules); k++)
            known |= str_eq(f->errors[i].rule, rules[k]);
        if (!known)
            return false;
    }
    return true;
}

/* A name that the API server is still to make isn't known to the mutating webhook. */
static bool is_named(const cJSON *cluster)
{
    return !str_empty(json_str(cluster, "metadata.name"));
}

/* Rules are looked at here too: after this webhook the API server applies the CRD's schema and
 * rules, and would name what it finds there without the rest. */
static int mutate(struct review *r, struct error *err)
{
    if (is_named(r->cluster) && r->findings->n_errors && !only_schema_rules(r->findings)) {
        deny_findings(r);
        add_warnings(r);
        return 0;
    }
    allow(r);
    return add_patch(r, err);
}

static void validate(struct review *r)
{
    if (r->findings->n_errors)
        deny_findings(r);
    else
        allow(r);
    add_warnings(r);
}

static int decide(struct review *r, struct error *err)
{
    struct error why = {0};
    const char *ns = json_str(r->json, "request.namespace");
    int result;

    r->cluster = json_copy(r->object);
    if (!r->cluster)
        return error_set(err, ENOMEM, "no memory for a copy of the object");
    if (r->old)
        cluster_redefault(r->cluster, r->old);
    result = cluster_default(r->cluster, &why);
    if (result == -EINVAL) {
        deny(r, HTTP_BAD_REQUEST, NULL, why.text);
        return 0;
    }
    if (result)
        return error_set(err, -result, "%s", why.text);
    r->findings = calloc(1, sizeof(*r->findings));
    if (!r->findings)
        return error_set(err, ENOMEM, "no memory for findings");
    if (!json_has(r->cluster, "metadata.namespace") && ns) {
        /* Only for the rules: it would be in the patch otherwise. */
        _cleanup_(json_freep) cJSON *named = json_copy(r->cluster);

        json_set_str(named, "metadata.namespace", ns);
        cluster_validate(named, r->old, r->now_ms, r->findings);
    } else {
        cluster_validate(r->cluster, r->old, r->now_ms, r->findings);
    }
    cluster_warn(r->cluster, r->old, r->findings);
    if (r->kind == REVIEW_MUTATE)
        return mutate(r, err);
    validate(r);
    return 0;
}

/* ---- the request ---- */

/* A tree takes forty times the bytes of "0,0,0,…". A real review has some thousand values. */
static bool has_too_many_values(const char *body, size_t len)
{
    bool in_string = false;
    size_t values = 0;

    for (size_t i = 0; i < len; i++) {
        if (in_string && body[i] == '\\')
            i++;
        else if (body[i] == '"')
            in_string = !in_string;
        else if (!in_string && (body[i] == ',' || body[i] == '[' || body[i] == '{'))
            values++;
    }
    return values > VALUES_MAX;
}

static int parse_review(const char *body, size_t len, cJSON **ret, struct error *err)
{
    if (has_too_many_values(body, len))
        return error_set(err, EFBIG, "more than %d values in a review", VALUES_MAX);
    return json_parse(body, len, ret, err);
}

/* True: it is for the rules to decide. Else the answer is there already. */
static bool check_request(struct review *r, const cJSON *request)
{
    const char *operation = json_str(request, "operation");
    const char *subresource = json_str(request, "subResource");
    const cJSON *old = json_member(request, "oldObject");

    if ((!str_eq(operation, "CREATE") && !str_eq(operation, "UPDATE")) || !str_empty(subresource)) {
        allow(r);
        return false;
    }
    r->object = json_member(request, "object");
    if (!cJSON_IsObject(r->object) || !str_eq(json_str(r->object, "kind"), "FlinkCluster")) {
        deny(r, HTTP_BAD_REQUEST, NULL, "cannot decode: request.object is no FlinkCluster");
        return false;
    }
    if (str_eq(operation, "UPDATE") && !cJSON_IsObject(old)) {
        deny(r, HTTP_BAD_REQUEST, NULL, "cannot decode: request.oldObject is no FlinkCluster");
        return false;
    }
    r->old = str_eq(operation, "UPDATE") ? old : NULL;
    /* What is on its way out must be able to lose its finalizers. */
    if (json_has(r->object, "metadata.deletionTimestamp")) {
        allow(r);
        return false;
    }
    return true;
}

static int respond(struct review *r, char **ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *answer = cJSON_CreateObject();

    json_set_str(answer, "apiVersion", "admission.k8s.io/v1");
    json_set_str(answer, "kind", "AdmissionReview");
    if (json_set(answer, "response", TAKE(r->response)))
        return error_set(err, ENOMEM, "no memory for the answer");
    *ret = json_text(answer);
    return *ret ? 0 : error_set(err, ENOMEM, "no memory for the answer");
}

int review_answer(enum review_kind kind, const char *body, size_t len, int64_t now_ms,
                  int *ret_status, char **ret_body, struct error *err)
{
    _cleanup_(review_done) struct review r = {.kind = kind, .now_ms = now_ms};
    const cJSON *request;
    struct error why = {0};
    int result;

    r.response = cJSON_CreateObject();
    result = parse_review(body, len, &r.json, &why);
    if (result == -ENOMEM || !r.response)
        return error_set(err, ENOMEM, "no memory for an AdmissionReview of %zu bytes", len);
    request = json_member(r.json, "request");
    r.uid = json_str(request, "uid");
    if (result || !r.uid || strlen(r.uid) > UID_MAX ||
        !str_eq(json_str(r.json, "kind"), "AdmissionReview") ||
        !str_starts(json_str(r.json, "apiVersion"), "admission.k8s.io/")) {
        deny(&r, HTTP_BAD_REQUEST, NULL,
             result ? why.text
                    : "the body is no AdmissionReview of admission.k8s.io/v1 with a request and "
                      "its uid");
        *ret_status = HTTP_BAD_REQUEST;
        return respond(&r, ret_body, err);
    }
    json_set_str(r.response, "uid", r.uid);
    if (!str_eq(json_str(r.json, "apiVersion"), "admission.k8s.io/v1"))
        deny(&r, HTTP_BAD_REQUEST, NULL, "only admission.k8s.io/v1 is understood");
    else if (check_request(&r, request))
        result = decide(&r, err);
    if (result)
        return result;
    *ret_status = HTTP_OK;
    return respond(&r, ret_body, err);
}
