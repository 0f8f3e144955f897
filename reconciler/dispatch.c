#include "common/base/log.h"
#include "reconciler/reconciler.h"

void reconciler_dispatch(const struct message *m, void *userdata)
{
    struct reconciler *rec = userdata;

    switch (m->type) {
    case MESSAGE_OBSERVED:
    case MESSAGE_COMMAND_DONE:
        reconciler_wake(rec);
        return;
    case MESSAGE_DECIDED: /* ours to send */
    case MESSAGE_COMMAND_READY:
    case MESSAGE_TYPES:
        break;
    }
    log_warn("unexpected message '%s', ignored", message_topic(m->type));
}
