/* The jobsubmitter's settings. */
#ifndef JOBSUBMITTER_CONFIG_H
#define JOBSUBMITTER_CONFIG_H

#include "common/base/args.h"
#include "common/flink/url.h"

struct jobsubmitter_config {
    struct common_config common;
    const char *identity; /* who claims; NULL: POD_NAME or host name */
    const char *flink_url_template;
    const char *cluster_domain;
};

#define JOBSUBMITTER_CONFIG_DEFAULT                                                                \
    {                                                                                              \
        .common = COMMON_CONFIG_DEFAULT, .flink_url_template = FLINK_URL_TEMPLATE                  \
    }

/** Returns 0, ARGS_SERVED, or -EINVAL (usage). */
int jobsubmitter_config_load(struct jobsubmitter_config *config, int argc, char **argv,
                             struct error *err);

#endif
