#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/names.h"
#include "common/model/revision.h"
#include "tests/lib/quoted_json.h"

static cJSON *cluster, *revisions;
static struct revision_sync sync_result;

static void setup(void)
{
    cluster = json_of("{'metadata':{'name':'c','namespace':'n','uid':'u','labels':{'team':'a'},"
                      "'annotations':{'x':'y','kubectl.kubernetes.io/"
                      "last-applied-configuration':'{}'}},'spec':{'flinkVersion':'1.20'}}");
    revisions = cJSON_CreateArray();
}

static void teardown(void)
{
    revision_sync_done(&sync_result);
    cJSON_Delete(cluster);
    cJSON_Delete(revisions);
}

TestSuite(revision_sync, .init = setup, .fini = teardown, .timeout = 10);

/* A revision of the cluster whose spec has that Flink version. */
static cJSON *add(const char *name, int number, const char *version)
{
    cJSON *revision = json_of("{'kind':'ControllerRevision','metadata':{'ownerReferences':["
                              "{'controller':true,'uid':'u'}]},'data':{'spec':{}}}");

    json_set_str(revision, "metadata.name", name);
    json_set(revision, "metadata.labels", cJSON_CreateObject());
    json_set_member_str(json_get(revision, "metadata.labels"), LABEL_MANAGED_BY, "c");
    json_set_int(revision, "revision", number);
    json_set_str(revision, "data.spec.flinkVersion", version);
    json_add_item(revisions, revision);
    return revision;
}

static const struct revision_sync *run(void)
{
    revision_sync_done(&sync_result);
    revision_sync(cluster, revisions, &sync_result);
    return &sync_result;
}

static void record_current(const char *name)
{
    json_set_str(cluster, "status.revision.currentRevision", name);
}

static void want(const char *version)
{
    json_set_str(cluster, "spec.flinkVersion", version);
}

Test(revision_sync, the_first_is_created_and_is_current_and_next)
{
    const struct revision_sync *s = run();

    cr_expect(str_starts(s->next_name, "c-"));
    cr_expect_eq(strlen(s->next), strlen(s->next_name) + 2);
    cr_expect(str_ends(s->next, "-1"));
    cr_expect_str_eq(s->current, s->next);
    cr_expect_not(s->update_triggered);
    expect_json(s->create, "revision", "1");
}

Test(revision_sync, a_revision_has_the_clusters_labels_annotations_and_owner)
{
    const struct revision_sync *s = run();
    const cJSON *labels = json_get(s->create, "metadata.labels");

    expect_json(s->create, "apiVersion", "'apps/v1'");
    expect_json(s->create, "kind", "'ControllerRevision'");
    expect_json(s->create, "metadata.namespace", "'n'");
    expect_json(s->create, "metadata.annotations", "{'x':'y'}");
    expect_json(labels, "team", "'a'");
    cr_expect_str_eq(cJSON_GetStringValue(json_member(labels, LABEL_MANAGED_BY)), "c");
    cr_expect(str_ends(s->next_name, cJSON_GetStringValue(json_member(labels, LABEL_HASH))));
    expect_json(s->create, "metadata.ownerReferences",
                "[{'apiVersion':'flinkoperator.k8s.io/v1beta1','kind':'FlinkCluster','name':'c',"
                "'uid':'u','controller':true,'blockOwnerDeletion':false}]");
    expect_json(s->create, "data.spec.flinkVersion", "'1.20'");
}

Test(revision_sync, the_newest_with_the_same_content_is_next_whatever_its_name)
{
    const struct revision_sync *s;

    add("c-other-hash", 4, "1.20");
    record_current("c-other-hash-4");
    s = run();
    cr_expect_null(s->create);
    cr_expect_str_eq(s->next, "c-other-hash-4");
    cr_expect_str_eq(s->next_name, "c-other-hash");
    cr_expect_str_eq(s->current, "c-other-hash-4");
    cr_expect_not(s->update_triggered);
    expect_json(s->current_spec, "flinkVersion", "'1.20'");
}

Test(revision_sync, another_spec_triggers_an_update)
{
    const struct revision_sync *s;

    add("c-a", 1, "1.20");
    record_current("c-a-1");
    want("2.0");
    s = run();
    cr_expect(s->update_triggered);
    cr_expect_str_eq(s->current, "c-a-1");
    expect_json(s->current_spec, "flinkVersion", "'1.20'");
    expect_json(s->create, "revision", "2");
    cr_expect(str_ends(s->next, "-2"));
}

Test(revision_sync, a_roll_back_renumbers_the_old_revision)
{
    const struct revision_sync *s;

    add("c-a", 1, "1.20");
    add("c-b", 2, "2.0");
    record_current("c-b-2");
    s = run();
    cr_expect_null(s->create);
    cr_expect_str_eq(s->renumber, "c-a");
    cr_expect_eq(s->renumber_to, 3);
    cr_expect_str_eq(s->next, "c-a-3");
    cr_expect(s->update_triggered);
}

