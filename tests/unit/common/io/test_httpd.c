#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "common/base/time.h"
#include "common/io/http.h"
#include "common/io/httpd.h"
#include "tests/lib/peer.h"
#include "tests/lib/until.h"

enum { BODY_MAX = 1000, TIMEOUT_S = 1 };

static struct loop *loop;
static struct httpd *httpd;
static struct error err;
static int calls;
static struct httpd_config config = {.addr = "127.0.0.1:0",
                                     .max_body_bytes = BODY_MAX,
                                     .max_connections = 8,
                                     .timeout_s = TIMEOUT_S};

/* Answers with what was asked: "METHOD path length body". */
static void echo(const struct httpd_request *request, struct httpd_answer *answer, void *userdata)
{
    cr_expect_eq(userdata, &config);
    calls++;
    answer->status = str_eq(request->path, "/none") ? 404 : 200;
    answer->content_type = "text/plain";
    answer->body = str_printf("%s %s %zu %s", request->method, request->path, request->body_len,
                              request->body);
}

static void begin(void)
{
    cr_assert_eq(loop_new(&loop, &err), 0, "%s", err.text);
    cr_assert_eq(httpd_new(loop, &config, echo, &config, &httpd, &err), 0, "%s", err.text);
}

static void end(void)
{
    httpd_free(httpd);
    loop_free(loop);
}

TestSuite(httpd, .init = begin, .fini = end, .timeout = 60);

/* Say it on a new connection and expect the answer to hold @expected. */
static void expect_answer(const char *request, const char *expected)
{
    struct peer *client = peer_dial(loop, httpd_port(httpd));

    peer_say(client, request);
    cr_expect(until(loop, strstr(client->in, expected)), "wanted '%s', got '%s'", expected,
              client->in);
    peer_free(client);
}

Test(httpd, hands_over_method_path_and_body)
{
    expect_answer("GET /a/b?query=1 HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nGET /a/b 0 ");
    expect_answer("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
                  "POST /p 5 hello");
    expect_answer("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404");
    expect_answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\r\nContent-Type: text/plain\r\n");
}

Test(httpd, a_connection_serves_many_requests)
{
    struct peer *client = peer_dial(loop, httpd_port(httpd));

    for (int i = 1; i <= 20; i++) {
        peer_say(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab");
        cr_assert(until(loop, calls == i));
    }
    cr_expect_not(client->ended);
    peer_free(client);
}

/* ---- hostile clients ---- */

Test(httpd, a_body_that_announces_too_much_is_refused_unread)
{
    expect_answer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413");
    expect_answer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
                  "HTTP/1.1 413");
    cr_expect_eq(calls, 0);
}

