/* flinkctl: the human's window into flinkd. Reads the journal (never writes it) and talks to the
 * API server. */
#ifndef FLINKCTL_FLINKCTL_H
#define FLINKCTL_FLINKCTL_H

#include "common/kube/client.h"
#include "common/model/snapshot.h"
#include "common/store/journal.h"
#include "flinkctl/config.h"

/* What a subcommand works with; opened when it asks for it. */
struct flinkctl {
    const struct flinkctl_config *config;
    struct journal *journal;
    struct loop *loop;
    struct http *http;
    struct kube_client *kube;
};

void flinkctl_done(struct flinkctl *ctl);
int flinkctl_open_journal(struct flinkctl *ctl, struct error *err);
int flinkctl_open_kube(struct flinkctl *ctl, struct error *err);

/** The FlinkCluster that the argument names, also one that is gone; needs the journal. -ENOENT,
 * -EINVAL (not unique). */
int flinkctl_find(struct flinkctl *ctl, struct changed_cluster *ret, struct error *err);
/** Its snapshot: from --file, else from the journal. */
int flinkctl_snapshot(struct flinkctl *ctl, struct snapshot *ret, struct error *err);
/** "ns/name" or "name" -> both; @ns is left as it is when the text has none. -EINVAL: no name. */
int flinkctl_split_name(const char *text, char ns[64], char name[256], struct error *err);

/* The subcommands: 0 (fine), 1 (what was asked for is not so), or -errno. */
int timeline_run(struct flinkctl *ctl, struct error *err);
int why_run(struct flinkctl *ctl, struct error *err);
int snapshot_run(struct flinkctl *ctl, struct error *err);
int journal_run(struct flinkctl *ctl, struct error *err);
int replay_run(struct flinkctl *ctl, struct error *err);
int savepoint_run(struct flinkctl *ctl, struct error *err);
int cancel_run(struct flinkctl *ctl, struct error *err);
int doctor_run(struct flinkctl *ctl, struct error *err);

#endif
