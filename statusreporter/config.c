#include "statusreporter/config.h"

#include "common/base/str.h"

static const struct arg table[] = {
    ARGS_COMMON(struct statusreporter_config),
    {"metrics-addr", ARG_STRING, offsetof(struct statusreporter_config, metrics_addr),
     "FLINKD_METRICS_ADDR", "HOST:PORT",
     "serve Prometheus metrics at /metrics (and /healthz, /readyz) there; empty or 0: nowhere", 0,
     0},
};

int statusreporter_config_load(struct statusreporter_config *config, int argc, char **argv,
                               struct error *err)
{
    int r =
        args_parse("flinkd-statusreporter",
                   "Says what the journal knows: the FlinkClusters' status, Events and metrics.",
                   table, ARRAY_SIZE(table), argc, argv, config, err);

    if (r)
        return r;
    if (str_eq(config->metrics_addr, "0"))
        config->metrics_addr = "";
    return 0;
}
