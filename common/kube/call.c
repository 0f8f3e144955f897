/* A call is a few attempts at one request. Everything happens in the loop: kube_start() only arms
 * the call's timer, so on_done never comes from inside it. */
#include "common/kube/call.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/kube/backoff.h"

enum {
    ATTEMPTS = 5,
    RETRY_BASE_MS = 200,
    RETRY_CAP_MS = 5000,
    RETRY_AFTER_MAX_MS = 60000,
    MESSAGE_BYTES_MAX = 512, /* of a body that is no Status */
};

struct kube_call {
    struct kube_client *client;
    struct kube_call *prev, *next;
    enum kube_verb verb;
    char *url, *body;
    int64_t timeout_ms;
    int attempts, max_attempts;
    bool reauthenticated; /* after a 401: once */
    bool waiting; /* for an exec plugin */
    bool brief; /* only the version of the answer is wanted */
    bool sending; /* counts towards the client's sending_max */
    struct kube_call *queue_next; /* of those that wait for their turn */
    bool auth_failed; /* the plugin that it waited for failed */
    struct credential *credential; /* of the transfer under way */
    struct http_transfer *transfer;
    struct loop_timer *timer;
    struct kube_stream stream;
    kube_done_fn on_done;
    void *userdata;
};

static void on_response(const struct http_response *response, void *userdata);

/* ---- turns ---- */

/* True: @call may be sent now. Streams last for ever and don't count. */
static bool turn_take(struct kube_call *call)
{
    struct kube_client *client = call->client;

    if (call->stream.on_data || call->sending)
        return true;
    if (client->sending < client->sending_max) {
        client->sending++;
        call->sending = true;
        return true;
    }
    if (client->queue_tail)
        client->queue_tail->queue_next = call;
    else
        client->queue = call;
    client->queue_tail = call;
    return false;
}

static void turn_leave_queue(struct kube_call *call)
{
    struct kube_client *client = call->client;
    struct kube_call *before = NULL;

    for (struct kube_call *at = client->queue; at; before = at, at = at->queue_next) {
        if (at != call)
            continue;
        if (before)
            before->queue_next = call->queue_next;
        else
            client->queue = call->queue_next;
        if (client->queue_tail == call)
            client->queue_tail = before;
        call->queue_next = NULL;
        return;
    }
}

/* The attempt is over: the next in the queue goes on in its own timer. */
static void turn_end(struct kube_call *call)
{
    struct kube_client *client = call->client;
    struct kube_call *next = client->queue;

    if (!call->sending)
        return;
    call->sending = false;
    client->sending--;
    if (!next)
        return;
    turn_leave_queue(next);
    loop_timer_arm(next->timer, 0);
}

/* ---- the end of a call ---- */

static void call_unlink(struct kube_call *call)
{
    struct kube_client *client = call->client;

    if (call->prev)
        call->prev->next = call->next;
    else
        client->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    client->active--;
}

static void call_free(struct kube_call *call)
{
    turn_leave_queue(call);
    turn_end(call);
    http_cancel(call->transfer);
    credential_unref(call->credential);
    loop_timer_free(call->timer);
    free(call->url);
    free(call->body);
    free(call);
}

void kube_cancel(struct kube_call *call)
{
    if (!call)
        return;
    call_unlink(call);
    call_free(call);
}

static bool is_ok(int status)
{
    return status >= 200 && status < 300;
}

/* Of a body that is no Status: without the line break at its end. */
static int text_len(const char *body)
{
    size_t len = str_utf8_cut(body, MESSAGE_BYTES_MAX);

    while (len && strchr(" \t\r\n", body[len - 1]))
        len--;
    return (int)len;
}

/* @text: room for a message that has to be made. */
static void read_answer(const struct kube_call *call, const struct http_response *http,
                        struct kube_response *answer, struct error *text)
{
    const char *body = http->body ?: "";

