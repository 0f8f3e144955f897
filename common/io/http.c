/* Transfers on one multi handle, which keeps the connections and shares them.
 *
 * curl can't be called back from inside its own callbacks: what on_data starts or cancels is noted
 * and done when curl_multi_perform() has returned. */
#include "common/io/http.h"

#include <limits.h>
#include <string.h>

#include <curl/curl.h>

#include "common/base/buf.h"
#include "common/base/time.h"
#include "common/io/http_drive.h"
#include "common/io/http_setup.h"

enum {
    BODY_MAX_BYTES = 8 << 20,
    CONNECTIONS_KEPT = 1024, /* one a Flink cluster, between two looks at it */
    WAIT_MAX_MS = 3600 * 1000,
    PAUSE_MS = 3, /* see http_pause_ms() */
};

enum state { WAITING /* to be added */, ADDED, CANCELLED /* to be freed */ };

struct http_transfer {
    struct http *http;
    struct http_transfer *prev, *next;
    enum state state;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct buf body;
    http_data_fn on_data;
    http_done_fn on_done;
    void *userdata;
    struct loop_timer *idle; /* NULL: no limit */
    int64_t idle_timeout_ms;
    int error; /* why we ended it ourselves, 0: we didn't */
    char error_text[CURL_ERROR_SIZE];
};

struct http {
    struct loop *loop;
    CURLM *multi;
    struct http_transfer *transfers;
    bool in_curl; /* inside curl_multi_perform() */
    bool deferred; /* some are WAITING or CANCELLED */
    int active; /* all but the cancelled */
    int64_t performed_ms; /* monotonic: when curl had its last turn */
};

static struct http_transfer *transfer_free(struct http_transfer *t)
{
    if (!t)
        return NULL;
    if (t->state == ADDED)
        (void)curl_multi_remove_handle(t->http->multi, t->easy);
    if (t->easy)
        curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    loop_timer_free(t->idle);
    buf_done(&t->body);
    free(t);
    return NULL;
}

static void transfer_freep(struct http_transfer **t)
{
    transfer_free(*t);
}

static void link_in(struct http *http, struct http_transfer *t)
{
    t->next = http->transfers;
    if (t->next)
        t->next->prev = t;
    http->transfers = t;
    http->active++;
}

static void link_out(struct http_transfer *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        t->http->transfers = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->prev = t->next = NULL;
}

/* ---- the end of a transfer ---- */

static void finish(struct http_transfer *t, int error)
{
    struct http_response response = {.error = error, .error_text = "", .body = buf_str(&t->body)};
    curl_off_t retry_after_s = 0;
    long status = 0;

    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    response.status = (int)status;
    response.body_len = t->body.len;
    response.retry_after_ms = (int64_t)retry_after_s * 1000;
    if (error)
        response.error_text = t->error_text[0] ? t->error_text : strerror(-error);
    link_out(t);
    t->http->active--;
    (void)curl_multi_remove_handle(t->http->multi, t->easy);
    t->state = CANCELLED; /* off curl's hands: what on_done may cancel is only the others */
    t->on_done(&response, t->userdata);
    transfer_free(t);
}

static void on_idle(void *userdata)
{
    struct http_transfer *t = userdata;

    if (!t->error_text[0])
        (void)snprintf(t->error_text, sizeof(t->error_text), "nothing received for %lld ms",
                       (long long)t->idle_timeout_ms);
    finish(t, -ETIMEDOUT);
}

static void finish_done(struct http *http)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(http->multi, &left))) {
        struct http_transfer *t = NULL;
        CURLcode code = msg->data.result; /* msg dies with the next call */
        long os_errno = 0;

        if (msg->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_OS_ERRNO, &os_errno);
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
        if (!t->error && code != CURLE_OK && !t->error_text[0])
            (void)snprintf(t->error_text, sizeof(t->error_text), "%s", curl_easy_strerror(code));
        finish(t, t->error ? t->error : http_errno(code, os_errno));
    }
}

/* ---- curl's callbacks ---- */

static size_t end_with(struct http_transfer *t, int error, const char *why)
{
    t->error = error;
    (void)snprintf(t->error_text, sizeof(t->error_text), "%s", why);
    return CURL_WRITEFUNC_ERROR;
}

static size_t on_body(char *data, size_t size, size_t count, void *userdata)
{
    struct http_transfer *t = userdata;
    size_t len = size * count;
    long status = 0;
    int r;

    if (t->state == CANCELLED)
        return CURL_WRITEFUNC_ERROR;
    if (t->idle)
        loop_timer_arm(t->idle, t->idle_timeout_ms);
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->on_data && status / 100 == 2) {
        r = t->on_data(data, len, t->userdata);
        return r ? end_with(t, r, "ended by its reader") : len;
    }
    r = buf_add(&t->body, data, len);
    return r ? end_with(t, r, r == -EFBIG ? "the answer is too large" : "out of memory") : len;
}

static size_t on_header(const char *data, size_t size, size_t count, void *userdata)
{
    struct http_transfer *t = userdata;
    size_t len = size * count;
    long status = 0;

    if (t->state == CANCELLED)
        return len;
    if (t->idle)
        loop_timer_arm(t->idle, t->idle_timeout_ms);
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->on_data && status / 100 == 2 && len == 2 && memcmp(data, "\r\n", 2) == 0)
        (void)t->on_data("", 0, t->userdata); /* the header's end: accepted */
    return len;
}

static int set_callbacks(struct http_transfer *t, struct error *err)
{
    CURL *easy = t->easy;

    if (curl_easy_setopt(easy, CURLOPT_PRIVATE, t) ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, t) ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ||
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, t) ||
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) ||
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error_text))
        return error_set(err, EINVAL, "curl refuses its callbacks");
    return 0;
}

