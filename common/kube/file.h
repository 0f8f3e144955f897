#ifndef COMMON_KUBE_FILE_H
#define COMMON_KUBE_FILE_H

#include <stddef.h>

#include "common/base/error.h"

/** The whole file, NUL-terminated; free(*ret). -EFBIG over @max_bytes; the text names the path. */
int file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_len, struct error *err);

#endif