    if (call->verb == KUBE_LOG && is_ok(http->status)) {
        answer->text = body;
        return;
    }
    if (call->stream.on_data && is_ok(http->status))
        return;
    if (call->brief && is_ok(http->status) && skim_version(body, http->body_len, answer->version))
        return;
    if (json_parse(body, http->body_len, &answer->object, text) == 0) {
        if (is_ok(http->status))
            return;
        answer->reason = json_str_or(answer->object, "reason", "");
        answer->message = json_str_or(answer->object, "message", "");
    } else if (is_ok(http->status)) {
        answer->transient = true; /* cut off on its way */
        error_wrap(text, "the answer is no JSON");
        answer->message = text->text;
    }
    if (http->status == 404 && !*answer->reason)
        answer->reason = "NotFound"; /* a kind that isn't installed: there is no such path */
    if (!*answer->message) {
        error_set(text, EIO, "HTTP status %d: %.*s", http->status, text_len(body), body);
        answer->message = text->text;
    }
}

static void call_finish(struct kube_call *call, const struct http_response *http)
{
    struct error text = {0};
    struct kube_response answer = {
        .status = http->status,
        .reason = "",
        .message = "",
        .transient = kube_is_transient(http->status),
    };

    call_unlink(call);
    call->transfer = NULL;
    if (http->error || !http->status) {
        answer.status = is_ok(http->status) && !call->stream.on_data ? 0 : http->status;
        answer.transient = true;
        answer.message = http->error_text;
    } else {
        read_answer(call, http, &answer, &text);
    }
    call->on_done(&answer, call->userdata);
    cJSON_Delete(answer.object);
    call_free(call);
}

/* ---- attempts ---- */

/* True: tried again later. */
static bool call_retry(struct kube_call *call, const struct http_response *http)
{
    int64_t delay_ms;

    if (!http->error && !kube_is_transient(http->status))
        return false;
    if (call->attempts >= call->max_attempts)
        return false;
    delay_ms = backoff_ms(call->attempts, RETRY_BASE_MS, RETRY_CAP_MS);
    if (http->retry_after_ms > delay_ms)
        delay_ms =
            http->retry_after_ms < RETRY_AFTER_MAX_MS ? http->retry_after_ms : RETRY_AFTER_MAX_MS;
    loop_timer_arm(call->timer, delay_ms);
    return true;
}

static void call_failed(struct kube_call *call, const struct error *err)
{
    struct http_response none = {
        .error = err->code ?: -EIO,
        .error_text = err->text,
        .body = "",
    };

    if (!call_retry(call, &none))
        call_finish(call, &none);
}

static size_t max_body(enum kube_verb verb)
{
    if (verb == KUBE_LIST)
        return KUBE_LIST_BYTES_MAX;
    return verb == KUBE_LOG ? KUBE_LOG_BYTES_MAX : KUBE_OBJECT_BYTES_MAX;
}

static int on_data(const char *data, size_t len, void *userdata)
{
    struct kube_call *call = userdata;

    return call->stream.on_data(data, len, call->userdata);
}

static const char *accepted(const struct kube_call *call)
{
    if (call->verb == KUBE_LOG)
        return "Accept: application/json, */*";
    return call->brief ? "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, "
                         "application/json"
                       : "Accept: application/json";
}

static int call_send(struct kube_call *call, struct error *err)
{
    const char *type = kube_verb_content_type(call->verb);
    _cleanup_(freep) char *type_line = str_printf("Content-Type: %s", type ?: "");
    const char *headers[] = {
        call->client->user_agent,
        accepted(call),
        call->body ? type_line : NULL,
        NULL,
    };
    struct http_request request = {
        .method = kube_verb_method(call->verb),
        .url = call->url,
        .headers = headers,
        .body = call->body,
        .body_len = call->body ? strlen(call->body) : 0,
        .bearer = call->credential->token,
        .tls = &call->credential->tls,
        .timeout_ms = call->timeout_ms,
        .idle_timeout_ms = call->stream.idle_timeout_ms,
        .max_body_bytes = max_body(call->verb),
        .http2 = true,
        .on_data = call->stream.on_data ? on_data : NULL,
        .on_done = on_response,
        .userdata = call,
    };

    if (!type_line)
        return error_no_memory(err);
    return http_start(call->client->http, &request, &call->transfer, err);
}

