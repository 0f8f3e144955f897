/* C23 to C29: spec.job, and the fields that are flinkd's own (N rules). */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/findings.h"
#include "common/model/names.h"
#include "common/model/python_args.h"

enum { PROGRESS_DEADLINE_MIN_S = 30, RETENTION_AGE_MIN_S = 60 };

static bool is_application(const cJSON *job)
{
    return str_eq(json_str(job, "mode"), "Application");
}

static void validate_program(const cJSON *job, struct findings *f)
{
    if (!is_application(job)) {
        if (!json_has(job, "jarFile") && !json_has(job, "pyFile") && !json_has(job, "pyModule"))
            finding_add(f, "C24", "spec.job.jarFile",
                        "job jarFile or pythonFile or pythonModule is unspecified, nothing would "
                        "run; set one of spec.job.jarFile, spec.job.pyFile and spec.job.pyModule");
        return;
    }
    if (str_blank(json_str(job, "className")) && !python_is_job(job))
        finding_add(f, "C24b", "spec.job.className",
                    "className is unspecified, which mode Application needs; set it (or pyFile or "
                    "pyModule for a Python job)");
}

static void validate_restart(const cJSON *job, struct findings *f)
{
    const char *policy = json_str(job, "restartPolicy");
    bool age = json_has(job, "maxStateAgeToRestoreSeconds");

    if (str_eq(policy, "FromSavepointOnFailure") && !age)
        finding_add(
            f, "C26", "spec.job.maxStateAgeToRestoreSeconds",
            "maxStateAgeToRestoreSeconds must be specified when restartPolicy is set as "
            "FromSavepointOnFailure; set how old the state may be that the job restarts from");
    if (policy && !str_eq(policy, "FromSavepointOnFailure") && !str_eq(policy, "Never"))
        finding_add(f, "C27", "spec.job.restartPolicy",
                    "invalid job restartPolicy: %s; use Never or FromSavepointOnFailure",
                    quote(policy).text);
    if (!json_bool(job, "takeSavepointOnUpdate", true) && !age)
        finding_add(f, "C28", "spec.job.maxStateAgeToRestoreSeconds",
                    "maxStateAgeToRestoreSeconds must be specified when takeSavepointOnUpdate is "
                    "set as false; set how old the savepoint may be that an update goes on from");
}

/* A stored object that has it already stays changeable. */
static void validate_cancel(const cJSON *job, const cJSON *old_job, struct findings *f)
{
    if (json_bool(job, "cancelRequested", false) && !json_bool(old_job, "cancelRequested", false))
        finding_add(f, "C29", "spec.job.cancelRequested",
                    "true: property `cancelRequested` cannot be set to true for a new job; to stop "
                    "a running one, "
                    "annotate the FlinkCluster with " ANNOTATION_USER_CONTROL "=job-cancel");
}

static void validate_schedule(const cJSON *job, struct findings *f)
{
    const char *schedule = json_str(job, "autoSavepointSchedule");
    int64_t next;

    if (!schedule)
        return;
    if (time_cron_next(schedule, time_parse_rfc3339("2026-01-01T00:00:00Z"), &next))
        finding_add(f, "N1", "spec.job.autoSavepointSchedule",
                    "%s is not a cron expression, or names no time; write minute, hour, day of "
                    "month, month and day of week, such as \"0 */6 * * *\"",
                    quote(schedule).text);
    if (json_has(job, "autoSavepointSeconds"))
        finding_add(
            f, "N2", "spec.job.autoSavepointSchedule",
            "autoSavepointSchedule and autoSavepointSeconds exclude each other; remove one");
}

/* What takes a savepoint needs a place for it. */
static void validate_savepoints_dir(const cJSON *job, struct findings *f)
{
    static const struct {
        const char *key, *rule;
    } fields[] = {{"savepointOnDeletion", "N4"}, {"drainOnCancel", "N5"}};
    char field[64];

    if (!str_blank(json_str(job, "savepointsDir")))
        return;
    if (json_has(job, "autoSavepointSchedule"))
        finding_add(f, "N3", "spec.job.autoSavepointSchedule",
                    "autoSavepointSchedule needs spec.job.savepointsDir; set it");
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (!json_bool(job, fields[i].key, false))
            continue;
        (void)snprintf(field, sizeof(field), "spec.job.%s", fields[i].key);
        finding_add(f, fields[i].rule, field, "%s needs spec.job.savepointsDir; set it",
                    fields[i].key);
    }
}

static void validate_retention(const cJSON *job, struct findings *f)
{
    const cJSON *retention = json_member(job, "savepointRetention");

    if (!cJSON_IsObject(retention))
        return;
    if (!json_has(retention, "count") && !json_has(retention, "maxAgeSeconds"))
        finding_add(f, "N6", "spec.job.savepointRetention",
                    "savepointRetention needs count or maxAgeSeconds; set one, or remove it");
    if (json_int(retention, "count", 1) < 1)
        finding_add(f, "N6", "spec.job.savepointRetention.count",
                    "%lld: at least 1 savepoint must be kept",
                    (long long)json_int(retention, "count", 0));
    if (json_int(retention, "maxAgeSeconds", RETENTION_AGE_MIN_S) < RETENTION_AGE_MIN_S)
        finding_add(f, "N6", "spec.job.savepointRetention.maxAgeSeconds",
                    "%lld: must be at least %d", (long long)json_int(retention, "maxAgeSeconds", 0),
                    RETENTION_AGE_MIN_S);
}

static void validate_restore_from(const cJSON *job, struct findings *f)
{
    const char *from = json_str(job, "restoreFrom");

    if (from && !str_eq(from, "Savepoint") && !str_eq(from, "LatestState"))
        finding_add(f, "N7", "spec.job.restoreFrom", "%s: use Savepoint or LatestState",
                    quote(from).text);
}

static void validate_update_strategy(const cJSON *spec, struct findings *f)
{
    int64_t deadline =
        json_int(spec, "updateStrategy.progressDeadlineSeconds", PROGRESS_DEADLINE_MIN_S);

    if (deadline < PROGRESS_DEADLINE_MIN_S)
        finding_add(f, "N8", "spec.updateStrategy.progressDeadlineSeconds",
                    "%lld: must be at least %d", (long long)deadline, PROGRESS_DEADLINE_MIN_S);
}

void validate_job(const cJSON *spec, const cJSON *old_spec, struct findings *f)
{
    const cJSON *job = json_member(spec, "job");

    validate_update_strategy(spec, f);
    if (!cJSON_IsObject(job))
        return;
    validate_pod_metadata(spec, "job", "C23", "C23", f);
    validate_program(job, f);
    if (json_has(job, "parallelism") && json_int(job, "parallelism", 0) < 1)
        finding_add(f, "C25", "spec.job.parallelism",
                    "%lld: job parallelism must be >= 1; leave it out to use all task slots",
                    (long long)json_int(job, "parallelism", 0));
    validate_restart(job, f);
    validate_cancel(job, json_member(old_spec, "job"), f);
    validate_schedule(job, f);
    validate_savepoints_dir(job, f);
    validate_retention(job, f);
    validate_restore_from(job, f);
}
