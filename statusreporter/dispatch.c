/* Each message says only that there is something new in the journal. */
#include "common/base/log.h"
#include "statusreporter/statusreporter.h"

void statusreporter_dispatch(const struct message *m, void *userdata)
{
    struct statusreporter *sr = userdata;

    switch (m->type) {
    case MESSAGE_OBSERVED:
    case MESSAGE_DECIDED:
    case MESSAGE_COMMAND_READY:
    case MESSAGE_COMMAND_DONE:
        statusreporter_wake(sr);
        return;
    case MESSAGE_TYPES:
        break;
    }
    log_debug("unexpected message '%s'", message_topic(m->type));
}
