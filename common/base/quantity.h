/* Kubernetes quantities ("500m", "1Gi", "2e3", a JSON number). Exact in nano units for values that
 * fit. */
#ifndef COMMON_BASE_QUANTITY_H
#define COMMON_BASE_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

struct quantity {
    __int128 nano; /* value x 10^9, rounded up to whole nanos as the API server does */
    char format; /* 'b' binary SI, 'd' decimal SI, 'e' exponent: the form it is printed in */
};

/* 0, -EINVAL (syntax) or -ERANGE (over 10^24). */
int quantity_parse(const char *text, struct quantity *ret);
/* A string, with blanks around it if need be, or a number. */
int quantity_from_json(const cJSON *json, struct quantity *ret);
int64_t quantity_ceil(const struct quantity *q); /* whole units, rounded up, saturating */
int quantity_compare(const struct quantity *a, const struct quantity *b);
/* Kubernetes' canonical text ("2048Mi" -> "2Gi", "0.5" -> "500m"); out holds 64 bytes. */
void quantity_canonical(const struct quantity *q, char out[64]);
/* The text that Kubernetes' clients write when they were given @json: the canonical one, except for
 * short numbers that need no scaling, which stay as they were written ("1.125", "+5", "1E3"). As
 * quantity_from_json(). */
int quantity_text(const cJSON *json, char out[64]);
/* Equal values, whatever the form: both quantities, else compared as JSON. */
bool quantity_json_equal(const cJSON *a, const cJSON *b);

#endif
