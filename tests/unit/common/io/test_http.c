#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "common/io/http.h"
#include "tests/lib/peer.h"
#include "tests/lib/until.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static struct loop *loop;
static struct http *http;
static struct peer *server;
static struct error err;
static char url[128];

/* What the last answer was. */
static struct {
    int count, status, error;
    char text[256], body[256];
    size_t body_len;
    int64_t retry_after_ms;
} done;

static void begin(void)
{
    cr_assert_eq(loop_new(&loop, &err), 0, "%s", err.text);
    cr_assert_eq(http_new(loop, &http, &err), 0, "%s", err.text);
    server = peer_listen(loop, OK_ANSWER);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/path", server->port);
}

static void end(void)
{
    http_free(http);
    peer_free(server);
    loop_free(loop);
}

TestSuite(http, .init = begin, .fini = end, .timeout = 60);

static void on_done(const struct http_response *response, void *userdata)
{
    (void)userdata;
    done.count++;
    done.status = response->status;
    done.error = response->error;
    done.body_len = response->body_len;
    done.retry_after_ms = response->retry_after_ms;
    str_copy(done.text, sizeof(done.text), response->error_text);
    str_copy(done.body, sizeof(done.body), response->body);
}

static struct http_request get(void)
{
    return (struct http_request){.method = "GET", .url = url, .on_done = on_done};
}

static struct http_transfer *start(const struct http_request *request)
{
    struct http_transfer *transfer = NULL;

    cr_assert_eq(http_start(http, request, &transfer, &err), 0, "%s", err.text);
    return transfer;
}

static void run(const struct http_request *request)
{
    int before = done.count;

    start(request);
    cr_assert_eq(done.count, before, "an answer never comes from inside http_start()");
    cr_assert(until(loop, done.count > before), "no answer");
    cr_assert_eq(http_active(http), 0);
}

/* ---- what is sent ---- */

Test(http, an_answer_comes_once_with_status_and_body)
{
    struct http_request request = get();

    run(&request);
    cr_expect_eq(done.status, 200);
    cr_expect_eq(done.error, 0, "%s", done.text);
    cr_expect_str_eq(done.text, "");
    cr_expect_str_eq(done.body, "hello");
    cr_expect_eq(done.body_len, 5);
    cr_expect_eq(server->requests, 1);
}

Test(http, sends_what_was_asked)
{
    static const char *const headers[] = {"X-One: 1", "Accept: application/json", NULL};
    struct http_request request = get();

    server->answer = NULL;
    request.method = "PATCH";
    request.headers = headers;
    request.body = "{\"a\":1}";
    request.body_len = 7;
    request.bearer = "t0ken";
    http_cancel(NULL);
    start(&request);
    cr_assert(until(loop, strstr(server->in, "{\"a\":1}")), "%s", server->in);
    cr_expect(str_starts(server->in, "PATCH /path HTTP/1.1\r\n"), "%s", server->in);
    cr_expect_not_null(strstr(server->in, "\r\nX-One: 1\r\n"));
    cr_expect_not_null(strstr(server->in, "\r\nAuthorization: Bearer t0ken\r\n"));
    cr_expect_not_null(strstr(server->in, "\r\nContent-Type: application/json\r\n"));
    cr_expect_not_null(strstr(server->in, "\r\nContent-Length: 7\r\n"));
    cr_expect_null(strstr(server->in, "Expect"));
}

Test(http, a_content_type_of_the_caller_is_the_only_one)
{
    static const char *const headers[] = {"content-type: application/merge-patch+json", NULL};
    struct http_request request = get();

    server->answer = NULL;
    request.method = "POST";
    request.headers = headers;
    request.body = "{}";
    request.body_len = 2;
    start(&request);
    cr_assert(until(loop, strstr(server->in, "{}")));
    cr_expect_not_null(strstr(server->in, "merge-patch"));
    cr_expect_null(strstr(server->in, "application/json"));
    cr_expect_null(strstr(server->in, "x-www-form"));
}

