#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/client_private.h"
#include "common/kube/watch_private.h"

static void set_next_page(struct kube_watch *w, const char *token)
{
    free(w->next_page);
    w->next_page = token && *token ? strdup(token) : NULL;
}

/* The items of a list come without kind and apiVersion. */
static int complete(const struct kube_watch *w, cJSON *item)
{
    int r = 0;

    if (!json_str(item, "kind"))
        r = json_set_str(item, "kind", w->resource->kind);
    if (!r && !json_str(item, "apiVersion"))
        r = json_set_str(item, "apiVersion", w->resource->api_version);
    return r;
}

static void deliver_items(struct kube_watch *w, cJSON *list)
{
    cJSON *items = json_member(list, "items");

    while (cJSON_IsArray(items) && items->child && !w->dead) {
        cJSON *item = cJSON_DetachItemViaPointer(items, items->child);

        if (str_empty(json_str(item, "metadata.name")) || complete(w, item))
            cJSON_Delete(item);
        else
            watch_deliver(w, KUBE_ADDED, item, true);
    }
}

static void list_complete(struct kube_watch *w, const char *rv)
{
    w->synced = true;
    w->failures = 0;
    w->refusals = 0;
    w->listed_ms = time_monotonic_ms();
    watch_set_rv(w, rv);
    if (w->handler.list_end)
        w->handler.list_end(rv, w->userdata);
    watch_retry(w, 0);
}

static void on_page(struct kube_watch *w, cJSON *list)
{
    const char *token = json_str(list, "metadata.continue");
    const char *rv = json_str(list, "metadata.resourceVersion");

    if (str_empty(rv)) {
        watch_trouble(w, 200, "a list without resourceVersion");
        return;
    }
    deliver_items(w, list);
    if (w->dead)
        return;
    set_next_page(w, token);
    if (w->next_page)
        watch_list(w);
    else if (!str_empty(token))
        watch_trouble(w, 0, "out of memory");
    else
        list_complete(w, rv);
}

static void on_response(struct kube_response *response, void *userdata)
{
    struct kube_watch *w = userdata;

    w->call = NULL;
    watch_enter(w);
    if (response->status == 410) {
        watch_gone(w);
    } else if (response->status == 200 && response->object) {
        on_page(w, response->object);
    } else {
        /* A page that may still come is asked for again; else the list begins anew. */
        if (!response->transient)
            set_next_page(w, NULL);
        watch_trouble(w, response->status, response->message);
    }
    watch_leave(w);
}

void watch_list(struct kube_watch *w)
{
    _cleanup_(buf_done) struct buf query = BUF_INIT(KUBE_URL_BYTES_MAX);
    struct kube_request request;
    struct error err = {0};

    if (!w->next_page && w->handler.list_begin)
        w->handler.list_begin(w->userdata);
    if (w->dead)
        return;
    (void)buf_printf(&query, "limit=%d", w->page_size);
    if (w->next_page) {
        (void)buf_puts(&query, "&continue=");
        kube_escape(&query, w->next_page);
    }
    watch_selectors(w, &query);
    request = watch_request(w, &query);
    if (query.failed)
        error_set(&err, EINVAL, "the query is too long");
    else
        kube_start(w->client, &request, on_response, w, &w->call, &err);
    if (err.code) {
        set_next_page(w, NULL);
        watch_trouble(w, 0, err.text);
    }
}
