/* A command's kind and arguments, checked: the journal may hold anything. Pure. */
#ifndef JOBSUBMITTER_ORDER_H
#define JOBSUBMITTER_ORDER_H

#include <stdbool.h>

#include "common/store/journal.h"

enum order_kind { ORDER_SUBMIT, ORDER_SAVEPOINT, ORDER_STOP, ORDER_CANCEL, ORDER_DISPOSE };

/* Borrows from the command. What a kind doesn't have is NULL. */
struct order {
    enum order_kind kind;
    const cJSON *manifest; /* of the Job to create, in the command's namespace */
    const char *job_id; /* 32 hex digits, as is trigger_id */
    const char *trigger_id;
    const char *directory; /* for the savepoint */
    const char *format; /* "CANONICAL", "NATIVE" or NULL */
    const char *path; /* savepoint to dispose of */
    bool drain;
    bool flink_names; /* a Flink before 1.15 refuses a trigger id and makes one up */
};

/** -EINVAL with the reason in @err. */
int order_read(const struct command *c, struct order *ret, struct error *err);

enum { ORDER_TRIES_MAX = 9 }; /* of a request to Flink: about two minutes with the pauses */
/** How long to wait after try number @attempts (from 1) failed: 0.5 s, doubling, 30 s at most. */
int64_t order_backoff_ms(int attempts);

#endif
