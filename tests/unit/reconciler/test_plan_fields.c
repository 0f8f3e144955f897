/* Fields of spec.job that plan() heeds, where no other test says what they do (spec 01-crd 3.3). */
#include "tests/unit/reconciler/scenario.h"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_fields, .fini = done, .timeout = 20);

#define SAVEPOINTS ",\"savepointsDir\":\"file:///s\""

static const cJSON *last_command(const char *kind)
{
    const cJSON *last = NULL;

    json_foreach (command, s.snapshot.commands)
        if (str_eq(json_str(command, "kind"), kind))
            last = command;
    return last;
}

static const char *argument(const char *kind, const char *name)
{
    char path[64];

    (void)snprintf(path, sizeof path, "args.%s", name);
    return json_str_or(last_command(kind), path, "");
}

static void ask_for_savepoint(const char *version, const char *format)
{
    scenario_init(&s, SAVEPOINTS);
    json_set_str(s.snapshot.cluster, "spec.flinkVersion", version);
    json_set_str(s.snapshot.cluster, "spec.job.savepointFormatType", format);
    run(&s);
    annotate(&s, "savepoint");
    settle(&s);
    cr_assert(last_command("savepoint"), "no savepoint is taken");
}

Test(plan_fields, savepointFormatType_is_asked_for_from_flink_1_15_on)
{
    ask_for_savepoint("1.15", "NATIVE");
    cr_expect_str_eq(argument("savepoint", "format"), "NATIVE");
    scenario_done(&s);
    ask_for_savepoint("1.14.0", "NATIVE");
    cr_expect_str_eq(argument("savepoint", "format"), "");
}

Test(plan_fields, autoSavepointSeconds_takes_one_every_so_many_seconds)
{
    scenario_init(&s, SAVEPOINTS ",\"autoSavepointSeconds\":60");
    run(&s);
    after(&s, 59);
    settle(&s);
    cr_expect_null(last_command("savepoint"));
    after(&s, 2);
    settle(&s);
    cr_expect_str_eq(argument("savepoint", "reason"), "scheduled");
    cr_expect_str_eq(argument("savepoint", "directory"), "file:///s");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s);
    after(&s, 61);
    settle(&s);
    cr_expect_str_eq(json_str_or(s.snapshot.cluster, "status.savepoint.state", ""), "InProgress");
}

Test(plan_fields, savepointGeneration_asks_for_one)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_int(s.snapshot.cluster, "spec.job.savepointGeneration", 1);
    settle(&s);
    cr_expect_str_eq(argument("savepoint", "reason"), "user requested");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s);
    after(&s, 5);
    settle(&s);
    cr_expect_eq(json_int(s.snapshot.cluster, "status.components.job.savepointGeneration", 0), 1);
    cr_expect_eq(cJSON_GetArraySize(s.snapshot.commands), 2, "one submission, one savepoint");
}

Test(plan_fields, takeSavepointOnUpdate_false_goes_on_from_a_savepoint_that_is_fresh)
{
    scenario_init(&s, SAVEPOINTS ",\"takeSavepointOnUpdate\":false,"
                                 "\"maxStateAgeToRestoreSeconds\":600");
    run(&s);
    annotate(&s, "savepoint");
    settle(&s);
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    settle(&s);
    after(&s, 5);
    json_set(s.snapshot.cluster, "spec.job.args", parse("[\"new\"]"));
    settle(&s);
    cr_expect(last_command("cancel"), "it is cancelled");
    cr_expect_null(last_command("stop"));
    flink_lists(&s, job_id(&s), "CANCELED");
    settle(&s);
    cr_expect_str_eq(json_str_or(s.snapshot.cluster, "status.components.job.fromSavepoint", ""),
                     "file:///s/1");
}

Test(plan_fields, cancelRequested_stops_the_job_with_a_savepoint)
{
    scenario_init(&s, SAVEPOINTS);
    run(&s);
    json_set_bool(s.snapshot.cluster, "spec.job.cancelRequested", true);
    settle(&s);
    cr_expect_str_eq(argument("stop", "reason"), "job cancel");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    flink_lists(&s, job_id(&s), "FINISHED");
    settle(&s);
    cr_expect_str_eq(job_state(&s), "Cancelled");
    cr_expect_str_eq(json_str_or(s.snapshot.cluster, "status.components.job.savepointLocation", ""),
                     "file:///s/1");
}

/* Which of the components the end of the job leaves, by the policy for it. */
static void expect_left(const char *policy, const char *value, const char *end, bool jobmanager,
                        bool taskmanager)
{
    char job[256];

    (void)snprintf(job, sizeof job, ",\"cleanupPolicy\":{\"%s\":\"%s\"}", policy, value);
    scenario_init(&s, job);
    run(&s);
    after(&s, 5);
    if (str_eq(end, "CANCELED"))
        annotate(&s, "job-cancel");
    settle(&s);
    flink_lists(&s, job_id(&s), end);
    settle(&s);
    cr_expect_eq(object_of(&s, "StatefulSet", "c-jobmanager") != NULL, jobmanager, "%s %s", policy,
                 value);
    cr_expect_eq(object_of(&s, "StatefulSet", "c-taskmanager") != NULL, taskmanager, "%s %s",
                 policy, value);
    scenario_done(&s);
}

Test(plan_fields, each_outcome_has_its_cleanupPolicy)
{
    static const struct {
        const char *policy, *end;
    } outcomes[] = {{"afterJobSucceeds", "FINISHED"},
                    {"afterJobFails", "FAILED"},
                    {"afterJobCancelled", "CANCELED"}};

    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
        expect_left(outcomes[i].policy, "KeepCluster", outcomes[i].end, true, true);
        expect_left(outcomes[i].policy, "DeleteTaskManager", outcomes[i].end, true, false);
        expect_left(outcomes[i].policy, "DeleteCluster", outcomes[i].end, false, false);
    }
}

/* ---- stored while no webhook ran ---- */

static void expect_invalid(const char *path, const char *value, const char *text)
{
    scenario_init(&s, SAVEPOINTS);
    json_set(s.snapshot.cluster, path, parse(value));
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "InvalidSpec", "%s", path);
    cr_expect(strstr(s.plan.blocked_text, path) && strstr(s.plan.blocked_text, text), "%s",
              s.plan.blocked_text);
    cr_expect_eq(s.plan.n, 0);
    scenario_done(&s);
}

Test(plan_fields, what_the_webhook_would_not_decode_is_not_carried_out)
{
    expect_invalid("spec.job.parallelism", "2147483648", "must be an integer of 32 bits");
    expect_invalid("spec.job.maxStateAgeToRestoreSeconds", "99999999999", "of 32 bits");
    expect_invalid("spec.taskManager.resources.limits.cpu",
                   "\"1234567890123456789012345678901234567890\"", "fit into 64 bits");
    expect_invalid("spec.job.args", "\"--a\"", "must be a list of strings");
    scenario_init(&s, SAVEPOINTS);
    make_plan(&s);
    cr_expect_str_eq(s.plan.blocked, "");
}
