#include "jobsubmitter/config.h"

#define ROW(name, type, field, env, metavar, help)                                                 \
    {                                                                                              \
        name, type, offsetof(struct jobsubmitter_config, field), env, metavar, help, 0, 0          \
    }

static const struct arg table[] = {
    ARGS_COMMON(struct jobsubmitter_config),
    ROW("identity", ARG_STRING, identity, "FLINKD_IDENTITY", "NAME",
        "how this instance calls itself in its claims; default: the pod's or host's name"),
    ROW("flink-url-template", ARG_STRING, flink_url_template, "FLINKD_FLINK_URL_TEMPLATE", "URL",
        "where a cluster's Flink REST API is; tokens {name} {namespace} {domain} {port}"),
    ROW("cluster-domain", ARG_STRING, cluster_domain, "CLUSTER_DOMAIN", "DOMAIN",
        "DNS domain of the Kubernetes cluster"),
};

int jobsubmitter_config_load(struct jobsubmitter_config *config, int argc, char **argv,
                             struct error *err)
{
    int r;

    config->cluster_domain = flink_url_domain();
    r = args_parse(
        "flinkd-jobsubmitter",
        "Carries out what was decided about Flink jobs: submits, takes savepoints, stops, "
        "cancels.",
        table, ARRAY_SIZE(table), argc, argv, config, err);
    if (r)
        return r;
    r = flink_url_check(config->flink_url_template, err);
    return r ? error_wrap(err, "--flink-url-template") : 0;
}
