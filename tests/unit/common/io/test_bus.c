#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>

#include "common/base/str.h"
#include "common/io/bus.h"
#include "tests/lib/until.h"

static struct loop *loop;
static struct error err;
static char dir[64];
static int got;
static uint64_t last_row;
static char last_uid[64];
static bool got_empty;

static void open_loop(void)
{
    strcpy(dir, "/tmp/flinkd-bus-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(loop_new(&loop, &err), 0, "%s", err.text);
}

static void close_loop(void)
{
    static const char *const names[] = {"watcher", "reconciler", "sub/watcher", "sub"};

    loop_free(loop);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_(freep) char *path = str_printf("%s/%s.ipc", dir, names[i]);

        unlink(path);
    }
    rmdir(dir);
}

TestSuite(bus, .init = open_loop, .fini = close_loop, .timeout = 60);

static void on_message(const struct message *m, void *userdata)
{
    cr_expect_eq(userdata, dir);
    got++;
    got_empty |= !m->observed.uid[0];
    last_row = m->observed.row;
    str_copy(last_uid, sizeof(last_uid), m->observed.uid);
}

static struct bus *bus_of(const char *self, const char *peer)
{
    const char *const peers[] = {peer, NULL};
    struct bus *bus = NULL;

    cr_assert_eq(bus_new(loop, dir, self, peers, on_message, dir, &bus, &err), 0, "%s", err.text);
    return bus;
}

static void publish(struct bus *bus, uint64_t row)
{
    struct message m = {.type = MESSAGE_OBSERVED, .observed = {.row = row, .uid = "uid"}};

    cr_expect_eq(bus_publish(bus, &m, &err), 0, "%s", err.text);
}

/* Messages get lost, above all before the peers have found each other: say it until it is heard. */
static bool heard(struct bus *from, uint64_t row)
{
    return until(loop, (publish(from, row), loop_step(loop, 5, &err), last_row == row));
}

Test(bus, a_message_reaches_its_peer)
{
    struct bus *watcher = bus_of("watcher", NULL);
    struct bus *reconciler = bus_of("reconciler", "watcher");

    cr_expect(heard(watcher, 7));
    cr_expect_str_eq(last_uid, "uid");
    bus_free(reconciler);
    bus_free(watcher);
}

Test(bus, a_peer_may_come_later)
{
    struct bus *reconciler = bus_of("reconciler", "watcher");
    struct bus *watcher;

    loop_step(loop, 50, &err);
    watcher = bus_of("watcher", NULL);
    cr_expect(heard(watcher, 1));
    bus_free(watcher);
    bus_free(reconciler);
}

Test(bus, a_peer_may_go_and_come_back)
{
    struct bus *reconciler = bus_of("reconciler", "watcher");

    for (uint64_t life = 1; life <= 3; life++) {
        struct bus *watcher = bus_of("watcher", NULL);

        cr_expect(heard(watcher, life), "life %d", (int)life);
        bus_free(watcher);
    }
    bus_free(reconciler);
}

Test(bus, both_may_talk_to_each_other)
{
    struct bus *reconciler = bus_of("reconciler", "watcher");
    struct bus *watcher = bus_of("watcher", "reconciler");

    cr_expect(heard(watcher, 1));
    cr_expect(heard(reconciler, 2));
    bus_free(watcher);
    bus_free(reconciler);
}

/* What a killed daemon leaves behind: a socket's file that nobody listens at. */
static void leave_stale_socket(const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s.ipc", dir, name);
    cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    close(fd);
}

Test(bus, the_socket_of_a_killed_daemon_is_no_obstacle)
{
    struct bus *watcher, *reconciler;

    leave_stale_socket("watcher");
    watcher = bus_of("watcher", NULL);
    reconciler = bus_of("reconciler", "watcher");
    cr_expect(heard(watcher, 1));
    bus_free(reconciler);
    bus_free(watcher);
}

static void connect_and_die(const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s.ipc", dir, name);
    cr_assert_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
}

Test(bus, peers_that_die_while_they_connect_make_nobody_mute)
{
    struct bus *watcher = bus_of("watcher", NULL), *reconciler;

    for (int i = 0; i < 1000; i++)
        connect_and_die("watcher");
    reconciler = bus_of("reconciler", "watcher");
    cr_expect(heard(watcher, 1));
    bus_free(reconciler);
    bus_free(watcher);
}

Test(bus, a_name_that_is_in_use_is_refused)
{
    struct bus *watcher = bus_of("watcher", NULL), *second = NULL;

    cr_expect_eq(bus_new(loop, dir, "watcher", NULL, on_message, dir, &second, &err), -EADDRINUSE);
    cr_expect_null(second);
    bus_free(watcher);
}

