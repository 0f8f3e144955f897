#include "statusreporter/event_make.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"

enum { EVENT_DETAIL_BYTES = 100 };

static bool add(struct k8s_events *ret, bool warning, const char *reason, const char *fmt, ...)
    _printf_(4, 5);
static bool add(struct k8s_events *ret, bool warning, const char *reason, const char *fmt, ...)
{
    struct k8s_event *e;
    va_list args;

    if (ret->n == K8S_EVENTS_MAX)
        return false;
    e = &ret->items[ret->n++];
    *e = (struct k8s_event){.warning = warning, .reason = reason};
    va_start(args, fmt);
    (void)vsnprintf(e->message, sizeof e->message, fmt, args);
    va_end(args);
    e->message[str_utf8_cut(e->message, sizeof e->message - 1)] = '\0';
    return true;
}

/* "<text>" cut, with "..." when something is missing. */
static const char *detail(const char *text, char out[EVENT_DETAIL_BYTES + 8])
{
    str_copy(out, EVENT_DETAIL_BYTES + 1, text ? text : "");
    if (text && strlen(text) > EVENT_DETAIL_BYTES)
        memcpy(out + strlen(out), "...", sizeof "...");
    return out;
}

/* ---- states ---- */

static const struct {
    const char *path, *name;
    bool tells_first; /* its first appearance is an Event too */
} states[] = {
    {"components.jobManager.state", "JobManager StatefulSet", false},
    {"components.configMap.state", "ConfigMap", false},
    {"components.jobManagerService.state", "JobManager service", false},
    {"components.jobManagerIngress.state", "JobManager ingress", true},
    {"components.taskManager.state", "TaskManager", false},
    {"components.job.state", "Job", true},
};

static void add_state(struct k8s_events *ret, const char *name, const char *before, const char *now)
{
    if (!str_eq(before, now))
        add(ret, false, "StatusUpdate", "%s status changed: %s -> %s", name, before, now);
}

static void add_states(struct k8s_events *ret, const cJSON *recorded, const cJSON *status)
{
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        const char *before = json_str(recorded, states[i].path);
        const char *now = json_str(status, states[i].path);

        if (before && now)
            add_state(ret, states[i].name, before, now);
        else if (now && states[i].tells_first)
            add(ret, false, "StatusUpdate", "%s status: %s", states[i].name, now);
    }
    add_state(ret, "Cluster", json_str_or(recorded, "state", ""), json_str_or(status, "state", ""));
}

/* ---- savepoint and control ---- */

static void add_savepoint(struct k8s_events *ret, const cJSON *before, const cJSON *now)
{
    const char *state = json_str(now, "state");
    const char *reason = json_str_or(now, "triggerReason", "");
    const char *prefix = str_eq(reason, "job cancel") || str_eq(reason, "update") ? "for " : "";
    char text[EVENT_DETAIL_BYTES + 8];

    detail(json_str(now, "message"), text);
    if (str_eq(json_str(before, "state"), state) &&
        str_eq(json_str(before, "triggerID"), json_str(now, "triggerID")) &&
        str_eq(json_str(before, "message"), json_str(now, "message")))
        return;
    if (str_eq(state, "InProgress"))
        add(ret, false, "SavepointTriggered", "Triggered savepoint %s%s: triggerID %s.", prefix,
            reason, json_str_or(now, "triggerID", ""));
    else if (str_eq(state, "TriggerFailed"))
        add(ret, true, "SavepointFailed", "Failed to trigger savepoint %s%s: %s", prefix, reason,
            text);
    else if (str_eq(state, "Succeeded"))
        add(ret, false, "SavepointCreated", "Savepoint successfully created");
    else if (str_eq(state, "Failed"))
        add(ret, true, "SavepointFailed", "Savepoint creation failed: %s", text);
}

static void add_control(struct k8s_events *ret, const cJSON *before, const cJSON *now)
{
    const char *state = json_str(now, "state");
    const char *name = json_str_or(now, "name", "");
    char text[EVENT_DETAIL_BYTES + 8];

    detail(json_str(now, "message"), text);
    if (!now || json_equal(before, now))
        return;
    if (str_eq(state, "Requested"))
        add(ret, false, "ControlRequested", "Requested new user control %s", name);
    else if (str_eq(state, "InProgress"))
        add(ret, false, "ControlInProgress", "In progress user control %s", name);
    else if (str_eq(state, "Succeeded"))
        add(ret, false, "ControlSucceeded", "Completed user control %s", name);
    else if (str_eq(state, "Failed"))
        add(ret, true, "ControlFailed", "User control %s failed%s%s", name, *text ? ": " : "",
            text);
}

/* ---- problems ---- */

static const char *degraded_message(const cJSON *status)
{
    json_foreach (item, json_member(status, "conditions")) {
        if (str_eq(json_str(item, "type"), "Degraded") && str_eq(json_str(item, "status"), "True"))
            return json_str_or(item, "message", "");
    }
    return "";
}

/* The recorded condition names all problems that were told already (conditions.c). */
static void add_problems(struct k8s_events *ret, const cJSON *recorded,
                         const struct problems *problems)
{
    const char *told = degraded_message(recorded);

    for (int i = 0; i < problems->n; i++) {
        const struct problem *p = &problems->items[i];

        if (!p->message[0] || strstr(told, p->message))
            continue;
        if (add(ret, true, p->reason, "%s", p->message))
            ret->items[ret->n - 1].object = p->object;
    }
}

void events_make(const cJSON *recorded, const cJSON *status, const struct problems *problems,
                 struct k8s_events *ret)
{
    ret->n = 0;
    add_states(ret, recorded, status);
    add_savepoint(ret, json_member(recorded, "savepoint"), json_member(status, "savepoint"));
    add_control(ret, json_member(recorded, "control"), json_member(status, "control"));
    add_problems(ret, recorded, problems);
}

void events_make_deleted(struct k8s_events *ret)
{
    ret->n = 0;
    add(ret, false, "StatusUpdate", "Cluster status: Deleted");
}
