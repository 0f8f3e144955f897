#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/snapshot.h"
#include "tests/lib/journal_fixture.h"
#include "tests/lib/quoted_json.h"

TestSuite(snapshot, .timeout = 10);
TestSuite(snapshot_load, .init = journal_fixture_open, .fini = journal_fixture_close,
          .timeout = 10);

/* ---- as one document ---- */

static int from(const char *text, struct snapshot *ret)
{
    _cleanup_(json_freep) cJSON *json = json_of(text);
    struct error err = {0};

    return snapshot_from_json(json, ret, &err);
}

Test(snapshot, comes_back_from_its_own_document)
{
    const char *text = "{'row':7,'cluster':{'metadata':{'name':'c'}},"
                       "'objects':[{'kind':'Pod','metadata':{'name':'p'}}],"
                       "'observations':{'overview':{'reachable':true}},"
                       "'commands':[{'id':1,'kind':'stop'}]}";
    struct snapshot s;
    cJSON *json;

    cr_assert_eq(from(text, &s), 0);
    cr_expect_eq(s.row, 7);
    json = snapshot_json(&s);
    expect_json(json, "", text);
    cJSON_Delete(json);
    snapshot_done(&s);
}

Test(snapshot, of_an_empty_document_is_empty)
{
    struct snapshot s;

    cr_assert_eq(from("{}", &s), 0);
    cr_expect_null(s.cluster);
    cr_expect_eq(cJSON_GetArraySize(s.objects), 0);
    cr_expect_eq(cJSON_GetArraySize(s.commands), 0);
    cr_expect(cJSON_IsObject(s.observations));
    snapshot_done(&s);
}

Test(snapshot, refuses_what_is_no_snapshot)
{
    static const char *const texts[] = {
        "[]",
        "1",
        "{'cluster':[]}",
        "{'objects':{}}",
        "{'objects':[1]}",
        "{'commands':[null]}",
        "{'commands':'x'}",
        "{'observations':[]}",
        "{'observations':{'overview':1}}",
    };
    struct snapshot s;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        cr_expect_eq(from(texts[i], &s), -EPROTO, "%s", texts[i]);
}

Test(snapshot, finds_objects_by_kind_and_name)
{
    struct snapshot s;

    cr_assert_eq(from("{'objects':[{'kind':'Pod','metadata':{'name':'x'}},"
                      "{'kind':'Job','metadata':{'name':'x'}},{'metadata':{}}]}",
                      &s),
                 0);
    expect_json(snapshot_object(&s, "Job", "x"), "kind", "'Job'");
    cr_expect_null(snapshot_object(&s, "Job", "y"));
    cr_expect_null(snapshot_object(&s, "Service", "x"));
    snapshot_done(&s);
}

Test(snapshot, done_twice_is_done)
{
    struct snapshot s = {0};

    snapshot_done(&s);
    snapshot_done(&s);
}

/* ---- from the journal ---- */

static void load(const char *name, const char *uid, struct snapshot *ret)
{
    struct error err = {0};

    cr_assert_eq(snapshot_load(fixture(), "ns", name, uid, ret, &err), 0, "%s", err.text);
}

static char ns[] = "ns", cluster_name[] = "c", cluster_uid[] = "u", version[] = "1";

static void put(const char *kind, const char *name, const char *uid, const char *json)
{
    char kind_text[64], name_text[64], uid_text[64];
    struct object o = {.kind = kind_text,
                       .ns = ns,
                       .name = name_text,
                       .uid = uid_text,
                       .resource_version = version,
                       .cluster_uid = cluster_uid,
                       .cluster_name = cluster_name,
                       .json = json_of(json)};

    str_copy(kind_text, sizeof(kind_text), kind);
    str_copy(name_text, sizeof(name_text), name);
    str_copy(uid_text, sizeof(uid_text), uid);
    (void)fixture_put(&o);
    cJSON_Delete(o.json);
}

static void put_cluster(void)
{
    put("FlinkCluster", "c", "u", "{'metadata':{'name':'c','uid':'u'}}");
}

