#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/base/base64.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/resource.h"
#include "flinkctl/doctor.h"

#define CRD_NAME   "flinkclusters.flinkoperator.k8s.io"
#define LEASE_NAME "flink-operator-lock"

enum { CA_WARN_DAYS = 7, SECONDS_A_DAY = 24 * 60 * 60 };

static const struct kube_resource crds = {"CustomResourceDefinition", "apiextensions.k8s.io/v1",
                                          "customresourcedefinitions", false};
static const struct kube_resource reviews = {"SelfSubjectAccessReview", "authorization.k8s.io/v1",
                                             "selfsubjectaccessreviews", false};
static const struct kube_resource mutating = {"MutatingWebhookConfiguration",
                                              "admissionregistration.k8s.io/v1",
                                              "mutatingwebhookconfigurations", false};
static const struct kube_resource validating = {"ValidatingWebhookConfiguration",
                                                "admissionregistration.k8s.io/v1",
                                                "validatingwebhookconfigurations", false};

int doctor_call(struct doctor *d, enum kube_verb verb, const struct kube_resource *resource,
                const char *ns, const char *name, const cJSON *body, cJSON **ret, struct error *err)
{
    struct kube_request request = {.verb = verb,
                                   .resource = resource,
                                   .ns = ns,
                                   .name = name,
                                   .body = body,
                                   .max_attempts = 2};

    return kube_call_sync(d->ctl->kube, d->ctl->loop, &request, ret, err);
}

/* ---- API server ---- */

/* Everybody may ask what he may do: the question that tells whether it answers. */
bool doctor_api(struct doctor *d)
{
    _cleanup_(json_freep) cJSON *review = cJSON_CreateObject();
    struct error err = {0};
    int r;

    json_set_str(review, "apiVersion", reviews.api_version);
    json_set_str(review, "kind", reviews.kind);
    json_set_str(review, "spec.nonResourceAttributes.path", "/version");
    json_set_str(review, "spec.nonResourceAttributes.verb", "get");
    r = doctor_call(d, KUBE_CREATE, &reviews, NULL, NULL, review, NULL, &err);
    if (r)
        doctor_say(d, FINDING_WRONG, "API server %s: %s", kube_client_server(d->ctl->kube),
                   err.text);
    else
        doctor_say(d, FINDING_OK, "API server %s answers", kube_client_server(d->ctl->kube));
    return r == 0;
}

/* ---- CRD ---- */

static bool is_established(const cJSON *crd)
{
    json_foreach (c, json_get(crd, "status.conditions")) {
        if (str_eq(json_str(c, "type"), "Established"))
            return str_eq(json_str(c, "status"), "True");
    }
    return false;
}

static void judge_crd(struct doctor *d, const cJSON *crd)
{
    const cJSON *version = cJSON_GetArrayItem(json_get(crd, "spec.versions"), 0);

    if (!is_established(crd))
        doctor_say(d, FINDING_WRONG, "CRD %s isn't established: see its conditions", CRD_NAME);
    else if (!json_has(version, "schema.openAPIV3Schema.properties.status.properties.conditions"))
        doctor_say(d, FINDING_WARN,
                   "CRD %s is another operator's: conditions are dropped from the status; apply "
                   "deploy/crd",
                   CRD_NAME);
    else
        doctor_say(d, FINDING_OK, "CRD %s", CRD_NAME);
}

void doctor_crd(struct doctor *d)
{
    _cleanup_(json_freep) cJSON *crd = NULL;
    struct error err = {0};
    int r = doctor_call(d, KUBE_GET, &crds, NULL, CRD_NAME, NULL, &crd, &err);

    if (r == -EACCES) { /* the daemons have no need to read CRDs: are there FlinkClusters? */
        struct kube_request request = {.verb = KUBE_LIST,
                                       .resource = resource_get(RESOURCE_FLINKCLUSTER),
                                       .ns = d->ctl->config->common.ns,
                                       .query = "limit=1",
                                       .max_attempts = 2};

        r = kube_call_sync(d->ctl->kube, d->ctl->loop, &request, NULL, &err);
        if (!r)
            doctor_say(d, FINDING_OK, "CRD %s: FlinkClusters can be listed", CRD_NAME);
    } else if (!r) {
        judge_crd(d, crd);
    }
    if (r)
        doctor_say(d, FINDING_WRONG, "CRD %s: %s; kubectl apply --server-side -k deploy/crd",
                   CRD_NAME, err.text);
}

