#include "tests/lib/peer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(bool what)
{
    if (!what)
        abort(); /* the test's own machinery */
}

static struct peer *peer_new(struct loop *loop, int *socket_fd)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    must(peer != NULL);
    peer->loop = loop;
    peer->listener = peer->fd = -1;
    *socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(*socket_fd >= 0);
    return peer;
}

static struct sockaddr_in localhost(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};

    addr.sin_port = htons((uint16_t)port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

static void hang_up(struct peer *peer)
{
    if (peer->fd < 0)
        return;
    loop_remove_fd(peer->loop, peer->fd);
    close(peer->fd);
    peer->fd = -1;
}

static void answer_requests(struct peer *peer)
{
    char *end;

    while (peer->answer && peer->fd >= 0 && (end = strstr(peer->in, "\r\n\r\n"))) {
        memset(peer->in, ' ', (size_t)(end + 4 - peer->in)); /* answered */
        peer->requests++;
        peer_say(peer, peer->answer);
        if (peer->hang_up)
            hang_up(peer);
    }
}

static void on_bytes(int fd, unsigned events, void *userdata)
{
    struct peer *peer = userdata;
    ssize_t n = recv(fd, peer->in + peer->len, sizeof(peer->in) - 1 - peer->len, MSG_DONTWAIT);

    (void)events;
    if (n <= 0) {
        peer->ended = true;
        loop_remove_fd(peer->loop, fd);
        return;
    }
    peer->len += (size_t)n;
    peer->in[peer->len] = '\0';
    answer_requests(peer);
}

static void watch(struct peer *peer, int fd)
{
    peer->fd = fd;
    peer->ended = false;
    must(!loop_set_fd(peer->loop, fd, LOOP_READ, on_bytes, peer, NULL));
}

static void on_client(int fd, unsigned events, void *userdata)
{
    struct peer *peer = userdata;

    (void)events;
    hang_up(peer);
    peer->clients++;
    watch(peer, accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

struct peer *peer_dial(struct loop *loop, int port)
{
    return peer_dial_from(loop, port, 1);
}

struct peer *peer_dial_from(struct loop *loop, int port, int last_byte)
{
    struct sockaddr_in addr = localhost(port), own = localhost(0);
    int fd;
    struct peer *peer = peer_new(loop, &fd);

    peer->port = port;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + (in_addr_t)last_byte);
    must(!bind(fd, (const struct sockaddr *)&own, sizeof(own)));
    must(!connect(fd, (const struct sockaddr *)&addr, sizeof(addr)));
    watch(peer, fd);
    return peer;
}

struct peer *peer_listen(struct loop *loop, const char *answer)
{
    struct sockaddr_in addr = localhost(0);
    socklen_t len = sizeof(addr);
    int fd;
    struct peer *peer = peer_new(loop, &fd);

    peer->answer = answer;
    peer->listener = fd;
    must(!bind(fd, (const struct sockaddr *)&addr, len) && !listen(fd, 16));
    must(!getsockname(fd, (struct sockaddr *)&addr, &len));
    peer->port = ntohs(addr.sin_port);
    must(!loop_set_fd(loop, fd, LOOP_READ, on_client, peer, NULL));
    return peer;
}

struct peer *peer_free(struct peer *peer)
{
    if (!peer)
        return NULL;
    hang_up(peer);
    if (peer->listener >= 0) {
        loop_remove_fd(peer->loop, peer->listener);
        close(peer->listener);
    }
    free(peer);
    return NULL;
}

size_t peer_send(struct peer *peer, const char *bytes, size_t len)
{
    ssize_t n = peer->fd < 0 ? 0 : send(peer->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    return n > 0 ? (size_t)n : 0;
}

void peer_say(struct peer *peer, const char *text)
{
    must(peer_send(peer, text, strlen(text)) == strlen(text));
}
