#include "common/base/log.h"
#include "watcher/flink_source.h"
#include "watcher/watcher.h"

/* What others wrote may be a command: which savepoints are to be followed now? */
static void on_written(struct watcher *w)
{
    flink_source_sweep(w->flink_source);
}

void watcher_dispatch(const struct message *m, void *userdata)
{
    struct watcher *w = userdata;

    switch (m->type) {
    case MESSAGE_DECIDED:
    case MESSAGE_COMMAND_READY:
    case MESSAGE_COMMAND_DONE:
        on_written(w);
        return;
    case MESSAGE_OBSERVED: /* ours to send */
    case MESSAGE_TYPES:
        break;
    }
    log_warn("unexpected message \"%s\", ignored", message_topic(m->type));
}
