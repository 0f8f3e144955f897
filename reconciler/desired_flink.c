/* Flink's configuration (spec 03-children 2.1 to 2.4): one property a line, sorted. */
#include "reconciler/desired_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/base/quantity.h"

enum { CONFIGURATION_MAX = 1024 * 1024, MIB = 1024 * 1024 }; /* what a ConfigMap can hold */

#define JOB_ID_PROPERTY "$internal.pipeline.job-id"

/* Flink's own list (conf/config.yaml of 1.18 and later): what it opens of Java 17's modules. Older
 * Java ignores it, since Flink's scripts start it with -XX:+IgnoreUnrecognizedVMOptions. */
#define EXPORT(name) " --add-exports=" name "=ALL-UNNAMED"
#define OPEN(name)   " --add-opens=" name "=ALL-UNNAMED"
static const char module_options[] = EXPORT("java.base/sun.net.util")
    EXPORT("java.rmi/sun.rmi.registry") EXPORT("jdk.compiler/com.sun.tools.javac.api")
        EXPORT("jdk.compiler/com.sun.tools.javac.file")
            EXPORT("jdk.compiler/com.sun.tools.javac.parser")
                EXPORT("jdk.compiler/com.sun.tools.javac.tree")
                    EXPORT("jdk.compiler/com.sun.tools.javac.util")
                        EXPORT("java.security.jgss/sun.security.krb5") OPEN("java.base/java.lang")
                            OPEN("java.base/java.net") OPEN("java.base/java.io")
                                OPEN("java.base/java.nio") OPEN("java.base/sun.nio.ch")
                                    OPEN("java.base/java.lang.reflect") OPEN("java.base/java.text")
                                        OPEN("java.base/java.time") OPEN("java.base/java.util")
                                            OPEN("java.base/java.util.concurrent")
                                                OPEN("java.base/java.util.concurrent.atomic")
                                                    OPEN("java.base/java.util.concurrent.locks");

static void set_int(cJSON *properties, const char *key, int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    (void)json_set_member_str(properties, key, text);
}

static const char *property(const cJSON *properties, const char *key)
{
    return cJSON_GetStringValue(json_member(properties, key));
}

/* ---- memory ---- */

static int64_t memory_bytes(const cJSON *part)
{
    const cJSON *memory = upper_bound(json_member(part, "resources"), "memory");
    struct quantity q;

    return memory && !quantity_from_json(memory, &q) ? quantity_ceil(&q) : 0;
}

/* ceil(a x percent / 100), without overflow */
static int64_t percent_of(int64_t a, int64_t percent)
{
    return (int64_t)(((__int128)a * percent + 99) / 100);
}

static void set_mebibytes(cJSON *properties, const char *key, int64_t bytes)
{
    char text[24];

    if (bytes <= 0)
        return;
    (void)snprintf(text, sizeof(text), "%lldm", (long long)((bytes + MIB - 1) / MIB));
    (void)json_set_member_str(properties, key, text);
}

static int64_t heap_bytes(const cJSON *part)
{
    int64_t memory = memory_bytes(part), off_heap, min;
    struct quantity q;

    min = quantity_from_json(json_member(part, "memoryOffHeapMin"), &q) ? 0 : quantity_ceil(&q);
    off_heap = percent_of(memory, json_int(part, "memoryOffHeapRatio", 0));
    return memory - (off_heap > min ? off_heap : min);
}

static void add_memory(const struct desired *d, cJSON *properties)
{
    const cJSON *jm = d->jobmanager, *tm = d->taskmanager;

    if (flink_version_at_least(&d->version, 1, 10)) {
        set_mebibytes(properties, "jobmanager.memory.process.size",
                      percent_of(memory_bytes(jm), json_int(jm, "memoryProcessRatio", 80)));
        set_mebibytes(properties, "taskmanager.memory.process.size",
                      percent_of(memory_bytes(tm), json_int(tm, "memoryProcessRatio", 80)));
    } else if (json_has(jm, "memoryOffHeapRatio") && json_has(tm, "memoryOffHeapRatio")) {
        set_mebibytes(properties, "jobmanager.heap.size", heap_bytes(jm));
        set_mebibytes(properties, "taskmanager.heap.size", heap_bytes(tm));
    }
}

/* ---- properties ---- */

/* Ours alone: a user's value would only break the cluster. */
static void add_fixed(const struct desired *d, cJSON *properties)
{
    char address[CHILD_NAME_MAX];

    child_name(address, NAME_JOBMANAGER, d->name);
    (void)json_set_member_str(properties, "jobmanager.rpc.address", address);
    set_int(properties, "jobmanager.rpc.port", port_of(d->jobmanager, "rpc"));
    set_int(properties, "blob.server.port", port_of(d->jobmanager, "blob"));
    set_int(properties, "query.server.port", port_of(d->jobmanager, "query"));
    set_int(properties, "rest.port", port_of(d->jobmanager, "ui"));
}

