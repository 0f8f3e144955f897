/* A small dynamic Kubernetes client: any resource, JSON in and out, over one HTTP/2 connection. */
#ifndef COMMON_KUBE_CLIENT_H
#define COMMON_KUBE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"
#include "common/io/http.h"
#include "common/kube/skim.h"

/* What a resource is called; the table of those flinkd uses is in resource.h. */
struct kube_resource {
    const char *kind; /* "StatefulSet" */
    const char *api_version; /* "apps/v1", "v1" */
    const char *plural; /* "statefulsets" */
    bool namespaced;
};

struct kube_client;

struct kube_options {
    const char *kubeconfig; /* NULL: $KUBECONFIG (first existing of a list), then in-cluster, then
                               ~/.kube/config */
    const char *context;
    const char *user_agent; /* "flinkd-watcher" */
    const char *field_manager; /* NULL: "flinkd" */
    int64_t timeout_ms; /* default deadline of a request; 0: 15 s */
    int sending_max; /* requests at once, the others wait their turn; 0: 12. Who sends fewer leaves
                        more of a busy API server to others. */
};

/** Reads the configuration (token, token file re-read when it changes, client certificate, exec
 * plugin, CA; contexts). -EINVAL names the file and the field; -ENOENT: no configuration found.
 * Nothing is connected yet. */
int kube_client_new(struct http *http, struct loop *loop, const struct kube_options *options,
                    struct kube_client **ret, struct error *err);
struct kube_client *kube_client_free(struct kube_client *client);
const char *kube_client_server(const struct kube_client *client);
/** Namespace of the in-cluster service account or the context; NULL: none. */
const char *kube_client_namespace(const struct kube_client *client);

enum kube_verb {
    KUBE_GET,
    KUBE_LIST,
    KUBE_CREATE,
    KUBE_APPLY, /* server-side apply, force, with the field manager */
    KUBE_MERGE_PATCH, /* RFC 7386 */
    KUBE_DELETE,
    KUBE_LOG, /* pods/<name>/log; query e.g. "container=main&tailLines=20"; text in response->text
               */
};

struct kube_request {
    enum kube_verb verb;
    const struct kube_resource *resource;
    const char *ns, *name;
    const char *subresource; /* "status", "scale" or NULL */
    const char *query; /* already URL-encoded, without '?'; NULL: none */
    const cJSON *body; /* borrowed for the call. KUBE_DELETE: DeleteOptions (kube_delete_options())
                          or NULL */
    bool canonical; /* the body is written as Go's encoding/json writes a map (json_canonical()):
                       where somebody compares what is stored byte by byte */
    bool dry_run; /* dryRun=All */
    bool brief; /* of the answer only its version is wanted: no object then, when it is 2xx */
    int64_t timeout_ms; /* 0: the client's */
    int max_attempts; /* 0: 5. Retried with backoff and jitter: connection errors, 429
                         (Retry-After), 5xx. Never other 4xx. A KUBE_CREATE that was retried may see
                         AlreadyExists of itself. */
};

struct kube_response {
    int status; /* HTTP; 0: no answer within all attempts */
    const char *reason; /* of the server's Status: "NotFound", "AlreadyExists", "Conflict",
                           "Invalid", …; "" */
    const char *message; /* of the server's Status, or what went wrong; "" when fine */
    cJSON *object; /* the answer; owned by the client, TAKE() it to keep; NULL without JSON */
    char version[KUBE_VERSION_SIZE]; /* a brief request's: metadata.resourceVersion; "" none */
    const char *text; /* KUBE_LOG */
    bool transient; /* trying later may help: no answer, 429, 5xx */
};

typedef void (*kube_done_fn)(struct kube_response *response, void *userdata);
struct kube_call;

/** Starts; on_done comes from the loop exactly once, unless cancelled. @ret may be NULL. -EINVAL:
 * no name etc. */
int kube_start(struct kube_client *client, const struct kube_request *request, kube_done_fn on_done,
               void *userdata, struct kube_call **ret, struct error *err);
void kube_cancel(struct kube_call *call); /* NULL-safe */
int kube_active(const struct kube_client *client); /* calls under way */

/** {"propagationPolicy", "preconditions": {"uid", "resourceVersion"}}; NULLs leave out. Caller's.
 */
cJSON *kube_delete_options(const char *propagation, const char *uid, const char *resource_version);

/* Blocking convenience for start-up, flinkctl and --once: runs the loop until the answer.
 * *ret_object may be NULL. Returns 0 (2xx), -ENOENT (404), -EEXIST (409 AlreadyExists), -EAGAIN
 * (409 Conflict), -EACCES (401/403), -EINVAL (other 4xx), -EIO … */
int kube_call_sync(struct kube_client *client, struct loop *loop,
                   const struct kube_request *request, cJSON **ret_object, struct error *err);

#endif
