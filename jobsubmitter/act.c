#include "common/base/json.h"
#include "common/base/str.h"
#include "jobsubmitter/work.h"

/* A submission that lay for long, or was tried before: meanwhile there may have been a run, and the
 * status tells of newer state than this one would start from. */
static bool is_outdated(const struct work *work, const cJSON *cluster)
{
    const cJSON *args = work->command.args;
    const char *state = json_str(cluster, "status.components.job.savepointLocation");

    return work->order.kind == ORDER_SUBMIT && !str_empty(state) &&
           !str_eq(state, json_str(args, "state")) &&
           !str_eq(state, json_str(args, "fromSavepoint"));
}

/* Flink did it, but the report got lost, and how it ended is known by now: a JobManager that was
 * restarted since would do it again. */
static bool is_settled(const struct work *work, const cJSON *cluster)
{
    const cJSON *savepoint = json_get(cluster, "status.savepoint");

    return (work->order.kind == ORDER_SAVEPOINT || work->order.kind == ORDER_STOP) &&
           str_eq(json_str(savepoint, "triggerID"), work->order.trigger_id) &&
           !str_eq(json_str(savepoint, "state"), "InProgress");
}

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
    work->outdated = is_outdated(work, o.json);
    work->settled = is_settled(work, o.json);
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
    else if (work->outdated)
        outcome_dropped(work, "the status tells of newer state to start from");
    else if (work->settled)
        outcome_done(work, NULL);
    else
        start(work);
}
