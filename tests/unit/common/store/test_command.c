#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "tests/lib/journal_fixture.h"

static struct error err;
static struct journal_tx tx;

static void open_with_cluster(void)
{
    journal_fixture_open();
    fixture_put_cluster("a", "uid-a", "1"); /* row 1 */
    cr_assert_eq(journal_begin(fixture(), true, &tx, &err), 0, "%s", err.text);
}

static void close_both(void)
{
    journal_abort(&tx);
    journal_fixture_close();
}

TestSuite(command, .init = open_with_cluster, .fini = close_both, .timeout = 30);

static int add_at(const char *key, int64_t decided_row, int64_t not_before_ms)
{
    static char uid[] = "uid-a", ns[] = "ns", name[] = "a", kind[] = "savepoint";
    char key_copy[64];
    struct command c = {.cluster_uid = uid,
                        .ns = ns,
                        .cluster_name = name,
                        .kind = kind,
                        .key = key_copy,
                        .decided_row = decided_row,
                        .not_before_ms = not_before_ms,
                        .created_ms = 100};
    int64_t row;

    (void)snprintf(key_copy, sizeof(key_copy), "%s", key);
    return command_add(&tx, &c, &row, &err);
}

static void add(const char *key)
{
    cr_assert_eq(add_at(key, 1, 0), 0, "%s", err.text);
}

/* What is claimed, as "key"; "" for nothing. */
static void expect_claim(const char *who, int64_t now_ms, const char *expected)
{
    struct command c = {0};
    int64_t next_ms;
    int r = command_claim(&tx, "", who, now_ms, 1000, &c, &next_ms, &err);

    cr_assert_geq(r, 0, "%s", err.text);
    cr_expect_str_eq(r == 0 ? c.key : "", expected);
    command_done(&c);
}

static int keep(struct command *c, void *userdata)
{
    cJSON *list = userdata;
    char text[256];

    (void)snprintf(text, sizeof(text), "%s %s %d%s%s", c->key, command_state_name(c->state),
                   c->attempts, *c->claimed_by ? " by " : "", c->claimed_by);
    cJSON_AddItemToArray(list, cJSON_CreateString(text));
    return 0;
}

static void expect_all(const char *expected)
{
    _cleanup_(json_freep) cJSON *list = cJSON_CreateArray();
    _cleanup_(freep) char *text = NULL;

    cr_assert_eq(command_each(fixture(), "uid-a", keep, list, &err), 0, "%s", err.text);
    text = json_text(list);
    cr_expect_str_eq(text, expected);
}

static int report(int64_t id, const char *who, enum command_state state, const char *error)
{
    _cleanup_(json_freep) cJSON *result = error ? cJSON_CreateObject() : NULL;
    int64_t row = 0;
    int r;

    json_set_str(result, "error", error);
    r = command_report(&tx, id, who, state, result, 5000, 200, &row, &err);
    if (r == 0)
        cr_expect_gt(row, 1);
    return r;
}

static int keep_args(struct command *c, void *userdata)
{
    ((struct command *)userdata)->args = TAKE(c->args);
    return 0;
}

Test(command, is_decided_once)
{
    add("savepoint/1");
    cr_expect_eq(add_at("savepoint/1", 99, 0), JOURNAL_E_EXISTS);
    expect_claim("s1", 100, "savepoint/1");
    cr_expect_eq(report(1, "s1", COMMAND_DONE, NULL), 0, "%s", err.text);
    cr_expect_eq(add_at("savepoint/1", 99, 0), JOURNAL_E_EXISTS, "also when it is over");
    expect_all("[\"savepoint/1 done 1\"]");
}

Test(command, on_an_older_state_than_the_journals_is_refused)
{
    cr_expect_eq(add_at("savepoint/1", 0, 0), JOURNAL_E_STALE);
    expect_all("[]");
    add("savepoint/2");
    cr_expect_eq(add_at("stop/3", 1, 0), 0, "of the same decision as the first");
    cr_assert_eq(journal_commit(&tx, &err), 0);
    cr_assert_eq(journal_begin(fixture(), true, &tx, &err), 0);
    cr_expect_eq(add_at("stop/4", 1, 0), JOURNAL_E_STALE, "the cluster has changed since");
    cr_expect_eq(add_at("stop/4", 3, 0), 0);
}

