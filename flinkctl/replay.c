/* Decides again. Linked with the reconciler's plan, as why.c says. */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "flinkctl/flinkctl.h"
#include "reconciler/plan.h"

enum { REPLAY_BATCH = 64 };

static int print_plan(const struct flinkctl *ctl, const struct snapshot *snapshot,
                      struct error *err)
{
    int64_t now_ms = ctl->config->now_ms ? ctl->config->now_ms : time_now_ms();
    _cleanup_(json_freep) cJSON *json = NULL;
    _cleanup_(freep) char *text = NULL;
    struct plan plan;

    plan_make(snapshot, now_ms, &plan);
    json = plan_json(&plan);
    plan_done(&plan);
    json_set_str(json, "namespace", json_str(snapshot->cluster, "metadata.namespace"));
    json_set_str(json, "name", json_str(snapshot->cluster, "metadata.name"));
    json_set_int(json, "row", snapshot->row);
    text = json_text(json);
    if (!text)
        return error_set(err, ENOMEM, "no memory");
    (void)puts(text);
    return 0;
}

static int replay_cluster(struct flinkctl *ctl, const struct changed_cluster *cluster,
                          struct error *err)
{
    _cleanup_(snapshot_done) struct snapshot snapshot = {0};
    int r = snapshot_load(ctl->journal, cluster->ns, cluster->name, cluster->uid, &snapshot, err);

    return r || !snapshot.cluster ? r : print_plan(ctl, &snapshot, err);
}

static int replay_all(struct flinkctl *ctl, struct error *err)
{
    _cleanup_(freep) struct changed_cluster *all = calloc(REPLAY_BATCH, sizeof *all);
    size_t n = REPLAY_BATCH;
    int64_t last = 0;
    int r = flinkctl_open_journal(ctl, err);

    while (!r && all && n == REPLAY_BATCH) {
        r = object_changed_clusters(ctl->journal, last, all, REPLAY_BATCH, &n, &last, err);
        for (size_t i = 0; !r && i < n; i++)
            r = replay_cluster(ctl, &all[i], err);
    }
    return r;
}

int replay_run(struct flinkctl *ctl, struct error *err)
{
    _cleanup_(snapshot_done) struct snapshot snapshot = {0};
    int r;

    if (!ctl->config->file && !ctl->config->argument)
        return replay_all(ctl, err);
    r = flinkctl_snapshot(ctl, &snapshot, err);
    return r ? r : print_plan(ctl, &snapshot, err);
}
