/* The watcher's settings. */
#ifndef WATCHER_CONFIG_H
#define WATCHER_CONFIG_H

#include "common/base/args.h"
#include "common/flink/url.h"

struct watcher_config {
    struct common_config common;
    bool leader_election;
    const char *leader_election_id; /* name of the Lease */
    const char *leader_election_ns; /* NULL: POD_NAMESPACE, then the client's namespace */
    const char *identity; /* holder of the Lease; NULL: POD_NAME, then host name and journal */
    const char *flink_url_template;
    const char *cluster_domain;
    int64_t history_days; /* how long the journal's history is kept */
    int64_t history_rows;
};

#define WATCHER_CONFIG_DEFAULT                                                                     \
    {                                                                                              \
        .common = COMMON_CONFIG_DEFAULT, .leader_election_id = "flink-operator-lock",              \
        .flink_url_template = FLINK_URL_TEMPLATE, .history_days = 7, .history_rows = 100000        \
    }

/** Returns 0, ARGS_SERVED, or -EINVAL (usage). */
int watcher_config_load(struct watcher_config *config, int argc, char **argv, struct error *err);

#endif
