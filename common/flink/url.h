/* Where a cluster's Flink REST API is (spec 06-flink-rest 1). Pure but for url_domain(). */
#ifndef COMMON_FLINK_URL_H
#define COMMON_FLINK_URL_H

#include <cjson/cJSON.h>

#include "common/base/error.h"

/* Tokens: {name}, {namespace}, {domain}, {port}. */
#define FLINK_URL_TEMPLATE "http://{name}-jobmanager.{namespace}.svc.{domain}:{port}"

enum { FLINK_UI_PORT = 8081 }; /* default of spec.jobManager.ports.ui */

/** CLUSTER_DOMAIN of the environment, or "cluster.local". Borrowed from the environment. */
const char *flink_url_domain(void);
/** -EINVAL: no http(s) URL, or an unknown token. */
int flink_url_check(const char *template, struct error *err);
/** The base URL, without a trailing slash. A template that flink_url_check() accepted. free(); NULL
 *  without memory. */
char *flink_url(const char *template, const char *ns, const char *name, const char *domain,
                int port);
/** The port of the FlinkCluster's REST API; the default when absent or out of range. */
int flink_url_port(const cJSON *cluster);

#endif
