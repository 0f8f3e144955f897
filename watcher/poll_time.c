#include "watcher/poll_time.h"

enum {
    STEADY_MIN_MS = 400,
    STEADY_MAX_MS = 10000,
    STEADY_PER_CLUSTER_MS = 10, /* all together: 100 requests a second, a hundredth of a core */
    TRANSITION_FAST_MS = 60000, /* so long a transition may take without being slowed down */
    TRANSITION_MAX_MS = 2000,
    TRIGGER_MAX_MS = 2000,
};

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

int64_t poll_interval_ms(bool steady, int64_t age_ms, int polled)
{
    int64_t cap = clamp((int64_t)polled * STEADY_PER_CLUSTER_MS, STEADY_MIN_MS, STEADY_MAX_MS);

    if (age_ms < 0) /* no clock runs backwards, but a caller may be wrong */
        age_ms = 0;
    /* Half the age on top: each interval is 1.5 times the one before. */
    if (steady)
        return clamp(POLL_FAST_MS + age_ms / 2, POLL_FAST_MS, cap);
    if (age_ms <= TRANSITION_FAST_MS)
        return POLL_FAST_MS;
    return clamp((age_ms - TRANSITION_FAST_MS) / 2, POLL_FAST_MS, TRANSITION_MAX_MS);
}

int64_t poll_trigger_ms(int64_t age_ms)
{
    return clamp(POLL_FAST_MS + age_ms / 2, POLL_FAST_MS, TRIGGER_MAX_MS);
}
