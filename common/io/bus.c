#include "common/io/bus.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

#include "common/base/str.h"
#include "common/base/time.h"

enum {
    MESSAGES_A_ROUND = 256, /* then the rest of the loop has its turn */
    RECONNECT_MIN_MS = 20,
    RECONNECT_MAX_MS = 1000,
    SOCKET_MODE = 0660, /* containers of one pod may run as different users of one group */
    CLOSE_S = 1,
    /* Each message wakes threads in all daemons. So many go out at once; under load those of a type
     * that come after them are one message, as a hint says no more when it is said twice. */
    BURST = 16,
    REFILL_MS = 80,
};

#ifdef __SANITIZE_ADDRESS__
/* nng frees what was closed in a thread of its own, which the end of a process doesn't wait for. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libnng.so\n";
}
#endif

/* In place of libc's. To nng 1.5, EPIPE while a connection is made means that its own socket was
 * closed: a listener whose client, or a dialer whose peer has just died would neither take nor make
 * a connection ever again, and its daemon be deaf or mute until it is restarted. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t n = syscall(SYS_sendmsg, fd, message, flags);

    if (n < 0 && errno == EPIPE)
        errno = ECONNRESET;
    return n;
}

/* What was said of one type. */
struct said {
    int tokens; /* left of the burst */
    int64_t filled_ms;
    int held_len; /* 0: nothing waits to be sent */
    unsigned char held[MESSAGE_BYTES_MAX];
};

struct bus {
    struct loop *loop;
    struct loop_timer *timer; /* sends what is held; NULL without a bus */
    struct said said[MESSAGE_TYPES];
    nng_socket pub, sub; /* id 0: not open */
    int fd; /* of sub, nng's; -1: not watched */
    bus_fn fn;
    void *userdata;
    uint64_t malformed;
    sem_t closed; /* posted when the sockets are */
};

static int nng_error(struct error *err, int code, const char *what)
{
    static const struct {
        int code, errnum;
    } errors[] = {
        {NNG_EADDRINUSE, EADDRINUSE}, {NNG_EADDRINVAL, EINVAL}, {NNG_ENOMEM, ENOMEM},
        {NNG_EPERM, EPERM},           {NNG_ENOENT, ENOENT},
    };
    int errnum = EIO;

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
        if (errors[i].code == code)
            errnum = errors[i].errnum;
    return error_set(err, errnum, "bus: %s: %s", what, nng_strerror(code));
}

static bool dropping(void)
{
#ifdef FLINKD_FAILPOINTS
    return str_eq(getenv("FLINKD_BUS_DROP"), "1");
#else
    return false;
#endif
}

/* ---- receiving ---- */

static void on_message(struct bus *bus, nng_msg *wire)
{
    struct message m;

    if (message_decode(nng_msg_body(wire), nng_msg_len(wire), &m, NULL))
        bus->malformed++; /* a peer of another version: what it says is in the journal anyway */
    else if (!dropping())
        bus->fn(&m, bus->userdata);
}

/* nng's descriptor says only "there may be something": receive until it says "again". */
static void on_readable(int fd, unsigned events, void *userdata)
{
    struct bus *bus = userdata;
    nng_msg *wire;

    (void)fd;
    (void)events;
    for (int i = 0; i < MESSAGES_A_ROUND; i++) {
        if (nng_recvmsg(bus->sub, &wire, NNG_FLAG_NONBLOCK))
            return;
        on_message(bus, wire);
        nng_msg_free(wire);
    }
}

/* ---- sending ---- */

static int send_bytes(struct bus *bus, const unsigned char *bytes, int len, enum message_type type,
                      struct error *err)
{
    int r = nng_send(bus->pub, (void *)(uintptr_t)bytes, (size_t)len, NNG_FLAG_NONBLOCK);

    return r ? nng_error(err, r, message_topic(type)) : 0;
}

static bool token_take(struct said *said, int64_t now_ms)
{
    int64_t fresh = (now_ms - said->filled_ms) / REFILL_MS;

    if (fresh > 0) {
        said->tokens = fresh < BURST - said->tokens ? said->tokens + (int)fresh : BURST;
        said->filled_ms = now_ms;
    }
    return said->tokens > 0 && said->tokens--;
}

/* A lost message costs time, no more: nothing to report. */
static void on_held(void *userdata)
{
    struct bus *bus = userdata;

    for (int type = 0; type < MESSAGE_TYPES; type++) {
        struct said *said = &bus->said[type];

        if (said->held_len)
            (void)send_bytes(bus, said->held, said->held_len, (enum message_type)type, NULL);
        said->held_len = 0;
    }
}

int bus_publish(struct bus *bus, const struct message *m, struct error *err)
{
    unsigned char bytes[MESSAGE_BYTES_MAX];
    struct said *said;
    int len;

    len = message_encode(m, bytes, sizeof(bytes), err);
    if (len < 0)
        return len;
    if (!bus->pub.id || dropping())
        return 0;
    said = &bus->said[m->type];
    /* One that is about no cluster says something else than the others. */
    if ((m->type == MESSAGE_OBSERVED && !m->observed.uid[0]) ||
        (!said->held_len && token_take(said, time_monotonic_ms())))
        return send_bytes(bus, bytes, len, m->type, err);
    memcpy(said->held, bytes, (size_t)len);
    said->held_len = len;
    if (!loop_timer_armed(bus->timer))
        loop_timer_arm(bus->timer, REFILL_MS);
    return 0;
}