Test(http, what_would_forge_a_request_is_refused)
{
    static const char *const headers[] = {"A: b\r\nC: d", NULL};
    struct http_request request = get();

    request.headers = headers;
    cr_expect_eq(http_start(http, &request, NULL, &err), -EINVAL);
    request = get();
    request.bearer = "secret\r\nX: y";
    cr_expect_eq(http_start(http, &request, NULL, &err), -EINVAL);
    cr_expect_null(strstr(err.text, "secret"), "%s", err.text);
    request = get();
    request.method = "GET /other";
    cr_expect_eq(http_start(http, &request, NULL, &err), -EINVAL);
    cr_expect_eq(http_active(http), 0);
}

Test(http, only_http_is_spoken)
{
    struct http_request request = get();

    request.url = "file:///etc/passwd";
    run(&request);
    cr_expect_eq(done.error, -EINVAL, "%s", done.text);
}

/* ---- connections ---- */

Test(http, a_connection_is_used_again)
{
    struct http_request request = get();

    for (int i = 0; i < 5; i++)
        run(&request);
    cr_expect_eq(server->requests, 5);
    cr_expect_eq(server->clients, 1);
}

Test(http, a_kept_connection_that_died_is_replaced)
{
    struct http_request request = get();

    server->hang_up = true;
    server->answer = OK_ANSWER;
    run(&request);
    run(&request);
    cr_expect_eq(done.error, 0, "%s", done.text);
    cr_expect_eq(server->clients, 2);
}

Test(http, redirects_are_not_followed)
{
    struct http_request request = get();

    server->answer = "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
    run(&request);
    cr_expect_eq(done.status, 302);
}

/* ---- what goes wrong ---- */

Test(http, an_error_status_comes_with_its_body_and_retry_after)
{
    struct http_request request = get();

    server->answer = "HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait";
    run(&request);
    cr_expect_eq(done.status, 429);
    cr_expect_eq(done.error, 0);
    cr_expect_eq(done.retry_after_ms, 7000);
    cr_expect_str_eq(done.body, "wait");
}

Test(http, nobody_there_is_connection_refused)
{
    struct http_request request = get();

    server = peer_free(server);
    run(&request);
    cr_expect_eq(done.error, -ECONNREFUSED, "%s", done.text);
    cr_expect_eq(done.status, 0);
    cr_expect_neq(done.text[0], '\0');
}

Test(http, silence_ends_at_the_deadline)
{
    struct http_request request = get();
    int64_t began = time_monotonic_ms();

    server->answer = NULL;
    request.timeout_ms = 100;
    run(&request);
    cr_expect_eq(done.error, -ETIMEDOUT, "%s", done.text);
    cr_expect_geq(time_monotonic_ms() - began, 95);
}

Test(http, silence_ends_after_the_idle_time)
{
    struct http_request request = get();

    server->answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome";
    request.idle_timeout_ms = 60;
    run(&request);
    cr_expect_eq(done.error, -ETIMEDOUT, "%s", done.text);
    cr_expect_eq(done.status, 200);
}

Test(http, an_answer_that_is_cut_short_is_an_error)
{
    struct http_request request = get();

    server->answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome";
    server->hang_up = true;
    run(&request);
    cr_expect_eq(done.error, -EPROTO, "%s", done.text);
}

Test(http, garbage_is_an_error)
{
    struct http_request request = get();

    server->answer = "\x01\x02\x03 this is no HTTP\r\n\r\n";
    server->hang_up = true;
    run(&request);
    cr_expect_lt(done.error, 0);
}

Test(http, a_connection_closed_without_a_word_is_reset)
{
    struct http_request request = get();

    server->answer = "";
    server->hang_up = true;
    run(&request);
    cr_expect_eq(done.error, -ECONNRESET, "%s", done.text);
}

Test(http, an_answer_over_the_limit_is_too_big)
{
    struct http_request request = get();

    request.max_body_bytes = 5;
    run(&request);
    cr_expect_eq(done.error, 0, "exactly the limit: %s", done.text);
    request.max_body_bytes = 4;
    run(&request);
    cr_expect_eq(done.error, -EFBIG, "%s", done.text);
}

