#include <string.h>

#include <criterion/criterion.h>

#include "common/base/str.h"
#include "reconciler/reconciler.h"
#include "tests/lib/journal_fixture.h"
#include "tests/lib/sync_count.h"
#include "tests/unit/reconciler/scenario.h"

enum { ERRANDS = 3 };

static struct error err;
static struct reconciler rec;
static struct work works[ERRANDS];
static struct errand errands[ERRANDS];
static int n_errands;

static void open_journal(void)
{
    journal_fixture_open();
    rec = (struct reconciler){.journal = fixture(), .who = "r1"};
    n_errands = 0;
}

static void close_journal(void)
{
    for (int i = 0; i < n_errands; i++)
        errand_done(&errands[i]);
    journal_fixture_close();
}

TestSuite(work, .init = open_journal, .fini = close_journal, .timeout = 60);

static struct action *add_action(struct errand *e, enum action_kind kind)
{
    struct action *action = &e->plan.actions[e->plan.n++];

    action->kind = kind;
    return action;
}

/* An errand for a cluster that the journal has, with nothing to do yet. */
static struct errand *add_errand(const char *name)
{
    struct errand *e = &errands[n_errands];
    struct work *work = &works[n_errands++];

    *work = (struct work){.rec = &rec};
    str_copy(work->uid, sizeof work->uid, name);
    str_copy(work->ns, sizeof work->ns, "ns");
    str_copy(work->name, sizeof work->name, name);
    *e = (struct errand){.work = work};
    (void)fixture_put_cluster(name, name, "1");
    cr_assert_eq(snapshot_load(rec.journal, "ns", name, name, &e->snapshot, &err), 0, "%s",
                 err.text);
    return e;
}

static void want_child(struct errand *e)
{
    struct action *action = add_action(e, ACTION_APPLY);

    action->object_kind = "ConfigMap";
    str_copy(action->name, sizeof action->name, "cm");
    action->manifest = parse("{\"kind\": \"ConfigMap\"}");
}

static void want_command(struct errand *e)
{
    add_action(e, ACTION_COMMAND)->manifest =
        parse("{\"kind\": \"stop\", \"key\": \"stop/t-1\", \"args\": {\"trigger\": \"t-1\"}}");
}

/* As the reconciler does it; returns how often the disk was waited for. */
static int record(void)
{
    int before;

    for (int i = 0; i < n_errands; i++)
        (void)errand_prepare(&errands[i]);
    before = sync_count();
    cr_assert_eq(errands_record(&rec, errands, n_errands, &err), 0, "%s", err.text);
    return sync_count() - before;
}

Test(work, a_command_is_on_the_disk_before_it_can_be_taken_on)
{
    want_command(add_errand("a"));
    cr_expect_eq(record(), 1);
    cr_expect_eq(fixture_count("SELECT count(*) FROM command WHERE key = 'stop/t-1'"), 1);
}

Test(work, children_follow_from_the_spec_and_wait_for_no_disk)
{
    want_child(add_errand("a"));
    cr_expect_eq(record(), 0);
    cr_expect_eq(fixture_count("SELECT count(*) FROM claim WHERE what = 'a' AND who = 'r1'"), 1);
}

Test(work, one_command_among_many_plans_makes_them_all_durable)
{
    want_child(add_errand("a"));
    want_command(add_errand("b"));
    want_child(add_errand("c"));
    cr_expect_eq(record(), 1, "one transaction");
    cr_expect_eq(fixture_count("SELECT count(*) FROM command WHERE cluster_uid = 'b'"), 1);
    cr_expect_eq(fixture_count("SELECT count(*) FROM claim"), 3);
}

Test(work, what_is_claimed_by_another_is_recorded_for_the_others_only)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};

    want_command(add_errand("a"));
    want_command(add_errand("b"));
    cr_assert_eq(journal_begin(rec.journal, false, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(claim_take(&tx, "a", "r2", time_now_ms(), 60000, &err), 0, "%s", err.text);
    cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
    (void)record();
    cr_expect(errands[0].elsewhere);
    cr_expect_not(errands[1].elsewhere);
    cr_expect_eq(fixture_count("SELECT count(*) FROM command WHERE cluster_uid = 'a'"), 0);
    cr_expect_eq(fixture_count("SELECT count(*) FROM command WHERE cluster_uid = 'b'"), 1);
}
