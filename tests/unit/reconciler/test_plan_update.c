/* What an update takes away. */
#include "tests/unit/reconciler/scenario.h"

static struct scenario s;

static void done(void)
{
    scenario_done(&s);
}

TestSuite(plan_update, .fini = done, .timeout = 20);

static void change(const char *path, const char *json)
{
    if (json)
        json_set(s.snapshot.cluster, path, parse(json));
    else
        json_remove(s.snapshot.cluster, path);
}

/* Everything of the last revision is there, and this isn't specified any more. */
static void take_away(const char *job, bool recreate, const char *path, const char *json)
{
    scenario_init(&s, job);
    change("spec.recreateOnUpdate", recreate ? "true" : "false");
    change(path, json);
    settle(&s);
    add_jobmanager_pod(&s, "{\"running\":{}}");
    change(path, NULL);
}

static bool deletes(const char *name)
{
    return find_action(&s, ACTION_DELETE, "StatefulSet", name);
}

static void end_job(void)
{
    flink_lists(&s, job_id(&s), "RUNNING");
    settle(&s);
    flink_lists(&s, job_id(&s), "FINISHED");
    trigger_completes(&s, "{\"completed\":true,\"location\":\"file:///s/1\"}");
    record_status(&s);
    make_plan(&s);
}

Test(plan_update, pods_that_only_lose_something_are_recreated_as_well)
{
    take_away(",\"savepointsDir\":\"file:///s\"", true, "spec.taskManager.nodeSelector",
              "{\"a\":\"b\"}");
    end_job();
    cr_expect(deletes("c-taskmanager"));
    cr_expect_not(deletes("c-jobmanager"), "nothing of it changes");
}

Test(plan_update, no_job_is_submitted_to_a_jobmanager_that_is_about_to_lose_something)
{
    take_away(",\"savepointsDir\":\"file:///s\"", false, "spec.envVars",
              "[{\"name\":\"A\",\"value\":\"b\"}]");
    for (cJSON *o = s.snapshot.objects->child, *next; o; o = next) {
        next = o->next;
        if (str_eq(json_str(o, "kind"), "Job"))
            cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, o));
    }
    end_job();
    cr_expect(find_action(&s, ACTION_APPLY, "StatefulSet", "c-jobmanager"));
    cr_expect_null(find_command(&s, "submit"));
}

Test(plan_update, a_service_account_that_is_taken_away_is_said_to_be_empty)
{
    const struct action *a;
    const cJSON *pod;

    take_away(NULL, false, "spec.serviceAccountName", "\"x\"");
    make_plan(&s);
    a = find_action(&s, ACTION_APPLY, "StatefulSet", "c-jobmanager");
    cr_assert(a);
    pod = json_get(a->manifest, "spec.template.spec");
    cr_expect_str_eq(json_str(pod, "serviceAccountName"), "");
    cr_expect_str_eq(json_str(pod, "serviceAccount"), "");
    settle(&s);
    cr_expect_eq(s.plan.n, 0);
}

Test(plan_update, one_that_somebody_else_added_is_left_alone)
{
    scenario_init(&s, NULL);
    settle(&s);
    json_foreach (object, s.snapshot.objects)
        if (str_eq(json_str(object, "kind"), "StatefulSet"))
            json_set_str(object, "spec.template.spec.serviceAccountName", "theirs");
    make_plan(&s);
    cr_expect_eq(s.plan.n, 0);
}

Test(plan_update, the_jobmanager_of_a_submission_that_is_not_seen_yet_stays)
{
    scenario_init(&s, ",\"savepointsDir\":\"file:///s\"");
    settle(&s);
    change("spec.job.args", "[\"--a\"]");
    end_job();
    settle(&s);
    for (cJSON *o = s.snapshot.objects->child; o; o = o->next) {
        if (str_eq(json_str(o, "kind"), "Job")) {
            cJSON_Delete(cJSON_DetachItemViaPointer(s.snapshot.objects, o));
            break;
        }
    }
    status_str(&s, "components.job.state", "Updating");
    status_str(&s, "components.job.id", RUN1);
    change("spec.image.name", "\"flink:1.20.9\"");
    make_plan(&s);
    cr_expect_not(deletes("c-jobmanager"));
    cr_expect_eq(s.plan.wake_ms, s.now_ms + VIEW_SUBMIT_SEEN_MS);
    after(&s, VIEW_SUBMIT_SEEN_MS / 1000);
    make_plan(&s);
    cr_expect(deletes("c-jobmanager"), "it was deleted again");
}
