#include "statusreporter/history.h"

#include "common/base/str.h"

static void clear(struct history *h)
{
    for (int i = 0; i < h->n; i++)
        cJSON_Delete(h->lines[i].payload);
    h->n = 0;
}

void history_done(struct history *h)
{
    clear(h);
}

bool history_add(struct history *h, const char *uid, const char *what, int64_t now_ms,
                 cJSON *payload)
{
    if (h->n == HISTORY_LINES) {
        cJSON_Delete(payload);
        return true;
    }
    h->lines[h->n].time_ms = now_ms;
    str_copy(h->lines[h->n].uid, sizeof h->lines[h->n].uid, uid);
    h->lines[h->n].what = what;
    h->lines[h->n].payload = payload;
    return ++h->n == HISTORY_LINES;
}

bool history_is_empty(const struct history *h)
{
    return h->n == 0 && h->cursor == h->cursor_written;
}

int history_flush(struct history *h, struct journal *journal, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    int r;

    if (history_is_empty(h))
        return 0;
    r = journal_begin(journal, false, &tx, err);
    for (int i = 0; i < h->n && !r; i++)
        r = event_add(&tx, h->lines[i].time_ms, "statusreporter", h->lines[i].uid, h->lines[i].what,
                      h->lines[i].payload, err);
    if (!r)
        r = cursor_set(&tx, "statusreporter", h->cursor, err);
    if (!r)
        r = journal_commit(&tx, err);
    if (!r)
        h->cursor_written = h->cursor;
    clear(h);
    return r;
}
