#include "common/model/flink_memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/quantity.h"
#include "common/base/str.h"
#include "common/model/admission.h"

#define MIB        ((int64_t)1024 * 1024)
#define SIZE_LIMIT ((int64_t)1 << 50) /* more counts as that, so that no sum overflows */

/* ---- reading ---- */

int flink_memory_parse(const char *text, int64_t *ret)
{
    static const struct {
        const char *names[4];
        int shift;
    } units[] = {
        {{"", "b", "bytes"}, 0},        {{"k", "kb", "kibibytes"}, 10},
        {{"m", "mb", "mebibytes"}, 20}, {{"g", "gb", "gibibytes"}, 30},
        {{"t", "tb", "tebibytes"}, 40},
    };
    char number[24], unit[16];
    int64_t value;
    size_t digits, len;

    if (!text)
        return -EINVAL;
    text += strspn(text, " \t");
    digits = strspn(text, "0123456789");
    if (digits == 0 || digits >= sizeof(number))
        return -EINVAL;
    str_copy(number, digits + 1, text);
    text += digits;
    text += strspn(text, " \t");
    len = strcspn(text, " \t");
    if (len >= sizeof(unit) || text[len + strspn(text + len, " \t")])
        return -EINVAL;
    str_copy(unit, len + 1, text);
    if (str_to_i64(number, &value))
        return -ERANGE;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        for (size_t k = 0; k < ARRAY_SIZE(units[i].names) && units[i].names[k]; k++)
            if (str_eq_nocase(unit, units[i].names[k])) {
                if (value > INT64_MAX >> units[i].shift)
                    return -ERANGE;
                *ret = value << units[i].shift;
                return 0;
            }
    return -EINVAL;
}

/* What Flink reads: the user's properties over its defaults. */
struct settings {
    const cJSON *properties;
    const char *prefix; /* "taskmanager.memory" */
};

static const char *setting(const struct settings *s, const char *name)
{
    char key[96];

    (void)snprintf(key, sizeof(key), "%s.%s", s->prefix, name);
    return cJSON_GetStringValue(json_member(s->properties, key));
}

static int64_t setting_bytes(const struct settings *s, const char *name, int64_t fallback)
{
    int64_t value;

    if (flink_memory_parse(setting(s, name), &value))
        return fallback;
    return value < SIZE_LIMIT ? value : SIZE_LIMIT;
}

static double setting_fraction(const struct settings *s, const char *name, double fallback)
{
    double value;

    return str_to_double(setting(s, name), &value) || !(value >= 0 && value < 1) ? fallback : value;
}

/* A fraction of @base, within its bounds. */
static int64_t share(const struct settings *s, const char *name, int64_t base, double fraction,
                     int64_t min, int64_t max)
{
    char key[64];
    int64_t value;

    (void)snprintf(key, sizeof(key), "%s.fraction", name);
    value = (int64_t)((double)base * setting_fraction(s, key, fraction));
    (void)snprintf(key, sizeof(key), "%s.min", name);
    min = setting_bytes(s, key, min);
    (void)snprintf(key, sizeof(key), "%s.max", name);
    max = setting_bytes(s, key, max);
    if (value > max)
        value = max;
    return value < min ? min : value;
}

/* process.size as it is written into Flink's configuration (spec 03-children 2.3); 0: none */
static int64_t process_size(const struct settings *s, const cJSON *part)
{
    struct quantity q = {0};
    const cJSON *memory = json_get(part, "resources.limits.memory");
    int64_t ratio = json_int(part, "memoryProcessRatio", 80), bytes;

    if (setting(s, "process.size"))
        return setting_bytes(s, "process.size", 0);
    if (!memory || quantity_from_json(memory, &q) || q.nano == 0)
        memory = json_get(part, "resources.requests.memory");
    if (!memory || quantity_from_json(memory, &q) || q.nano <= 0 || ratio < 0 || ratio > 100)
        return 0;
    bytes = quantity_ceil(&q) < SIZE_LIMIT ? quantity_ceil(&q) : SIZE_LIMIT;
    bytes = (int64_t)ceil((double)bytes * (double)ratio / 100);
    return (bytes + MIB - 1) / MIB * MIB;
}

/* ---- the model ---- */

