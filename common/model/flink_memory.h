/* Whether Flink will start with the memory it is given: the arithmetic of its own start-up, done
 * before it (Flink's "Set up Flink's Process Memory"; ProcessMemoryUtils,
 * TaskExecutorFlinkMemoryUtils, JobManagerFlinkMemoryUtils). Pure. */
#ifndef COMMON_MODEL_FLINK_MEMORY_H
#define COMMON_MODEL_FLINK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

/** @component: "jobManager" or "taskManager". True when Flink will refuse; @out then says why, with
 * the numbers and what to do. False (and "") when it fits, and when that can't be told: no memory,
 * no version or one with another model. */
bool flink_memory_check(const cJSON *spec, const char *component, char *out, size_t size);

/** "1g", "512 mb", "1024" (bytes) -> bytes: org.apache.flink.configuration.MemorySize. 0, -EINVAL
 * or -ERANGE. */
int flink_memory_parse(const char *text, int64_t *ret);

#endif
