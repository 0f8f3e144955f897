/* Prometheus metrics, in the text format. */
#ifndef STATUSREPORTER_METRICS_H
#define STATUSREPORTER_METRICS_H

#include "statusreporter/statusreporter.h"

/** Serve /metrics, /healthz and /readyz at the configured address; nothing when that is "". */
int metrics_serve(struct statusreporter *sr, struct error *err);
/** The page. free(); NULL without memory. */
char *metrics_text(const struct statusreporter *sr, int64_t now_ms);

#endif
