/* The webhook's settings. */
#ifndef WEBHOOK_CONFIG_H
#define WEBHOOK_CONFIG_H

#include "common/base/args.h"

struct webhook_config {
    struct common_config common;
    bool enabled; /* false: serve health only */
    const char *addr; /* HTTPS */
    const char *cert_dir;
    int64_t cert_days; /* validity of a certificate made here */
    const char *service_name, *service_ns;
    const char *mutating,
        *validating; /* names of the webhook configurations; "": not looked after */
};

#define WEBHOOK_CONFIG_DEFAULT                                                                     \
    {                                                                                              \
        .common = COMMON_CONFIG_DEFAULT, .enabled = true, .addr = ":9443",                         \
        .cert_dir = "/tmp/k8s-webhook-server/serving-certs", .cert_days = 365,                     \
        .service_name = "flink-operator-webhook-service", .service_ns = "flink-operator-system",   \
        .mutating = "flink-operator-mutating-webhook-configuration",                               \
        .validating = "flink-operator-validating-webhook-configuration"                            \
    }

/** Returns 0, ARGS_SERVED, or -EINVAL (usage). */
int webhook_config_load(struct webhook_config *config, int argc, char **argv, struct error *err);

#endif