static void add_command(int64_t row)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct error err = {0};
    char kind[] = "stop", key[] = "stop/1";
    struct command c = {.cluster_uid = cluster_uid,
                        .ns = ns,
                        .cluster_name = cluster_name,
                        .kind = kind,
                        .key = key,
                        .args = json_of("{'jobId':'j'}"),
                        .decided_row = row,
                        .created_ms = 5};
    int64_t now;

    cr_assert_eq(journal_begin(fixture(), true, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(command_add(&tx, &c, &now, &err), 0, "%s", err.text);
    cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
    cJSON_Delete(c.args);
}

static void observe(const char *key, const char *json)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    _cleanup_(json_freep) cJSON *value = json_of(json);
    struct error err = {0};
    int64_t row;

    cr_assert_eq(journal_begin(fixture(), false, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(observation_put(&tx, "u", key, value, 9, &row, &err), 0, "%s", err.text);
    cr_assert_eq(journal_commit(&tx, &err), 0, "%s", err.text);
}

Test(snapshot_load, has_the_cluster_its_objects_observations_and_commands)
{
    struct snapshot s;

    put_cluster();
    put("Pod", "p", "p", "{'metadata':{'name':'p'}}");
    observe("overview", "{'reachable':true}");
    load("c", "u", &s);
    expect_json(s.cluster, "metadata.name", "'c'");
    expect_json(s.objects, "", "[{'metadata':{'name':'p'},'kind':'Pod'}]");
    expect_json(s.observations, "overview.reachable", "true");
    expect_json(s.observations, "overview.observedAt", "9");
    add_command(s.row);
    snapshot_done(&s);

    load("c", "u", &s);
    expect_json(s.commands, "[0].kind", "'stop'");
    expect_json(s.commands, "[0].key", "'stop/1'");
    expect_json(s.commands, "[0].args", "{'jobId':'j'}");
    expect_json(s.commands, "[0].state", "'wanted'");
    expect_json(s.commands, "[0].attempts", "0");
    expect_json(s.commands, "[0].notBefore", "0");
    expect_json(s.commands, "[0].createdAt", "5");
    expect_json(s.commands, "[0].result", NULL);
    snapshot_done(&s);
}

Test(snapshot_load, its_row_is_the_clusters_so_that_a_decision_on_it_is_not_stale)
{
    struct snapshot s;
    struct error err = {0};
    int64_t row = 0;

    put_cluster();
    observe("overview", "{}");
    load("c", "u", &s);
    cr_assert_eq(object_cluster_row(fixture(), "u", &row, &err), 0);
    cr_expect_gt(row, 1);
    cr_expect_eq(s.row, row);
    snapshot_done(&s);
}

Test(snapshot_load, a_cluster_that_is_gone_is_no_error)
{
    struct snapshot s;

    load("nobody", "none", &s);
    cr_expect_null(s.cluster);
    cr_expect_eq(cJSON_GetArraySize(s.objects), 0);
    snapshot_done(&s);
}

/* Another daemon writes between two queries: what is read is one state all the same. */
Test(snapshot_load, reads_of_one_state_see_nothing_that_comes_between)
{
    _cleanup_(journal_read_end) struct journal_read read = {0};
    struct journal *other = NULL;
    struct error err = {0};
    char uid[64], at[64];
    int64_t row;

    fixture_put_cluster("a", "uid-a", "1");
    cr_assert_eq(journal_open(fixture_path(), NULL, &other, NULL, &err), 0, "%s", err.text);
    cr_assert_eq(journal_read_begin(other, &read, &err), 0, "%s", err.text);
    cr_assert_eq(object_cluster_row(other, "uid-a", &row, &err), 0);
    fixture_put_cluster("a", "uid-a", "2");
    cr_assert_eq(object_version(other, "FlinkCluster", "ns", "a", uid, at, &err), 0);
    cr_expect_str_eq(at, "1");
    journal_read_end(&read);
    cr_assert_eq(object_version(other, "FlinkCluster", "ns", "a", uid, at, &err), 0);
    cr_expect_str_eq(at, "2");
    journal_close(other);
}