/* ---- cancelling ---- */

Test(http, a_cancelled_transfer_says_nothing)
{
    struct http_request request = get();
    struct http_transfer *transfer;

    server->answer = NULL;
    transfer = start(&request);
    cr_assert(until(loop, server->len > 0));
    http_cancel(transfer);
    cr_expect_eq(http_active(http), 0);
    cr_assert(until(loop, server->ended), "and its connection is closed");
    cr_expect_eq(done.count, 0);
}

Test(http, freeing_cancels_everything)
{
    struct http_request request = get();

    server->answer = NULL;
    for (int i = 0; i < 3; i++)
        start(&request);
    loop_step(loop, 20, &err);
    http = http_free(http);
    loop_step(loop, 20, &err);
    cr_expect_eq(done.count, 0);
}

static void start_again(const struct http_response *response, void *userdata)
{
    struct http_request request = get();

    (void)response;
    (void)userdata;
    start(&request);
}

Test(http, an_answer_may_start_the_next_request)
{
    struct http_request request = get();

    request.on_done = start_again;
    start(&request);
    cr_assert(until(loop, done.count == 1));
    cr_expect_str_eq(done.body, "hello");
}

/* ---- streams ---- */

static char streamed[256];
static struct http_transfer *streaming;
static int data_result, accepted;
static bool cancel_from_data, start_from_data;

static int on_data(const char *data, size_t len, void *userdata)
{
    (void)userdata;
    accepted += len == 0;
    if (!len)
        return 0;
    (void)strncat(streamed, data, len);
    if (cancel_from_data)
        http_cancel(streaming);
    if (start_from_data) {
        struct http_request request = get();

        start_from_data = false;
        start(&request);
    }
    return data_result;
}

static struct http_request stream(void)
{
    struct http_request request = get();

    request.on_data = on_data;
    request.max_body_bytes = 1;
    return request;
}

Test(http, a_stream_arrives_in_pieces_and_without_a_limit)
{
    struct http_request request = stream();

    server->answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    start(&request);
    cr_assert(until(loop, accepted == 1), "its status is told before there is a body");
    peer_say(server, "3\r\nabc\r\n");
    cr_assert(until(loop, str_eq(streamed, "abc")));
    peer_say(server, "3\r\ndef\r\n");
    cr_assert(until(loop, str_eq(streamed, "abcdef")));
    cr_expect_eq(done.count, 0);
    peer_say(server, "0\r\n\r\n");
    cr_assert(until(loop, done.count == 1));
    cr_expect_eq(done.error, 0, "%s", done.text);
    cr_expect_str_eq(done.body, "");
}

Test(http, the_body_of_a_refusal_is_not_streamed)
{
    struct http_request request = stream();

    request.max_body_bytes = 100;
    server->answer = "HTTP/1.1 410 Gone\r\nContent-Length: 7\r\n\r\nexpired";
    run(&request);
    cr_expect_str_eq(streamed, "");
    cr_expect_eq(accepted, 0);
    cr_expect_str_eq(done.body, "expired");
    cr_expect_eq(done.status, 410);
}

Test(http, a_reader_may_end_its_stream)
{
    struct http_request request = stream();

    data_result = -EPROTO;
    run(&request);
    cr_expect_eq(done.error, -EPROTO, "%s", done.text);
}

Test(http, a_reader_may_cancel_its_stream)
{
    struct http_request request = stream();

    cancel_from_data = true;
    request.idle_timeout_ms = 20;
    streaming = start(&request);
    cr_assert(until(loop, str_eq(streamed, "hello")));
    cr_assert(until(loop, http_active(http) == 0));
    loop_step(loop, 50, &err);
    cr_expect_eq(done.count, 0);
}

Test(http, a_reader_may_start_another_request)
{
    struct http_request request = stream();

    start_from_data = true;
    start(&request);
    cr_assert(until(loop, done.count == 2));
    cr_expect_eq(done.error, 0, "%s", done.text);
}
