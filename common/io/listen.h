/* A listening TCP socket at "host:port", "[v6]:port" or ":port". */
#ifndef COMMON_IO_LISTEN_H
#define COMMON_IO_LISTEN_H

#include "common/base/error.h"

/** @ret_fd is the caller's; @ret_port the real one, also for port 0.
 *  -EINVAL: no such address; -EADDRINUSE: taken. */
int listen_open(const char *addr, int *ret_fd, int *ret_port, struct error *err);

#endif