/* ---- starting, cancelling ---- */

static int transfer_add(struct http_transfer *t, struct error *err)
{
    CURLMcode code = curl_multi_add_handle(t->http->multi, t->easy);

    if (code)
        return error_set(err, ENOMEM, "start a transfer: %s", curl_multi_strerror(code));
    t->state = ADDED;
    if (t->idle)
        loop_timer_arm(t->idle, t->idle_timeout_ms);
    return 0;
}

static int transfer_new(struct http *http, const struct http_request *request,
                        struct http_transfer **ret, struct error *err)
{
    _cleanup_(transfer_freep) struct http_transfer *t = calloc(1, sizeof(*t));
    int r;

    if (!t)
        return error_set(err, ENOMEM, "no memory for a transfer");
    t->http = http;
    t->body = BUF_INIT(request->max_body_bytes ? request->max_body_bytes : BODY_MAX_BYTES);
    t->on_data = request->on_data;
    t->on_done = request->on_done;
    t->userdata = request->userdata;
    t->idle_timeout_ms = request->idle_timeout_ms;
    t->easy = curl_easy_init();
    if (request->idle_timeout_ms)
        t->idle = loop_timer_new(http->loop, on_idle, t);
    if (!t->easy || (request->idle_timeout_ms && !t->idle))
        return error_set(err, ENOMEM, "no memory for a transfer");
    r = http_setup(t->easy, request, &t->headers, &t->connect_to, err);
    if (!r)
        r = set_callbacks(t, err);
    if (r)
        return r;
    *ret = TAKE(t);
    return 0;
}

int http_start(struct http *http, const struct http_request *request, struct http_transfer **ret,
               struct error *err)
{
    _cleanup_(transfer_freep) struct http_transfer *t = NULL;
    int r;

    r = transfer_new(http, request, &t, err);
    if (!r && !http->in_curl)
        r = transfer_add(t, err);
    if (r)
        return error_wrap(err, "%s %s", request->method, request->url);
    http->deferred |= http->in_curl;
    link_in(http, t);
    if (ret)
        *ret = t;
    t = NULL; /* the list owns it */
    return 0;
}

void http_cancel(struct http_transfer *t)
{
    struct http *http;

    if (!t || t->state == CANCELLED)
        return;
    http = t->http;
    http->active--;
    if (http->in_curl && t->state == ADDED) {
        /* only reached from another's on_data or its own: freed when curl has returned */
        loop_timer_free(TAKE(t->idle));
        t->state = CANCELLED;
        http->deferred = true;
        return;
    }
    link_out(t);
    transfer_free(t);
}

/* What callbacks asked for while curl was at work. */
static void settle(struct http *http)
{
    struct http_transfer *t = http->deferred ? http->transfers : NULL, *next;
    struct error err = {0};

    http->deferred = false;
    for (; t; t = next) {
        next = t->next;
        if (t->state == CANCELLED) {
            (void)curl_multi_remove_handle(http->multi, t->easy);
            link_out(t);
            transfer_free(t);
        } else if (t->state == WAITING && transfer_add(t, &err)) {
            finish(t, err.code);
            next = http->transfers; /* its on_done may have changed the list */
        }
    }
}

int http_active(const struct http *http)
{
    return http->active;
}

/* ---- the handle, the loop's side ---- */

int http_pause_ms(const struct http *http)
{
    int64_t passed = time_monotonic_ms() - http->performed_ms;

    return passed < PAUSE_MS ? (int)(PAUSE_MS - passed) : 0;
}

/* Its timers, and what was added. */
static bool is_curl_due(struct http *http)
{
    long timeout_ms = 0;

    return curl_multi_timeout(http->multi, &timeout_ms) || timeout_ms == 0;
}

int http_drive(struct http *http, int fd, int timeout_ms, struct error *err)
{
    struct curl_waitfd wait = {.fd = fd, .events = CURL_WAIT_POLLIN};
    CURLMcode code;
    int ready = 0, running;

    if (timeout_ms < 0 || timeout_ms > WAIT_MAX_MS)
        timeout_ms = WAIT_MAX_MS;
    code = curl_multi_poll(http->multi, &wait, 1, timeout_ms, &ready);
    if (!code && (ready > (wait.revents != 0) || is_curl_due(http))) {
        http->in_curl = true;
        code = curl_multi_perform(http->multi, &running);
        http->in_curl = false;
        http->performed_ms = time_monotonic_ms();
    }
    settle(http);
    finish_done(http);
    if (code)
        return error_set(err, EIO, "curl: %s", curl_multi_strerror(code));
    return 0;
}

static void http_freep(struct http **http)
{
    http_free(*http);
}

int http_new(struct loop *loop, struct http **ret, struct error *err)
{
    _cleanup_(http_freep) struct http *http = calloc(1, sizeof(*http));

    if (!http)
        return error_set(err, ENOMEM, "no memory for an HTTP client");
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) /* counted: each is undone by its http_free() */
        return error_set(err, ENOMEM, "curl can't be initialised");
    http->loop = loop;
    http->multi = curl_multi_init();
    if (!http->multi ||
        curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT))
        return error_set(err, ENOMEM, "no memory for an HTTP client");
    loop_set_http(loop, http);
    *ret = TAKE(http);
    return 0;
}

struct http *http_free(struct http *http)
{
    struct http_transfer *next;

    if (!http)
        return NULL;
    for (struct http_transfer *t = http->transfers; t; t = next) {
        next = t->next;
        transfer_free(t);
    }
    if (http->loop) {
        loop_set_http(http->loop, NULL);
        (void)curl_multi_cleanup(http->multi);
        curl_global_cleanup();
    }
    free(http);
    return NULL;
}
