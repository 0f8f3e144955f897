#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "tests/lib/journal_fixture.h"

static struct error err;

TestSuite(object, .init = journal_fixture_open, .fini = journal_fixture_close, .timeout = 30);

struct names {
    char text[1024];
    size_t n;
};

static int note(struct object *o, void *userdata)
{
    struct names *names = userdata;
    size_t len = strlen(names->text);

    (void)snprintf(names->text + len, sizeof(names->text) - len, "%s%s/%s", len ? " " : "", o->kind,
                   o->name);
    names->n++;
    return 0;
}

static void expect_of_cluster(const char *name, const char *uid, const char *expected)
{
    struct names names = {0};

    cr_assert_eq(object_each_of_cluster(fixture(), "ns", name, uid, note, &names, &err), 0, "%s",
                 err.text);
    cr_expect_str_eq(names.text, expected);
}

static int64_t drop(const char *kind, const char *name, const char *uid)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    int64_t row = -1;
    int r;

    cr_assert_eq(journal_begin(fixture(), false, &tx, &err), 0, "%s", err.text);
    r = object_delete(&tx, kind, "ns", name, uid, &row, &err);
    cr_assert_geq(r, 0, "%s", err.text);
    cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
    return r ? -r : row;
}

/* "uid@row …" of what changed after @row. */
static void expect_changed(int64_t row, const char *expected)
{
    struct changed_cluster out[16];
    char text[512] = "";
    int64_t last;
    size_t n;

    cr_assert_eq(object_changed_clusters(fixture(), row, out, 16, &n, &last, &err), 0, "%s",
                 err.text);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(text);

        (void)snprintf(text + len, sizeof(text) - len, "%s%s@%lld", len ? " " : "", out[i].uid,
                       (long long)out[i].row);
    }
    cr_expect_str_eq(text, expected);
    cr_expect_eq(last, n ? out[n - 1].row : row);
}

/* ---- put, get, delete ---- */

Test(object, rows_grow_over_all_objects)
{
    cr_expect_eq(fixture_put_cluster("a", "uid-a", "1"), 1);
    cr_expect_eq(fixture_put_child("Pod", "p", "1", "uid-a", "a"), 2);
    cr_expect_eq(fixture_put_cluster("a", "uid-a", "2"), 3);
}

Test(object, the_same_state_is_not_written_again)
{
    fixture_put_cluster("a", "uid-a", "1");
    cr_expect_eq(fixture_put_cluster("a", "uid-a", "1"), 0);
    cr_expect_eq(fixture_put_cluster("a", "uid-b", "1"), 2, "another object of that name");
    cr_expect_eq(fixture_put_child("Pod", "p", "", "uid-b", "a"), 3);
    cr_expect_eq(fixture_put_child("Pod", "p", "", "uid-b", "a"), 4, "without version: unknown");
}

Test(object, comes_back_as_it_was_put)
{
    struct object o = {0};

    fixture_put_cluster("a", "uid-a", "1");
    fixture_put_child("Pod", "p", "7", "uid-a", "a");
    cr_assert_eq(object_get(fixture(), "Pod", "ns", "p", &o, &err), 0, "%s", err.text);
    cr_expect_eq(o.row, 2);
    cr_expect_str_eq(o.kind, "Pod");
    cr_expect_str_eq(o.ns, "ns");
    cr_expect_str_eq(o.uid, "p");
    cr_expect_str_eq(o.resource_version, "7");
    cr_expect_str_eq(o.cluster_uid, "uid-a");
    cr_expect_str_eq(o.cluster_name, "a");
    cr_expect_str_eq(json_str(o.json, "rv"), "7");
    cr_expect_not(o.deleted);
    object_done(&o);
    cr_expect_eq(object_get(fixture(), "Pod", "other", "p", &o, &err), JOURNAL_E_NOTFOUND);
    cr_expect_eq(object_get(fixture(), "Service", "ns", "p", &o, &err), JOURNAL_E_NOTFOUND);
}

