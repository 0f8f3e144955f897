/* The one loop of a daemon: descriptors, timers, signals, and curl's transfers (see http.h), one
 * thread. */
#ifndef COMMON_IO_LOOP_H
#define COMMON_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

struct loop;
struct loop_timer;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void (*loop_fd_fn)(int fd, unsigned events, void *userdata);
typedef void (*loop_timer_fn)(void *userdata);

/** Blocks SIGTERM and SIGINT and stops the loop when one arrives; ignores SIGPIPE. */
int loop_new(struct loop **ret, struct error *err);
struct loop *loop_free(struct loop *loop);

/** Runs until loop_stop(); returns 0, or -errno with err filled. */
int loop_run(struct loop *loop, struct error *err);
/** One round: waits at most @timeout_ms for something to do. For tests and --once. */
int loop_step(struct loop *loop, int timeout_ms, struct error *err);
void loop_stop(struct loop *loop);
bool loop_stopping(const struct loop *loop);

/** The descriptor stays the caller's. One registration a descriptor; events 0 removes it. */
int loop_set_fd(struct loop *loop, int fd, unsigned events, loop_fd_fn fn, void *userdata,
                struct error *err);
void loop_remove_fd(struct loop *loop, int fd);

/** A timer that isn't armed yet; owned by the caller: loop_timer_free() (NULL-safe, also while it
 * fires). */
struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn fn, void *userdata);
struct loop_timer *loop_timer_free(struct loop_timer *timer);
/** Fire once in @delay_ms from now (monotonic); arming again replaces. Negative: disarm. */
void loop_timer_arm(struct loop_timer *timer, int64_t delay_ms);
bool loop_timer_armed(const struct loop_timer *timer);

struct http;
/* Called by http.c: the multi handle whose transfers the loop drives. */
void loop_set_http(struct loop *loop, struct http *http);

#endif
