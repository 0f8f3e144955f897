/* Inside common/store only: a corrupt file is put aside, once, whoever notices first. Everything
 * that makes or moves the file at the journal's path happens under a lock on <path>.lock, so that
 * two daemons that notice at once don't put aside each other's new file. */
#ifndef COMMON_STORE_ASIDE_H
#define COMMON_STORE_ASIDE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"

/** Take the lock; the descriptor is the caller's, closing it unlocks. -EBUSY after @timeout_ms. */
int aside_lock(const char *path, int timeout_ms, int *ret_fd, struct error *err);
/** Rename the file with its -wal and -shm to <path>.corrupt-<time>. The lock is held. Nothing
 * there: 0. */
int aside_rename(const char *path, char *ret_name, size_t size, struct error *err);
/** Both, if the file at @path still is @dev, @ino. 0: put aside; -ESTALE: somebody else did. */
int aside_put(const char *path, dev_t dev, ino_t ino, char *ret_name, size_t size);

#endif
