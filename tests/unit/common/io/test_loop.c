#include <criterion/criterion.h>
#include <signal.h>
#include <sys/socket.h>

#include "common/io/loop.h"
#include "tests/lib/until.h"

static struct loop *loop;
static struct error err;
static int calls;

static void open_loop(void)
{
    cr_assert_eq(loop_new(&loop, &err), 0, "%s", err.text);
}

static void close_loop(void)
{
    loop_free(loop);
}

TestSuite(loop, .init = open_loop, .fini = close_loop, .timeout = 30);

static void count(void *userdata)
{
    (void)userdata;
    calls++;
}

/* ---- timers ---- */

Test(loop, a_timer_fires_once_and_not_before_its_time)
{
    struct loop_timer *timer = loop_timer_new(loop, count, NULL);
    int64_t start = time_monotonic_ms();

    cr_expect_not(loop_timer_armed(timer));
    loop_timer_arm(timer, 30);
    cr_expect(loop_timer_armed(timer));
    cr_assert(until(loop, calls == 1));
    cr_expect_geq(time_monotonic_ms() - start, 30);
    cr_expect_not(loop_timer_armed(timer));
    loop_step(loop, 20, &err);
    cr_expect_eq(calls, 1);
    loop_timer_free(timer);
}

Test(loop, arming_again_replaces_and_a_negative_delay_disarms)
{
    struct loop_timer *timer = loop_timer_new(loop, count, NULL);

    loop_timer_arm(timer, 0);
    loop_timer_arm(timer, 3600000);
    loop_step(loop, 5, &err);
    cr_expect_eq(calls, 0);
    loop_timer_arm(timer, 0);
    loop_timer_arm(timer, -1);
    loop_step(loop, 5, &err);
    cr_expect_eq(calls, 0);
    loop_timer_arm(timer, INT64_MAX);
    loop_step(loop, 5, &err);
    cr_expect_eq(calls, 0, "a time that never comes doesn't wrap around");
    loop_timer_free(timer);
}

static int64_t fired[500];

static void note(void *userdata)
{
    fired[calls++] = *(int64_t *)userdata;
}

Test(loop, timers_fire_in_the_order_they_are_due)
{
    struct loop_timer *timers[ARRAY_SIZE(fired)];
    int64_t delays[ARRAY_SIZE(fired)];
    size_t n = ARRAY_SIZE(fired);

    for (size_t i = 0; i < n; i++) {
        timers[i] = loop_timer_new(loop, note, &delays[i]);
        loop_timer_arm(timers[i], 1000);
    }
    for (size_t i = 0; i < n; i++) {
        delays[i] = (int64_t)(i * 7919 % n) / 10;
        loop_timer_arm(timers[i], delays[i]);
    }
    for (size_t i = 0; i < n; i += 5)
        timers[i] = loop_timer_free(timers[i]);
    cr_assert(until(loop, calls == (int)(n - n / 5)));
    for (int i = 1; i < calls; i++) /* arming them took a few milliseconds as well */
        cr_expect_geq(fired[i], fired[i - 1] - 20, "%d", i);
    for (size_t i = 0; i < n; i++)
        loop_timer_free(timers[i]);
}

static struct loop_timer *self;

static void free_self(void *userdata)
{
    count(userdata);
    self = loop_timer_free(self);
}

Test(loop, a_timer_may_be_freed_while_it_fires)
{
    self = loop_timer_new(loop, free_self, NULL);
    loop_timer_arm(self, 0);
    cr_assert(until(loop, calls == 1));
    cr_expect_null(self);
}

static void arm_again(void *userdata)
{
    count(userdata);
    loop_timer_arm(self, 0);
}

Test(loop, a_timer_that_arms_itself_does_not_starve_the_rest)
{
    self = loop_timer_new(loop, arm_again, NULL);
    loop_timer_arm(self, 0);
    loop_step(loop, 1000, &err);
    loop_step(loop, 1000, &err);
    cr_expect_leq(calls, 2);
    cr_assert(until(loop, calls == 10));
    loop_timer_free(self);
}

/* ---- descriptors ---- */

static unsigned seen;

