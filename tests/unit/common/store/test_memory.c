/* Observations, events, claims, cursors, watches, the leader, and how long things are kept. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "tests/lib/journal_fixture.h"

static struct error err;
static struct journal_tx tx;

static void begin(void)
{
    cr_assert_eq(journal_begin(fixture(), false, &tx, &err), 0, "%s", err.text);
}

static void commit(void)
{
    cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
}

static void open_and_begin(void)
{
    journal_fixture_open();
    begin();
}

static void close_both(void)
{
    journal_abort(&tx);
    journal_fixture_close();
}

TestSuite(memory, .init = open_and_begin, .fini = close_both, .timeout = 30);

static int64_t observe(const char *uid, const char *key, const char *text, int64_t now_ms)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    int64_t row = -1;

    cr_assert_eq(json_parse(text, strlen(text), &json, &err), 0);
    cr_assert_eq(observation_put(&tx, uid, key, json, now_ms, &row, &err), 0, "%s", err.text);
    return row;
}

static void expect_observed(const char *uid, const char *expected)
{
    _cleanup_(json_freep) cJSON *all = NULL;
    _cleanup_(freep) char *text = NULL;

    cr_assert_eq(observation_all(fixture(), uid, &all, &err), 0, "%s", err.text);
    text = json_canonical(all);
    cr_expect_str_eq(text, expected);
}

Test(memory, an_observation_changes_its_cluster_when_it_differs)
{
    int64_t row;

    cr_expect_eq(observe("u", "overview", "{\"jobs\":[]}", 10), 1);
    cr_expect_eq(observe("u", "overview", "{\"jobs\":[]}", 20), 0, "the same");
    expect_observed("u", "{\"overview\":{\"jobs\":[],\"observedAt\":20}}");
    cr_expect_eq(observe("u", "overview", "{\"jobs\":[1]}", 30), 2);
    cr_expect_eq(observe("u", "error", "\"down\"", 30), 3);
    expect_observed("u", "{\"error\":{\"observedAt\":30,\"value\":\"down\"},"
                         "\"overview\":{\"jobs\":[1],\"observedAt\":30}}");
    cr_assert_eq(object_cluster_row(fixture(), "u", &row, &err), 0);
    cr_expect_eq(row, 3);
}

Test(memory, observations_are_forgotten_by_key_or_all)
{
    int64_t row;

    observe("u", "a", "{}", 1);
    observe("u", "b", "{}", 1);
    observe("v", "a", "{}", 1);
    cr_assert_eq(observation_delete(&tx, "u", "a", &err), 0);
    expect_observed("u", "{\"b\":{\"observedAt\":1}}");
    cr_assert_eq(observation_delete(&tx, "u", NULL, &err), 0);
    expect_observed("u", "{}");
    expect_observed("v", "{\"a\":{\"observedAt\":1}}");
    cr_assert_eq(journal_last_row(fixture(), &row, &err), 0);
    cr_expect_eq(row, 5);
    cr_assert_eq(observation_delete(&tx, "u", NULL, &err), 0);
    cr_assert_eq(journal_last_row(fixture(), &row, &err), 0);
    cr_expect_eq(row, 5, "nothing there, nothing changed");
}

Test(memory, a_watch_resumes_where_it_was)
{
    char *rv = NULL;

    cr_expect_eq(watch_get(fixture(), "pods", "", &rv, &err), JOURNAL_E_NOTFOUND);
    cr_assert_eq(watch_put(&tx, "pods", "", "7", &err), 0);
    cr_assert_eq(watch_put(&tx, "pods", "ns", "8", &err), 0);
    cr_assert_eq(watch_put(&tx, "pods", "", "9", &err), 0);
    cr_assert_eq(watch_get(fixture(), "pods", "", &rv, &err), 0);
    cr_expect_str_eq(rv, "9");
    free(rv);
    cr_assert_eq(watch_put(&tx, "pods", "", NULL, &err), 0);
    cr_expect_eq(watch_get(fixture(), "pods", "", &rv, &err), JOURNAL_E_NOTFOUND);
}

Test(memory, a_claim_is_one_holders_until_it_ends)
{
    cr_expect_eq(claim_take(&tx, "c", "r1", 100, 50, &err), 0);
    cr_expect_eq(claim_take(&tx, "c", "r2", 149, 50, &err), JOURNAL_E_CLAIMED);
    cr_expect_eq(claim_take(&tx, "c", "r1", 149, 50, &err), 0, "renewed");
    cr_expect_eq(claim_take(&tx, "c", "r2", 198, 50, &err), JOURNAL_E_CLAIMED);
    cr_expect_eq(claim_take(&tx, "c", "r2", 199, 50, &err), 0, "it ran out");
    cr_expect_eq(claim_release(&tx, "c", "r1", &err), 0);
    cr_expect_eq(claim_take(&tx, "c", "r1", 200, 50, &err), JOURNAL_E_CLAIMED, "not r1's to give");
    cr_expect_eq(claim_release(&tx, "c", "r2", &err), 0);
    cr_expect_eq(claim_take(&tx, "c", "r1", 200, 50, &err), 0);
}

Test(memory, the_leader_is_nobody_at_first)
{
    struct leader l = {.holder = "x", .ours = true, .until_ms = 1};

    cr_assert_eq(leader_get(fixture(), &l, &err), 0);
    cr_expect_str_eq(l.holder, "");
    cr_expect_not(l.ours);
    l = (struct leader){.holder = "pod-1", .ours = true, .until_ms = 77};
    cr_assert_eq(leader_put(&tx, &l, &err), 0);
    l.until_ms = 78;
    cr_assert_eq(leader_put(&tx, &l, &err), 0);
    l = (struct leader){0};
    cr_assert_eq(leader_get(fixture(), &l, &err), 0);
    cr_expect_str_eq(l.holder, "pod-1");
    cr_expect(l.ours);
    cr_expect_eq(l.until_ms, 78);
}

static int note_event(const struct event *e, void *userdata)
{
    char *text = userdata;
    size_t len = strlen(text);

    (void)snprintf(text + len, 512 - len, "[%lld %s %s %s %s]", (long long)e->time_ms, e->source,
                   e->cluster_uid, e->what, e->payload ? e->payload : "-");
    return 0;
}

static void expect_events(const char *uid, int64_t after, const char *expected)
{
    char text[512] = "";

    cr_assert_eq(event_each(fixture(), uid, after, note_event, text, &err), 0, "%s", err.text);
    cr_expect_str_eq(text, expected);
}

static void add_event(int64_t now_ms, const char *uid)
{
    cr_assert_eq(event_add(&tx, now_ms, "watcher", uid, "observed", NULL, &err), 0, "%s", err.text);
}

Test(memory, events_come_back_in_order)
{
    _cleanup_(json_freep) cJSON *payload = cJSON_CreateObject();

    add_event(1, "u");
    add_event(2, "v");
    json_set_int(payload, "n", 1);
    cr_assert_eq(event_add(&tx, 3, "reconciler", "u", "decided", payload, &err), 0);
    expect_events("u", 0, "[1 watcher u observed -][3 reconciler u decided {\"n\":1}]");
    expect_events("u", 1, "[3 reconciler u decided {\"n\":1}]");
    expect_events(NULL, 1, "[2 watcher v observed -][3 reconciler u decided {\"n\":1}]");
}

/* ---- retention ---- */

