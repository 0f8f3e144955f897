#include "watcher/index.h"

#include <stdlib.h>

enum { INDEX_SIZE_MIN = 64 };

void index_done(struct index *x)
{
    free(x->slots);
    *x = (struct index){0};
}

/* FNV-1a, the strings' NULs included so that ("a", "bc") and ("ab", "c") differ. */
static uint64_t hash_add(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (unsigned char)*text) * 1099511628211U;
    } while (*text++);
    return hash;
}

uint64_t index_key(const char *one, const char *two, const char *three)
{
    uint64_t hash = hash_add(hash_add(hash_add(14695981039346656037U, one), two), three);

    return hash ? hash : 1;
}

/* The entry of @key or the free slot where it belongs. FNV's low bits mix well enough. */
static struct index_entry *probe(struct index_entry *slots, size_t size, uint64_t key)
{
    size_t i = (size_t)(key ^ key >> 32) & (size - 1);

    while (slots[i].key && slots[i].key != key)
        i = (i + 1) & (size - 1);
    return &slots[i];
}

/* Drops what is as good as absent; twice the size unless that made room. */
static int grow(struct index *x)
{
    struct index bigger = {.size = x->size ? x->size : INDEX_SIZE_MIN};
    size_t live = 0;

    for (size_t i = 0; i < x->size; i++)
        live += x->slots[i].key && (x->slots[i].a || x->slots[i].b);
    if (live >= x->size / 2)
        bigger.size = x->size ? x->size * 2 : INDEX_SIZE_MIN;
    bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -1;
    for (size_t i = 0; i < x->size; i++) {
        const struct index_entry *old = &x->slots[i];

        if (!old->key || (!old->a && !old->b))
            continue;
        *probe(bigger.slots, bigger.size, old->key) = *old;
        bigger.used++;
    }
    free(x->slots);
    *x = bigger;
    return 0;
}

struct index_entry *index_at(struct index *x, uint64_t key)
{
    struct index_entry *entry = index_find(x, key);

    if (entry)
        return entry;
    if (x->used >= x->size / 4 * 3 && grow(x))
        return NULL;
    entry = probe(x->slots, x->size, key);
    entry->key = key;
    x->used++;
    return entry;
}

struct index_entry *index_find(const struct index *x, uint64_t key)
{
    struct index_entry *entry = x->size ? probe(x->slots, x->size, key) : NULL;

    return entry && entry->key ? entry : NULL;
}
