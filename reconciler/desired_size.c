/* How much of it: resources, slots, parallelism. */
#include "reconciler/desired_internal.h"

#include "common/base/quantity.h"

const cJSON *upper_bound(const cJSON *resources, const char *resource)
{
    static const char *const maps[] = {"limits", "requests"};

    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        const cJSON *value = json_member(json_member(resources, maps[i]), resource);
        struct quantity q;

        if (value && !quantity_from_json(value, &q) && q.nano > 0)
            return value;
    }
    return NULL;
}

static int64_t slots_by_cpu(const struct desired *d)
{
    const cJSON *cpu = upper_bound(json_member(d->taskmanager, "resources"), "cpu");
    struct quantity q;
    int64_t slots;

    if (!cpu || quantity_from_json(cpu, &q))
        return 1;
    slots = quantity_ceil(&q) / 2;
    return slots > 0 ? slots : 1;
}

int64_t task_slots(const struct desired *d)
{
    const cJSON *properties = json_member(d->spec, "flinkProperties");
    const char *text =
        cJSON_GetStringValue(json_member(properties, "taskmanager.numberOfTaskSlots"));
    int64_t slots;

    if (!text)
        return slots_by_cpu(d);
    return str_to_i64(text, &slots) || slots < 1 || slots > INT32_MAX ? 0 : slots;
}

int64_t job_parallelism(const struct desired *d)
{
    int64_t parallelism = json_int(d->job, "parallelism", 0);

    return parallelism > 0 ? parallelism : json_int(d->taskmanager, "replicas", 0) * task_slots(d);
}