Test(command, needs_cluster_kind_and_key)
{
    struct command c = {0};
    int64_t row;

    cr_expect_eq(command_add(&tx, &c, &row, &err), -EINVAL);
}

Test(command, is_claimed_oldest_first_and_by_one)
{
    add("a");
    add("b");
    expect_claim("s1", 100, "a");
    expect_claim("s2", 100, "b");
    expect_claim("s1", 100, "");
    expect_all("[\"a claimed 1 by s1\",\"b claimed 1 by s2\"]");
}

Test(command, is_not_claimed_before_its_time)
{
    struct command c = {0};
    int64_t next_ms = -1;

    cr_expect_eq(command_claim(&tx, "", "s1", 100, 1000, &c, &next_ms, &err), JOURNAL_E_NOTFOUND);
    cr_expect_eq(next_ms, 0, "there is none");
    cr_assert_eq(add_at("later", 1, 500), 0);
    cr_expect_eq(command_claim(&tx, "", "s1", 499, 1000, &c, &next_ms, &err), JOURNAL_E_NOTFOUND);
    cr_expect_eq(next_ms, 500);
    expect_claim("s1", 500, "later");
}

Test(command, of_one_that_died_is_taken_over)
{
    struct command c = {0};
    int64_t next_ms = -1;

    add("a");
    expect_claim("dead", 100, "a");
    cr_expect_eq(command_claim(&tx, "", "s2", 1099, 1000, &c, &next_ms, &err), JOURNAL_E_NOTFOUND);
    cr_expect_eq(next_ms, 1100);
    expect_claim("s2", 1100, "a");
    cr_expect_eq(report(1, "dead", COMMAND_DONE, NULL), JOURNAL_E_CLAIMED, "it is late");
    cr_expect_eq(report(1, "s2", COMMAND_FAILED, "no"), 0);
    expect_all("[\"a failed 2\"]");
}

Test(command, claimed_tells_until_when)
{
    struct command c = {0};
    int64_t next_ms;

    add("a");
    cr_assert_eq(command_claim(&tx, "", "s1", 100, 1000, &c, &next_ms, &err), 0);
    cr_expect_eq(c.state, COMMAND_CLAIMED);
    cr_expect_eq(c.claim_until_ms, 1100);
    cr_expect_eq(c.not_before_ms, 0);
    cr_expect_eq(c.attempts, 1);
    cr_expect_eq(c.decided_row, 1);
    cr_expect_eq(c.created_ms, 100);
    cr_expect_str_eq(c.ns, "ns");
    cr_expect_null(c.result);
    command_done(&c);
}

Test(command, that_failed_for_now_is_tried_again)
{
    struct command c = {0};
    int64_t next_ms;

    add("a");
    expect_claim("s1", 100, "a");
    cr_expect_eq(report(1, "s1", COMMAND_WANTED, "busy"), 0, "%s", err.text);
    expect_claim("s1", 4999, "");
    cr_assert_eq(command_claim(&tx, "", "s1", 5000, 1000, &c, &next_ms, &err), 0);
    cr_expect_eq(c.attempts, 2);
    cr_expect_str_eq(json_str(c.result, "error"), "busy", "why it was tried again");
    command_done(&c);
    cr_expect_eq(report(1, "s1", COMMAND_WANTED, NULL), 0);
    cr_assert_eq(command_claim(&tx, "", "s1", 5000, 1000, &c, &next_ms, &err), 0);
    cr_expect_str_eq(json_str(c.result, "error"), "busy", "still the last that is known");
    command_done(&c);
    cr_expect_eq(report(1, "s1", COMMAND_DONE, NULL), 0);
    cr_assert_eq(journal_commit(&tx, &err), 0);
    cr_expect_eq(fixture_count("SELECT count(*) FROM command WHERE result IS NULL"), 1);
}

