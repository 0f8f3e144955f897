#include "common/base/str.h"
#include "jobsubmitter/work.h"

/* JOURNAL_E_NOTFOUND: the FlinkCluster is gone, or another one has its name. */
static int find_base(struct work *work, struct error *err)
{
    const struct jobsubmitter_config *config = work->js->config;
    const struct command *c = &work->command;
    _cleanup_(object_done) struct object o = {0};
    int r;

    r = object_get(work->js->journal, "FlinkCluster", c->ns, c->cluster_name, &o, err);
    if (r)
        return r;
    if (!str_eq(o.uid, c->cluster_uid))
        return JOURNAL_E_NOTFOUND;
    work->base = flink_url(config->flink_url_template, c->ns, c->cluster_name,
                           config->cluster_domain, flink_url_port(o.json));
    return work->base ? 0 : error_set(err, ENOMEM, "out of memory");
}

static void start(struct work *work)
{
    switch (work->order.kind) {
    case ORDER_SUBMIT:
        submit_start(work);
        return;
    case ORDER_SAVEPOINT:
    case ORDER_STOP:
    case ORDER_DISPOSE:
        savepoint_start(work);
        return;
    case ORDER_CANCEL:
        cancel_start(work);
        return;
    }
}

void act_start(struct work *work)
{
    struct error err = {0};
    int r;

    work->started = true;
    r = order_read(&work->command, &work->order, &err);
    if (r) {
        outcome_failed(work, NULL, err.text);
        return;
    }
    r = find_base(work, &err);
    if (r == JOURNAL_E_NOTFOUND)
        outcome_dropped(work, "the FlinkCluster is gone");
    else if (r)
        outcome_transient(work, err.text, 0);
    else
        start(work);
}
