/* flinkd-jobsubmitter: every action on a Flink job. Commands in, Kubernetes Jobs and Flink REST
 * calls out, outcomes back into the journal. */
#ifndef JOBSUBMITTER_JOBSUBMITTER_H
#define JOBSUBMITTER_JOBSUBMITTER_H

#include "common/flink/rest.h"
#include "common/io/bus.h"
#include "common/io/httpd.h"
#include "common/kube/client.h"
#include "common/store/journal.h"
#include "jobsubmitter/config.h"

struct work;

struct jobsubmitter {
    const struct jobsubmitter_config *config;
    struct loop *loop;
    struct http *http;
    struct kube_client *kube;
    struct flink_client *flink;
    struct journal *journal; /* NULL while it can't be opened */
    struct bus *bus;
    struct httpd *health;
    struct loop_timer *sweep;
    char identity[300]; /* of the claims */
    int seat_fd; /* what makes it ours alone; -1: none */
    struct work *works; /* claimed, oldest first */
    int n_works;
    bool ready;
    bool stopping; /* claim nothing more */
    bool exhausted; /* the last round of claims found nothing due */
    int failures; /* attempts and claims that failed, for --once */
};

int jobsubmitter_new(const struct jobsubmitter_config *config, struct jobsubmitter **ret,
                     struct error *err);
struct jobsubmitter *jobsubmitter_free(struct jobsubmitter *js);
void jobsubmitter_freep(struct jobsubmitter **js);
/** 0 on SIGTERM, or with --once when nothing is due. */
int jobsubmitter_run(struct jobsubmitter *js, struct error *err);
/** The journal was lost or replaced: what was claimed from it is forgotten. */
void jobsubmitter_reopen(struct jobsubmitter *js);

/* dispatch.c */
void jobsubmitter_dispatch(const struct message *m, void *userdata);

#endif