static int compact_all(const struct retention *keep, int64_t now_ms)
{
    bool more = true;
    int rounds = 0;

    while (more && rounds < 100) {
        cr_assert_eq(journal_compact(fixture(), keep, now_ms, &more, &err), 0, "%s", err.text);
        rounds++;
    }
    return rounds;
}

Test(memory, events_are_kept_by_age_and_number)
{
    const struct retention keep = {.event_age_ms = 1000, .event_rows = 10};

    for (int64_t i = 1; i <= 1200; i++)
        add_event(i, "u");
    commit();
    cr_expect_gt(compact_all(&keep, 1100), 2, "in parts");
    cr_expect_eq(fixture_count("SELECT count(*) FROM event"), 10);
    cr_expect_eq(fixture_count("SELECT min(time_ms) FROM event"), 1191);
    compact_all(&keep, 2196);
    cr_expect_eq(fixture_count("SELECT min(time_ms) FROM event"), 1196, "nothing older than 1 s");
    cr_expect_eq(fixture_count("SELECT count(*) FROM event"), 5);
    begin();
    add_event(5000, "u");
    commit();
    cr_expect_eq(fixture_count("SELECT max(id) FROM event"), 1201, "ids aren't used again");
}

Test(memory, tombstones_and_what_belonged_to_them_go_in_time)
{
    const struct retention keep = {.tombstone_age_ms = 1000};
    int64_t now_ms = time_now_ms(), row;

    observe("uid-a", "overview", "{}", now_ms);
    commit();
    fixture_put_cluster("a", "uid-a", "1");
    fixture_put_cluster("b", "uid-b", "1");
    begin();
    cr_assert_eq(object_delete(&tx, "FlinkCluster", "ns", "a", NULL, &row, &err), 0);
    commit();
    compact_all(&keep, now_ms);
    cr_expect_eq(fixture_count("SELECT count(*) FROM object"), 2, "young");
    cr_expect_eq(fixture_count("SELECT count(*) FROM job_observation"), 1);
    compact_all(&keep, now_ms + 60000);
    cr_expect_eq(fixture_count("SELECT count(*) FROM object"), 1);
    cr_expect_eq(fixture_count("SELECT count(*) FROM job_observation"), 0);
    cr_expect_eq(fixture_count("SELECT count(*) FROM cluster_change"), 1, "b's");
}

