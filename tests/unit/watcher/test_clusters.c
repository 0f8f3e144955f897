#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "watcher/clusters.h"

TestSuite(clusters, .timeout = 10);

static struct clusters *table;

static struct cluster *put(const char *name, const char *uid)
{
    bool is_new;

    if (!table)
        table = clusters_new();
    return clusters_put(table, "ns", name, uid, NULL, &is_new);
}

static void see(struct cluster *c, const char *name, const char *uid, const char *created,
                bool running)
{
    _cleanup_(json_freep) cJSON *pod = cJSON_CreateObject();
    cJSON *metadata = cJSON_AddObjectToObject(pod, "metadata");
    cJSON *labels = cJSON_AddObjectToObject(metadata, "labels");
    cJSON *status = cJSON_AddObjectToObject(pod, "status");

    (void)cJSON_AddStringToObject(metadata, "uid", uid);
    (void)cJSON_AddStringToObject(metadata, "creationTimestamp", created);
    (void)cJSON_AddStringToObject(labels, "component", "jobmanager");
    (void)cJSON_AddStringToObject(status, "phase", running ? "Running" : "Pending");
    cluster_child(c, "Pod", name, pod, false);
}

Test(clusters, one_is_found_by_name_and_by_uid_until_it_is_removed)
{
    struct cluster *c = put("wc", "u1");

    cr_expect_eq(clusters_find(table, "ns", "wc"), c);
    cr_expect_eq(clusters_find_uid(table, "u1"), c);
    cr_expect_null(clusters_find(table, "other", "wc"));
    clusters_remove(table, c);
    cr_expect_null(clusters_find(table, "ns", "wc"));
    cr_expect_null(clusters_find_uid(table, "u1"));
    table = clusters_free(table);
}

Test(clusters, a_second_one_of_that_name_takes_its_place)
{
    struct cluster *c;

    (void)put("wc", "u1");
    c = put("wc", "u2");
    cr_expect_str_eq(c->uid, "u2");
    cr_expect_null(clusters_find_uid(table, "u1"));
    table = clusters_free(table);
}

Test(clusters, the_oldest_jobmanager_that_runs_is_asked)
{
    struct cluster *c = put("wc", "u1");

    cr_expect_null(cluster_jobmanager(c));
    see(c, "wc-jobmanager-0", "p0", "2026-01-02T03:04:05Z", false);
    cr_expect_null(cluster_jobmanager(c));
    see(c, "wc-jobmanager-1", "p1", "2026-01-02T03:04:07Z", true);
    cr_expect_str_eq(cluster_jobmanager(c)->uid, "p1");
    see(c, "wc-jobmanager-0", "p0", "2026-01-02T03:04:05Z", true);
    cr_expect_str_eq(cluster_jobmanager(c)->uid, "p0");
    see(c, "wc-jobmanager-0", "p2", "2026-01-02T03:04:09Z", true);
    cr_expect_str_eq(cluster_jobmanager(c)->uid, "p1");
    cluster_child(c, "Pod", "wc-jobmanager-1", NULL, true);
    cr_expect_str_eq(cluster_jobmanager(c)->uid, "p2");
    table = clusters_free(table);
}
