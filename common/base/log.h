/* One line an event, on stderr: text (`2026-01-02T03:04:05.678Z INFO reconciler: msg key=value`) or
 * JSON
 * ({"time","level","daemon","msg"}). The level is the one global of a daemon. */
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include <stdbool.h>

#include "common/base/cleanup.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/** @daemon: borrowed for the life of the process, e.g. "watcher". */
void log_init(const char *daemon, enum log_level level, bool json);
/** "error", "warn", "info", "debug" -> level. Returns 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret);
const char *log_level_name(enum log_level level);
bool log_enabled(enum log_level level);
/* Foreign bytes in the text are escaped: control characters and quotes can't forge a line. */
void log_write(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                          \
            log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                                               \
    } while (0)

#endif
