/* What stands in the recorded status, how the pods are, and what would be done next.
 *
 * flinkctl is no daemon: to tell what the reconciler would do it is linked with the reconciler's
 * plan, the only place where one folder includes another's header (replay.c too). The plan is pure,
 * so nothing is done by it. */
#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "flinkctl/flinkctl.h"
#include "reconciler/plan.h"

/* ---- conditions ---- */

static void print_conditions(const cJSON *status)
{
    (void)printf("state: %s", json_str_or(status, "state", "(none recorded yet)"));
    if (json_has(status, "components.job"))
        (void)printf(", job: %s", json_str_or(status, "components.job.state", ""));
    (void)printf("\n");
    json_foreach (c, json_member(status, "conditions"))
        (void)printf("%s=%s since %s: %s%s%s\n", json_str_or(c, "type", ""),
                     json_str_or(c, "status", ""), json_str_or(c, "lastTransitionTime", "?"),
                     json_str_or(c, "reason", ""), str_empty(json_str(c, "message")) ? "" : ": ",
                     json_str_or(c, "message", ""));
    json_foreach (reason, json_get(status, "components.job.failureReasons"))
        (void)printf("the job failed: %s\n", cJSON_IsString(reason) ? reason->valuestring : "");
    if (json_has(status, "savepoint.state"))
        (void)printf("savepoint (%s): %s %s\n", json_str_or(status, "savepoint.triggerReason", ""),
                     json_str(status, "savepoint.state"),
                     json_str_or(status, "savepoint.message", ""));
    if (json_has(status, "control.state"))
        (void)printf("user control %s: %s %s\n", json_str_or(status, "control.name", ""),
                     json_str(status, "control.state"), json_str_or(status, "control.message", ""));
}

/* ---- pods ---- */

static void print_container(const cJSON *container)
{
    const char *waiting = json_str(container, "state.waiting.reason");
    const char *ended = json_str(container, "state.terminated.reason");
    int64_t restarts = json_int(container, "restartCount", 0);

    (void)printf("  %s %s", json_str_or(container, "name", ""),
                 json_bool(container, "ready", false) ? "ready" : "not ready");
    if (waiting)
        (void)printf(" (%s %s)", waiting, json_str_or(container, "state.waiting.message", ""));
    else if (ended)
        (void)printf(" (%s, exit code %lld)", ended,
                     (long long)json_int(container, "state.terminated.exitCode", 0));
    if (restarts)
        (void)printf(", %lld restarts", (long long)restarts);
    (void)printf("\n");
}

static void print_pods(const struct snapshot *snapshot)
{
    json_foreach (pod, snapshot->objects) {
        if (!str_eq(json_str(pod, "kind"), "Pod"))
            continue;
        (void)printf("pod %s: %s%s\n", json_str_or(pod, "metadata.name", ""),
                     json_str_or(pod, "status.phase", "?"),
                     json_has(pod, "metadata.deletionTimestamp") ? ", being deleted" : "");
        json_foreach (container, json_get(pod, "status.initContainerStatuses"))
            print_container(container);
        json_foreach (container, json_get(pod, "status.containerStatuses"))
            print_container(container);
    }
}

/* ---- the plan ---- */

static void print_plan(const struct snapshot *snapshot, int64_t now_ms)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    struct plan plan;

    plan_make(snapshot, now_ms, &plan);
    json = plan_json(&plan);
    (void)printf("next: %s\n", plan.n ? "" : "nothing, until something changes");
    json_foreach (action, json_member(json, "actions"))
        (void)printf("  %s %s %s: %s\n", json_str_or(action, "action", ""),
                     json_str_or(action, "kind", ""), json_str_or(action, "name", ""),
                     json_str_or(action, "why", ""));
    if (plan.blocked[0])
        (void)printf("blocked: %s: %s\n", plan.blocked, plan.blocked_text);
    if (plan.wake_ms > now_ms)
        (void)printf("looked at again in %lld s\n", (long long)((plan.wake_ms - now_ms) / 1000));
    plan_done(&plan);
}

static bool is_over(const cJSON *command)
{
    const char *state = json_str(command, "state");

    return str_eq(state, "done") || str_eq(state, "dropped");
}

static void print_commands(const struct snapshot *snapshot)
{
    json_foreach (command, snapshot->commands) {
        if (is_over(command))
            continue;
        (void)printf("command %s: %s after %lld tries %s\n", json_str_or(command, "key", ""),
                     json_str_or(command, "state", ""), (long long)json_int(command, "attempts", 0),
                     json_str_or(command, "result.error", ""));
    }
}

/* ---- all of it as JSON ---- */

static cJSON *pods_json(const struct snapshot *snapshot)
{
    cJSON *pods = cJSON_CreateArray();

    json_foreach (pod, snapshot->objects) {
        cJSON *item;

        if (!str_eq(json_str(pod, "kind"), "Pod"))
            continue;
        item = cJSON_CreateObject();
        json_set_str(item, "name", json_str(pod, "metadata.name"));
        json_set_str(item, "deletionTimestamp", json_str(pod, "metadata.deletionTimestamp"));
        if (json_has(pod, "status"))
            json_set(item, "status", json_copy(json_member(pod, "status")));
        json_add_item(pods, item);
    }
    return pods;
}

static cJSON *commands_json(const struct snapshot *snapshot)
{
    cJSON *commands = cJSON_CreateArray();

    json_foreach (command, snapshot->commands) {
        cJSON *item;

        if (is_over(command))
            continue;
        item = cJSON_CreateObject();
        json_set_str(item, "key", json_str(command, "key"));
        json_set_str(item, "state", json_str(command, "state"));
        json_set_int(item, "attempts", json_int(command, "attempts", 0));
        json_set_str(item, "error", json_str(command, "result.error"));
        json_add_item(commands, item);
    }
    return commands;
}

static int print_json(const struct snapshot *snapshot, int64_t now_ms, struct error *err)
{
    _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();
    _cleanup_(freep) char *text = NULL;
    const cJSON *status = json_member(snapshot->cluster, "status");
    struct plan plan;

    plan_make(snapshot, now_ms, &plan);
    json_set_str(json, "namespace", json_str(snapshot->cluster, "metadata.namespace"));
    json_set_str(json, "name", json_str(snapshot->cluster, "metadata.name"));
    json_set(json, "status", status ? json_copy(status) : cJSON_CreateObject());
    json_set(json, "pods", pods_json(snapshot));
    json_set(json, "commands", commands_json(snapshot));
    json_set(json, "plan", plan_summary(&plan));
    plan_done(&plan);
    text = json_text(json);
    if (!text)
        return error_set(err, ENOMEM, "no memory");
    (void)puts(text);
    return 0;
}

int why_run(struct flinkctl *ctl, struct error *err)
{
    _cleanup_(snapshot_done) struct snapshot snapshot = {0};
    int64_t now_ms = ctl->config->now_ms ? ctl->config->now_ms : time_now_ms();
    int r = flinkctl_snapshot(ctl, &snapshot, err);

    if (r)
        return r;
    if (!snapshot.cluster)
        return error_set(err, ENOENT, "the FlinkCluster was deleted; see flinkctl timeline");
    if (ctl->config->json)
        return print_json(&snapshot, now_ms, err);
    print_conditions(json_member(snapshot.cluster, "status"));
    print_pods(&snapshot);
    print_commands(&snapshot);
    print_plan(&snapshot, now_ms);
    return 0;
}