static void add_overridable(const struct desired *d, cJSON *properties)
{
    const cJSON *user = json_member(d->spec, "flinkProperties");
    int64_t slots = task_slots(d);

    set_int(properties, "taskmanager.data.port", port_of(d->taskmanager, "data"));
    set_int(properties, "taskmanager.rpc.port", port_of(d->taskmanager, "rpc"));
    if (str_eq_nocase(property(user, "queryable-state.enable"), "true"))
        set_int(properties, "queryable-state.server.ports", port_of(d->taskmanager, "query"));
    if (slots > 0)
        set_int(properties, "taskmanager.numberOfTaskSlots", slots);
    add_memory(d, properties);
}

/* The list may stand before and after these options. Before 2.0 quotes are Flink's scripts' to
 * strip, at both ends of the whole. */
static bool may_be_extended(const struct desired *d, const char *options)
{
    bool quoted = options && *options == '"' && !flink_version_at_least(&d->version, 2, 0);

    return !options || (!quoted && !strstr(options, "--add-opens"));
}

/* Since 1.19 there is a key for what comes before the user's own options. In 1.18 the list follows
 * them, under the present key: with that set, Flink no longer looks at the old one. */
static void add_java_options(const struct desired *d, cJSON *properties)
{
    const char *all = property(properties, "env.java.opts.all");
    const char *before = property(properties, "env.java.default-opts.all");
    _cleanup_(freep) char *text = NULL;

    if (!flink_version_at_least(&d->version, 1, 18))
        return;
    if (!all)
        all = property(properties, "env.java.opts");
    if (!may_be_extended(d, all) || !may_be_extended(d, before))
        return;
    if (flink_version_at_least(&d->version, 1, 19) && !before) {
        (void)json_set_member_str(properties, "env.java.default-opts.all", module_options + 1);
        return;
    }
    text = str_printf("%s%s", all ? all : "", module_options + (str_empty(all) ? 1 : 0));
    (void)json_set_member_str(properties, "env.java.opts.all", text);
}

bool is_job_id_left_to_flink(const struct desired *d)
{
    const char *id = property(json_member(d->spec, "flinkProperties"), JOB_ID_PROPERTY);

    return id && !*id;
}

static cJSON *all_properties(const struct desired *d)
{
    cJSON *properties = cJSON_CreateObject();

    add_overridable(d, properties);
    merge_map(properties, json_member(d->spec, "flinkProperties"));
    add_java_options(d, properties);
    add_fixed(d, properties);
    if (is_job_id_left_to_flink(d)) /* it was said to us; Flink would take it for an id */
        cJSON_Delete(
            cJSON_DetachItemViaPointer(properties, json_member(properties, JOB_ID_PROPERTY)));
    return properties;
}

/* ---- text ---- */

static void on_one_line(struct buf *out, const char *text)
{
    size_t len = strlen(text);

    while (len > 0 && text[len - 1] == '\n')
        len--;
    while (len > 0) {
        size_t part = strcspn(text, "\n\r");

        if (part >= len) {
            (void)buf_add(out, text, len);
            return;
        }
        (void)buf_add(out, text, part);
        (void)buf_puts(out, " ");
        text += part + 1;
        len -= part + 1;
    }
}

/* Before 2.0 Flink splits lines at the first ": " and knows no quotes; a line break can't be said.
 */
static void plain_property(struct buf *out, const char *key, const char *value)
{
    on_one_line(out, key);
    (void)buf_puts(out, ": ");
    on_one_line(out, value);
    (void)buf_puts(out, "\n");
}

static int compare_keys(const void *a, const void *b)
{
    const cJSON *const *item_a = a, *const *item_b = b;

    return strcmp((*item_a)->string, (*item_b)->string);
}

char *flink_configuration(const struct desired *d)
{
    _cleanup_(json_freep) cJSON *properties = all_properties(d);
    _cleanup_(buf_done) struct buf text = BUF_INIT(CONFIGURATION_MAX);
    size_t n = 0, count = (size_t)cJSON_GetArraySize(properties);
    _cleanup_(freep) const cJSON **sorted = calloc(count + 1, sizeof(const cJSON *));

    if (!sorted)
        return NULL;
    json_foreach (item, properties)
        sorted[n++] = item;
    qsort(sorted, n, sizeof(const cJSON *), compare_keys);
    for (size_t i = 0; i < n; i++) {
        const char *value = cJSON_GetStringValue(sorted[i]);

        if (flink_version_at_least(&d->version, 2, 0))
            yaml_property(&text, sorted[i]->string, value ? value : "");
        else
            plain_property(&text, sorted[i]->string, value ? value : "");
    }
    return buf_take(&text);
}

const char *flink_configuration_key(const struct desired *d)
{
    return flink_version_at_least(&d->version, 2, 0) ? "config.yaml" : "flink-conf.yaml";
}