Test(httpd, a_body_of_exactly_the_limit_is_taken)
{
    char request[BODY_MAX + 100], body[BODY_MAX + 1];

    memset(body, 'b', BODY_MAX);
    body[BODY_MAX] = '\0';
    (void)snprintf(request, sizeof(request),
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", BODY_MAX, body);
    expect_answer(request, "POST / 1000 bbb");
}

Test(httpd, a_body_in_chunks_has_the_same_limit)
{
    char request[3000], chunk[1002];

    memset(chunk, 'c', sizeof(chunk) - 1);
    chunk[sizeof(chunk) - 1] = '\0';
    (void)snprintf(request, sizeof(request),
                   "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n%s\r\n"
                   "0\r\n\r\n",
                   chunk);
    expect_answer(request, "HTTP/1.1 413");
    cr_expect_eq(calls, 0);
}

Test(httpd, a_body_without_an_end_is_cut_off)
{
    static const char piece[] = "10\r\n0123456789abcdef\r\n";
    struct peer *client = peer_dial(loop, httpd_port(httpd));

    peer_say(client, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    cr_expect(until(loop, (peer_send(client, piece, strlen(piece)), client->ended)));
    peer_free(client);
}

Test(httpd, headers_have_a_limit)
{
    static char header[64 * 1024];
    struct peer *client = peer_dial(loop, httpd_port(httpd));

    peer_say(client, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    memset(header, 'h', sizeof(header) - 1);
    cr_expect(until(loop, (peer_send(client, header, sizeof(header) - 1), client->ended)));
    cr_expect_eq(calls, 0);
    peer_free(client);
}

Test(httpd, what_is_no_http_is_refused)
{
    struct peer *client = peer_dial(loop, httpd_port(httpd));

    peer_say(client, "\x16\x03\x01 hello\r\n\r\n");
    cr_expect(until(loop, client->ended));
    cr_expect_eq(calls, 0);
    peer_free(client);
}

Test(httpd, a_silent_client_is_sent_away)
{
    struct peer *client = peer_dial(loop, httpd_port(httpd));

    cr_expect(until(loop, client->ended));
    peer_free(client);
}

Test(httpd, a_client_that_trickles_is_sent_away)
{
    struct peer *client = peer_dial(loop, httpd_port(httpd));
    int64_t began = time_monotonic_ms();

    peer_say(client, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    cr_expect(until(loop, (peer_send(client, "x", 1), loop_step(loop, 50, &err), client->ended)));
    cr_expect_geq(time_monotonic_ms() - began, TIMEOUT_S * 2000LL);
    peer_free(client);
}

Test(httpd, one_address_cannot_take_all_connections)
{
    struct peer *clients[12];
    int open = 0;

    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = peer_dial(loop, httpd_port(httpd));
    for (int turn = 0; turn < 20; turn++)
        loop_step(loop, 5, &err);
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        open += !clients[i]->ended;
    cr_expect_eq(open, 6, "%d of 8 connections are one address's", open);
    peer_say(clients[0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_expect(until(loop, calls == 1), "and the ones it has are served");
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        peer_free(clients[i]);
}

/* With max_connections of them there, from several addresses. */
static void crowd(struct peer *clients[8])
{
    for (int i = 0; i < 8; i++)
        clients[i] = peer_dial_from(loop, httpd_port(httpd), 2 + i / 4);
    for (int turn = 0; turn < 20; turn++)
        loop_step(loop, 5, &err);
    for (int i = 0; i < 8; i++)
        cr_expect_not(clients[i]->ended, "client %d has room", i);
}

static void expect_gone(struct peer *const clients[8], int expected)
{
    cr_expect(until(loop, clients[expected]->ended), "client %d is still there", expected);
    for (int i = 0; i < 8; i++)
        cr_expect(i == expected || !clients[i]->ended, "client %d is gone", i);
}

Test(httpd, when_all_connections_are_taken_who_never_asked_for_anything_makes_room)
{
    struct peer *clients[8];

    crowd(clients);
    for (int i = 0; i < 8; i++)
        if (i != 5)
            peer_say(clients[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(until(loop, calls == 7));
    expect_answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200");
    expect_gone(clients, 5);
    for (int i = 0; i < 8; i++)
        peer_free(clients[i]);
}

Test(httpd, of_clients_that_were_answered_the_one_that_is_silent_longest_makes_room)
{
    struct peer *clients[8];

    crowd(clients);
    for (int i = 0; i < 8; i++) {
        int64_t now = time_monotonic_ms();

        peer_say(clients[(i + 3) % 8], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        cr_assert(until(loop, calls == i + 1 && time_monotonic_ms() > now));
    }
    expect_answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200");
    expect_gone(clients, 3);
    for (int i = 0; i < 8; i++)
        peer_free(clients[i]);
}

Test(httpd, many_more_clients_than_there_is_room_for_never_keep_a_good_one_out)
{
    struct peer *clients[60];

    for (int i = 0; i < 60; i++) {
        clients[i] = peer_dial_from(loop, httpd_port(httpd), 2 + i % 20);
        loop_step(loop, 5, &err);
        peer_send(clients[i], "POST / HTTP/1.1\r\n", 17);
        if (i % 10 == 0)
            expect_answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200");
    }
    for (int i = 0; i < 60; i++)
        peer_free(clients[i]);
}

/* ---- another certificate (here: none, and the same afterwards) ---- */

Test(httpd, a_client_is_not_cut_off_when_the_certificate_changes_but_asked_to_come_again)
{
    struct peer *client = peer_dial(loop, httpd_port(httpd));

    peer_say(client, "GET /one HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(until(loop, strstr(client->in, "GET /one")));
    peer_say(client, "POST /two HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
    for (int i = 0; i < 5; i++)
        loop_step(loop, 5, &err);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(httpd_set_certificate(httpd, NULL, NULL, &err), 0, "%s", err.text);
    expect_answer("GET /new HTTP/1.1\r\nHost: x\r\n\r\n", "GET /new");
    cr_expect_not(client->ended);
    peer_say(client, "b");
    cr_expect(until(loop, strstr(client->in, "POST /two 2 ab")), "%s", client->in);
    cr_expect(strstr(client->in, "\r\nConnection: close\r\n"), "%s", client->in);
    cr_expect(until(loop, client->ended));
    peer_free(client);
}

Test(httpd, a_client_that_stays_silent_after_it_is_sent_away_in_time)
{
    struct peer *client = peer_dial(loop, httpd_port(httpd));

    peer_say(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(until(loop, calls == 1));
    cr_assert_eq(httpd_set_certificate(httpd, NULL, NULL, &err), 0, "%s", err.text);
    cr_expect(until(loop, client->ended));
    peer_free(client);
}

Test(httpd, a_certificate_that_cannot_be_served_changes_nothing)
{
    cr_expect_eq(httpd_set_certificate(httpd, "no", "certificate", &err), -EINVAL);
    expect_answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200");
}

/* ---- addresses ---- */

static int try(const char *addr)
{
    struct httpd_config other = {.addr = addr};
    struct httpd *second = NULL;
    int r = httpd_new(loop, &other, echo, &config, &second, &err);

    httpd_free(second);
    return r;
}

Test(httpd, an_address_is_host_and_port)
{
    static const char *const bad[] = {"",       "localhost", "127.0.0.1:", "127.0.0.1:x",
                                      ":65536", ":-1",       NULL,         "no host:1"};
    _cleanup_(freep) char *taken = str_printf("127.0.0.1:%d", httpd_port(httpd));

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(try(bad[i]), -EINVAL, "%s", bad[i] ? bad[i] : "NULL");
    cr_expect_eq(try(taken), -EADDRINUSE, "%s", err.text);
    cr_expect_eq(try(":0"), 0, "%s", err.text);
    cr_expect_eq(try("localhost:0"), 0, "%s", err.text);
}

/* ---- health ---- */

Test(httpd, health_and_readiness_are_two_questions)
{
    bool ready = false;

    httpd_free(httpd);
    cr_assert_eq(httpd_health(loop, "127.0.0.1:0", &ready, &httpd, &err), 0, "%s", err.text);
    expect_answer("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200");
    expect_answer("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 503");
    ready = true;
    expect_answer("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200");
    expect_answer("GET /x HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404");
    expect_answer("POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405");
}

Test(httpd, without_an_address_there_is_no_health)
{
    struct httpd *none = httpd;
    bool ready = true;

    cr_expect_eq(httpd_health(loop, "", &ready, &none, &err), 0);
    cr_expect_null(none);
}

/* ---- TLS, and our own client against it ---- */

static char dir[] = "/tmp/flinkd-tls-XXXXXX";
static char cert[16384], key[16384];
static int status, error;
static char body[256];

static void slurp(const char *name, char *out, size_t size)
{
    _cleanup_(freep) char *path = str_printf("%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, out, size - 1);

    cr_assert_gt(n, 0, "%s", path);
    out[n] = '\0';
    close(fd);
    unlink(path);
}

static void begin_tls(void)
{
    _cleanup_(freep) char *command = NULL;

    cr_assert_not_null(mkdtemp(dir));
    command = str_printf("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                         "-days 2 -subj /CN=test -addext subjectAltName=DNS:webhook.flinkd.svc "
                         "-keyout %s/key -out %s/cert 2>/dev/null",
                         dir, dir);
    cr_assert_eq(system(command), 0, "%s", command); /* NOLINT(cert-env33-c) */
    slurp("cert", cert, sizeof(cert));
    slurp("key", key, sizeof(key));
    rmdir(dir);
    config.cert_pem = cert;
    config.key_pem = key;
    begin();
}

TestSuite(httpd_tls, .init = begin_tls, .fini = end, .timeout = 60);

static void on_done(const struct http_response *response, void *userdata)
{
    *(bool *)userdata = true;
    status = response->status;
    error = response->error;
    str_copy(body, sizeof(body), response->body);
}

static void ask(const struct http_tls *tls)
{
    _cleanup_(freep) char *url = str_printf("https://127.0.0.1:%d/x", httpd_port(httpd));
    struct http *http = NULL;
    bool done = false;
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .tls = tls,
                                   .body = "hi",
                                   .body_len = 2,
                                   .http2 = true,
                                   .on_done = on_done,
                                   .userdata = &done};

    cr_assert_eq(http_new(loop, &http, &err), 0, "%s", err.text);
    cr_assert_eq(http_start(http, &request, NULL, &err), 0, "%s", err.text);
    cr_assert(until(loop, done));
    http_free(http);
}

Test(httpd_tls, is_trusted_by_its_authority_and_name)
{
    struct http_tls tls = {
        .ca_pem = cert, .ca_pem_len = strlen(cert), .server_name = "webhook.flinkd.svc"};

    ask(&tls);
    cr_expect_eq(error, 0, "%d", error);
    cr_expect_eq(status, 200);
    cr_expect_str_eq(body, "POST /x 2 hi");
}

Test(httpd_tls, is_not_trusted_under_another_name)
{
    struct http_tls tls = {
        .ca_pem = cert, .ca_pem_len = strlen(cert), .server_name = "other.flinkd.svc"};

    ask(&tls);
    cr_expect_eq(error, -EACCES, "%d", error);
    cr_expect_eq(calls, 0);
}

Test(httpd_tls, is_not_trusted_by_the_systems_authorities)
{
    struct http_tls tls = {.server_name = "webhook.flinkd.svc"};

    ask(&tls);
    cr_expect_eq(error, -EACCES, "%d", error);
    cr_expect_eq(calls, 0);
}

Test(httpd_tls, is_not_verified_when_the_user_says_so)
{
    struct http_tls tls = {.insecure = true};

    ask(&tls);
    cr_expect_eq(error, 0, "%d", error);
    cr_expect_eq(status, 200);
}

Test(httpd_tls, plain_text_is_refused)
{
    struct peer *client = peer_dial(loop, httpd_port(httpd));

    peer_say(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_expect(until(loop, client->ended));
    cr_expect_eq(calls, 0);
    peer_free(client);
}

Test(httpd_tls, a_certificate_that_is_none_is_refused)
{
    struct httpd_config other = {.addr = "127.0.0.1:0", .cert_pem = "none", .key_pem = key};
    struct httpd *second = NULL;

    cr_expect_eq(httpd_new(loop, &other, echo, &config, &second, &err), -EINVAL);
    cr_expect_null(second);
}