static void add_commands(const char *uid, int n)
{
    _cleanup_(json_freep) cJSON *args = cJSON_CreateObject();

    for (int i = 0; i < n; i++) {
        char cluster_uid[16], key[16], kind[] = "submit";
        struct command c = {.kind = kind, .key = key, .args = args, .cluster_uid = cluster_uid},
                       claimed;
        int64_t row, next_ms;

        (void)snprintf(cluster_uid, sizeof(cluster_uid), "%s", uid);
        (void)snprintf(key, sizeof(key), "k%d", i);
        c.created_ms = 1;
        c.decided_row = INT64_MAX;
        cr_assert_eq(command_add(&tx, &c, &row, &err), 0, "%s", err.text);
        if (i == 0)
            continue; /* still open */
        cr_assert_eq(command_claim(&tx, "", "s", 10, 10, &claimed, &next_ms, &err), 0);
        cr_assert_eq(command_report(&tx, claimed.id, "s", COMMAND_DONE, NULL, 0, 20, &row, &err), 0,
                     "%s", err.text);
        command_done(&claimed);
    }
}

Test(memory, a_live_cluster_keeps_its_last_commands)
{
    const struct retention keep = {.command_age_ms = 1000};

    commit();
    fixture_put_cluster("a", "uid-a", "1");
    begin();
    add_commands("uid-a", 80);
    add_commands("dead", 80);
    commit();
    compact_all(&keep, 500);
    cr_expect_eq(fixture_count("SELECT count(*) FROM command"), 160, "young");
    compact_all(&keep, 5000);
    cr_expect_eq(fixture_count("SELECT count(*) FROM command WHERE cluster_uid = 'uid-a'"), 50);
    cr_expect_eq(fixture_count("SELECT count(*) FROM command WHERE cluster_uid = 'dead'"), 2,
                 "the open ones");
}

Test(memory, the_file_shrinks_when_history_goes)
{
    const struct retention keep = {.event_rows = 1};
    _cleanup_(json_freep) cJSON *payload = cJSON_CreateObject();
    char text[2048];
    int64_t pages;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    json_set_str(payload, "pad", text);
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(event_add(&tx, 1, "watcher", "u", "observed", payload, &err), 0);
    commit();
    pages = fixture_count("PRAGMA page_count");
    compact_all(&keep, 2);
    cr_expect_lt(fixture_count("PRAGMA page_count"), pages / 4);
}