Test(object, what_it_is_at_is_told_without_reading_it)
{
    char uid[64], version[64];

    fixture_put_cluster("a", "uid-a", "1");
    fixture_put_child("Pod", "p", "7", "uid-a", "a");
    cr_assert_eq(object_version(fixture(), "Pod", "ns", "p", uid, version, &err), 0);
    cr_expect_str_eq(uid, "p");
    cr_expect_str_eq(version, "7");
    drop("Pod", "p", NULL);
    cr_expect_eq(object_version(fixture(), "Pod", "ns", "p", uid, version, &err),
                 JOURNAL_E_NOTFOUND);
}

Test(object, refuses_what_has_no_identity)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();
    char kind[] = "Pod", name[] = "p", uid[100];
    struct object o = {.kind = kind, .name = name, .json = json};
    int64_t row;

    memset(uid, 'u', sizeof(uid) - 1);
    uid[sizeof(uid) - 1] = '\0';
    cr_assert_eq(journal_begin(fixture(), false, &tx, &err), 0);
    cr_expect_eq(object_put(&tx, &o, &row, &err), -EINVAL, "no uid");
    o.uid = uid;
    cr_expect_eq(object_put(&tx, &o, &row, &err), -EINVAL, "a uid of 99 bytes");
    uid[36] = '\0';
    cr_expect_eq(object_put(&tx, &o, &row, &err), 0, "%s", err.text);
}

Test(object, is_deleted_only_with_its_own_uid)
{
    struct object o = {0};

    fixture_put_child("Pod", "p", "1", NULL, NULL);
    cr_expect_eq(drop("Pod", "p", "another"), -JOURNAL_E_NOTFOUND);
    cr_expect_eq(drop("Pod", "q", NULL), -JOURNAL_E_NOTFOUND);
    cr_expect_eq(drop("Pod", "p", "p"), 2);
    cr_expect_eq(drop("Pod", "p", "p"), -JOURNAL_E_NOTFOUND, "once");
    cr_expect_eq(object_get(fixture(), "Pod", "ns", "p", &o, &err), JOURNAL_E_NOTFOUND);
    cr_expect_eq(fixture_put_child("Pod", "p", "1", NULL, NULL), 3, "it is back");
    cr_expect_eq(object_get(fixture(), "Pod", "ns", "p", &o, &err), 0);
    object_done(&o);
}

Test(object, counts_the_live_ones)
{
    int64_t n;

    fixture_put_child("Pod", "p", "1", NULL, NULL);
    fixture_put_child("Pod", "q", "1", NULL, NULL);
    fixture_put_child("Service", "q", "1", NULL, NULL);
    drop("Pod", "q", NULL);
    cr_assert_eq(object_count(fixture(), "Pod", &n, &err), 0);
    cr_expect_eq(n, 1);
}

/* ---- whose it is ---- */

Test(object, of_a_cluster_are_its_own_row_and_its_children)
{
    fixture_put_cluster("a", "uid-a", "1");
    fixture_put_cluster("b", "uid-b", "1");
    fixture_put_child("Pod", "pa", "1", "uid-a", "a");
    fixture_put_child("Pod", "pb", "1", "uid-b", "b");
    fixture_put_child("Service", "gone", "1", "uid-a", "a");
    drop("Service", "gone", NULL);
    expect_of_cluster("a", "uid-a", "FlinkCluster/a Pod/pa");
    expect_of_cluster("none", "", "");
}

Test(object, with_only_a_label_belongs_to_the_live_cluster_of_that_name)
{
    fixture_put_cluster("a", "uid-a", "1");
    fixture_put_child("Pod", "p", "1", NULL, "a");
    expect_of_cluster("a", "uid-a", "FlinkCluster/a Pod/p");
    expect_changed(1, "uid-a@2");
}

Test(object, that_was_there_first_is_attached_when_its_cluster_comes)
{
    fixture_put_child("Pod", "p", "1", NULL, "a");
    fixture_put_child("Pod", "other", "1", NULL, "b");
    expect_changed(0, "");
    expect_of_cluster("a", "uid-a", "Pod/p");
    fixture_put_cluster("a", "uid-a", "1");
    expect_of_cluster("a", "uid-a", "FlinkCluster/a Pod/p");
    expect_of_cluster("x", "uid-a", "FlinkCluster/a Pod/p");
    cr_expect_eq(fixture_put_child("Pod", "p", "1", NULL, "a"), 0, "nothing new");
}

