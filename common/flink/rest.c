#include "common/flink/rest.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/flink/rest_private.h"

enum {
    CONNECT_TIMEOUT_MS = 2000,
    ERROR_BYTES_MAX = 800, /* of all that Flink says of one failure */
    ERROR_LINE_BYTES_MAX = 300,
};

struct flink_client {
    struct http *http;
    struct flink_call *calls;
};

struct flink_call {
    struct flink_client *client;
    struct flink_call *prev, *next;
    struct http_transfer *transfer;
    flink_parse_fn parse;
    flink_done_fn on_done;
    void *userdata;
};

int flink_client_new(struct http *http, struct flink_client **ret, struct error *err)
{
    struct flink_client *c = calloc(1, sizeof(*c));

    if (!c)
        return error_set(err, ENOMEM, "out of memory");
    c->http = http;
    *ret = c;
    return 0;
}

struct flink_client *flink_client_free(struct flink_client *c)
{
    if (!c)
        return NULL;
    while (c->calls)
        flink_cancel(c->calls);
    free(c);
    return NULL;
}

static void call_unlink(struct flink_call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        call->client->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
}

void flink_cancel(struct flink_call *call)
{
    if (!call)
        return;
    http_cancel(call->transfer);
    call_unlink(call);
    free(call);
}

/* ---- the answer ---- */

/* An entry's first line; of a stack trace the one that says something. */
static void add_error(struct buf *b, const char *text)
{
    size_t len = strcspn(text, "\r\n");

    if (str_starts(text, "<Exception on server side") && text[len]) {
        text += len + strspn(text + len, "\r\n");
        len = strcspn(text, "\r\n");
    }
    if (len > ERROR_LINE_BYTES_MAX)
        len = str_utf8_cut(text, ERROR_LINE_BYTES_MAX);
    if (len)
        (void)buf_printf(b, "%s%.*s", b->len ? "; " : "", (int)len, text);
}

/* {"errors": ["…"]}. What doesn't fit in @b is left out. */
static void read_errors(const struct http_response *http, struct buf *b)
{
    _cleanup_(json_freep) cJSON *json = NULL;

    (void)buf_printf(b, "HTTP status %d", http->status);
    if (json_parse(http->body, http->body_len, &json, NULL))
        return;
    json_foreach (item, json_member(json, "errors")) {
        if (cJSON_IsString(item) && !b->failed)
            add_error(b, item->valuestring);
    }
}

static bool is_transient(int status)
{
    return status == 0 || status == 429 || status >= 500;
}

static void on_response(const struct http_response *http, void *userdata)
{
    struct flink_call *call = userdata;
    _cleanup_(buf_done) struct buf errors = BUF_INIT(ERROR_BYTES_MAX);
    struct error err = {0};
    struct flink_response answer = {.status = http->status, .error = ""};

    call_unlink(call);
    if (http->error || !http->status) {
        answer.status = 0;
        answer.error = http->error_text;
    } else if (http->status / 100 != 2) {
        read_errors(http, &errors);
        answer.error = buf_str(&errors);
    } else if (call->parse(http->body, http->body_len, &answer.json, &err)) {
        answer.error = err.text;
    }
    answer.transient = is_transient(answer.status);
    call->on_done(&answer, call->userdata);
    cJSON_Delete(answer.json);
    free(call);
}

/* ---- requests ---- */

static int start_http(struct flink_call *call, const struct flink_request *q, struct error *err)
{
    static const char *const headers[] = {"Accept: application/json", "User-Agent: flinkd",
                                          "Content-Type: application/json", NULL};
    static const char *const headers_without_body[] = {"Accept: application/json",
                                                       "User-Agent: flinkd", NULL};
    _cleanup_(freep) char *url = str_printf("%s%s", q->base, q->path);
    _cleanup_(freep) char *body = q->body ? json_text(q->body) : NULL;
    struct http_request request = {
        .method = q->method,
        .url = url,
        .headers = body ? headers : headers_without_body,
        .body = body,
        .body_len = body ? strlen(body) : 0,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .timeout_ms = FLINK_TIMEOUT_MS,
        .on_done = on_response,
        .userdata = call,
    };

    if (!url || (q->body && !body))
        return error_set(err, ENOMEM, "out of memory");
    return http_start(call->client->http, &request, &call->transfer, err);
}

int flink_start(struct flink_client *c, const struct flink_request *q, flink_done_fn fn,
                void *userdata, struct flink_call **ret, struct error *err)
{
    struct flink_call *call = calloc(1, sizeof(*call));
    int r;

    if (!call)
        return error_set(err, ENOMEM, "out of memory");
    *call = (struct flink_call){
        .client = c, .parse = q->parse, .on_done = fn, .userdata = userdata, .next = c->calls};
    r = start_http(call, q, err);
    if (r) {
        free(call);
        return r;
    }
    if (call->next)
        call->next->prev = call;
    c->calls = call;
    if (ret)
        *ret = call;
    return 0;
}
