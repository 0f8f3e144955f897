/* A hash index over names of objects: 16 bytes an object, so that what was last recorded of each
 * can be remembered without a look into the journal. */
#ifndef WATCHER_INDEX_H
#define WATCHER_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct index_entry {
    uint64_t key; /* 0: free slot */
    uint32_t a, b; /* the user's; both 0: as good as absent, dropped when the table grows */
};

struct index {
    struct index_entry *slots;
    size_t size, used; /* size: a power of two or 0 */
};

void index_done(struct index *x); /* frees; empty and usable afterwards */
/** 64-bit hash of the three strings, never 0. */
uint64_t index_key(const char *one, const char *two, const char *three);
/** The entry, made (a and b 0) when absent; valid until the next call. NULL without memory. */
struct index_entry *index_at(struct index *x, uint64_t key);
/** NULL when absent. */
struct index_entry *index_find(const struct index *x, uint64_t key);

#endif