Test(object, with_only_a_label_follows_the_name_to_the_next_cluster)
{
    fixture_put_cluster("a", "uid-1", "1");
    fixture_put_child("PersistentVolumeClaim", "data", "1", NULL, "a");
    drop("FlinkCluster", "a", NULL);
    fixture_put_cluster("a", "uid-2", "9");
    expect_of_cluster("a", "uid-2", "FlinkCluster/a PersistentVolumeClaim/data");
    expect_of_cluster("a", "uid-1", "");
}

Test(object, of_an_owner_stays_with_the_owner)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    static const char text[] = "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"uid-1\"}]}}";
    char kind[] = "Service", ns[] = "ns", name[] = "s", uid[] = "s", rv[] = "1", owner[] = "uid-1",
         cluster[] = "a";
    struct object o = {.kind = kind,
                       .ns = ns,
                       .name = name,
                       .uid = uid,
                       .resource_version = rv,
                       .cluster_uid = owner,
                       .cluster_name = cluster};

    cr_assert_eq(json_parse(text, strlen(text), &json, &err), 0);
    o.json = json;
    fixture_put_cluster("a", "uid-1", "1");
    fixture_put(&o);
    fixture_put_cluster("a", "uid-2", "2");
    expect_of_cluster("a", "uid-1", "Service/s");
    expect_of_cluster("a", "uid-2", "FlinkCluster/a");
}

Test(object, finds_the_uid_of_a_live_cluster_only)
{
    char uid[64];

    fixture_put_cluster("a", "uid-a", "1");
    cr_expect_eq(object_cluster_uid(fixture(), "ns", "a", uid, &err), 0);
    cr_expect_str_eq(uid, "uid-a");
    cr_expect_eq(object_cluster_uid(fixture(), "other", "a", uid, &err), JOURNAL_E_NOTFOUND);
    drop("FlinkCluster", "a", NULL);
    cr_expect_eq(object_cluster_uid(fixture(), "ns", "a", uid, &err), JOURNAL_E_NOTFOUND);
}

/* ---- what changed ---- */

Test(object, a_changed_cluster_is_named_once_with_its_newest_row)
{
    fixture_put_cluster("a", "uid-a", "1"); /* 1 */
    fixture_put_cluster("b", "uid-b", "1"); /* 2 */
    fixture_put_child("Pod", "p", "1", "uid-a", "a"); /* 3 */
    fixture_put_child("Pod", "p", "2", "uid-a", "a"); /* 4 */
    fixture_put_child("Pod", "x", "1", NULL, NULL); /* 5: nobody's */
    expect_changed(0, "uid-b@2 uid-a@4");
    expect_changed(2, "uid-a@4");
    expect_changed(4, "");
    drop("Pod", "p", NULL); /* 6 */
    expect_changed(4, "uid-a@6");
}

Test(object, a_child_that_changes_hands_changes_both_clusters)
{
    fixture_put_cluster("a", "uid-a", "1");
    fixture_put_cluster("b", "uid-b", "1");
    fixture_put_child("Pod", "p", "1", "uid-a", "a");
    fixture_put_child("Pod", "p", "2", "uid-b", "b");
    expect_changed(3, "uid-a@4 uid-b@4");
}

Test(object, changes_are_read_in_parts)
{
    struct changed_cluster out[2];
    int64_t last = 0;
    size_t n;

    for (int i = 0; i < 5; i++) {
        char name[16], uid[16];

        (void)snprintf(name, sizeof(name), "c%d", i);
        (void)snprintf(uid, sizeof(uid), "uid-%d", i);
        fixture_put_cluster(name, uid, "1");
    }
    cr_assert_eq(object_changed_clusters(fixture(), last, out, 2, &n, &last, &err), 0);
    cr_expect_eq(n, 2);
    cr_expect_eq(last, 2);
    cr_assert_eq(object_changed_clusters(fixture(), last, out, 2, &n, &last, &err), 0);
    cr_assert_eq(object_changed_clusters(fixture(), last, out, 2, &n, &last, &err), 0);
    cr_expect_eq(n, 1);
    cr_expect_str_eq(out[0].uid, "uid-4");
    cr_expect_str_eq(out[0].ns, "ns");
    cr_expect_str_eq(out[0].name, "c4");
}