static void call_attempt(struct kube_call *call)
{
    struct error err = {0};
    int r;

    r = auth_get(call->client->auth, &call->credential, &err);
    if (r == AUTH_E_PENDING) {
        call->waiting = true;
        return;
    }
    if (!r && !turn_take(call)) {
        call->credential = credential_unref(call->credential);
        return;
    }
    call->attempts++;
    if (!r)
        r = call_send(call, &err);
    if (r) {
        turn_end(call);
        call->credential = credential_unref(call->credential);
        call_failed(call, &err);
    }
}

static void on_timer(void *userdata)
{
    struct kube_call *call = userdata;

    if (call->auth_failed) {
        call->auth_failed = false;
        call->attempts++;
        call_failed(call, &call->client->auth_error);
    } else {
        call_attempt(call);
    }
}

static void on_response(const struct http_response *response, void *userdata)
{
    struct kube_call *call = userdata;
    bool again;

    turn_end(call);
    call->transfer = NULL;
    again = response->status == 401 && !call->reauthenticated &&
            auth_rejected(call->client->auth, call->credential);
    call->credential = credential_unref(call->credential);
    if (again) {
        call->reauthenticated = true;
        call->attempts--;
        loop_timer_arm(call->timer, 0);
    } else if (!call_retry(call, response)) {
        call_finish(call, response);
    }
}

/* Each goes on in its own timer: the end of one may end others, or the client. */
void calls_resume(struct kube_client *client, const struct error *err)
{
    if (err)
        client->auth_error = *err;
    for (struct kube_call *call = client->calls; call; call = call->next) {
        if (!call->waiting)
            continue;
        call->waiting = false;
        call->auth_failed = err != NULL;
        loop_timer_arm(call->timer, 0);
    }
}

/* ---- starting ---- */

static int call_fill(struct kube_call *call, const struct kube_request *request, struct error *err)
{
    _cleanup_(buf_done) struct buf url = BUF_INIT(KUBE_URL_BYTES_MAX);
    struct kube_client *client = call->client;
    int r;

    r = kube_url(client->config->server, request, client->field_manager, &url, err);
    if (r)
        return r;
    call->verb = request->verb;
    call->brief = request->brief;
    call->url = buf_take(&url);
    call->timeout_ms = request->timeout_ms ?: client->timeout_ms;
    call->max_attempts = request->max_attempts ?: ATTEMPTS;
    call->timer = loop_timer_new(client->loop, on_timer, call);
    if (request->body && kube_verb_content_type(request->verb)) {
        call->body = request->canonical ? json_canonical(request->body) : json_text(request->body);
        if (!call->body)
            return error_no_memory(err);
    }
    return call->url && call->timer ? 0 : error_no_memory(err);
}

static void call_link(struct kube_call *call)
{
    struct kube_client *client = call->client;

    call->next = client->calls;
    if (call->next)
        call->next->prev = call;
    client->calls = call;
    client->active++;
}

static int call_new(struct kube_client *client, const struct kube_request *request,
                    kube_done_fn on_done, void *userdata, struct kube_call **ret, struct error *err)
{
    struct kube_call *call = calloc(1, sizeof(*call));
    int r;

    if (!call)
        return error_no_memory(err);
    call->client = client;
    call->on_done = on_done;
    call->userdata = userdata;
    r = call_fill(call, request, err);
    if (r) {
        call_free(call);
        return r;
    }
    call_link(call);
    loop_timer_arm(call->timer, 0);
    *ret = call;
    return 0;
}

int kube_start(struct kube_client *client, const struct kube_request *request, kube_done_fn on_done,
               void *userdata, struct kube_call **ret, struct error *err)
{
    struct kube_call *call;
    int r = call_new(client, request, on_done, userdata, &call, err);

    if (!r && ret)
        *ret = call;
    return r;
}

int kube_start_stream(struct kube_client *client, const struct kube_request *request,
                      const struct kube_stream *stream, kube_done_fn on_done, void *userdata,
                      struct kube_call **ret, struct error *err)
{
    int r = call_new(client, request, on_done, userdata, ret, err);

    if (r)
        return r;
    (*ret)->stream = *stream;
    (*ret)->timeout_ms = 0;
    (*ret)->max_attempts = 1;
    return 0;
}
