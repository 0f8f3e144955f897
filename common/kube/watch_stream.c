#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/backoff.h"
#include "common/kube/client_private.h"
#include "common/kube/skim.h"
#include "common/kube/watch_private.h"

enum {
    OPEN_MIN_S = 300, /* the server ends it then: not all of them at once */
    OPEN_MAX_S = 600,
    IDLE_MS = 150000, /* bookmarks come every minute */
    SHORT_MS = 5000, /* one that ended so soon counts as failed, for the delay */
    REOPEN_MS = 200,
    REFUSALS_MAX = 3, /* of one resourceVersion, then it is forgotten */
};

static void stream_close(struct kube_watch *w)
{
    kube_cancel(w->call);
    w->call = NULL;
    loop_timer_arm(w->drain, -1);
    buf_reset(&w->lines);
    w->scanned = 0;
}

/* Something is wrong with this resourceVersion, or so it seems: a list is always right. */
static void refuse(struct kube_watch *w, int status, const char *message)
{
    if (++w->refusals >= REFUSALS_MAX) {
        w->refusals = 0;
        watch_set_rv(w, NULL);
    }
    watch_trouble(w, status, message);
}

/* The resource itself is gone, and its objects with it. */
static void missing(struct kube_watch *w, const char *message)
{
    watch_set_rv(w, NULL);
    watch_trouble(w, 404, message);
}

static int on_line(struct kube_watch *w, const char *line, size_t len, struct error *err)
{
    _cleanup_(json_freep) cJSON *object = NULL;
    enum kube_watch_event event;
    bool bookmark;
    int r;

    r = kube_watch_parse_line(line, len, &event, &bookmark, &object, err);
    if (r)
        return r;
    w->failures = 0;
    w->refusals = 0;
    watch_set_rv(w, json_str(object, "metadata.resourceVersion"));
    if (!bookmark)
        watch_deliver(w, event, TAKE(object), false);
    return 0;
}

/* The next whole line from *start on, which moves behind it; NULL: none. */
static const char *next_line(struct kube_watch *w, size_t *start, size_t *len)
{
    const char *line = w->lines.data + *start, *from, *end;

    if (w->scanned < *start)
        w->scanned = *start;
    from = w->lines.data + w->scanned;
    end = memchr(from, '\n', w->lines.len - w->scanned);
    if (!end) {
        w->scanned = w->lines.len;
        return NULL;
    }
    *len = (size_t)(end - line);
    *start += *len + 1;
    return line;
}

/* What is left is the beginning of a line. */
static void keep_rest(struct kube_watch *w, size_t start)
{
    memmove(w->lines.data, w->lines.data + start, w->lines.len - start + 1);
    w->lines.len -= start;
    w->scanned -= start;
}

static int drain_lines(struct kube_watch *w, struct error *err)
{
    bool progress = false;
    size_t start = 0, len;
    const char *line;
    int r = 0;

    while (!r && !w->dead && w->lines.len && (line = next_line(w, &start, &len))) {
        if (len == 0)
            continue;
        skim_managed_fields(w->lines.data + (line - w->lines.data), len);
        r = on_line(w, line, len, err);
        progress |= r == 0;
    }
    if (w->dead || !w->lines.len)
        return 0;
    keep_rest(w, start);
    if (progress && w->rv && w->handler.progress)
        w->handler.progress(w->rv, w->userdata);
    if (!r && w->lines.len > WATCH_LINE_BYTES_MAX)
        r = error_set(err, EPROTO, "watch: a line that doesn't end");
    return r;
}

/* False: the stream was ended here. */
static bool drain(struct kube_watch *w)
{
    struct error err = {0};
    int r = drain_lines(w, &err);

    if (w->dead)
        return false;
    if (!r)
        return true;
    stream_close(w);
    if (r == KUBE_E_GONE)
        watch_gone(w);
    else
        refuse(w, 0, err.text);
    return false;
}

void watch_on_drain(void *userdata)
{
    struct kube_watch *w = userdata;

    watch_enter(w);
    drain(w);
    watch_leave(w);
}

static int on_data(const char *data, size_t len, void *userdata)
{
    struct kube_watch *w = userdata;

    w->synced = true; /* also without bytes: accepted */
    if (len == 0)
        return 0;
    if (!loop_timer_armed(w->drain))
        loop_timer_arm(w->drain, 0);
    return buf_add(&w->lines, data, len);
}

/* By the server's or its own time limit, or cut off: nothing to tell of, unless it happens at once.
 */
static void reopen(struct kube_watch *w, const struct kube_response *response)
{
    bool is_short = time_monotonic_ms() - w->opened_ms < SHORT_MS;

    w->synced = true;
    if (!is_short)
        w->failures = 0;
    if (is_short && w->failures)
        watch_trouble(w, response->status, *response->message ? response->message : "it ended");
    else
        watch_retry(w, random_between(0, REOPEN_MS));
    if (is_short)
        w->failures++;
}

static void on_end(struct kube_response *response, void *userdata)
{
    struct kube_watch *w = userdata;

    w->call = NULL;
    watch_enter(w);
    if (drain(w)) {
        stream_close(w);
        if (response->status == 410)
            watch_gone(w);
        else if (response->status / 100 == 2)
            reopen(w, response);
        else if (response->status == 0)
            watch_trouble(w, 0, response->message);
        else if (response->status == 404)
            missing(w, response->message);
        else
            refuse(w, response->status, response->message);
    }
    watch_leave(w);
}

void watch_stream(struct kube_watch *w)
{
    static const struct kube_stream stream = {.on_data = on_data, .idle_timeout_ms = IDLE_MS};
    _cleanup_(buf_done) struct buf query = BUF_INIT(KUBE_URL_BYTES_MAX);
    struct kube_request request;
    struct error err = {0};

    (void)buf_printf(&query, "watch=true&allowWatchBookmarks=true&timeoutSeconds=%d",
                     (int)random_between(OPEN_MIN_S, OPEN_MAX_S));
    (void)buf_puts(&query, "&resourceVersion=");
    kube_escape(&query, w->rv);
    watch_selectors(w, &query);
    request = watch_request(w, &query);
    w->opened_ms = time_monotonic_ms();
    if (query.failed)
        error_set(&err, EINVAL, "the query is too long");
    else
        kube_start_stream(w->client, &request, &stream, on_end, w, &w->call, &err);
    if (err.code)
        watch_trouble(w, 0, err.text);
}
