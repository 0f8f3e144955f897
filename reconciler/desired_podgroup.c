/* Volcano's PodGroup (spec 03-children 9): all pods of the cluster are scheduled together or not at
 * all. */
#include "reconciler/desired_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/base/quantity.h"

enum { RESOURCES_MAX = 16, RESOURCE_NAME_MAX = 64 };

struct sum {
    struct {
        char name[RESOURCE_NAME_MAX];
        struct quantity quantity;
    } item[RESOURCES_MAX];
    size_t n;
};

/* The first one's form (binary or decimal) is the sum's. */
static void sum_add(struct sum *sum, const char *name, const cJSON *value, int64_t times)
{
    struct quantity q;
    size_t i;

    if (!value || quantity_from_json(value, &q) || q.nano == 0 || strlen(name) >= RESOURCE_NAME_MAX)
        return;
    q.nano *= times;
    for (i = 0; i < sum->n; i++)
        if (str_eq(sum->item[i].name, name))
            break;
    if (i == RESOURCES_MAX)
        return;
    if (i < sum->n) {
        sum->item[i].quantity.nano += q.nano;
        return;
    }
    str_copy(sum->item[i].name, RESOURCE_NAME_MAX, name);
    sum->item[i].quantity = q;
    sum->n++;
}

static void add_containers(struct sum *sum, const cJSON *containers, int64_t times)
{
    json_foreach (container, containers) {
        const cJSON *resources = json_member(container, "resources");
        const cJSON *requests = json_member(resources, "requests");

        sum_add(sum, "cpu", upper_bound(resources, "cpu"), times);
        sum_add(sum, "memory", upper_bound(resources, "memory"), times);
        sum_add(sum, "storage", json_member(requests, "storage"), times);
        sum_add(sum, "ephemeral-storage", json_member(requests, "ephemeral-storage"), times);
    }
}

static void add_claims(struct sum *sum, const cJSON *workload, int64_t times)
{
    json_foreach (claim, json_get(workload, "spec.volumeClaimTemplates"))
        sum_add(sum, "storage", json_get(claim, "spec.resources.requests.storage"), times);
    json_foreach (volume, json_get(workload, "spec.template.spec.volumes"))
        sum_add(sum, "storage",
                json_get(volume, "ephemeral.volumeClaimTemplate.spec.resources.requests.storage"),
                times);
}

static void add_workload(struct sum *sum, const cJSON *workload, int64_t times)
{
    add_containers(sum, json_get(workload, "spec.template.spec.containers"), times);
    add_containers(sum, json_get(workload, "spec.template.spec.initContainers"), times);
    add_claims(sum, workload, times);
}

static cJSON *resources_of(const struct sum *sum)
{
    static const char *const prefixes[] = {"", "requests.", "limits."};
    cJSON *resources = cJSON_CreateObject();

    for (size_t i = 0; i < sum->n; i++)
        for (size_t k = 0; k < ARRAY_SIZE(prefixes); k++) {
            char key[RESOURCE_NAME_MAX + 16], text[64];

            (void)snprintf(key, sizeof(key), "%s%s", prefixes[k], sum->item[i].name);
            quantity_canonical(&sum->item[i].quantity, text);
            (void)json_set_member_str(resources, key, text);
        }
    return resources;
}

/* A submitter that is done doesn't count: what is left could never be scheduled together with it
 * again. */
static bool counts_job(const struct desired *d)
{
    return d->job && !d->view->submitter.succeeded && !d->view->submitter.failed;
}

cJSON *desired_podgroup(const struct desired *d, const cJSON *workloads)
{
    static const char *const fields[] = {"queue", "priorityClassName"};
    struct sum sum = {.n = 0};
    int64_t members = 0;
    cJSON *group;

    if (!d->volcano || !workloads || !workloads->child)
        return NULL;
    json_foreach (workload, workloads) {
        int64_t replicas = json_int(workload, "spec.replicas", 1);

        members += replicas;
        add_workload(&sum, workload, replicas);
    }
    if (counts_job(d)) {
        _cleanup_(json_freep) cJSON *job = cJSON_CreateObject();

        (void)json_set(job, "spec.template", job_template(d, &(struct desired_job){.job_id = ""}));
        members++;
        add_workload(&sum, job, 1);
    }
    group = desired_object(d, "scheduling.volcano.sh/v1beta1", "PodGroup", NAME_SHARED);
    (void)json_set_int(group, "spec.minMember", members);
    (void)json_set(group, "spec.minResources", resources_of(&sum));
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (!str_empty(json_str(json_member(d->spec, "batchScheduler"), fields[i])))
            copy_member(json_member(group, "spec"), fields[i],
                        json_member(d->spec, "batchScheduler"), fields[i]);
    return group;
}
