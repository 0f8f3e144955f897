#include "webhook/config.h"

#define ROW(name, type, field, env, metavar, help, min, max)                                       \
    {                                                                                              \
        name, type, offsetof(struct webhook_config, field), env, metavar, help, min, max           \
    }

static const struct arg table[] = {
    ARGS_COMMON_CLIENT(struct webhook_config),
    ARGS_COMMON_PROCESS(struct webhook_config),
    ROW("enable-webhooks", ARG_BOOL, enabled, "FLINK_OPERATOR_ENABLE_WEBHOOKS", NULL,
        "false: do nothing but serve health", 0, 0),
    ROW("addr", ARG_STRING, addr, "FLINKD_WEBHOOK_ADDR", "HOST:PORT",
        "serve admission there, over HTTPS", 0, 0),
    ROW("cert-dir", ARG_STRING, cert_dir, "FLINKD_CERT_DIR", "DIR",
        "tls.crt and tls.key (and ca.crt) to serve with; empty, they are made and renewed there", 0,
        0),
    ROW("cert-days", ARG_INT, cert_days, "FLINKD_CERT_DAYS", "N",
        "validity of a certificate that is made here", 1, 1800),
    ROW("service-name", ARG_STRING, service_name, "FLINKD_SERVICE_NAME", "NAME",
        "Service through which the API server calls", 0, 0),
    ROW("service-namespace", ARG_STRING, service_ns, "POD_NAMESPACE", "NAME", "its namespace", 0,
        0),
    ROW("mutating-config", ARG_STRING, mutating, "FLINKD_MUTATING_CONFIG", "NAME",
        "MutatingWebhookConfiguration to write the CA into; empty: none", 0, 0),
    ROW("validating-config", ARG_STRING, validating, "FLINKD_VALIDATING_CONFIG", "NAME",
        "ValidatingWebhookConfiguration to write the CA into; empty: none", 0, 0),
};

int webhook_config_load(struct webhook_config *config, int argc, char **argv, struct error *err)
{
    return args_parse(
        "flinkd-webhook",
        "Fills in defaults of FlinkClusters and refuses wrong ones. With --once or --dry-run it "
        "answers one AdmissionReview from standard input, as both webhooks.",
        table, ARRAY_SIZE(table), argc, argv, config, err);
}
