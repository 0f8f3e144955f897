/* May this user do what flinkd does? The table says the same as deploy/manifests/rbac*.yaml, which
 * a test compares. */
#include "common/base/json.h"
#include "common/base/str.h"
#include "flinkctl/doctor.h"

#define READ     "get", "list", "watch"
#define CHILD    READ, "create", "patch", "delete"
#define WEBHOOKS "admissionregistration.k8s.io"

static const struct kube_resource reviews = {"SelfSubjectAccessReview", "authorization.k8s.io/v1",
                                             "selfsubjectaccessreviews", false};

enum scope { WATCHED /* the namespaces that are looked after */, OWN /* the operator's */, NONE };

static const struct permission {
    const char *group, *resource, *subresource;
    const char *verbs[7];
    enum scope scope;
    const char *name; /* the one object; NULL: all */
    const char *only; /* what needs it, when the rest works without */
} permissions[] = {
    {"flinkoperator.k8s.io", "flinkclusters", "", {READ, "patch"}, WATCHED, NULL, NULL},
    {"flinkoperator.k8s.io", "flinkclusters", "status", {"patch"}, WATCHED, NULL, NULL},
    {"", "configmaps", "", {CHILD}, WATCHED, NULL, NULL},
    {"", "services", "", {CHILD}, WATCHED, NULL, NULL},
    {"apps", "statefulsets", "", {CHILD}, WATCHED, NULL, NULL},
    {"apps", "deployments", "", {CHILD}, WATCHED, NULL, NULL},
    {"apps",
     "controllerrevisions",
     "",
     {"list", "watch", "create", "patch", "delete"},
     WATCHED,
     NULL,
     NULL},
    {"batch", "jobs", "", {READ, "create", "delete"}, WATCHED, NULL, NULL},
    {"networking.k8s.io", "ingresses", "", {CHILD}, WATCHED, NULL, NULL},
    {"policy", "poddisruptionbudgets", "", {CHILD}, WATCHED, NULL, NULL},
    {"autoscaling", "horizontalpodautoscalers", "", {CHILD}, WATCHED, NULL, NULL},
    {"scheduling.volcano.sh",
     "podgroups",
     "",
     {CHILD},
     WATCHED,
     NULL,
     "FlinkClusters that Volcano schedules"},
    {"", "persistentvolumeclaims", "", {"list", "watch", "patch"}, WATCHED, NULL, NULL},
    {"", "pods", "", {"list", "watch"}, WATCHED, NULL, NULL},
    {"", "pods", "log", {"get"}, WATCHED, NULL, NULL},
    {"", "events", "", {"list", "watch", "create", "patch"}, WATCHED, NULL, NULL},
    {"coordination.k8s.io", "leases", "", {"get", "create", "patch"}, OWN, NULL, NULL},
    {WEBHOOKS,
     "mutatingwebhookconfigurations",
     "",
     {"get", "patch"},
     NONE,
     "flink-operator-mutating-webhook-configuration",
     "the webhook"},
    {WEBHOOKS,
     "validatingwebhookconfigurations",
     "",
     {"get", "patch"},
     NONE,
     "flink-operator-validating-webhook-configuration",
     "the webhook"},
};

static const char *namespace_of(const struct doctor *d, enum scope scope)
{
    return scope == WATCHED ? d->ctl->config->common.ns
           : scope == OWN   ? d->ctl->config->operator_ns
                            : NULL;
}

/* 0: allowed, 1: not, or -errno */
static int ask(struct doctor *d, const struct permission *p, const char *verb, struct error *err)
{
    _cleanup_(json_freep) cJSON *review = cJSON_CreateObject();
    _cleanup_(json_freep) cJSON *answer = NULL;
    const char *ns = namespace_of(d, p->scope);
    int r;

    json_set_str(review, "apiVersion", reviews.api_version);
    json_set_str(review, "kind", reviews.kind);
    json_set_str(review, "spec.resourceAttributes.verb", verb);
    json_set_str(review, "spec.resourceAttributes.group", p->group);
    json_set_str(review, "spec.resourceAttributes.resource", p->resource);
    if (*p->subresource)
        json_set_str(review, "spec.resourceAttributes.subresource", p->subresource);
    if (p->name)
        json_set_str(review, "spec.resourceAttributes.name", p->name);
    if (!str_empty(ns))
        json_set_str(review, "spec.resourceAttributes.namespace", ns);
    r = doctor_call(d, KUBE_CREATE, &reviews, NULL, NULL, review, &answer, err);
    return r ? r : json_bool(answer, "status.allowed", false) ? 0 : 1;
}

static void say_missing(struct doctor *d, const struct permission *p, const char *verb,
                        const char *why)
{
    doctor_say(d, p->only ? FINDING_WARN : FINDING_WRONG, "permission: %s %s%s%s%s%s: %s%s%s", verb,
               p->resource, *p->subresource ? "/" : "", p->subresource, *p->group ? "." : "",
               p->group, why, p->only ? "; only needed for " : "", p->only ? p->only : "");
}

void doctor_permissions(struct doctor *d)
{
    struct error err = {0};
    int missing = 0;

    for (size_t i = 0; i < ARRAY_SIZE(permissions); i++) {
        for (size_t n = 0; n < ARRAY_SIZE(permissions[i].verbs); n++) {
            const char *verb = permissions[i].verbs[n];
            int r = verb ? ask(d, &permissions[i], verb, &err) : 0;

            if (r == 0)
                continue;
            missing++;
            say_missing(d, &permissions[i], verb,
                        r < 0 ? err.text
                              : "not allowed for this user; see deploy/manifests/rbac.yaml");
        }
    }
    if (!missing)
        doctor_say(d, FINDING_OK, "permissions of this user: all that flinkd needs");
}
