/* C9 to C13 (JobManager), C18 to C22 (TaskManager): Flink before 1.10 has a heap beside an off-heap
 * part, since 1.10 a size of the whole process. Which fields make sense depends on that. */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/quantity.h"
#include "common/model/findings.h"

enum { OLD_HAS_PROCESS_RATIO, OLD_RATIO_RANGE, OLD_MIN_TOO_BIG, NEW_HAS_OFF_HEAP, NEW_RATIO_RANGE };

static bool is_percentage(const cJSON *part, const char *key)
{
    const cJSON *value = json_member(part, key);

    return cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble <= 100;
}

static struct quoted ratio_text(const cJSON *part, const char *key)
{
    struct quoted q = {.text = "absent"};

    if (json_has(part, key))
        (void)snprintf(q.text, sizeof(q.text), "%lld", (long long)json_int(part, key, 0));
    return q;
}

/* Limit unless zero, else request, else 0. */
static struct quantity memory_bound(const cJSON *part)
{
    struct quantity q = {0};
    const cJSON *limit = json_get(part, "resources.limits.memory");
    const cJSON *request = json_get(part, "resources.requests.memory");

    if (limit && !quantity_from_json(limit, &q) && q.nano != 0)
        return q;
    if (!request || quantity_from_json(request, &q))
        q = (struct quantity){0};
    return q;
}

static void validate_old_model(const cJSON *part, const struct component *c,
                               const char *const *fields, struct findings *f)
{
    struct quantity bound = memory_bound(part), min = {0};
    const cJSON *min_json = json_member(part, "memoryOffHeapMin");

    if (json_has(part, "memoryProcessRatio"))
        finding_add(f, c->memory_rules[OLD_HAS_PROCESS_RATIO], fields[0],
                    "%s: MemoryProcessRatio config cannot be used with flinkVersion < 1.10, use "
                    "memoryOffHeapRatio instead",
                    ratio_text(part, "memoryProcessRatio").text);
    if (!is_percentage(part, "memoryOffHeapRatio"))
        finding_add(f, c->memory_rules[OLD_RATIO_RANGE], fields[1],
                    "invalid %s memoryOffHeapRatio %s, it must be between 0 and 100", c->name,
                    ratio_text(part, "memoryOffHeapRatio").text);
    if (min_json && !quantity_from_json(min_json, &min) && bound.nano > 0 &&
        quantity_compare(&min, &bound) > 0)
        finding_add(
            f, c->memory_rules[OLD_MIN_TOO_BIG], fields[2],
            "invalid %s MemoryOffHeapMin: %lld bytes don't fit into the memory of the "
            "container, %lld bytes; raise resources.limits.memory or lower memoryOffHeapMin",
            c->name, (long long)quantity_ceil(&min), (long long)quantity_ceil(&bound));
}

static void validate_new_model(const cJSON *part, const struct component *c,
                               const char *const *fields, struct findings *f)
{
    const cJSON *min_json = json_member(part, "memoryOffHeapMin");
    struct quantity min = {0};

    if (json_has(part, "memoryOffHeapRatio"))
        finding_add(
            f, c->memory_rules[NEW_HAS_OFF_HEAP], fields[1],
            "%s: MemoryOffHeapRatio config cannot be used with flinkVersion >= 1.11 (or 1.10), use "
            "memoryProcessRatio instead",
            ratio_text(part, "memoryOffHeapRatio").text);
    if (min_json && !quantity_from_json(min_json, &min) && min.nano != 0)
        finding_add(f, c->memory_rules[NEW_HAS_OFF_HEAP], fields[2],
                    "%lld bytes: MemoryOffHeapMin config cannot be used with flinkVersion >= 1.11 "
                    "(or 1.10), use memoryProcessRatio instead",
                    (long long)quantity_ceil(&min));
    if (!is_percentage(part, "memoryProcessRatio"))
        finding_add(f, c->memory_rules[NEW_RATIO_RANGE], fields[0],
                    "invalid %s memoryProcessRatio %s, it must be between 0 and 100", c->name,
                    ratio_text(part, "memoryProcessRatio").text);
}

void validate_memory(const cJSON *spec, const struct component *component,
                     const struct flink_version *version, struct findings *f)
{
    const cJSON *part = json_member(spec, component->key);
    char names[3][64];
    const char *fields[3] = {names[0], names[1], names[2]};

    (void)snprintf(names[0], sizeof(names[0]), "spec.%s.memoryProcessRatio", component->key);
    (void)snprintf(names[1], sizeof(names[1]), "spec.%s.memoryOffHeapRatio", component->key);
    (void)snprintf(names[2], sizeof(names[2]), "spec.%s.memoryOffHeapMin", component->key);
    if (flink_version_at_least(version, 1, 10))
        validate_new_model(part, component, fields, f);
    else
        validate_old_model(part, component, fields, f);
}
