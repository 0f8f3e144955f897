/* The statusreporter's settings. */
#ifndef STATUSREPORTER_CONFIG_H
#define STATUSREPORTER_CONFIG_H

#include "common/base/args.h"

struct statusreporter_config {
    struct common_config common;
    const char *metrics_addr; /* "" or "0": none */
};

#define STATUSREPORTER_CONFIG_DEFAULT                                                              \
    {                                                                                              \
        .common = COMMON_CONFIG_DEFAULT, .metrics_addr = ":8080"                                   \
    }

/** Returns 0, ARGS_SERVED, or -EINVAL (usage). */
int statusreporter_config_load(struct statusreporter_config *config, int argc, char **argv,
                               struct error *err);

#endif
