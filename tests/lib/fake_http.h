/* A scripted HTTP server in the test's own loop, for what a real one doesn't do on demand: cut an
 * answer off, hold a stream open, say 410. One request a connection. */
#ifndef TESTS_LIB_FAKE_HTTP_H
#define TESTS_LIB_FAKE_HTTP_H

#include <stdbool.h>

#include "common/io/loop.h"

struct fake_http;

struct fake_request {
    int number; /* from 0 */
    const char *method, *target; /* target with the query */
    const char *headers; /* all lines */
    const char *body;
};

struct fake_answer {
    int status; /* 0: close without an answer */
    const char *headers; /* more lines, each with \r\n; NULL: none */
    const char *body; /* NULL: "" */
    bool hold; /* leave open for fake_http_push(); the body's end is the connection's */
    bool cut; /* promise more than is sent */
};

typedef void (*fake_http_fn)(const struct fake_request *request, struct fake_answer *answer,
                             void *userdata);

struct fake_http *fake_http_new(struct loop *loop, fake_http_fn fn, void *userdata);
void fake_http_free(struct fake_http *fake);
const char *fake_http_url(const struct fake_http *fake); /* "http://127.0.0.1:port" */
int fake_http_requests(const struct fake_http *fake);
/** "METHOD target\n" of each request so far. */
const char *fake_http_log(const struct fake_http *fake);
/** More bytes on every held connection. */
void fake_http_push(struct fake_http *fake, const char *text);
void fake_http_hang_up(struct fake_http *fake);
int fake_http_held(const struct fake_http *fake);

#endif