Test(revision_sync, a_revert_before_the_update_is_done_cancels_it)
{
    const struct revision_sync *s;

    add("c-a", 1, "1.20");
    add("c-b", 2, "2.0");
    record_current("c-a-1");
    s = run();
    cr_expect_not(s->update_triggered);
    cr_expect_str_eq(s->renumber, "c-a");
    cr_expect_str_eq(s->next, "c-a-3");
    cr_expect_str_eq(s->current, "c-a-3");
}

Test(revision_sync, two_names_of_one_content_are_no_update)
{
    const struct revision_sync *s;

    add("c-a", 1, "1.20");
    add("c-b", 2, "1.20");
    record_current("c-a-1");
    s = run();
    cr_expect_not(s->update_triggered);
    cr_expect_str_eq(s->current, "c-b-2");
}

Test(revision_sync, a_current_one_that_is_gone_is_an_update_from_nowhere)
{
    const struct revision_sync *s;

    add("c-b", 2, "1.20");
    record_current("c-a-1");
    s = run();
    cr_expect(s->update_triggered);
    cr_expect_null(s->current_spec);
    cr_expect_str_eq(s->current, "c-a-1");
}

Test(revision_sync, the_same_name_created_anew_is_no_update)
{
    char recorded[1024];

    (void)snprintf(recorded, sizeof(recorded), "%s-7", run()->next_name);
    record_current(recorded);
    cr_expect_not(run()->update_triggered);
    cr_expect_not_null(sync_result.create);
}

Test(revision_sync, revisions_of_others_are_not_looked_at)
{
    json_set_str(add("c-a", 8, "1.20"), "metadata.labels", "x");
    json_set(add("c-b", 9, "1.20"), "metadata.ownerReferences",
             json_of("[{'controller':true,'uid':'somebody'}]"));
    expect_json(run()->create, "revision", "1");
}

Test(revision_sync, an_orphan_with_our_label_is_ours)
{
    json_remove(add("c-a", 8, "1.20"), "metadata.ownerReferences");
    cr_expect_str_eq(run()->next, "c-a-8");
}

Test(revision_sync, a_name_that_other_content_has_is_a_collision)
{
    char taken[320];
    const struct revision_sync *s;

    str_copy(taken, sizeof(taken), run()->next_name);
    add(taken, 1, "1.1");
    s = run();
    cr_expect_str_neq(s->next_name, taken);
    cr_expect_eq(s->collision_count, 1);
    expect_json(s->create, "revision", "2");
}

Test(revision_sync, recorded_collisions_go_into_the_name)
{
    char first[320];

    str_copy(first, sizeof(first), run()->next_name);
    json_set_int(cluster, "status.revision.collisionCount", 2);
    cr_expect_str_neq(run()->next_name, first);
    cr_expect_eq(sync_result.collision_count, 2);
}

Test(revision_sync, those_over_the_limit_go_but_not_current_and_next)
{
    const struct revision_sync *s;
    char name[32], version[32];

    for (int i = 1; i <= 6; i++) {
        (void)snprintf(name, sizeof(name), "c-%d", i);
        (void)snprintf(version, sizeof(version), "1.%d", i);
        add(name, i, version);
    }
    record_current("c-2-2");
    want("1.6");
    json_set_int(cluster, "spec.revisionHistoryLimit", 3);
    s = run();
    cr_assert_eq(s->n_remove, 2);
    cr_expect_str_eq(s->remove[0], "c-1");
    cr_expect_str_eq(s->remove[1], "c-3");
}

Test(revision_sync, ten_are_kept_without_a_limit_and_with_a_negative_one)
{
    char name[32];

    for (int i = 1; i <= 12; i++) {
        (void)snprintf(name, sizeof(name), "c-%d", i);
        add(name, i, i == 12 ? "1.20" : name);
    }
    cr_expect_eq(run()->n_remove, 2);
    json_set_int(cluster, "spec.revisionHistoryLimit", -1);
    cr_expect_eq(run()->n_remove, 2);
}

Test(revision_sync, equal_numbers_are_ordered_by_time_then_name)
{
    json_set_str(add("c-z", 1, "1.20"), "metadata.creationTimestamp", "2026-01-01T00:00:00Z");
    json_set_str(add("c-a", 1, "1.20"), "metadata.creationTimestamp", "2026-01-02T00:00:00Z");
    cr_expect_str_eq(run()->next_name, "c-a");
    json_set_str(cJSON_GetArrayItem(revisions, 1), "metadata.creationTimestamp",
                 "2026-01-01T00:00:00Z");
    cr_expect_str_eq(run()->next_name, "c-z");
}

Test(revision_sync, a_long_name_is_cut)
{
    char name[300];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    json_set_str(cluster, "metadata.name", name);
    cr_expect_leq(strlen(run()->next_name), 223 + 11);
}

Test(revision_sync, more_than_fit_keep_the_newest)
{
    char name[32];

    for (int i = 1; i <= 300; i++) {
        (void)snprintf(name, sizeof(name), "c-%d", i);
        add(name, i, i == 300 ? "1.20" : name);
    }
    cr_expect_str_eq(run()->next, "c-300-300");
    cr_expect_eq(sync_result.n_remove, 64, "the others in later turns");
}
