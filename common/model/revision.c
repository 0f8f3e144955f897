#include "common/model/revision.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/spec_typed.h"

enum { DATA_MAX = 4 * 1024 * 1024 }; /* over what etcd stores */

cJSON *revision_data(const cJSON *spec)
{
    cJSON *data = cJSON_CreateObject(), *typed = spec_typed(spec);

    spec_strip_job(typed);
    if (json_has(typed, "job"))
        (void)json_set(typed, "job.restartPolicy", cJSON_CreateNull());
    (void)json_set_member_str(typed, "$patch", "replace");
    if (!data || json_set_member(data, "spec", typed)) {
        cJSON_Delete(data);
        return NULL;
    }
    return data;
}

/* k8s.io/apimachinery/pkg/util/rand.SafeEncodeString: no vowels, so no words. */
static void safe_encode(const char *text, char out[16])
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    size_t n = 0;

    for (; text[n] && n < 15; n++)
        out[n] = alphabet[(unsigned char)text[n] % (sizeof(alphabet) - 1)];
    out[n] = '\0';
}

void revision_hash(const cJSON *data, int64_t collision_count, char out[16])
{
    _cleanup_(freep) char *canonical = json_canonical(data);
    _cleanup_(buf_done) struct buf text = BUF_INIT(DATA_MAX);
    char decimal[16];

    (void)buf_printf(&text, "%s%lld", canonical ? canonical : "", (long long)collision_count);
    (void)snprintf(decimal, sizeof(decimal), "%u", fnv1_32(buf_str(&text), text.len));
    safe_encode(decimal, out);
}

bool revision_equal(const cJSON *data_a, const cJSON *data_b)
{
    const cJSON *spec_a = json_member(data_a, "spec"), *spec_b = json_member(data_b, "spec");
    _cleanup_(json_freep) cJSON *a = NULL;
    _cleanup_(json_freep) cJSON *b = NULL;

    if (json_equal(spec_a, spec_b))
        return true; /* mostly so, and cheaper */
    spec_normal_pair(spec_a, spec_b, &a, &b);
    return a && b && json_equal(a, b);
}
