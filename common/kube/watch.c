/* A watch is always in one of three states: a page of a list is under way, a stream is open, or its
 * timer is armed for the next attempt. What it keeps from one attempt to the next is a
 * resourceVersion, then it watches from there, or none, then it lists. */
#include "common/kube/watch.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/backoff.h"
#include "common/kube/client_private.h"
#include "common/kube/watch_private.h"

enum {
    PAGE_SIZE = 500,
    MISSING_RETRY_MS = 60000,
    RETRY_BASE_MS = 1000,
    RETRY_CAP_MS = 30000,
    GONE_AGAIN_MS = 10000, /* two lists within this time aren't made at once */
};

static void watch_destroy(struct kube_watch *w)
{
    kube_cancel(w->call);
    loop_timer_free(w->retry);
    loop_timer_free(w->drain);
    buf_done(&w->lines);
    free(w->ns);
    free(w->label_selector);
    free(w->field_selector);
    free(w->rv);
    free(w->next_page);
    free(w);
}

struct kube_watch *kube_watch_free(struct kube_watch *w)
{
    if (w && w->busy)
        w->dead = true;
    else if (w)
        watch_destroy(w);
    return NULL;
}

bool kube_watch_synced(const struct kube_watch *w)
{
    return w->synced;
}

void watch_enter(struct kube_watch *w)
{
    w->busy = true;
}

void watch_leave(struct kube_watch *w)
{
    w->busy = false;
    if (w->dead)
        watch_destroy(w);
}

void watch_retry(struct kube_watch *w, int64_t delay_ms)
{
    loop_timer_arm(w->retry, delay_ms);
}

void watch_trouble(struct kube_watch *w, int status, const char *message)
{
    int64_t delay_ms = w->missing_retry_ms;

    w->failures++;
    if (status != 404)
        delay_ms = backoff_ms(w->failures, RETRY_BASE_MS, RETRY_CAP_MS);
    watch_retry(w, delay_ms);
    if (w->handler.trouble)
        w->handler.trouble(status, message, delay_ms, w->userdata);
}

void watch_gone(struct kube_watch *w)
{
    bool again = w->listed_ms && time_monotonic_ms() - w->listed_ms < GONE_AGAIN_MS;

    watch_set_rv(w, NULL);
    w->next_page = (free(w->next_page), NULL);
    w->failures += again;
    watch_retry(w, again ? backoff_ms(w->failures, RETRY_BASE_MS, RETRY_CAP_MS) : 0);
}

void watch_set_rv(struct kube_watch *w, const char *rv)
{
    char *copy = rv ? strdup(rv) : NULL;

    free(w->rv);
    w->rv = copy;
}

void watch_deliver(struct kube_watch *w, enum kube_watch_event event, cJSON *object, bool from_list)
{
    if (w->handler.object)
        w->handler.object(event, &object, from_list, w->userdata);
    cJSON_Delete(object);
}

static void add_selector(struct buf *query, const char *key, const char *value)
{
    if (str_empty(value))
        return;
    (void)buf_printf(query, "&%s=", key);
    kube_escape(query, value);
}

void watch_selectors(const struct kube_watch *w, struct buf *query)
{
    add_selector(query, "labelSelector", w->label_selector);
    add_selector(query, "fieldSelector", w->field_selector);
}

struct kube_request watch_request(const struct kube_watch *w, const struct buf *query)
{
    return (struct kube_request){
        .verb = KUBE_LIST,
        .resource = w->resource,
        .ns = w->ns,
        .query = buf_str(query),
        .max_attempts = 1, /* failures are told of, and tried again here */
    };
}

static void on_retry(void *userdata)
{
    struct kube_watch *w = userdata;

    watch_enter(w);
    if (w->rv)
        watch_stream(w);
    else
        watch_list(w);
    watch_leave(w);
}

static char *copy_or_null(const char *text, bool *failed)
{
    char *copy = str_empty(text) ? NULL : strdup(text);

    *failed |= !copy && !str_empty(text);
    return copy;
}

static int watch_init(struct kube_watch *w, const struct kube_watch_config *config,
                      struct error *err)
{
    struct loop *loop = kube_client_loop(w->client);
    bool failed = false;

    w->resource = config->resource;
    w->page_size = config->page_size ? config->page_size : PAGE_SIZE;
    w->missing_retry_ms = config->missing_retry_ms ? config->missing_retry_ms : MISSING_RETRY_MS;
    w->lines = BUF_INIT((size_t)2 * WATCH_LINE_BYTES_MAX);
    w->ns = copy_or_null(config->ns, &failed);
    w->label_selector = copy_or_null(config->label_selector, &failed);
    w->field_selector = copy_or_null(config->field_selector, &failed);
    w->rv = copy_or_null(config->resume_rv, &failed);
    w->retry = loop_timer_new(loop, on_retry, w);
    w->drain = loop_timer_new(loop, watch_on_drain, w);
    if (failed || !w->retry || !w->drain)
        return error_set(err, ENOMEM, "out of memory");
    return 0;
}

int kube_watch_start(struct kube_client *client, const struct kube_watch_config *config,
                     const struct kube_watch_handler *handler, void *userdata,
                     struct kube_watch **ret, struct error *err)
{
    struct kube_watch *w;
    int r;

    if (!config->resource)
        return error_set(err, EINVAL, "watch: no resource");
    w = calloc(1, sizeof(*w));
    if (!w)
        return error_set(err, ENOMEM, "out of memory");
    w->client = client;
    w->handler = *handler;
    w->userdata = userdata;
    r = watch_init(w, config, err);
    if (r) {
        watch_destroy(w);
        return r;
    }
    watch_retry(w, 0);
    *ret = w;
    return 0;
}
