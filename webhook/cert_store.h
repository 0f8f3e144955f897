/* The directory of the serving certificate: tls.crt, tls.key and ca.crt as in a Secret of type
 * kubernetes.io/tls. With ca.key beside them they are this daemon's own, to be renewed; without it
 * somebody else looks after them. */
#ifndef WEBHOOK_CERT_STORE_H
#define WEBHOOK_CERT_STORE_H

#include "webhook/cert.h"

enum { CERT_STORE_E_EMPTY = 1 }; /* there is no certificate */

/** -EINVAL, -EIO, …: something is there, but can't be used (a Secret that is being replaced,
 * perhaps). */
int cert_store_load(const char *dir, struct cert *ret, struct error *err);
/** Each file replaced as a whole, keys readable by the owner only. Fails where the directory can't
 * be written. */
int cert_store_save(const char *dir, const struct cert *cert, struct error *err);

#endif
