#include "common/base/log.h"
#include "jobsubmitter/work.h"

static void on_command_ready(struct jobsubmitter *js)
{
    claim_work(js);
}

void jobsubmitter_dispatch(const struct message *m, void *userdata)
{
    struct jobsubmitter *js = userdata;

    switch (m->type) {
    case MESSAGE_COMMAND_READY:
        on_command_ready(js);
        return;
    case MESSAGE_DECIDED: /* no command is among it */
        return;
    case MESSAGE_OBSERVED: /* the watcher isn't listened to */
    case MESSAGE_COMMAND_DONE: /* ours to send */
    case MESSAGE_TYPES:
        break;
    }
    log_warn("unexpected message \"%s\", ignored", message_topic(m->type));
}
