/* Flink's REST API (spec 06-flink-rest): requests with deadlines, answers parsed as hostile input.
 */
#ifndef COMMON_FLINK_REST_H
#define COMMON_FLINK_REST_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"
#include "common/io/http.h"

struct flink_client; /* one HTTP handle; URLs per call */

int flink_client_new(struct http *http, struct flink_client **ret, struct error *err);
struct flink_client *flink_client_free(struct flink_client *client);

enum { FLINK_TIMEOUT_MS = 5000 };

struct flink_response {
    int status; /* HTTP; 0: unreachable */
    const char *error; /* "" when 2xx and valid; else Flink's errors[] (first line of each, bounded)
                          or what went wrong */
    cJSON *json; /* validated answer, reduced to what flinkd uses (see each call); TAKE() to keep;
                    NULL on error */
    bool transient; /* unreachable, time-out, 5xx, 404 from a JobManager that is starting is NOT
                       transient */
};
typedef void (*flink_done_fn)(struct flink_response *response, void *userdata);
struct flink_call;

/* @base: "http://host:port" (no trailing slash). on_done comes once from the loop unless cancelled.
 * @ret may be NULL. */

/** GET /jobs/overview -> {"jobs": [{"jid","state","name","start-time","waits"}]}, newest first.
 * "waits" (true, else absent): the state is RUNNING, but no task runs yet, or one is restoring. */
int flink_jobs_overview(struct flink_client *c, const char *base, flink_done_fn fn, void *userdata,
                        struct flink_call **ret, struct error *err);
/** GET /jobs/ID/exceptions -> {"exceptions": ["first 2000 bytes", …at most 5]} from
 * exceptionHistory.entries[].stacktrace, root-exception, all-exceptions. */
int flink_job_exceptions(struct flink_client *c, const char *base, const char *job_id,
                         flink_done_fn fn, void *userdata, struct flink_call **ret,
                         struct error *err);
/** GET /jobs/ID/checkpoints -> {"completed": {"id", "path", "time" (ms)} | absent, "savepoint":
 * {"id", "path"} | absent, "restored": {"path"} | absent}: latest of each, externalized path; a
 * discarded checkpoint left out. */
int flink_job_checkpoints(struct flink_client *c, const char *base, const char *job_id,
                          flink_done_fn fn, void *userdata, struct flink_call **ret,
                          struct error *err);
/** POST /jobs/ID/savepoints {target-directory, cancel-job:false, formatType?, triggerId} ->
 * {"triggerId"}. @format, @trigger_id NULL: left out (a Flink before 1.15 refuses members that it
 * doesn't know). A repeated trigger id is the same savepoint. */
int flink_savepoint_trigger(struct flink_client *c, const char *base, const char *job_id,
                            const char *directory, const char *format, const char *trigger_id,
                            flink_done_fn fn, void *userdata, struct flink_call **ret,
                            struct error *err);
/** POST /jobs/ID/stop {targetDirectory, drain, formatType?, triggerId} -> {"triggerId"}. */
int flink_job_stop(struct flink_client *c, const char *base, const char *job_id,
                   const char *directory, bool drain, const char *format, const char *trigger_id,
                   flink_done_fn fn, void *userdata, struct flink_call **ret, struct error *err);
/** GET /jobs/ID/savepoints/TRIGGER -> {"completed": bool, "location"?, "failure"? (stack trace,
 * bounded 2000)}; 404 -> status 404 (unknown trigger). */
int flink_savepoint_status(struct flink_client *c, const char *base, const char *job_id,
                           const char *trigger_id, flink_done_fn fn, void *userdata,
                           struct flink_call **ret, struct error *err);
/** PATCH /jobs/ID?mode=cancel -> {}. */
int flink_job_cancel(struct flink_client *c, const char *base, const char *job_id, flink_done_fn fn,
                     void *userdata, struct flink_call **ret, struct error *err);
/** POST /savepoint-disposal {"savepoint-path", triggerId} -> {"triggerId"}; GET
 * /savepoint-disposal/ID -> {"completed","failure"?}. */
int flink_savepoint_dispose(struct flink_client *c, const char *base, const char *path,
                            const char *trigger_id, flink_done_fn fn, void *userdata,
                            struct flink_call **ret, struct error *err);
int flink_dispose_status(struct flink_client *c, const char *base, const char *trigger_id,
                         flink_done_fn fn, void *userdata, struct flink_call **ret,
                         struct error *err);

void flink_cancel(struct flink_call *call); /* NULL-safe */

/* The parsers, exposed for the fuzzer and unit tests: raw answer -> reduced JSON. 0 or -EPROTO. */
int flink_parse_overview(const char *body, size_t len, cJSON **ret, struct error *err);
int flink_parse_exceptions(const char *body, size_t len, cJSON **ret, struct error *err);
int flink_parse_checkpoints(const char *body, size_t len, cJSON **ret, struct error *err);
int flink_parse_trigger(const char *body, size_t len, cJSON **ret, struct error *err);
int flink_parse_savepoint(const char *body, size_t len, cJSON **ret, struct error *err);

#endif