/* ---- webhooks ---- */

static int days_left(X509 *certificate, int *days)
{
    int seconds;

    return ASN1_TIME_diff(days, &seconds, NULL, X509_get0_notAfter(certificate)) ? 0 : -EINVAL;
}

int doctor_ca_days(const char *base64, int *days)
{
    _cleanup_(freep) char *pem = NULL;
    X509 *certificate;
    size_t len = 0;
    BIO *bio;
    int found = -EINVAL, left;

    if (base64_decode(base64, &pem, &len) || len > INT32_MAX)
        return -EINVAL;
    bio = BIO_new_mem_buf(pem, (int)len);
    while (bio && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (!days_left(certificate, &left) && (found || left > *days)) {
            *days = left;
            found = 0;
        }
        X509_free(certificate);
    }
    BIO_free(bio);
    ERR_clear_error();
    return found;
}

static void judge_webhook(struct doctor *d, const char *kind, const cJSON *webhook)
{
    const char *name = json_str_or(webhook, "name", "?");
    const char *ca = json_str(webhook, "clientConfig.caBundle");
    bool fatal = str_eq(json_str_or(webhook, "failurePolicy", "Fail"), "Fail");
    int days = 0;

    if (str_empty(ca))
        doctor_say(d, fatal ? FINDING_WRONG : FINDING_WARN,
                   "%s %s: no caBundle yet; does flinkd-webhook run and may it patch it?", kind,
                   name);
    else if (doctor_ca_days(ca, &days))
        doctor_say(d, FINDING_WRONG, "%s %s: its caBundle holds no certificate", kind, name);
    else if (days < 0)
        doctor_say(d, FINDING_WRONG, "%s %s: its CA expired %d days ago", kind, name, -days);
    else
        doctor_say(d, days < CA_WARN_DAYS ? FINDING_WARN : FINDING_OK,
                   "%s %s: its CA is valid for %d days", kind, name, days);
}

static void check_webhooks(struct doctor *d, const struct kube_resource *resource, const char *name)
{
    _cleanup_(json_freep) cJSON *configuration = NULL;
    struct error err = {0};
    int r = doctor_call(d, KUBE_GET, resource, NULL, name, NULL, &configuration, &err);

    if (r)
        doctor_say(d, r == -ENOENT || r == -EACCES ? FINDING_WARN : FINDING_WRONG, "%s %s: %s",
                   resource->kind, name, err.text);
    json_foreach (webhook, json_member(configuration, "webhooks"))
        judge_webhook(d, resource->kind, webhook);
}

void doctor_webhooks(struct doctor *d)
{
    check_webhooks(d, &mutating, "flink-operator-mutating-webhook-configuration");
    check_webhooks(d, &validating, "flink-operator-validating-webhook-configuration");
}

/* ---- the Lease ---- */

static void judge_lease(struct doctor *d, const cJSON *lease)
{
    const char *holder = json_str_or(lease, "spec.holderIdentity", "");
    int64_t renewed = time_parse_rfc3339(json_str(lease, "spec.renewTime"));
    int64_t valid_ms = json_int(lease, "spec.leaseDurationSeconds", 15) * 1000;
    int64_t age_ms = time_now_ms() - renewed;

    if (str_empty(holder))
        doctor_say(d, FINDING_WRONG, "Lease %s: nobody holds it, so nobody works", LEASE_NAME);
    else if (age_ms > valid_ms)
        doctor_say(d, FINDING_WRONG, "Lease %s: %s held it until %lld s ago; nobody works",
                   LEASE_NAME, holder, (long long)((age_ms - valid_ms) / 1000));
    else
        doctor_say(d, FINDING_OK, "Lease %s: held by %s, renewed %lld s ago", LEASE_NAME, holder,
                   (long long)(age_ms / 1000));
}

void doctor_lease(struct doctor *d)
{
    _cleanup_(json_freep) cJSON *lease = NULL;
    struct error err = {0};
    const char *ns = d->ctl->config->operator_ns;
    int r =
        doctor_call(d, KUBE_GET, resource_get(RESOURCE_LEASE), ns, LEASE_NAME, NULL, &lease, &err);

    if (r)
        doctor_say(d, r == -ENOENT ? FINDING_WARN : FINDING_WRONG, "Lease %s/%s: %s", ns,
                   LEASE_NAME, err.text);
    else
        judge_lease(d, lease);
}
