#include "reconciler/config.h"

static const struct arg table[] = {ARGS_COMMON(struct reconciler_config)};

int reconciler_config_load(struct reconciler_config *config, int argc, char **argv,
                           struct error *err)
{
    return args_parse("flinkd-reconciler",
                      "Decides what each FlinkCluster needs and keeps its children as specified.",
                      table, ARRAY_SIZE(table), argc, argv, config, err);
}
