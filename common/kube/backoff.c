#include "common/kube/backoff.h"

#include <stdlib.h>

int64_t random_between(int64_t low, int64_t high)
{
    if (high <= low)
        return low;
    return low + (int64_t)arc4random_uniform((uint32_t)(high - low + 1));
}

int64_t backoff_ms(int failures, int64_t base_ms, int64_t cap_ms)
{
    int64_t wait_ms = base_ms;

    for (int i = 1; i < failures && wait_ms < cap_ms; i++)
        wait_ms *= 2;
    if (wait_ms > cap_ms)
        wait_ms = cap_ms;
    return random_between(wait_ms / 2, wait_ms);
}
