#include "statusreporter/tracked.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"

enum { CHAINS_AT_FIRST = 256 };

int tracked_init(struct tracked_table *table)
{
    *table = (struct tracked_table){.chains = calloc(CHAINS_AT_FIRST, sizeof(struct tracked *))};
    table->n_chains = table->chains ? CHAINS_AT_FIRST : 0;
    return table->chains ? 0 : -ENOMEM;
}

void tracked_done(struct tracked_table *table)
{
    struct tracked *t, *next;

    for (t = tracked_next(table, NULL); t; t = next) {
        next = tracked_next(table, t);
        free(t);
    }
    free(table->chains);
    *table = (struct tracked_table){0};
}

static size_t chain_of(const char *uid, size_t n_chains)
{
    return fnv1a_32(uid, strlen(uid)) % n_chains;
}

struct tracked *tracked_find(const struct tracked_table *table, const char *uid)
{
    struct tracked *t = table->chains[chain_of(uid, table->n_chains)];

    while (t && !str_eq(t->uid, uid))
        t = t->next;
    return t;
}

/* Twice the chains; without memory the old ones do, slower. */
static void grow(struct tracked_table *table)
{
    size_t n_chains = table->n_chains * 2;
    struct tracked **chains = calloc(n_chains, sizeof(struct tracked *));

    if (!chains)
        return;
    for (size_t i = 0; i < table->n_chains; i++) {
        struct tracked *t, *next;

        for (t = table->chains[i]; t; t = next) {
            size_t chain = chain_of(t->uid, n_chains);

            next = t->next;
            t->next = chains[chain];
            chains[chain] = t;
        }
    }
    free(table->chains);
    table->chains = chains;
    table->n_chains = n_chains;
}

struct tracked *tracked_get(struct tracked_table *table, const char *uid, const char *ns,
                            const char *name)
{
    struct tracked *t = tracked_find(table, uid);
    size_t chain;

    if (t)
        return t;
    t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    str_copy(t->uid, sizeof t->uid, uid);
    str_copy(t->ns, sizeof t->ns, ns);
    str_copy(t->name, sizeof t->name, name);
    if (table->n >= table->n_chains)
        grow(table);
    chain = chain_of(uid, table->n_chains);
    t->next = table->chains[chain];
    table->chains[chain] = t;
    table->n++;
    return t;
}

void tracked_remove(struct tracked_table *table, struct tracked *t)
{
    struct tracked **at = &table->chains[chain_of(t->uid, table->n_chains)];

    while (*at && *at != t)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = t->next;
    table->n--;
    free(t);
}

struct tracked *tracked_next(const struct tracked_table *table, const struct tracked *t)
{
    size_t chain = 0;

    if (t && t->next)
        return t->next;
    if (t)
        chain = chain_of(t->uid, table->n_chains) + 1;
    for (; chain < table->n_chains; chain++) {
        if (table->chains[chain])
            return table->chains[chain];
    }
    return NULL;
}
