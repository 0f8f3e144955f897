/* The command line of flinkctl: a subcommand, what it is about, flags. */
#ifndef FLINKCTL_CONFIG_H
#define FLINKCTL_CONFIG_H

#include "common/base/args.h"

struct flinkctl_config {
    struct common_config common;
    const char *file; /* replay, why: a snapshot instead of the journal; "-": stdin; NULL */
    const char *daemons; /* doctor: where the daemons' health is served, comma-separated; "": not
                            looked at */
    const char *operator_ns; /* doctor */
    bool json;
    int64_t timeout_s; /* savepoint, cancel: how long to wait for the end */
    int64_t now_ms; /* replay: the time; 0: now, or that of the snapshot's newest observation */
    const char *argument; /* the word that isn't a flag; NULL: none */
};

#define FLINKCTL_CONFIG_DEFAULT                                                                    \
    {                                                                                              \
        .common = COMMON_CONFIG_DEFAULT,                                                           \
        .daemons = "127.0.0.1:8081,127.0.0.1:8082,"                                                \
                   "127.0.0.1:8083,127.0.0.1:8084,127.0.0.1:9444",                                 \
        .operator_ns = "flink-operator-system", .timeout_s = 660                                   \
    }

/** @argv[0] is the subcommand. @usage: "why [NAMESPACE/]NAME". Returns 0, ARGS_SERVED, or -EINVAL
 * (usage). */
int flinkctl_config_load(struct flinkctl_config *config, const char *usage, const char *about,
                         int argc, char **argv, struct error *err);

#endif
