/* The reconciler's settings. */
#ifndef RECONCILER_CONFIG_H
#define RECONCILER_CONFIG_H

#include "common/base/args.h"

struct reconciler_config {
    struct common_config common;
};

#define RECONCILER_CONFIG_DEFAULT                                                                  \
    {                                                                                              \
        .common = COMMON_CONFIG_DEFAULT                                                            \
    }

/** Returns 0, ARGS_SERVED, or -EINVAL (usage). */
int reconciler_config_load(struct reconciler_config *config, int argc, char **argv,
                           struct error *err);

#endif
