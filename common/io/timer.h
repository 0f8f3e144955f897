/* The timers of one loop: a binary heap by due time. Used by loop.c; everybody else sees loop.h. */
#ifndef COMMON_IO_TIMER_H
#define COMMON_IO_TIMER_H

#include <stddef.h>
#include <stdint.h>

#include "common/io/loop.h"

struct timers {
    struct loop_timer **heap;
    size_t n, cap; /* cap: room for every timer there is, so that arming can't fail */
    size_t count; /* timers that exist, armed or not */
    uint64_t seq;
};

void timers_done(struct timers *timers); /* the timers themselves are their owners' */
struct loop_timer *timer_new(struct timers *timers, loop_timer_fn fn, void *userdata);
/** How long to wait: until the first is due, at most @timeout_ms (negative: for ever). */
int timers_wait(const struct timers *timers, int64_t now_ms, int timeout_ms);
/** Fire what is due; what is armed meanwhile has to wait for the next call. */
void timers_fire(struct timers *timers, int64_t now_ms);

#endif
