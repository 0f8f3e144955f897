/* What was said, for flinkctl timeline: gathered and written in one transaction now and then, as
 * nothing depends on it. */
#ifndef STATUSREPORTER_HISTORY_H
#define STATUSREPORTER_HISTORY_H

#include "common/store/journal.h"

enum { HISTORY_LINES = 64, HISTORY_DELAY_MS = 200 };

struct history {
    struct {
        int64_t time_ms;
        char uid[64];
        const char *what; /* static */
        cJSON *payload;
    } lines[HISTORY_LINES];
    int n;
    int64_t cursor; /* of the consumer "statusreporter"; written along */
    int64_t cursor_written;
};

void history_done(struct history *h);
/** Takes @payload. True: it is full and wants to be flushed. */
bool history_add(struct history *h, const char *uid, const char *what, int64_t now_ms,
                 cJSON *payload);
bool history_is_empty(const struct history *h);
/** Emptied also when it can't be written. */
int history_flush(struct history *h, struct journal *journal, struct error *err);

#endif
