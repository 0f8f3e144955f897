/* Times are milliseconds since 1970 (int64_t, suffix _ms) everywhere; 0 means "none". */
#ifndef COMMON_BASE_TIME_H
#define COMMON_BASE_TIME_H

#include <stdint.h>

int64_t time_now_ms(void); /* wall clock */
int64_t time_monotonic_ms(void); /* for time-outs */
/* "2026-01-02T03:04:05Z" (UTC, seconds); out holds 32 bytes. */
void time_rfc3339(int64_t ms, char out[32]);
/* Accepts fractions and offsets. 0 when @text is NULL or no RFC 3339 time. */
int64_t time_parse_rfc3339(const char *text);
/* A Flink duration (spec 05-lifecycle 6): "10 min", "500ms", no unit = ms. 0 or -EINVAL. */
int time_parse_duration(const char *text, int64_t *ret_ms);
/* The next time after @after_ms (UTC) that a five-field cron expression names; 0 or -EINVAL.
 * Fields: minute hour day-of-month month day-of-week; '*', lists, ranges, steps, names. */
int time_cron_next(const char *expression, int64_t after_ms, int64_t *ret_ms);

#endif
