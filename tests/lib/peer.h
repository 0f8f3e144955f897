/* The other end of a TCP connection, byte by byte: a client that misbehaves, or a server that
 * answers every request it reads with the same bytes. Turned by the loop of the test. */
#ifndef TESTS_LIB_PEER_H
#define TESTS_LIB_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/io/loop.h"

struct peer {
    struct loop *loop;
    int listener, fd; /* -1: none; a server talks to its newest client */
    int port;
    const char *answer; /* server: sent after each request's headers; NULL: silence */
    bool hang_up; /* server: close after the answer */
    int clients; /* server: accepted so far */
    int requests; /* server: answered so far */
    char in[256 * 1024]; /* what came, terminated */
    size_t len;
    bool ended; /* the other end has closed */
};

/** Both abort the test on failure; peer_free() by the caller. */
struct peer *peer_dial(struct loop *loop, int port);
/** … as a client at 127.0.0.@last_byte. */
struct peer *peer_dial_from(struct loop *loop, int port, int last_byte);
struct peer *peer_listen(struct loop *loop, const char *answer);
struct peer *peer_free(struct peer *peer);
/** Send what the socket takes without waiting. Returns how much that was, 0 when it is full or
 * gone. */
size_t peer_send(struct peer *peer, const char *bytes, size_t len);
void peer_say(struct peer *peer, const char *text);

#endif
