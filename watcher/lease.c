#include "watcher/lease.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"

/* metav1.MicroTime: always six digits after the point. */
static void micro_time(int64_t ms, char out[48])
{
    char seconds[32];

    time_rfc3339(ms, seconds);
    (void)snprintf(out, 48, "%.*s.%03d000Z", (int)strcspn(seconds, "Z"), seconds, (int)(ms % 1000));
}

static int64_t duration_ms(const cJSON *lease)
{
    int64_t seconds = json_int(lease, "spec.leaseDurationSeconds", LEASE_DURATION_MS / 1000);

    return seconds > 0 && seconds < 3600 ? seconds * 1000 : LEASE_DURATION_MS;
}

const char *lease_holder(const cJSON *lease)
{
    return json_str_or(lease, "spec.holderIdentity", "");
}

static void set_spec(cJSON *json, const char *identity, bool taken, int64_t transitions,
                     int64_t now_ms)
{
    char now[48];

    micro_time(now_ms, now);
    (void)json_set_str(json, "spec.holderIdentity", identity);
    (void)json_set_int(json, "spec.leaseDurationSeconds", LEASE_DURATION_MS / 1000);
    (void)json_set_str(json, "spec.renewTime", now);
    if (!taken)
        return;
    (void)json_set_str(json, "spec.acquireTime", now);
    (void)json_set_int(json, "spec.leaseTransitions", transitions);
}

cJSON *lease_new(const char *ns, const char *name, const char *identity, int64_t now_ms)
{
    cJSON *json = cJSON_CreateObject();

    (void)json_set_str(json, "apiVersion", "coordination.k8s.io/v1");
    (void)json_set_str(json, "kind", "Lease");
    (void)json_set_str(json, "metadata.namespace", ns);
    (void)json_set_str(json, "metadata.name", name);
    set_spec(json, identity, true, 0, now_ms);
    return json;
}

static cJSON *guarded(const cJSON *lease)
{
    cJSON *json = cJSON_CreateObject();

    (void)json_set_str(json, "metadata.resourceVersion",
                       json_str(lease, "metadata.resourceVersion"));
    return json;
}

cJSON *lease_take(const cJSON *lease, const char *identity, int64_t now_ms)
{
    bool taken = !str_eq(lease_holder(lease), identity);
    cJSON *json = guarded(lease);

    set_spec(json, identity, taken, json_int(lease, "spec.leaseTransitions", 0) + 1, now_ms);
    return json;
}

cJSON *lease_release(const cJSON *lease, int64_t now_ms)
{
    cJSON *json = guarded(lease);
    char now[48];

    micro_time(now_ms, now);
    (void)json_set_str(json, "spec.holderIdentity", "");
    (void)json_set_int(json, "spec.leaseDurationSeconds", 1);
    (void)json_set_str(json, "spec.renewTime", now);
    return json;
}

bool lease_is_free(const cJSON *lease, const char *identity, int64_t unchanged_ms)
{
    const char *holder = lease_holder(lease);

    return str_empty(holder) || str_eq(holder, identity) || unchanged_ms > duration_ms(lease);
}

bool lease_is_same(const cJSON *a, const cJSON *b)
{
    return a && b && str_eq(lease_holder(a), lease_holder(b)) &&
           str_eq(json_str(a, "spec.renewTime"), json_str(b, "spec.renewTime"));
}
