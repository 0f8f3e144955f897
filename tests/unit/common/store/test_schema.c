#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/store/schema.h"
#include "tests/lib/journal_fixture.h"

static struct error err;

/* What two releases from now may do. The first steps of all are those of the journal at hand. */
static const char *const later_steps[] = {
    [JOURNAL_SCHEMA] = "ALTER TABLE cursor ADD COLUMN note TEXT NOT NULL DEFAULT 'none';"
                       "UPDATE cursor SET note = consumer || ' was at ' || row;",
    [JOURNAL_SCHEMA + 1] = "CREATE TABLE later (id INTEGER PRIMARY KEY, old TEXT NOT NULL);"
                           "INSERT INTO later (old) SELECT note FROM cursor;",
};
static const struct schema later = {.steps = later_steps, .version = JOURNAL_SCHEMA + 2};

static const char *const broken_steps[] = {
    [JOURNAL_SCHEMA] = "ALTER TABLE cursor ADD COLUMN note TEXT NOT NULL DEFAULT 'none';",
    [JOURNAL_SCHEMA + 1] = "DELETE FROM object; INSERT INTO nothing VALUES (1);",
};
static const struct schema broken = {.steps = broken_steps, .version = JOURNAL_SCHEMA + 2};

static void put_command(void)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    _cleanup_(json_freep) cJSON *args = cJSON_CreateObject();
    char uid[] = "uid-a", ns[] = "ns", name[] = "a", kind[] = "stop", key[] = "stop/1";
    struct command c = {.cluster_uid = uid,
                        .ns = ns,
                        .cluster_name = name,
                        .kind = kind,
                        .key = key,
                        .args = args,
                        .decided_row = 1};
    int64_t row;

    cJSON_AddStringToObject(args, "trigger", "t-1");
    cr_assert_eq(journal_begin(fixture(), true, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(command_add(&tx, &c, &row, &err), 0, "%s", err.text);
    cr_assert_eq(cursor_set(&tx, "reconciler", 41, &err), 0, "%s", err.text);
    cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
}

static void open_with_data(void)
{
    journal_fixture_open();
    fixture_put_cluster("a", "uid-a", "7");
    put_command();
}

TestSuite(schema, .init = open_with_data, .fini = journal_fixture_close, .timeout = 60);

static int look_at(struct command *c, void *userdata)
{
    cr_expect_str_eq(c->key, "stop/1");
    cr_expect_str_eq(json_str_or(c->args, "trigger", ""), "t-1");
    ++*(int *)userdata;
    return 0;
}

/* Through the functions that the daemons use, on a connection that was opened before. */
static void expect_all_data(void)
{
    _cleanup_(object_done) struct object o = {0};
    int64_t row = 0;
    int commands = 0;

    cr_assert_eq(object_get(fixture(), "FlinkCluster", "ns", "a", &o, &err), 0, "%s", err.text);
    cr_expect_str_eq(o.resource_version, "7");
    cr_expect_eq(command_each(fixture(), "uid-a", look_at, &commands, &err), 0, "%s", err.text);
    cr_expect_eq(commands, 1);
    cr_expect_eq(cursor_get(fixture(), "reconciler", &row, &err), 0, "%s", err.text);
    cr_expect_eq(row, 41);
}

static int64_t version(void)
{
    return fixture_count("SELECT user_version FROM pragma_user_version");
}

Test(schema, an_older_journal_is_brought_forward_with_all_that_is_in_it)
{
    cr_assert_eq(schema_migrate_to(fixture(), &later, &err), 0, "%s", err.text);
    cr_expect_eq(version(), JOURNAL_SCHEMA + 2);
    cr_expect_eq(fixture_count("SELECT count(*) FROM later WHERE old = 'reconciler was at 41'"), 1,
                 "the steps run in their order, on the rows that are there");
    expect_all_data();
    fixture_put_cluster("b", "uid-b", "1");
}

Test(schema, a_journal_is_brought_forward_once)
{
    cr_assert_eq(schema_migrate_to(fixture(), &later, &err), 0, "%s", err.text);
    cr_expect_eq(schema_migrate_to(fixture(), &later, &err), 0, "%s", err.text);
    cr_expect_eq(fixture_count("SELECT count(*) FROM later"), 1);
}

Test(schema, only_the_steps_that_are_missing_run)
{
    struct schema next = later;

    next.version = JOURNAL_SCHEMA + 1;
    cr_assert_eq(schema_migrate_to(fixture(), &next, &err), 0, "%s", err.text);
    cr_expect_eq(version(), JOURNAL_SCHEMA + 1);
    cr_assert_eq(schema_migrate_to(fixture(), &later, &err), 0, "%s", err.text);
    cr_expect_eq(version(), JOURNAL_SCHEMA + 2);
    expect_all_data();
}

Test(schema, an_update_that_fails_half_way_leaves_the_journal_as_it_was)
{
    cr_expect_lt(schema_migrate_to(fixture(), &broken, &err), 0);
    cr_expect_not_null(strstr(err.text, "migrate"), "%s", err.text);
    cr_expect_eq(version(), JOURNAL_SCHEMA);
    cr_expect_eq(
        fixture_count("SELECT count(*) FROM pragma_table_info('cursor') WHERE name = 'note'"), 0);
    expect_all_data();
    fixture_reopen();
    expect_all_data();
}

Test(schema, who_goes_back_to_an_older_release_loses_nothing)
{
    struct journal *j = NULL;
    const struct journal_options reading = {.read_only = true};

    cr_assert_eq(schema_migrate_to(fixture(), &later, &err), 0, "%s", err.text);
    cr_expect_eq(journal_open(fixture_path(), NULL, &j, NULL, &err), -EPROTO);
    cr_expect_not_null(strstr(err.text, "newer"), "%s", err.text);
    cr_expect_eq(journal_open(fixture_path(), &reading, &j, NULL, &err), -EPROTO);
    cr_expect_not_null(strstr(err.text, "newer"), "%s", err.text);
    cr_expect_not(journal_moved(fixture()), "it isn't put aside");
    expect_all_data();
}

Test(schema, who_only_reads_is_told_that_the_journal_is_older)
{
    struct journal *j = NULL;
    const struct journal_options reading = {.read_only = true};

    /* The mark alone is put back: that is what a reader goes by. */
    cr_assert_eq(sqlite3_exec(fixture()->db, "PRAGMA user_version = 0", NULL, NULL, NULL), 0);
    cr_expect_eq(journal_open(fixture_path(), &reading, &j, NULL, &err), -EPROTO);
    cr_expect_not_null(strstr(err.text, "older"), "%s", err.text);
    cr_expect_eq(version(), 0, "and changes nothing");
}
