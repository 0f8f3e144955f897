#ifndef COMMON_KUBE_BACKOFF_H
#define COMMON_KUBE_BACKOFF_H

#include <stdint.h>

/** How long to wait after the @failures-th failure in a row (from 1): @base_ms doubled each time up
 * to @cap_ms, of which a random half, so that clients that failed together don't come back
 * together. */
int64_t backoff_ms(int failures, int64_t base_ms, int64_t cap_ms);
/** Uniform in [low, high]. */
int64_t random_between(int64_t low, int64_t high);

#endif
