/* What a crash of the machine may take: nothing that was committed as durable. */
#include <criterion/criterion.h>

#include "tests/lib/journal_fixture.h"
#include "tests/lib/sync_count.h"

static struct error err;

/* How often the disk was waited for to commit one more row. */
static int syncs_of(bool durable)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    static int64_t row;
    int before;

    cr_assert_eq(journal_begin(fixture(), durable, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(cursor_set(&tx, "reconciler", ++row, &err), 0, "%s", err.text);
    before = sync_count();
    cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
    return sync_count() - before;
}

/* The first commit into a new WAL writes its header, which is always made durable. */
static void open_and_write(void)
{
    journal_fixture_open();
    (void)syncs_of(false);
}

TestSuite(durable, .init = open_and_write, .fini = journal_fixture_close, .timeout = 60);

Test(durable, an_intent_is_on_the_disk_when_its_commit_returns)
{
    cr_expect_eq(syncs_of(true), 1);
}

Test(durable, what_can_be_seen_again_waits_for_no_disk)
{
    cr_expect_eq(syncs_of(false), 0);
}

Test(durable, each_transaction_is_what_it_says_whatever_was_before_it)
{
    static const bool order[] = {true, false, true, true, false, false, true};

    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        cr_expect_eq(syncs_of(order[i]), order[i] ? 1 : 0, "transaction %zu", i);
}

Test(durable, another_connection_to_the_journal_has_its_own_say)
{
    struct journal *other = NULL;

    cr_assert_eq(journal_open(fixture_path(), NULL, &other, NULL, &err), 0, "%s", err.text);
    cr_expect_eq(syncs_of(true), 1);
    {
        _cleanup_(journal_abort) struct journal_tx tx = {0};
        int before = sync_count();

        cr_assert_eq(journal_begin(other, false, &tx, &err), 0, "%s", err.text);
        cr_assert_eq(cursor_set(&tx, "watcher", 1, &err), 0, "%s", err.text);
        cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
        cr_expect_eq(sync_count(), before);
    }
    other = journal_close(other);
}