/* ---- opening ---- */

static int url_of(const char *dir, const char *name, char url[NNG_MAXADDRLEN], struct error *err)
{
    int len = snprintf(url, NNG_MAXADDRLEN, "ipc://%s/%s.ipc", dir, name);

    /* sun_path, with its NUL */
    if (len < 0 || (size_t)len - strlen("ipc://") >= 108)
        return error_set(err, ENAMETOOLONG, "bus: %s/%s.ipc is too long for a socket", dir, name);
    return 0;
}

/* The file of a daemon that was killed is still there: nng removes it when nobody answers. */
static int listen_at(struct bus *bus, const char *dir, const char *self, struct error *err)
{
    char url[NNG_MAXADDRLEN];
    nng_listener listener;
    int r;

    r = url_of(dir, self, url, err);
    if (r)
        return r;
    if (mkdir(dir, 0770) < 0 && errno != EEXIST)
        return error_set(err, errno, "bus: make %s: %s", dir, strerror(errno));
    r = nng_pub0_open(&bus->pub);
    if (r)
        return nng_error(err, r, "open");
    r = nng_listener_create(&listener, bus->pub, url);
    if (!r)
        r = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, SOCKET_MODE);
    if (!r)
        r = nng_listener_start(listener, 0);
    return r ? nng_error(err, r, url) : 0;
}

/* NONBLOCK: a peer that isn't there yet is dialled again until it is, and so after it went away. */
static int dial(struct bus *bus, const char *dir, const char *peer, struct error *err)
{
    char url[NNG_MAXADDRLEN];
    nng_dialer dialer;
    int r;

    r = url_of(dir, peer, url, err);
    if (r)
        return r;
    r = nng_dialer_create(&dialer, bus->sub, url);
    if (!r)
        r = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    if (!r)
        r = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    if (!r)
        r = nng_dialer_set_size(dialer, NNG_OPT_RECVMAXSZ, MESSAGE_BYTES_MAX);
    if (!r)
        r = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    return r ? nng_error(err, r, url) : 0;
}

static int subscribe(struct bus *bus, const char *dir, const char *const *peers, struct error *err)
{
    int r, fd;

    r = nng_sub0_open(&bus->sub);
    if (!r)
        r = nng_socket_set(bus->sub, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    if (!r)
        r = nng_socket_get_int(bus->sub, NNG_OPT_RECVFD, &fd);
    if (r)
        return nng_error(err, r, "subscribe");
    for (; !r && peers && *peers; peers++)
        r = dial(bus, dir, *peers, err);
    if (!r)
        r = loop_set_fd(bus->loop, fd, LOOP_READ, on_readable, bus, err);
    if (!r)
        bus->fd = fd;
    return r;
}

static void bus_freep(struct bus **bus)
{
    bus_free(*bus);
}

int bus_new(struct loop *loop, const char *dir, const char *self, const char *const *peers,
            bus_fn fn, void *userdata, struct bus **ret, struct error *err)
{
    _cleanup_(bus_freep) struct bus *bus = calloc(1, sizeof(*bus));
    int r = 0;

    if (!bus)
        return error_set(err, ENOMEM, "no memory for a bus");
    *bus = (struct bus){.loop = loop, .fd = -1, .fn = fn, .userdata = userdata};
    if (!str_empty(dir)) {
        bus->timer = loop_timer_new(loop, on_held, bus);
        if (!bus->timer)
            return error_set(err, ENOMEM, "no memory for a bus");
        r = listen_at(bus, dir, self, err);
        if (!r)
            r = subscribe(bus, dir, peers, err);
    }
    if (r)
        return r;
    *ret = TAKE(bus);
    return 0;
}

static void *close_sockets(void *userdata)
{
    struct bus *bus = userdata;

    if (bus->sub.id)
        (void)nng_close(bus->sub);
    if (bus->pub.id)
        (void)nng_close(bus->pub);
    (void)sem_post(&bus->closed);
    return NULL;
}

static bool is_closed_by(struct bus *bus, const struct timespec *end)
{
    int r;

    do
        r = sem_timedwait(&bus->closed, end);
    while (r && errno == EINTR);
    return !r;
}

/* nng_close() may wait for ever for a connection that is being made (nanomsg/nng issue 1813): it is
 * given a moment in a thread of its own. After that the end of the process closes them. */
static bool close_in_time(struct bus *bus)
{
    struct timespec end;
    pthread_t thread;

    if (clock_gettime(CLOCK_REALTIME, &end) || sem_init(&bus->closed, 0, 0) ||
        pthread_create(&thread, NULL, close_sockets, bus))
        return false;
    end.tv_sec += CLOSE_S;
    if (is_closed_by(bus, &end))
        return !pthread_join(thread, NULL);
    (void)pthread_detach(thread);
    return false;
}

struct bus *bus_free(struct bus *bus)
{
    if (!bus)
        return NULL;
    if (bus->fd >= 0)
        loop_remove_fd(bus->loop, bus->fd);
    loop_timer_free(TAKE(bus->timer));
    if ((!bus->sub.id && !bus->pub.id) || close_in_time(bus))
        free(bus);
    return NULL;
}
