#include <stdio.h>

#include <criterion/criterion.h>

#include "common/base/str.h"
#include "statusreporter/tracked.h"

static struct tracked_table table;

static void init(void)
{
    cr_assert_eq(tracked_init(&table), 0);
}

static void done(void)
{
    tracked_done(&table);
}

TestSuite(tracked, .init = init, .fini = done, .timeout = 20);

enum { MANY = 5000 };

static struct tracked *get(int i)
{
    char uid[32];

    (void)snprintf(uid, sizeof uid, "uid-%d", i);
    return tracked_get(&table, uid, "ns", "c");
}

static size_t count(void)
{
    size_t n = 0;

    for (struct tracked *t = tracked_next(&table, NULL); t; t = tracked_next(&table, t))
        n++;
    return n;
}

Test(tracked, a_cluster_is_found_again)
{
    struct tracked *t = get(1);

    cr_assert(t);
    cr_expect_eq(get(1), t);
    cr_expect_eq(tracked_find(&table, "uid-1"), t);
    cr_expect_null(tracked_find(&table, "uid-2"));
    cr_expect_str_eq(t->ns, "ns");
}

Test(tracked, thousands_are_walked_each_once)
{
    for (int i = 0; i < MANY; i++)
        cr_assert(get(i));
    cr_expect_eq(table.n, (size_t)MANY);
    cr_expect_eq(count(), (size_t)MANY);
}

Test(tracked, those_walked_over_may_be_removed)
{
    struct tracked *t, *next;

    for (int i = 0; i < MANY; i++)
        cr_assert(get(i));
    for (t = tracked_next(&table, NULL); t; t = next) {
        next = tracked_next(&table, t);
        tracked_remove(&table, t);
    }
    cr_expect_eq(table.n, 0u);
    cr_expect_eq(count(), 0u);
}

Test(tracked, an_empty_table_is_walked_and_freed)
{
    cr_expect_eq(count(), 0u);
    tracked_done(&table);
    tracked_done(&table);
    cr_expect_null(tracked_next(&table, NULL));
}
