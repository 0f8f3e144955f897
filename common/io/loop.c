/* Everything waits in one epoll set. While HTTP transfers are under way curl does the waiting, with
 * the set as its one foreign descriptor: curl_multi_poll() itself would hide a hang-up of a foreign
 * one. */
#include "common/io/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "common/base/time.h"
#include "common/io/http_drive.h"
#include "common/io/timer.h"

enum { EVENTS_A_ROUND = 64 };

struct watch {
    unsigned events; /* 0: nobody watches this descriptor */
    uint32_t generation;
    loop_fd_fn fn;
    void *userdata;
};

struct loop {
    int epoll, signals;
    bool stopping;
    struct watch *watches; /* by descriptor */
    int watches_cap;
    uint32_t generation;
    struct timers timers;
    struct http *http;
};

static void on_signal(int fd, unsigned events, void *userdata)
{
    struct signalfd_siginfo info;

    (void)events;
    if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        loop_stop(userdata);
}

static int watch_signals(struct loop *loop, struct error *err)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return error_set(err, errno, "block signals: %s", strerror(errno));
    loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->signals < 0)
        return error_set(err, errno, "signalfd: %s", strerror(errno));
    return loop_set_fd(loop, loop->signals, LOOP_READ, on_signal, loop, err);
}

static void loop_freep(struct loop **loop)
{
    loop_free(*loop);
}

int loop_new(struct loop **ret, struct error *err)
{
    _cleanup_(loop_freep) struct loop *loop = calloc(1, sizeof(*loop));
    int r;

    if (!loop)
        return error_set(err, ENOMEM, "no memory for a loop");
    loop->signals = -1;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        return error_set(err, errno, "epoll: %s", strerror(errno));
    r = watch_signals(loop, err);
    if (r)
        return r;
    *ret = TAKE(loop);
    return 0;
}

struct loop *loop_free(struct loop *loop)
{
    if (!loop)
        return NULL;
    closep(&loop->signals);
    closep(&loop->epoll);
    timers_done(&loop->timers);
    free(loop->watches);
    free(loop);
    return NULL;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

bool loop_stopping(const struct loop *loop)
{
    return loop->stopping;
}

void loop_set_http(struct loop *loop, struct http *http)
{
    loop->http = http;
}

/* ---- descriptors ---- */

static struct watch *watch_of(struct loop *loop, int fd)
{
    return fd >= 0 && fd < loop->watches_cap ? &loop->watches[fd] : NULL;
}

static struct watch *watch_make(struct loop *loop, int fd)
{
    int cap = loop->watches_cap;
    struct watch *watches;

    if (fd < cap)
        return &loop->watches[fd];
    cap = fd + 32;
    watches = realloc(loop->watches, (size_t)cap * sizeof(*watches));
    if (!watches)
        return NULL;
    memset(watches + loop->watches_cap, 0, (size_t)(cap - loop->watches_cap) * sizeof(*watches));
    loop->watches = watches;
    loop->watches_cap = cap;
    return &watches[fd];
}

int loop_set_fd(struct loop *loop, int fd, unsigned events, loop_fd_fn fn, void *userdata,
                struct error *err)
{
    struct epoll_event ev = {0};
    struct watch *watch;
    int r;

    if (fd < 0)
        return error_set(err, EBADF, "watch descriptor %d", fd);
    if (!events) {
        loop_remove_fd(loop, fd);
        return 0;
    }
    watch = watch_make(loop, fd);
    if (!watch)
        return error_set(err, ENOMEM, "watch descriptor %d: no memory", fd);
    /* An event that was already fetched for an earlier registration must not reach this one. */
    if (!watch->events)
        watch->generation = ++loop->generation;
    ev.events = (events & LOOP_READ ? EPOLLIN : 0U) | (events & LOOP_WRITE ? EPOLLOUT : 0U);
    ev.data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)fd;
    r = epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &ev);
    if (r < 0 && errno == ENOENT) /* new, or closed and opened again meanwhile */
        r = epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &ev);
    if (r < 0) {
        watch->events = 0;
        return error_set(err, errno, "watch descriptor %d: %s", fd, strerror(errno));
    }
    watch->events = events;
    watch->fn = fn;
    watch->userdata = userdata;
    return 0;
}

void loop_remove_fd(struct loop *loop, int fd)
{
    struct watch *watch = watch_of(loop, fd);

    if (!watch || !watch->events)
        return;
    watch->events = 0;
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
}

static void dispatch(struct loop *loop, const struct epoll_event *ev)
{
    int fd = (int)(ev->data.u64 & UINT32_MAX);
    const struct watch *watch = watch_of(loop, fd);
    unsigned events;

    if (!watch || !watch->events || watch->generation != ev->data.u64 >> 32)
        return;
    events = (ev->events & EPOLLIN ? LOOP_READ : 0U) | (ev->events & EPOLLOUT ? LOOP_WRITE : 0U);
    if (ev->events & (EPOLLHUP | EPOLLERR)) /* reading or writing will tell */
        events |= LOOP_READ | LOOP_WRITE;
    watch->fn(fd, events & watch->events, watch->userdata);
}

/* ---- timers ---- */

struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn fn, void *userdata)
{
    return timer_new(&loop->timers, fn, userdata);
}

/* ---- running ---- */

int loop_step(struct loop *loop, int timeout_ms, struct error *err)
{
    struct epoll_event events[EVENTS_A_ROUND];
    bool transfers = loop->http && http_active(loop->http) > 0;
    int pause_ms = transfers ? http_pause_ms(loop->http) : 0;
    int n, r;

    timeout_ms = timers_wait(&loop->timers, time_monotonic_ms(), timeout_ms);
    if (pause_ms > 0 && (timeout_ms < 0 || pause_ms < timeout_ms))
        timeout_ms = pause_ms;
    if (transfers && pause_ms == 0) {
        r = http_drive(loop->http, loop->epoll, timeout_ms, err);
        if (r)
            return r;
        timeout_ms = 0; /* curl has waited */
    }
    n = epoll_wait(loop->epoll, events, EVENTS_A_ROUND, timeout_ms);
    if (n < 0 && errno != EINTR)
        return error_set(err, errno, "epoll: %s", strerror(errno));
    for (int i = 0; i < n; i++)
        dispatch(loop, &events[i]);
    timers_fire(&loop->timers, time_monotonic_ms());
    return 0;
}

int loop_run(struct loop *loop, struct error *err)
{
    int r = 0;

    while (!r && !loop->stopping)
        r = loop_step(loop, -1, err);
    return r;
}
