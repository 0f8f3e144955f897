/* The Lease that says whose suite works, in the form of Kubernetes' own leader election
 * (client-go), so that the reference operator and flinkd respect each other. Pure. */
#ifndef WATCHER_LEASE_H
#define WATCHER_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

enum {
    LEASE_DURATION_MS = 15000,
    LEASE_RENEW_DEADLINE_MS = 10000, /* a holder that couldn't renew for so long stops working */
    LEASE_RETRY_MS = 2000,
};

/** Manifest of a Lease that @identity takes. Caller's; NULL without memory, as below. */
cJSON *lease_new(const char *ns, const char *name, const char *identity, int64_t now_ms);
/** Merge patch by which @identity takes or renews @lease as it is (its resourceVersion guards it).
 */
cJSON *lease_take(const cJSON *lease, const char *identity, int64_t now_ms);
/** Merge patch that gives it back: others needn't wait. */
cJSON *lease_release(const cJSON *lease, int64_t now_ms);
/** "" none. */
const char *lease_holder(const cJSON *lease);
/** May @identity take it? @unchanged_ms: since when, by our own clock, the lease reads as it does,
 * so that clocks needn't agree. */
bool lease_is_free(const cJSON *lease, const char *identity, int64_t unchanged_ms);
/** Both read the same: the holder didn't renew in between. */
bool lease_is_same(const cJSON *a, const cJSON *b);

#endif
