/* A history is millions of small JSON nodes, made and deleted: a quarter of its time, with a
 * general allocator. Under ASan that stays, since it sees what is wrong with each. */
#include "tests/unit/model/world.h"

#ifdef __SANITIZE_ADDRESS__
void pool_use(void)
{
}
#else

enum { UNIT = 16, UNITS_MAX = 32, CHUNK_BYTES = 1024 * 1024 };

/* In front of each. */
struct block {
    struct block *next; /* that is free, and as large */
    size_t units; /* over UNITS_MAX: the general allocator's */
};

static struct block *unused[UNITS_MAX + 1]; /* by their size */
static char *chunk;
static size_t left;

static struct block *cut(size_t units)
{
    size_t size = sizeof(struct block) + units * UNIT;
    struct block *b;

    if (left < size) {
        chunk = malloc(CHUNK_BYTES);
        left = chunk ? CHUNK_BYTES : 0;
    }
    if (left < size)
        return NULL;
    b = (struct block *)(void *)chunk;
    chunk += size;
    left -= size;
    return b;
}

static void *take(size_t size)
{
    size_t units = (size + UNIT - 1) / UNIT;
    struct block *b = units <= UNITS_MAX ? unused[units] : malloc(sizeof *b + size);

    if (units <= UNITS_MAX && b)
        unused[units] = b->next;
    else if (units <= UNITS_MAX)
        b = cut(units);
    if (!b)
        return NULL;
    b->units = units;
    return b + 1;
}

static void give_back(void *data)
{
    struct block *b = data;

    if (!data)
        return;
    b--;
    if (b->units > UNITS_MAX) {
        free(b);
        return;
    }
    b->next = unused[b->units];
    unused[b->units] = b;
}

void pool_use(void)
{
    cJSON_Hooks hooks = {take, give_back};

    cJSON_InitHooks(&hooks);
}
#endif
