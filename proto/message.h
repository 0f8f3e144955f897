/* Everything the daemons say to each other, declared once. A message is a hint: which row of the
 * journal to look at. Wire: version byte, type byte, then each field (u64: 8 bytes big endian; str:
 * u16 length, bytes). */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

enum { MESSAGE_VERSION = 1, MESSAGE_STR_MAX = 253, MESSAGE_BYTES_MAX = 1024 };

/* clang-format off */
/* X(struct, ENUM, topic) */
#define MESSAGE_LIST(X)                                                                            \
    X(observed, OBSERVED, "observed")             /* watcher -> reconciler, statusreporter */ \
    X(decided, DECIDED, "decided")                /* reconciler -> statusreporter, watcher; no command among it */ \
    X(command_ready, COMMAND_READY, "command.ready") /* reconciler -> jobsubmitter, statusreporter, watcher */              \
    X(command_done, COMMAND_DONE, "command.done") /* jobsubmitter -> reconciler, statusreporter, watcher */
/* uid: of a FlinkCluster that changed; others may have changed with it */
#define FIELDS_observed(F)      F(u64, row) F(str, uid)
#define FIELDS_decided(F)       F(u64, row) F(str, uid)
#define FIELDS_command_ready(F) F(u64, row) F(str, uid)
#define FIELDS_command_done(F)  F(u64, row) F(str, uid)
/* clang-format on */

enum message_type {
#define X(name, upper, topic) MESSAGE_##upper,
    MESSAGE_LIST(X)
#undef X
        MESSAGE_TYPES
};

typedef uint64_t message_u64;
typedef const char *message_str; /* borrows from the message's buffer */

#define F(type, name) message_##type name;
#define X(name, upper, topic)                                                                      \
    struct message_##name {                                                                        \
        FIELDS_##name(F)                                                                           \
    };
MESSAGE_LIST(X)
#undef X
#undef F

struct message {
    enum message_type type;
    union {
#define X(name, upper, topic) struct message_##name name;
        MESSAGE_LIST(X)
#undef X
    };
    char strings[MESSAGE_BYTES_MAX]; /* what a decoded message's strings point into */
};

const char *message_topic(enum message_type type);
/** Returns the bytes written to @out (at most MESSAGE_BYTES_MAX), or -EINVAL (a string is NULL or
 * too long). */
int message_encode(const struct message *m, unsigned char *out, size_t size, struct error *err);
/** Hostile bytes: checks version, type, every length, that nothing is left over, that strings hold
 * no NUL. Returns 0 or -EPROTO. @ret must not be moved afterwards (its strings point into it). */
int message_decode(const unsigned char *data, size_t len, struct message *ret, struct error *err);

#endif
