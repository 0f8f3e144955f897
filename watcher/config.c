#include "watcher/config.h"

#include "common/base/str.h"

#define ROW(name, type, field, env, metavar, help, min, max)                                       \
    {                                                                                              \
        name, type, offsetof(struct watcher_config, field), env, metavar, help, min, max           \
    }

static const struct arg table[] = {
    ARGS_COMMON(struct watcher_config),
    ROW("leader-election", ARG_BOOL, leader_election, "FLINKD_LEADER_ELECTION", NULL,
        "work only while holding a Lease; default: true in a pod, else false", 0, 0),
    ROW("leader-election-id", ARG_STRING, leader_election_id, "FLINKD_LEADER_ELECTION_ID", "NAME",
        "name of the Lease", 0, 0),
    ROW("leader-election-namespace", ARG_STRING, leader_election_ns,
        "FLINKD_LEADER_ELECTION_NAMESPACE", "NAME",
        "namespace of the Lease; default: the pod's own", 0, 0),
    ROW("identity", ARG_STRING, identity, "FLINKD_IDENTITY", "NAME",
        "how this instance calls itself in the Lease; default: the pod's name", 0, 0),
    ROW("flink-url-template", ARG_STRING, flink_url_template, "FLINKD_FLINK_URL_TEMPLATE", "URL",
        "where a cluster's Flink REST API is; tokens {name} {namespace} {domain} {port}", 0, 0),
    ROW("cluster-domain", ARG_STRING, cluster_domain, "CLUSTER_DOMAIN", "DOMAIN",
        "DNS domain of the Kubernetes cluster", 0, 0),
    ROW("history-days", ARG_INT, history_days, "FLINKD_HISTORY_DAYS", "N",
        "days for which the journal's history is kept", 1, 3650),
    ROW("history-rows", ARG_INT, history_rows, "FLINKD_HISTORY_ROWS", "N",
        "most rows of history in the journal", 1000, 100000000),
};

/* A laptop has a kubeconfig and no Lease to fight about. */
static bool in_cluster(void)
{
    return getenv("KUBERNETES_SERVICE_HOST") && str_empty(getenv("KUBECONFIG"));
}

int watcher_config_load(struct watcher_config *config, int argc, char **argv, struct error *err)
{
    int r;

    config->cluster_domain = flink_url_domain();
    config->leader_election = in_cluster();
    r = args_parse("flinkd-watcher",
                   "Watches FlinkClusters, their children and their Flink, and writes what it "
                   "learns into the journal.",
                   table, ARRAY_SIZE(table), argc, argv, config, err);
    if (r)
        return r;
    r = flink_url_check(config->flink_url_template, err);
    return r ? error_wrap(err, "--flink-url-template") : 0;
}