Test(bus, malformed_messages_are_dropped_and_good_ones_still_arrive)
{
    static unsigned char junk[MESSAGE_BYTES_MAX + 100];
    struct bus *reconciler = bus_of("reconciler", "watcher");
    struct message m = {.type = MESSAGE_OBSERVED, .observed = {.row = 5, .uid = "uid"}};
    unsigned char good[MESSAGE_BYTES_MAX];
    _cleanup_(freep) char *url = str_printf("ipc://%s/watcher.ipc", dir);
    int len = message_encode(&m, good, sizeof(good), &err), turn = 0;
    nng_socket pub;

    cr_assert_eq(nng_pub0_open(&pub), 0);
    cr_assert_eq(nng_listen(pub, url, NULL, 0), 0);
    memset(junk, 1, sizeof(junk));
    cr_expect(until(loop, (nng_send(pub, junk, (size_t)(turn++ % 30), 0),
                           nng_send(pub, good, (size_t)len, 0), got > 30)));
    cr_expect_eq(last_row, 5);
    /* too large: nng cuts the connection, and dials again */
    nng_send(pub, junk, sizeof(junk), 0);
    got = 0;
    cr_expect(until(loop, (nng_send(pub, good, (size_t)len, 0), got > 0)));
    nng_close(pub);
    bus_free(reconciler);
}

Test(bus, a_flood_neither_blocks_the_sender_nor_starves_the_loop)
{
    struct bus *watcher = bus_of("watcher", NULL);
    struct bus *reconciler = bus_of("reconciler", "watcher");

    cr_assert(heard(watcher, 1));
    for (uint64_t row = 2; row < 20000; row++)
        publish(watcher, row);
    loop_step(loop, 100, &err);
    cr_expect(heard(watcher, 20001), "what is lost is only what was in the way");
    bus_free(reconciler);
    bus_free(watcher);
}

Test(bus, without_a_directory_nothing_is_sent_or_received)
{
    struct bus *bus = NULL;

    cr_assert_eq(bus_new(loop, "", "watcher", NULL, on_message, NULL, &bus, &err), 0);
    publish(bus, 1);
    bus_free(bus);
}

Test(bus, makes_its_directory)
{
    struct bus *bus = NULL;
    _cleanup_(freep) char *below = str_printf("%s/sub", dir);

    cr_assert_eq(bus_new(loop, below, "watcher", NULL, on_message, NULL, &bus, &err), 0, "%s",
                 err.text);
    bus_free(bus);
    rmdir(below);
}

Test(bus, a_path_that_is_no_socket_is_refused_by_name)
{
    struct bus *bus = NULL;
    char longer[200];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    cr_expect_eq(bus_new(loop, dir, longer, NULL, on_message, NULL, &bus, &err), -ENAMETOOLONG);
    cr_expect_eq(bus_new(loop, "/proc/none", "watcher", NULL, on_message, NULL, &bus, &err),
                 -ENOENT);
    cr_expect_not_null(strstr(err.text, "/proc/none"), "%s", err.text);
}

#ifdef FLINKD_FAILPOINTS
Test(bus, everything_may_be_dropped_for_a_test)
{
    struct bus *watcher = bus_of("watcher", NULL);
    struct bus *reconciler = bus_of("reconciler", "watcher");

    cr_assert(heard(watcher, 1));
    setenv("FLINKD_BUS_DROP", "1", 1);
    for (int i = 0; i < 100; i++) {
        publish(watcher, 2);
        loop_step(loop, 1, &err);
    }
    cr_expect_eq(last_row, 1);
    unsetenv("FLINKD_BUS_DROP");
    cr_expect(heard(watcher, 3));
    bus_free(reconciler);
    bus_free(watcher);
}
#endif

Test(bus, what_is_said_over_and_over_is_heard_a_few_times_and_at_last)
{
    struct bus *watcher = bus_of("watcher", NULL);
    struct bus *reconciler = bus_of("reconciler", "watcher");

    cr_assert(heard(watcher, 1));
    got = 0;
    for (uint64_t row = 100; row <= 1100; row++)
        publish(watcher, row);
    cr_expect(until(loop, (loop_step(loop, 5, &err), last_row == 1100)), "the last is heard");
    cr_expect_lt(got, 40, "heard %d of 1001", got);
    bus_free(reconciler);
    bus_free(watcher);
}

Test(bus, what_is_about_no_cluster_is_never_part_of_another_message)
{
    struct message m = {.type = MESSAGE_OBSERVED, .observed = {.row = 9999, .uid = ""}};
    struct bus *watcher = bus_of("watcher", NULL);
    struct bus *reconciler = bus_of("reconciler", "watcher");

    cr_assert(heard(watcher, 1));
    for (uint64_t row = 2; row <= 100; row++)
        publish(watcher, row);
    got_empty = false;
    cr_expect_eq(bus_publish(watcher, &m, &err), 0, "%s", err.text);
    publish(watcher, 101);
    cr_expect(until(loop, (loop_step(loop, 5, &err), last_row == 101)));
    cr_expect(got_empty);
    bus_free(reconciler);
    bus_free(watcher);
}
