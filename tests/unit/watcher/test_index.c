#include <stdio.h>

#include <criterion/criterion.h>

#include "watcher/index.h"

TestSuite(index, .timeout = 10);

static uint64_t key_of(unsigned n)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "pod-%u", n);
    return index_key("Pod", "ns", name);
}

Test(index, finds_what_was_put_and_nothing_else)
{
    struct index x = {0};

    cr_expect_null(index_find(&x, key_of(1)));
    for (unsigned i = 1; i <= 10000; i++) {
        struct index_entry *entry = index_at(&x, key_of(i));

        cr_assert(entry);
        entry->a = i;
    }
    for (unsigned i = 1; i <= 10000; i++)
        cr_assert_eq(index_find(&x, key_of(i))->a, i);
    cr_expect_null(index_find(&x, key_of(0)));
    index_done(&x);
}

Test(index, what_came_and_went_leaves_no_growth)
{
    struct index x = {0};

    for (unsigned i = 0; i < 100000; i++) {
        struct index_entry *entry = index_at(&x, key_of(i));

        cr_assert(entry);
        entry->a = 1;
        entry->a = 0;
    }
    cr_expect_leq(x.size, 128);
    index_done(&x);
}

Test(index, the_parts_of_a_name_dont_run_together)
{
    cr_expect_neq(index_key("a", "bc", ""), index_key("ab", "c", ""));
    cr_expect_neq(index_key("", "", ""), 0);
}
