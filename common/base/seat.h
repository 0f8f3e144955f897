/* Several equal processes that work on one file tell each other apart by a seat: the lowest number
 * that no live process has. The kernel frees it when its process ends, however it ends, so who is
 * started again sits where it sat, and finds what it had claimed. */
#ifndef COMMON_BASE_SEAT_H
#define COMMON_BASE_SEAT_H

#include "common/base/error.h"

enum { SEATS_MAX = 64 };

/**
 * Take a seat among the processes called @who that work on the file @path (whether or not it is
 * there: its folder counts, and its name).
 * Returns 0 with *seat (from 0) and *fd, which holds it: the caller's; or -errno (-EBUSY: all
 * taken, -ENOENT: no such folder).
 */
int seat_take(const char *who, const char *path, int *seat, int *fd, struct error *err);

#endif