struct model {
    int64_t process, metaspace, overhead, flink;
    int64_t parts; /* of flink's memory that are fixed */
    char text[256]; /* their names and sizes */
};

static long long mib(int64_t bytes)
{
    return (long long)(bytes / MIB);
}

static void taskmanager_parts(const struct settings *s, const struct flink_version *version,
                              struct model *m)
{
    bool bounded =
        !flink_version_at_least(version, 1, 17); /* network memory got no upper bound then */
    int64_t heap = setting_bytes(s, "framework.heap.size", 128 * MIB);
    int64_t task_heap = setting_bytes(s, "task.heap.size", 0);
    int64_t off_heap = setting_bytes(s, "framework.off-heap.size", 128 * MIB);
    int64_t task_off_heap = setting_bytes(s, "task.off-heap.size", 0);
    int64_t network =
        share(s, "network", m->flink, 0.1, 64 * MIB, bounded ? 1024 * MIB : SIZE_LIMIT);
    int64_t managed =
        setting_bytes(s, "managed.size",
                      (int64_t)((double)m->flink * setting_fraction(s, "managed.fraction", 0.4)));

    if (setting(s, "task.heap.size")) /* then the network gets what is left, at least this */
        network = setting_bytes(s, "network.min", 64 * MIB);
    m->parts = heap + task_heap + off_heap + task_off_heap + network + managed;
    (void)snprintf(
        m->text, sizeof(m->text),
        "framework heap %lldm + off-heap %lldm + task %lldm + network %lldm + managed %lldm",
        mib(heap), mib(off_heap), mib(task_heap + task_off_heap), mib(network), mib(managed));
}

static void jobmanager_parts(const struct settings *s, struct model *m)
{
    int64_t off_heap = setting_bytes(s, "off-heap.size", 128 * MIB);

    m->parts = off_heap + 1; /* and some heap */
    (void)snprintf(m->text, sizeof(m->text), "off-heap %lldm and some heap", mib(off_heap));
}

static bool explain(const struct model *m, const char *component, char *out, size_t size)
{
    char text[1024];

    if (m->flink <= 0)
        (void)snprintf(text, sizeof(text),
                       "Flink will refuse %s's memory: of process size %lldm, metaspace %lldm and "
                       "JVM overhead %lldm leave nothing; raise resources.limits.memory",
                       component, mib(m->process), mib(m->metaspace), mib(m->overhead));
    else if (m->parts > m->flink)
        (void)snprintf(text, sizeof(text),
                       "Flink will refuse %s's memory: process size %lldm - metaspace %lldm - "
                       "overhead %lldm = %lldm is less than %s; raise resources.limits.memory",
                       component, mib(m->process), mib(m->metaspace), mib(m->overhead),
                       mib(m->flink), m->text);
    else
        return false;
    str_copy(out, size, text);
    return true;
}

bool flink_memory_check(const cJSON *spec, const char *component, char *out, size_t size)
{
    bool tm = str_eq(component, "taskManager");
    struct settings s = {.properties = json_member(spec, "flinkProperties"),
                         .prefix = tm ? "taskmanager.memory" : "jobmanager.memory"};
    struct flink_version version;
    struct model m = {0};

    str_copy(out, size, "");
    /* The JobManager's model came one version later than the TaskManagers'. */
    if (flink_version_parse(json_str(spec, "flinkVersion"), &version) ||
        !flink_version_at_least(&version, 1, tm ? 10 : 11))
        return false;
    /* With sizes of parts given, Flink derives the rest the other way round. */
    if (setting(&s, "flink.size") || setting(&s, "heap.size") ||
        (setting(&s, "task.heap.size") && setting(&s, "managed.size")))
        return false;
    m.process = process_size(&s, json_member(spec, component));
    if (m.process <= 0)
        return false;
    m.metaspace = setting_bytes(&s, "jvm-metaspace.size",
                                flink_version_at_least(&version, 1, 11) ? 256 * MIB : 96 * MIB);
    m.overhead = share(&s, "jvm-overhead", m.process, 0.1, 192 * MIB, 1024 * MIB);
    m.flink = m.process - m.metaspace - m.overhead;
    if (tm)
        taskmanager_parts(&s, &version, &m);
    else
        jobmanager_parts(&s, &m);
    return explain(&m, component, out, size);
}
