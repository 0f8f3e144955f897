#include "tests/lib/fake_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"

enum { CONNECTIONS_MAX = 64, REQUEST_BYTES_MAX = 1 << 20, LOG_BYTES_MAX = 1 << 20 };

struct connection {
    struct fake_http *fake;
    int fd; /* 0: free */
    bool held;
    struct buf in;
};

struct fake_http {
    struct loop *loop;
    fake_http_fn fn;
    void *userdata;
    int fd, requests;
    char url[64];
    struct buf log;
    struct connection connections[CONNECTIONS_MAX];
};

static void hang_up(struct connection *c)
{
    if (!c->fd)
        return;
    loop_remove_fd(c->fake->loop, c->fd);
    close(c->fd);
    buf_done(&c->in);
    *c = (struct connection){.fake = c->fake};
}

static void send_all(const struct connection *c, const char *text)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);

        if (n < 0)
            return; /* the client is gone */
        text += n;
        len -= (size_t)n;
    }
}

static void answer_with(struct connection *c, const struct fake_answer *answer)
{
    const char *body = answer->body ? answer->body : "";
    char head[1024], length[64] = "";

    if (!answer->hold)
        (void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
                       strlen(body) + (answer->cut ? 100 : 0));
    (void)snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\n%s%sConnection: close\r\n\r\n",
                   answer->status, length, answer->headers ? answer->headers : "");
    if (answer->status) {
        send_all(c, head);
        send_all(c, body);
    }
    c->held = answer->hold && answer->status;
    if (!c->held)
        hang_up(c);
}

/* NULL: not whole yet. Cuts the head into lines on the way. */
static char *body_of(const struct connection *c)
{
    char *end = strstr(c->in.data, "\r\n\r\n");
    const char *length = end ? strcasestr(c->in.data, "\r\nContent-Length:") : NULL;
    size_t expected = length && length < end ? (size_t)strtoul(length + 17, NULL, 10) : 0;

    if (!end || strlen(end + 4) < expected)
        return NULL;
    end[2] = '\0'; /* each header line keeps its end */
    return end + 4;
}

static void serve(struct connection *c)
{
    struct fake_http *fake = c->fake;
    struct fake_answer answer = {.status = 200};
    struct fake_request request = {.number = fake->requests};
    char *body = body_of(c), *save, *line_end;

    if (!body)
        return;
    line_end = strstr(c->in.data, "\r\n");
    cr_assert_not_null(line_end);
    *line_end = '\0';
    request.method = strtok_r(c->in.data, " ", &save);
    request.target = strtok_r(NULL, " ", &save);
    request.headers = line_end + 2;
    request.body = body;
    fake->requests++;
    (void)buf_printf(&fake->log, "%s %s\n", request.method, request.target);
    fake->fn(&request, &answer, fake->userdata);
    answer_with(c, &answer);
}

static void on_readable(int fd, unsigned events, void *userdata)
{
    struct connection *c = userdata;
    char chunk[16384];
    ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

    (void)events;
    if (n <= 0) {
        hang_up(c);
        return;
    }
    (void)buf_add(&c->in, chunk, (size_t)n);
    if (!c->held)
        serve(c);
}

static void on_connect(int fd, unsigned events, void *userdata)
{
    struct fake_http *fake = userdata;
    struct error err = {0};

    (void)events;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &fake->connections[i];

        if (c->fd)
            continue;
        *c = (struct connection){.fake = fake, .in = BUF_INIT(REQUEST_BYTES_MAX)};
        c->fd = accept(fd, NULL, NULL);
        cr_assert_gt(c->fd, 0);
        cr_assert_eq(loop_set_fd(fake->loop, c->fd, LOOP_READ, on_readable, c, &err), 0);
        return;
    }
    cr_assert_fail("too many connections");
}

struct fake_http *fake_http_new(struct loop *loop, fake_http_fn fn, void *userdata)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct fake_http *fake = calloc(1, sizeof(*fake));
    socklen_t len = sizeof(addr);
    struct error err = {0};

    cr_assert_not_null(fake);
    fake->loop = loop;
    fake->fn = fn;
    fake->userdata = userdata;
    fake->log = BUF_INIT(LOG_BYTES_MAX);
    fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fake->fd, (struct sockaddr *)&addr, len), 0);
    cr_assert_eq(listen(fake->fd, CONNECTIONS_MAX), 0);
    cr_assert_eq(getsockname(fake->fd, (struct sockaddr *)&addr, &len), 0);
    (void)snprintf(fake->url, sizeof(fake->url), "http://127.0.0.1:%u", ntohs(addr.sin_port));
    cr_assert_eq(loop_set_fd(loop, fake->fd, LOOP_READ, on_connect, fake, &err), 0, "%s", err.text);
    return fake;
}

void fake_http_free(struct fake_http *fake)
{
    if (!fake)
        return;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        hang_up(&fake->connections[i]);
    loop_remove_fd(fake->loop, fake->fd);
    close(fake->fd);
    buf_done(&fake->log);
    free(fake);
}

const char *fake_http_url(const struct fake_http *fake)
{
    return fake->url;
}

int fake_http_requests(const struct fake_http *fake)
{
    return fake->requests;
}

const char *fake_http_log(const struct fake_http *fake)
{
    return buf_str(&fake->log);
}

void fake_http_push(struct fake_http *fake, const char *text)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (fake->connections[i].held)
            send_all(&fake->connections[i], text);
    }
}

void fake_http_hang_up(struct fake_http *fake)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (fake->connections[i].held)
            hang_up(&fake->connections[i]);
    }
}

int fake_http_held(const struct fake_http *fake)
{
    int n = 0;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        n += fake->connections[i].held;
    return n;
}
