/* What loop.c and http.c have between them; everybody else sees http.h. */
#ifndef COMMON_IO_HTTP_DRIVE_H
#define COMMON_IO_HTTP_DRIVE_H

#include "common/io/http.h"

/** Wait for a transfer, for @fd to be readable or for @timeout_ms (negative: for ever), then move
 * the transfers on and call on_done of those that ended. */
int http_drive(struct http *http, int fd, int timeout_ms, struct error *err);
/** For how many ms curl had better be left alone: it looks at all transfers whenever there is news
 * of one, so that news that come close together are cheaper together. */
int http_pause_ms(const struct http *http);

#endif
