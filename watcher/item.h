/* One thing to write: an entry of the record's queue. Between record.c and record_apply.c. */
#ifndef WATCHER_ITEM_H
#define WATCHER_ITEM_H

#include "common/store/journal.h"
#include "watcher/index.h"

enum item_type { ITEM_PUT, ITEM_DELETE, ITEM_LIST, ITEM_RESUME, ITEM_OBSERVE };

struct item {
    struct item *next;
    enum item_type type;
    /* PUT, DELETE: the object. LIST: kind and ns. RESUME: ns, resource_version. OBSERVE:
     * cluster_uid, and json (NULL: delete). */
    struct object object;
    char *key; /* RESUME: the resource. OBSERVE: the key */
    struct index seen; /* LIST */
    bool ha; /* LIST */
    bool changed; /* applied, and it changed a row */
    struct item *gone; /* LIST: DELETE items of what the list didn't have, once applied */
};

struct item *item_new(enum item_type type); /* NULL without memory */
void item_free(struct item *it);
void items_free(struct item *list);

/* What was last recorded of each object. a: hash of the content of noisy objects; b: of its line in
 * the history. */
struct known {
    struct index objects;
};

/** Apply to the journal. -EINVAL: this item can never be written. */
int item_apply(struct item *it, struct journal_tx *tx, struct known *known, int64_t now_ms,
               struct error *err);
/** The transaction was rolled back: what item_apply() learned isn't so. */
void item_undo(struct item *it, struct known *known);
/** For --dry-run: as a line of JSON on stdout. */
void item_print(const struct item *it);

#endif