Test(command, reports_are_for_what_is_claimed)
{
    add("a");
    cr_expect_eq(report(1, "s1", COMMAND_DONE, NULL), JOURNAL_E_CLAIMED);
    cr_expect_eq(report(7, "s1", COMMAND_DONE, NULL), JOURNAL_E_NOTFOUND);
    expect_claim("s1", 100, "a");
    cr_expect_eq(report(1, "s1", COMMAND_CLAIMED, NULL), -EINVAL);
}

/* Whoever looks at the cluster reads its commands. */
Test(command, that_has_ended_has_no_manifest_any_more)
{
    _cleanup_(json_freep) cJSON *args = cJSON_CreateObject();
    char uid[] = "uid-a", ns[] = "ns", name[] = "a", kind[] = "submit", key[] = "submit/1";
    struct command c = {.cluster_uid = uid,
                        .ns = ns,
                        .cluster_name = name,
                        .kind = kind,
                        .key = key,
                        .args = args,
                        .decided_row = 1};
    int64_t row, next_ms;

    json_set_str(args, "manifest.kind", "Job");
    json_set_str(args, "jobId", "1");
    cr_assert_eq(command_add(&tx, &c, &row, &err), 0, "%s", err.text);
    c = (struct command){0};
    cr_assert_eq(command_claim(&tx, "", "s1", 100, 1000, &c, &next_ms, &err), 0);
    cr_expect_str_eq(json_str(c.args, "manifest.kind"), "Job");
    command_done(&c);
    cr_assert_eq(report(1, "s1", COMMAND_WANTED, NULL), 0);
    cr_assert_eq(command_claim(&tx, "", "s1", 9000, 1000, &c, &next_ms, &err), 0);
    cr_expect_str_eq(json_str(c.args, "manifest.kind"), "Job", "it is tried again");
    command_done(&c);
    cr_assert_eq(report(1, "s1", COMMAND_DONE, NULL), 0);
    cr_assert_eq(command_each(fixture(), "uid-a", keep_args, &c, &err), 0);
    cr_expect_not(json_has(c.args, "manifest"));
    cr_expect_str_eq(json_str(c.args, "jobId"), "1");
    command_done(&c);
}

Test(command, is_given_back_at_shutdown)
{
    add("a");
    add("b");
    expect_claim("s1", 100, "a");
    expect_claim("s2", 100, "b");
    cr_assert_eq(command_release(&tx, "s1", 150, &err), 0);
    expect_all("[\"a wanted 1\",\"b claimed 1 by s2\"]");
    expect_claim("s2", 150, "a");
}

Test(command, is_dropped_unless_somebody_is_at_it)
{
    add("a");
    add("b");
    expect_claim("s1", 100, "a");
    cr_expect_eq(command_drop(&tx, 1, "moot", 200, &err), JOURNAL_E_CLAIMED);
    cr_expect_eq(command_drop(&tx, 2, "moot", 200, &err), 0);
    cr_expect_eq(command_drop(&tx, 1, "moot", 1100, &err), 0, "its claim ran out");
    cr_expect_eq(command_drop(&tx, 1, "moot", 1200, &err), 0, "again");
    cr_expect_eq(command_drop(&tx, 9, "moot", 1200, &err), JOURNAL_E_NOTFOUND);
    expect_all("[\"a dropped 1\",\"b dropped 0\"]");
    expect_claim("s1", 9999, "");
}

Test(command, changes_its_cluster_but_a_claim_does_not)
{
    int64_t row;

    add("a");
    cr_assert_eq(object_cluster_row(fixture(), "uid-a", &row, &err), 0);
    cr_expect_eq(row, 2);
    expect_claim("s1", 100, "a");
    cr_assert_eq(object_cluster_row(fixture(), "uid-a", &row, &err), 0);
    cr_expect_eq(row, 2);
    cr_expect_eq(report(1, "s1", COMMAND_DONE, NULL), 0);
    cr_assert_eq(object_cluster_row(fixture(), "uid-a", &row, &err), 0);
    cr_expect_eq(row, 3);
}

Test(command, states_have_names)
{
    cr_expect_str_eq(command_state_name(COMMAND_WANTED), "wanted");
    cr_expect_str_eq(command_state_name(COMMAND_DROPPED), "dropped");
    cr_expect_str_eq(command_state_name((enum command_state)77), "unknown");
}
