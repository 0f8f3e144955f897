/* Who we are at the moment: the kubeconfig's token or certificate, a token file that is read again
 * when it changes, or what an exec plugin said until that expires. */
#ifndef COMMON_KUBE_AUTH_H
#define COMMON_KUBE_AUTH_H

#include "common/io/http.h"
#include "common/io/loop.h"
#include "common/kube/kubeconfig.h"

/* Never changed; transfers hold a reference, as they borrow its TLS. */
struct credential {
    int refs;
    char *token; /* NULL: none */
    char *cert_pem, *key_pem;
    struct http_tls tls;
};
struct credential *credential_unref(struct credential *c); /* NULL-safe; always NULL */

struct auth;

/* A plugin that auth_get() waited for has ended, well or not. */
typedef void (*auth_fn)(const struct error *err, void *userdata);

enum { AUTH_E_PENDING = 1 };

/** @config borrowed for its life. */
int auth_new(struct loop *loop, const struct kubeconfig *config, auth_fn fn, void *userdata,
             struct auth **ret, struct error *err);
struct auth *auth_free(struct auth *auth);
/** A reference to the credential of now; AUTH_E_PENDING: a plugin runs, @fn will be called. */
int auth_get(struct auth *auth, struct credential **ret, struct error *err);
/** The server answered 401 to @credential. True: the next auth_get() may give a better one. */
bool auth_rejected(struct auth *auth, const struct credential *credential);

#endif
