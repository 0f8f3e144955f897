/* Where the API server is and who we are there: from a kubeconfig or from a pod's service account.
 */
#ifndef COMMON_KUBE_KUBECONFIG_H
#define COMMON_KUBE_KUBECONFIG_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"
#include "common/io/http.h"

enum { KUBECONFIG_BYTES_MAX = 1 << 20 };

struct kubeconfig {
    char *source; /* the file, or "service account": for messages */
    char *dir; /* relative paths in it start here */
    char *server; /* without trailing slash */
    char *ns; /* NULL: none */
    char *token; /* NULL: none */
    char *token_file; /* NULL: none; what is in it goes before token */
    cJSON *exec; /* the user's exec plugin; NULL: none */
    cJSON *cluster; /* the cluster's entry, for a plugin that asks for it; NULL: none */
    struct http_tls tls; /* its pointers point to what follows */
    char *ca_file, *cert_file, *key_file, *server_name;
    char *ca_pem, *cert_pem, *key_pem;
};

/** A kubeconfig's text. @source is its path, @context NULL the current one. -EINVAL names the
 * source and the field. */
int kubeconfig_parse(const char *text, size_t len, const char *source, const char *context,
                     struct kubeconfig **ret, struct error *err);
/** @path, else the first file of $KUBECONFIG that exists, else the pod's service account (in
 *  $FLINKD_SERVICE_ACCOUNT_DIR, for tests), else ~/.kube/config. -ENOENT: none of them. */
int kubeconfig_load(const char *path, const char *context, struct kubeconfig **ret,
                    struct error *err);
struct kubeconfig *kubeconfig_free(struct kubeconfig *config);
void kubeconfig_freep(struct kubeconfig **config);

#endif
