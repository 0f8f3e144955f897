/* What the daemons share: the journal, and whose event it is. */
#include "tests/unit/model/world.h"

void journal_changed(struct world *w, bool watcher_too)
{
    w->journal.row++;
    happen_once(w, misfortune(w, 20) ? between(w, 500, 5000) : between(w, 1, 120), EVENT_PLAN,
                NULL);
    happen_once(w, misfortune(w, 20) ? between(w, 500, 5000) : between(w, 1, 120), EVENT_STATUS,
                NULL);
    if (watcher_too)
        happen_once(w, between(w, 5, 500), EVENT_POLL, NULL);
}

void journal_lose(struct world *w)
{
    trace(w, "the journal is lost");
    w->epoch++;
    snapshot_done(&w->journal);
    w->journal = (struct snapshot){.row = 1,
                                   .cluster = json_copy(w->cluster),
                                   .objects = json_copy(w->objects),
                                   .observations = cJSON_CreateObject(),
                                   .commands = cJSON_CreateArray()};
    json_foreach (stream, w->streams)
        while (stream->child)
            cJSON_DeleteItemFromArray(stream, 0);
    w->n_asked = 0;
    flink_lose(w);
    journal_changed(w, true);
}

void daemons_event(struct world *w, struct happening *e)
{
    switch (e->type) {
    case EVENT_WATCH:
    case EVENT_POLL:
    case EVENT_ANSWER:
        watcher_event(w, e);
        break;
    case EVENT_PLAN:
    case EVENT_REQUEST:
        reconciler_event(w, e);
        break;
    case EVENT_CLAIM:
    case EVENT_ACT:
    case EVENT_REPORT:
        jobsubmitter_event(w, e);
        break;
    case EVENT_STATUS:
    case EVENT_STATUS_WRITE:
        statusreporter_event(w, e);
        break;
    default:
        break;
    }
}