static void on_event(int fd, unsigned events, void *userdata)
{
    char byte;

    (void)userdata;
    seen = events;
    calls++;
    if (events & LOOP_READ)
        (void)!read(fd, &byte, 1);
}

Test(loop, tells_what_a_descriptor_is_ready_for)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    cr_assert_eq(loop_set_fd(loop, fds[0], LOOP_READ, on_event, NULL, &err), 0);
    loop_step(loop, 5, &err);
    cr_expect_eq(calls, 0);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    loop_step(loop, 1000, &err);
    cr_expect_eq(seen, LOOP_READ);
    cr_assert_eq(loop_set_fd(loop, fds[0], LOOP_READ | LOOP_WRITE, on_event, NULL, &err), 0);
    loop_step(loop, 1000, &err);
    cr_expect_eq(seen, LOOP_WRITE);
    cr_assert_eq(loop_set_fd(loop, fds[0], 0, NULL, NULL, &err), 0);
    loop_step(loop, 5, &err);
    cr_expect_eq(calls, 2);
    close(fds[0]);
    close(fds[1]);
}

Test(loop, a_hang_up_wakes_the_reader)
{
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    loop_set_fd(loop, fds[0], LOOP_READ, on_event, NULL, &err);
    close(fds[1]);
    loop_step(loop, 1000, &err);
    cr_expect_eq(seen, LOOP_READ);
    loop_remove_fd(loop, fds[0]);
    close(fds[0]);
}

Test(loop, a_descriptor_number_may_come_back_as_another)
{
    int fds[2], number;

    cr_assert_eq(pipe(fds), 0);
    loop_set_fd(loop, fds[0], LOOP_READ, on_event, NULL, &err);
    number = fds[0];
    close(fds[0]); /* without telling the loop */
    close(fds[1]);
    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(fds[0], number);
    cr_assert_eq(loop_set_fd(loop, fds[0], LOOP_READ, on_event, NULL, &err), 0, "%s", err.text);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    loop_step(loop, 1000, &err);
    cr_expect_eq(calls, 1);
    close(fds[0]);
    close(fds[1]);
}

static int pair[2][2];

/* Both ends are readable: whichever comes first takes the other away. */
static void take_the_other(int fd, unsigned events, void *userdata)
{
    int other = pair[fd == pair[0][0] ? 1 : 0][0];

    (void)events;
    (void)userdata;
    calls++;
    loop_remove_fd(loop, fd);
    loop_remove_fd(loop, other);
}

Test(loop, an_event_of_a_removed_descriptor_is_dropped)
{
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(pipe(pair[i]), 0);
        cr_assert_eq(write(pair[i][1], "x", 1), 1);
        loop_set_fd(loop, pair[i][0], LOOP_READ, take_the_other, NULL, &err);
    }
    loop_step(loop, 1000, &err);
    loop_step(loop, 5, &err);
    cr_expect_eq(calls, 1);
}

Test(loop, refuses_what_is_no_descriptor)
{
    cr_expect_eq(loop_set_fd(loop, -1, LOOP_READ, on_event, NULL, &err), -EBADF);
    cr_expect_eq(loop_set_fd(loop, 1000, LOOP_READ, on_event, NULL, &err), -EBADF);
    loop_remove_fd(loop, -1);
    loop_remove_fd(loop, 100000);
}

/* ---- running ---- */

Test(loop, ends_well_on_sigterm)
{
    kill(getpid(), SIGTERM);
    cr_expect_eq(loop_run(loop, &err), 0, "%s", err.text);
    cr_expect(loop_stopping(loop));
}

Test(loop, a_broken_pipe_is_no_signal)
{
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    close(fds[0]);
    cr_expect_lt(write(fds[1], "x", 1), 0);
    cr_expect_eq(errno, EPIPE);
    close(fds[1]);
}

static void stop(void *userdata)
{
    loop_stop(userdata);
}

Test(loop, runs_until_it_is_stopped)
{
    struct loop_timer *timer = loop_timer_new(loop, stop, loop);

    loop_timer_arm(timer, 1);
    cr_expect_eq(loop_run(loop, &err), 0);
    loop_timer_free(timer);
}
