/* Flink's answers, reduced to what flinkd uses. They come over plain HTTP from a process that runs
 * users' code: every text has a limit, every list a length, and what isn't of the expected type
 * isn't there. */
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/flink/exception.h"
#include "common/flink/rest.h"

enum {
    JOBS_MAX = 1000,
    NAME_BYTES_MAX = 256,
    PATH_BYTES_MAX = 4096,
    EXCEPTIONS_MAX = 5,
    EXCEPTION_BYTES_MAX = 2000,
};

static int parse_object(const char *body, size_t len, cJSON **ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    int r = json_parse(body, len, &json, err);

    if (r)
        return error_wrap(err, "Flink's answer");
    if (!cJSON_IsObject(json))
        return error_set(err, EPROTO, "Flink's answer is no object");
    *ret = TAKE(json);
    return 0;
}

/* The text's first bytes; NULL without memory. */
static cJSON *bounded(const char *text, size_t max_bytes)
{
    _cleanup_(freep) char *cut = strndup(text, str_utf8_cut(text, max_bytes));

    return cut ? cJSON_CreateString(cut) : NULL;
}

/* @take_value: NULL without memory */
static int set(cJSON *object, const char *key, cJSON *take_value)
{
    return take_value ? json_set_member(object, key, take_value) : -ENOMEM;
}

static int set_bounded(cJSON *object, const char *key, const char *text, size_t max_bytes)
{
    return set(object, key, bounded(text, max_bytes));
}

/* A path that is cut or holds control characters is another path: none at all then. */
static const char *path_of(const cJSON *object, const char *key)
{
    const char *path = json_str(object, key);

    if (str_empty(path) || strlen(path) > PATH_BYTES_MAX || *path == '<')
        return NULL; /* "<checkpoint-not-externally-addressable>" */
    for (const char *p = path; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return NULL;
    }
    return path;
}

/* ---- jobs ---- */

/* RUNNING is Flink's word from the moment on at which it asks for slots. */
static bool is_waiting(const cJSON *job)
{
    const cJSON *tasks = json_member(job, "tasks");
    int64_t begun = json_int(tasks, "running", 0) + json_int(tasks, "finished", 0);

    return str_eq(json_str(job, "state"), "RUNNING") && json_int(tasks, "total", 0) > 0 &&
           (begun == 0 || json_int(tasks, "initializing", 0) > 0);
}

static int copy_job(const cJSON *job, cJSON **ret)
{
    _cleanup_(json_freep) cJSON *copy = cJSON_CreateObject();
    int r;

    r = copy ? json_set_str(copy, "jid", json_str(job, "jid")) : -ENOMEM;
    if (!r)
        r = set_bounded(copy, "state", json_str_or(job, "state", ""), NAME_BYTES_MAX);
    if (!r)
        r = set_bounded(copy, "name", json_str_or(job, "name", ""), NAME_BYTES_MAX);
    if (!r)
        r = json_set_int(copy, "start-time", json_int(job, "start-time", 0));
    if (!r && is_waiting(job))
        r = json_set_bool(copy, "waits", true);
    if (!r)
        *ret = TAKE(copy);
    return r;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = json_int(*(cJSON *const *)a, "start-time", 0);
    int64_t y = json_int(*(cJSON *const *)b, "start-time", 0);

    if (x != y)
        return x > y ? -1 : 1;
    return strcmp(json_str_or(*(cJSON *const *)a, "jid", ""),
                  json_str_or(*(cJSON *const *)b, "jid", ""));
}

static int copy_jobs(const cJSON *from, cJSON *to, struct error *err)
{
    cJSON *jobs[JOBS_MAX];
    size_t n = 0;
    int r = 0;

    json_foreach (job, from) {
        if (!is_hex32(json_str(job, "jid")))
            continue;
        if (n == JOBS_MAX) {
            r = error_set(err, EPROTO, "Flink's answer: more than %d jobs", JOBS_MAX);
            break;
        }
        r = copy_job(job, &jobs[n]);
        if (r)
            break;
        n++;
    }
    qsort(jobs, n, sizeof(cJSON *), newest_first);
    for (size_t i = 0; i < n; i++)
        json_add_item(to, jobs[i]);
    return r == -ENOMEM ? error_no_memory(err) : r;
}

int flink_parse_overview(const char *body, size_t len, cJSON **ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    _cleanup_(json_freep) cJSON *result = cJSON_CreateObject();
    cJSON *jobs = cJSON_AddArrayToObject(result, "jobs");
    const cJSON *from;
    int r;

    if (!jobs)
        return error_no_memory(err);
    r = parse_object(body, len, &json, err);
    if (r)
        return r;
    from = json_member(json, "jobs");
    if (from && !cJSON_IsArray(from))
        return error_set(err, EPROTO, "Flink's answer: jobs is no list");
    r = copy_jobs(from, jobs, err);
    if (r)
        return r;
    *ret = TAKE(result);
    return 0;
}

/* ---- exceptions ---- */

static cJSON *bounded_exception(const char *text)
{
    char kept[EXCEPTION_BYTES_MAX + 1];

    exception_copy(kept, sizeof kept, text);
    return cJSON_CreateString(kept);
}

