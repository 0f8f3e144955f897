/* Inside common/flink only. */
#ifndef COMMON_FLINK_REST_PRIVATE_H
#define COMMON_FLINK_REST_PRIVATE_H

#include "common/flink/rest.h"

typedef int (*flink_parse_fn)(const char *body, size_t len, cJSON **ret, struct error *err);

struct flink_request {
    const char *method, *base, *path;
    const cJSON *body; /* NULL: none */
    flink_parse_fn parse;
};

int flink_start(struct flink_client *c, const struct flink_request *q, flink_done_fn fn,
                void *userdata, struct flink_call **ret, struct error *err);

#endif
