/* Why a run failed: what Flink said of it, else what its pod did. */
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/life_internal.h"

enum { LOG_TAIL_BYTES = 1000 };

static void add_reason(cJSON *reasons, const char *text)
{
    char bounded[FAILURE_REASON_BYTES + 1];

    if (str_blank(text) || cJSON_GetArraySize(reasons) >= FAILURE_REASONS_MAX)
        return;
    str_copy(bounded, sizeof bounded, text);
    json_add_item(reasons, cJSON_CreateString(bounded));
}

/* ---- an Application: its JobManager's pod ---- */

/* The last of them, if high availability started several. */
static const cJSON *application_pod(const struct view *v)
{
    const cJSON *last = NULL;
    int64_t last_ms = -1;

    json_foreach (object, v->snapshot->objects) {
        const cJSON *labels = json_get(object, "metadata.labels");
        int64_t created_ms = time_parse_rfc3339(json_str(object, "metadata.creationTimestamp"));

        if (!str_eq(json_str(object, "kind"), "Pod") || created_ms <= last_ms ||
            !str_eq(cJSON_GetStringValue(json_member(labels, "job-name")), v->submitter.name))
            continue;
        last = object;
        last_ms = created_ms;
    }
    return last;
}

static const cJSON *jobmanager_end(const cJSON *pod)
{
    json_foreach (container, json_get(pod, "status.containerStatuses")) {
        if (str_eq(json_str(container, "name"), "jobmanager"))
            return json_get(container, "state.terminated");
    }
    return NULL;
}

/* Of a stack trace its root, else the last lines that fit. */
static const char *cause_in(const char *log)
{
    static const char marker[] = "Caused by: ";
    const char *cause = NULL;
    size_t len = strlen(log);

    for (const char *at = strstr(log, marker); at; at = strstr(at + 1, marker))
        cause = at;
    if (cause || len <= LOG_TAIL_BYTES)
        return cause ? cause : log;
    log += len - LOG_TAIL_BYTES;
    while (((unsigned char)*log & 0xC0) == 0x80) /* not from within a character */
        log++;
    return strchr(log, '\n') ? strchr(log, '\n') + 1 : log;
}

static void add_end_of_jobmanager(const struct view *v, cJSON *reasons)
{
    const cJSON *pod = application_pod(v), *end = jobmanager_end(pod), *crash;
    const char *why = json_str_or(end, "reason", ""), *log;
    char key[300], text[3 * FAILURE_REASON_BYTES]; /* the watcher keeps less of a log */

    if (!pod) {
        add_reason(reasons, "the JobManager's pod is gone, and with it the job");
        return;
    }
    (void)snprintf(key, sizeof key, "crash/%.253s/jobmanager",
                   json_str_or(pod, "metadata.name", ""));
    crash = json_member(v->snapshot->observations, key);
    if (!end || !crash)
        return; /* its log is read in a moment; or it is deleted, and gone in a moment */
    why = str_eq(why, "Error") ? "" : why; /* says nothing */
    log = cause_in(json_str_or(crash, "log", ""));
    (void)snprintf(text, sizeof text, "the JobManager ended with exit code %lld%s%s%s%s",
                   (long long)json_int(end, "exitCode", 0), *why ? ", " : "", why, *log ? ": " : "",
                   log);
    add_reason(reasons, text);
}

/* ---- */

void life_failure_reasons(const struct view *v, struct life *l, bool ended_now)
{
    cJSON *reasons = cJSON_CreateArray();
    char key[64];
    const cJSON *seen;
    bool told;

    (void)snprintf(key, sizeof key, "exceptions/%s", v->job_id ? v->job_id : "");
    seen = json_member(v->snapshot->observations, key);
    json_foreach (text, json_member(seen, "exceptions")) {
        add_reason(reasons, cJSON_GetStringValue(text));
    }
    told = reasons->child != NULL;
    if (!told && l->state == JOB_LOST)
        add_reason(reasons, v->jobs_known ? "the JobManager was restarted and no longer has the job"
                                          : "the JobManager is gone, and with it the job");
    if (!reasons->child)
        add_reason(reasons, v->submitter.message);
    if (!reasons->child && v->mode == MODE_APPLICATION && v->submitter.failed)
        add_end_of_jobmanager(v, reasons);
    if (reasons->child && (told || ended_now || !json_has(l->job, "failureReasons")))
        json_set(l->job, "failureReasons", reasons);
    else
        cJSON_Delete(reasons);
}