/* Once each: Flink's newer and older fields say the same. */
static bool is_known(const cJSON *list, const cJSON *text)
{
    json_foreach (item, list) {
        if (str_eq(item->valuestring, text->valuestring))
            return true;
    }
    return false;
}

static int add_exception(cJSON *list, const char *text)
{
    _cleanup_(json_freep) cJSON *cut = NULL;

    if (str_blank(text) || json_count(list, "") >= EXCEPTIONS_MAX)
        return 0;
    cut = bounded_exception(text);
    if (!cut)
        return -ENOMEM;
    if (!is_known(list, cut))
        json_add_item(list, TAKE(cut));
    return 0;
}

static int add_exceptions(cJSON *list, const cJSON *array, const char *key)
{
    int r = 0;

    if (!cJSON_IsArray(array))
        return 0;
    json_foreach (item, array) {
        r = add_exception(list, json_str(item, key));
        if (r)
            return r;
    }
    return 0;
}

int flink_parse_exceptions(const char *body, size_t len, cJSON **ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    _cleanup_(json_freep) cJSON *result = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(result, "exceptions");
    int r;

    if (!list)
        return error_no_memory(err);
    r = parse_object(body, len, &json, err);
    if (r)
        return r;
    r = add_exceptions(list, json_get(json, "exceptionHistory.entries"), "stacktrace");
    if (!r)
        r = add_exception(list, json_str(json, "root-exception"));
    if (!r)
        r = add_exceptions(list, json_member(json, "all-exceptions"), "exception");
    if (r)
        return error_no_memory(err);
    *ret = TAKE(result);
    return 0;
}

/* ---- checkpoints ---- */

/* Checkpoints and savepoints have their ids from one counter. */
static int add_savepoint(cJSON *result, const cJSON *savepoint)
{
    const char *path = path_of(savepoint, "external_path");
    int r;

    if (!path)
        return 0;
    r = json_set_int(result, "savepoint.id", json_int(savepoint, "id", 0));
    return r ? r : json_set_str(result, "savepoint.path", path);
}

static int add_completed(cJSON *result, const cJSON *completed)
{
    const char *path = path_of(completed, "external_path");
    int64_t time_ms = json_int(completed, "latest_ack_timestamp", 0);
    int r;

    if (!path || json_bool(completed, "discarded", false))
        return 0;
    if (time_ms <= 0)
        time_ms = json_int(completed, "trigger_timestamp", 0);
    r = json_set_int(result, "completed.id", json_int(completed, "id", 0));
    if (!r)
        r = json_set_str(result, "completed.path", path);
    if (!r)
        r = json_set_int(result, "completed.time", time_ms);
    return r;
}

int flink_parse_checkpoints(const char *body, size_t len, cJSON **ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    _cleanup_(json_freep) cJSON *result = cJSON_CreateObject();
    int r;

    if (!result)
        return error_no_memory(err);
    r = parse_object(body, len, &json, err);
    if (r)
        return r;
    r = add_completed(result, json_get(json, "latest.completed"));
    if (!r)
        r = add_savepoint(result, json_get(json, "latest.savepoint"));
    if (!r)
        r = json_set_str(result, "restored.path",
                         path_of(json_get(json, "latest.restored"), "external_path"));
    if (r)
        return error_no_memory(err);
    *ret = TAKE(result);
    return 0;
}

/* ---- savepoints ---- */

int flink_parse_trigger(const char *body, size_t len, cJSON **ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    _cleanup_(json_freep) cJSON *result = cJSON_CreateObject();
    const char *id;
    int r;

    if (!result)
        return error_no_memory(err);
    r = parse_object(body, len, &json, err);
    if (r)
        return r;
    id = json_str(json, "request-id");
    if (!is_hex32(id))
        return error_set(err, EPROTO, "Flink's answer: no valid request-id");
    if (json_set_str(result, "triggerId", id))
        return error_no_memory(err);
    *ret = TAKE(result);
    return 0;
}

/* A failure may come without a stack trace, its class only. */
static const char *failure_of(const cJSON *operation)
{
    const cJSON *cause = json_member(operation, "failure-cause");
    const char *trace = json_str(cause, "stack-trace");

    return str_blank(trace) ? json_str(cause, "class") : trace;
}

int flink_parse_savepoint(const char *body, size_t len, cJSON **ret, struct error *err)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    _cleanup_(json_freep) cJSON *result = cJSON_CreateObject();
    const char *status, *failure;
    const cJSON *operation;
    bool completed;
    int r;

    if (!result)
        return error_no_memory(err);
    r = parse_object(body, len, &json, err);
    if (r)
        return r;
    status = json_str(json, "status.id");
    if (!status)
        return error_set(err, EPROTO, "Flink's answer: no status.id");
    completed = str_eq(status, "COMPLETED");
    operation = completed ? json_member(json, "operation") : NULL;
    failure = failure_of(operation);
    r = json_set_bool(result, "completed", completed);
    if (!r)
        r = json_set_str(result, "location", path_of(operation, "location"));
    if (!r && !str_blank(failure))
        r = set(result, "failure", bounded_exception(failure));
    if (r)
        return error_no_memory(err);
    *ret = TAKE(result);
    return 0;
}
