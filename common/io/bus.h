/* Hints between daemons: NNG pub/sub over ipc, one socket a daemon in a shared directory
 * (<dir>/<daemon>.ipc). Every message may be lost, doubled or late; the journal is the truth. */
#ifndef COMMON_IO_BUS_H
#define COMMON_IO_BUS_H

#include "common/io/loop.h"
#include "proto/message.h"

struct bus;

/* @m borrows for the call. */
typedef void (*bus_fn)(const struct message *m, void *userdata);

/** Publish as @self, listen to @peers (NULL-terminated names; dialled again for ever, in any start
 * order).
 *  @dir "" makes a bus that sends and receives nothing. FLINKD_BUS_DROP=1 in the environment (test
 * builds) drops every message. Malformed messages are counted and dropped. */
int bus_new(struct loop *loop, const char *dir, const char *self, const char *const *peers,
            bus_fn fn, void *userdata, struct bus **ret, struct error *err);
struct bus *bus_free(struct bus *bus);
/** Never blocks. Under load several of a type may go out as one, a moment later. */
int bus_publish(struct bus *bus, const struct message *m, struct error *err);

#endif
