#include "common/io/timer.h"

#include <limits.h>
#include <stdlib.h>

#include "common/base/time.h"

struct loop_timer {
    struct timers *timers;
    loop_timer_fn fn;
    void *userdata;
    int64_t due_ms;
    uint64_t seq; /* order of arming, among those due in the same millisecond */
    size_t index; /* in the heap, + 1; 0: not armed */
};

static bool before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

static void place(struct timers *timers, size_t i, struct loop_timer *timer)
{
    timers->heap[i] = timer;
    timer->index = i + 1;
}

/* @timer belongs at or around the free place @i: move it to where its due time puts it. */
static void sift(struct timers *timers, size_t i, struct loop_timer *timer)
{
    struct loop_timer **heap = timers->heap;
    size_t child;

    for (; i > 0 && before(timer, heap[(i - 1) / 2]); i = (i - 1) / 2)
        place(timers, i, heap[(i - 1) / 2]);
    while ((child = 2 * i + 1) < timers->n) {
        if (child + 1 < timers->n && before(heap[child + 1], heap[child]))
            child++;
        if (!before(heap[child], timer))
            break;
        place(timers, i, heap[child]);
        i = child;
    }
    place(timers, i, timer);
}

static void disarm(struct loop_timer *timer)
{
    struct timers *timers = timer->timers;
    size_t i = timer->index - 1;
    struct loop_timer *last;

    if (!timer->index)
        return;
    timer->index = 0;
    last = timers->heap[--timers->n];
    if (last != timer)
        sift(timers, i, last);
}

void timers_done(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}

struct loop_timer *timer_new(struct timers *timers, loop_timer_fn fn, void *userdata)
{
    struct loop_timer *timer = malloc(sizeof(*timer)), **heap;
    size_t cap = timers->cap ? 2 * timers->cap : 16;

    if (timer && timers->count == timers->cap) {
        heap = realloc(timers->heap, cap * sizeof(struct loop_timer *));
        if (!heap) {
            free(timer);
            return NULL;
        }
        timers->heap = heap;
        timers->cap = cap;
    }
    if (!timer)
        return NULL;
    timers->count++;
    *timer = (struct loop_timer){.timers = timers, .fn = fn, .userdata = userdata};
    return timer;
}

struct loop_timer *loop_timer_free(struct loop_timer *timer)
{
    if (!timer)
        return NULL;
    disarm(timer);
    timer->timers->count--;
    free(timer);
    return NULL;
}

void loop_timer_arm(struct loop_timer *timer, int64_t delay_ms)
{
    struct timers *timers = timer->timers;
    int64_t now = time_monotonic_ms();

    disarm(timer);
    if (delay_ms < 0)
        return;
    timer->due_ms = delay_ms < INT64_MAX - now ? now + delay_ms : INT64_MAX;
    timer->seq = timers->seq++;
    sift(timers, timers->n++, timer);
}

bool loop_timer_armed(const struct loop_timer *timer)
{
    return timer->index != 0;
}

int timers_wait(const struct timers *timers, int64_t now_ms, int timeout_ms)
{
    int64_t left;

    if (!timers->n)
        return timeout_ms;
    left = timers->heap[0]->due_ms - now_ms;
    left = left < 0 ? 0 : left > INT_MAX ? INT_MAX : left;
    return timeout_ms >= 0 && timeout_ms < left ? timeout_ms : (int)left;
}

void timers_fire(struct timers *timers, int64_t now_ms)
{
    uint64_t round = timers->seq;

    while (timers->n && timers->heap[0]->due_ms <= now_ms && timers->heap[0]->seq < round) {
        struct loop_timer *timer = timers->heap[0];

        disarm(timer);
        timer->fn(timer->userdata); /* may free it */
    }
}
