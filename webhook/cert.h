/* Certificates: an own authority, and the serving certificate that it signs. PEM in, PEM out; no
 * files, no clock. */
#ifndef WEBHOOK_CERT_H
#define WEBHOOK_CERT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

#define CERT_CA_NAME "flinkd webhook CA" /* common name of the own authority */

struct cert {
    char *ca_pem; /* of the authority; NULL: somebody else's, not known */
    char *ca_key; /* NULL: somebody else's */
    char *cert_pem; /* serving certificate (chain) */
    char *key_pem;
    int64_t not_after_ms; /* of the serving certificate */
    int64_t renew_ms; /* from then on a new one is due; 0: not ours to renew */
};

void cert_done(struct cert *cert);
/** Its content, out of @cert, which is empty then. */
struct cert cert_take(struct cert *cert);
bool cert_is_own(const struct cert *cert); /* with the authority's key: it can be renewed */

/**
 * A serving certificate for <service>.<ns>.svc and <service>.<ns>.svc.cluster.local (and both
 * shorter forms).
 * @authority  its CA signs, while it lives much longer than the certificate; NULL, or one that
 * doesn't: a new CA.
 * @days       validity; it is to be renewed when a third of it is left.
 * Returns 0, -ENAMETOOLONG or -EIO.
 */
int cert_make(const struct cert *authority, const char *service, const char *ns, int days,
              int64_t now_ms, struct cert *ret, struct error *err);

/**
 * Check PEM texts that came from files and fill in the dates. @cert's PEM members are set by the
 * caller. -EINVAL: not readable, or the key isn't the certificate's.
 */
int cert_check(struct cert *cert, struct error *err);
/** The serving certificate is for this service. */
bool cert_names(const struct cert *cert, const char *service, const char *ns);

/**
 * What caBundle should be: the certificates of @bundle (PEM, NULL: empty) that haven't expired,
 * each once, of own authorities only the newest, and @ca_pem.
 * @ret  the caller's; NULL when @bundle already holds @ca_pem and nothing that has to go.
 * Returns 0, -EINVAL (@ca_pem) or -ENOMEM.
 */
int cert_bundle(const char *bundle, const char *ca_pem, int64_t now_ms, char **ret,
                struct error *err);

#endif