Test(object, the_newest_row_of_a_cluster_and_of_all)
{
    int64_t row;

    cr_assert_eq(journal_last_row(fixture(), &row, &err), 0);
    cr_expect_eq(row, 0);
    fixture_put_cluster("a", "uid-a", "1");
    fixture_put_child("Pod", "x", "1", NULL, NULL);
    cr_assert_eq(journal_last_row(fixture(), &row, &err), 0);
    cr_expect_eq(row, 2);
    cr_assert_eq(object_cluster_row(fixture(), "uid-a", &row, &err), 0);
    cr_expect_eq(row, 1);
    cr_assert_eq(object_cluster_row(fixture(), "none", &row, &err), 0);
    cr_expect_eq(row, 0);
}

/* ---- walks ---- */

Test(object, each_goes_by_namespace_and_ends_when_told)
{
    struct names names = {0};

    fixture_put_child("Pod", "p", "1", NULL, NULL);
    fixture_put_child("Pod", "q", "1", NULL, NULL);
    cr_expect_eq(object_each(fixture(), "Pod", "", note, &names, &err), 0);
    cr_expect_eq(object_each(fixture(), "Pod", "ns", note, &names, &err), 0);
    cr_expect_eq(object_each(fixture(), "Pod", "other", note, &names, &err), 0);
    cr_expect_str_eq(names.text, "Pod/p Pod/q Pod/p Pod/q");
}

static int stop(struct object *o, void *userdata)
{
    (void)o;
    ++*(int *)userdata;
    return 42;
}

static int again(struct object *o, void *userdata)
{
    return object_each(fixture(), o->kind, "", note, userdata, &err);
}

Test(object, a_walk_may_start_the_same_walk)
{
    struct names names = {0};
    int n = 0;

    fixture_put_child("Pod", "p", "1", NULL, NULL);
    fixture_put_child("Pod", "q", "1", NULL, NULL);
    cr_expect_eq(object_each(fixture(), "Pod", "", stop, &n, &err), 42);
    cr_expect_eq(n, 1);
    cr_expect_eq(object_each(fixture(), "Pod", "", again, &names, &err), 0, "%s", err.text);
    cr_expect_eq(names.n, 4);
}

static bool seen(const char *ns, const char *name, const char *uid, void *userdata)
{
    cr_expect_str_eq(ns, "ns");
    cr_expect_str_eq(name, uid);
    (void)userdata;
    return !str_starts(name, "gone");
}

static int note_deleted(struct object *o, void *userdata)
{
    cr_expect(o->deleted);
    cr_expect_gt(o->row, 4);
    cr_expect_not_null(o->json);
    return note(o, userdata);
}

Test(object, what_a_relist_did_not_see_is_deleted)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct names names = {0};
    int64_t n;

    fixture_put_cluster("a", "uid-a", "1");
    fixture_put_child("Pod", "gone-1", "1", "uid-a", "a");
    fixture_put_child("Pod", "here", "1", NULL, NULL);
    fixture_put_child("Pod", "gone-2", "1", NULL, NULL);
    cr_assert_eq(journal_begin(fixture(), false, &tx, &err), 0);
    cr_assert_eq(object_retain(&tx, "Pod", "other", seen, &names, note_deleted, &err), 0);
    cr_expect_eq(names.n, 0, "another namespace");
    cr_assert_eq(object_retain(&tx, "Pod", "", seen, &names, note_deleted, &err), 0, "%s",
                 err.text);
    cr_assert_eq(journal_commit(&tx, &err), 0);
    cr_expect_str_eq(names.text, "Pod/gone-1 Pod/gone-2");
    cr_assert_eq(object_count(fixture(), "Pod", &n, &err), 0);
    cr_expect_eq(n, 1);
    expect_changed(1, "uid-a@5");
}
