#include "common/base/log.h"
#include "jobsubmitter/work.h"

static void on_command_ready(struct jobsubmitter *js)
{
    claim_work(js);
}

/* Of a cluster it is nothing to us; without one it says that the Lease may be ours now. */
static void on_observed(struct jobsubmitter *js, const struct message_observed *observed)
{
    if (!observed->uid[0])
        claim_work(js);
}

void jobsubmitter_dispatch(const struct message *m, void *userdata)
{
    struct jobsubmitter *js = userdata;

    switch (m->type) {
    case MESSAGE_COMMAND_READY:
        on_command_ready(js);
        return;
    case MESSAGE_OBSERVED:
        on_observed(js, &m->observed);
        return;
    case MESSAGE_DECIDED: /* a command among it has a message of its own */
        return;
    case MESSAGE_COMMAND_DONE: /* ours to send */
    case MESSAGE_TYPES:
        break;
    }
    log_warn("unexpected message \"%s\", ignored", message_topic(m->type));
}
