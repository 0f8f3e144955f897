/* Waiting for something to come about, instead of sleeping and hoping. */
#ifndef TESTS_LIB_UNTIL_H
#define TESTS_LIB_UNTIL_H

#include "common/base/time.h"
#include "common/io/loop.h"

enum { UNTIL_MS = 10000 };

/* Turn the loop until the condition holds; false when it never does. */
#define until(loop, condition)                                                                     \
    __extension__({                                                                                \
        int64_t deadline_ = time_monotonic_ms() + UNTIL_MS;                                        \
        while (!(condition) && time_monotonic_ms() < deadline_)                                    \
            (void)loop_step(loop, 10, NULL);                                                       \
        (condition);                                                                               \
    })

#endif
