/* One function for each call of Flink's REST API that flinkd makes. */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/flink/rest_private.h"

enum { PATH_BYTES_MAX = 128 };

/* /jobs/<id>@rest; what is no id never gets into a URL. */
static int job_path(char path[PATH_BYTES_MAX], const char *job_id, const char *rest,
                    struct error *err)
{
    int n;

    if (!is_hex32(job_id))
        return error_set(err, EINVAL, "no Flink job id: \"%.40s\"", job_id ? job_id : "");
    n = snprintf(path, PATH_BYTES_MAX, "/jobs/%s%s", job_id, rest);
    return n < 0 || n >= PATH_BYTES_MAX ? error_set(err, EINVAL, "the path is too long") : 0;
}

static int check_trigger(const char *trigger_id, struct error *err)
{
    if (is_hex32(trigger_id))
        return 0;
    return error_set(err, EINVAL, "no trigger id: \"%.40s\"", trigger_id ? trigger_id : "");
}

static int parse_nothing(const char *body, size_t len, cJSON **ret, struct error *err)
{
    (void)body;
    (void)len;
    *ret = cJSON_CreateObject();
    return *ret ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int job_get(struct flink_client *c, const char *base, const char *job_id, const char *rest,
                   flink_parse_fn parse, flink_done_fn fn, void *userdata, struct flink_call **ret,
                   struct error *err)
{
    char path[PATH_BYTES_MAX];
    struct flink_request q = {.method = "GET", .base = base, .path = path, .parse = parse};
    int r = job_path(path, job_id, rest, err);

    return r ? r : flink_start(c, &q, fn, userdata, ret, err);
}

int flink_jobs_overview(struct flink_client *c, const char *base, flink_done_fn fn, void *userdata,
                        struct flink_call **ret, struct error *err)
{
    const struct flink_request q = {
        .method = "GET", .base = base, .path = "/jobs/overview", .parse = flink_parse_overview};

    return flink_start(c, &q, fn, userdata, ret, err);
}

int flink_job_exceptions(struct flink_client *c, const char *base, const char *job_id,
                         flink_done_fn fn, void *userdata, struct flink_call **ret,
                         struct error *err)
{
    return job_get(c, base, job_id, "/exceptions", flink_parse_exceptions, fn, userdata, ret, err);
}

int flink_job_checkpoints(struct flink_client *c, const char *base, const char *job_id,
                          flink_done_fn fn, void *userdata, struct flink_call **ret,
                          struct error *err)
{
    return job_get(c, base, job_id, "/checkpoints", flink_parse_checkpoints, fn, userdata, ret,
                   err);
}

/* What asks for a savepoint: by itself, or with the job's end. */
static int trigger(struct flink_client *c, const char *base, const char *job_id, const char *rest,
                   const cJSON *body, flink_done_fn fn, void *userdata, struct flink_call **ret,
                   struct error *err)
{
    char path[PATH_BYTES_MAX];
    struct flink_request q = {
        .method = "POST", .base = base, .path = path, .body = body, .parse = flink_parse_trigger};
    int r = job_path(path, job_id, rest, err);

    return r ? r : flink_start(c, &q, fn, userdata, ret, err);
}

int flink_savepoint_trigger(struct flink_client *c, const char *base, const char *job_id,
                            const char *directory, const char *format, const char *trigger_id,
                            flink_done_fn fn, void *userdata, struct flink_call **ret,
                            struct error *err)
{
    _cleanup_(json_freep) cJSON *body = cJSON_CreateObject();
    int r = trigger_id ? check_trigger(trigger_id, err) : 0;

    if (r)
        return r;
    if (json_set_str(body, "target-directory", directory) ||
        json_set_bool(body, "cancel-job", false) || json_set_str(body, "formatType", format) ||
        json_set_str(body, "triggerId", trigger_id))
        return error_set(err, ENOMEM, "out of memory");
    return trigger(c, base, job_id, "/savepoints", body, fn, userdata, ret, err);
}

int flink_job_stop(struct flink_client *c, const char *base, const char *job_id,
                   const char *directory, bool drain, const char *format, const char *trigger_id,
                   flink_done_fn fn, void *userdata, struct flink_call **ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *body = cJSON_CreateObject();
    int r = trigger_id ? check_trigger(trigger_id, err) : 0;

    if (r)
        return r;
    if (json_set_str(body, "targetDirectory", directory) || json_set_bool(body, "drain", drain) ||
        json_set_str(body, "formatType", format) || json_set_str(body, "triggerId", trigger_id))
        return error_set(err, ENOMEM, "out of memory");
    return trigger(c, base, job_id, "/stop", body, fn, userdata, ret, err);
}

int flink_savepoint_status(struct flink_client *c, const char *base, const char *job_id,
                           const char *trigger_id, flink_done_fn fn, void *userdata,
                           struct flink_call **ret, struct error *err)
{
    char rest[PATH_BYTES_MAX];
    int r = check_trigger(trigger_id, err);

    if (r)
        return r;
    (void)snprintf(rest, sizeof(rest), "/savepoints/%s", trigger_id);
    return job_get(c, base, job_id, rest, flink_parse_savepoint, fn, userdata, ret, err);
}

int flink_job_cancel(struct flink_client *c, const char *base, const char *job_id, flink_done_fn fn,
                     void *userdata, struct flink_call **ret, struct error *err)
{
    char path[PATH_BYTES_MAX];
    struct flink_request q = {
        .method = "PATCH", .base = base, .path = path, .parse = parse_nothing};
    int r = job_path(path, job_id, "?mode=cancel", err);

    return r ? r : flink_start(c, &q, fn, userdata, ret, err);
}

int flink_savepoint_dispose(struct flink_client *c, const char *base, const char *path,
                            const char *trigger_id, flink_done_fn fn, void *userdata,
                            struct flink_call **ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *body = cJSON_CreateObject();
    const struct flink_request q = {.method = "POST",
                                    .base = base,
                                    .path = "/savepoint-disposal",
                                    .body = body,
                                    .parse = flink_parse_trigger};
    int r = trigger_id ? check_trigger(trigger_id, err) : 0;

    if (r)
        return r;
    if (json_set_str(body, "savepoint-path", path) || json_set_str(body, "triggerId", trigger_id))
        return error_set(err, ENOMEM, "out of memory");
    return flink_start(c, &q, fn, userdata, ret, err);
}

int flink_dispose_status(struct flink_client *c, const char *base, const char *trigger_id,
                         flink_done_fn fn, void *userdata, struct flink_call **ret,
                         struct error *err)
{
    char path[PATH_BYTES_MAX];
    const struct flink_request q = {
        .method = "GET", .base = base, .path = path, .parse = flink_parse_savepoint};
    int r = check_trigger(trigger_id, err);

    if (r)
        return r;
    (void)snprintf(path, sizeof(path), "/savepoint-disposal/%s", trigger_id);
    return flink_start(c, &q, fn, userdata, ret, err);
}
