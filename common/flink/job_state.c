#include "common/flink/job_state.h"

#include <stddef.h>

#include "common/base/str.h"

static const char *const names[] = {
    [JOB_NONE] = "",
    [JOB_PENDING] = "Pending",
    [JOB_UPDATING] = "Updating",
    [JOB_RESTARTING] = "Restarting",
    [JOB_DEPLOYING] = "Deploying",
    [JOB_DEPLOY_FAILED] = "DeployFailed",
    [JOB_RUNNING] = "Running",
    [JOB_SUCCEEDED] = "Succeeded",
    [JOB_CANCELLED] = "Cancelled",
    [JOB_FAILED] = "Failed",
    [JOB_LOST] = "Lost",
    [JOB_UNKNOWN] = "Unknown",
};

static const struct {
    const char *flink;
    enum job_state state;
} flink_states[] = {
    {"INITIALIZING", JOB_RUNNING}, {"CREATED", JOB_RUNNING},    {"RUNNING", JOB_RUNNING},
    {"FAILING", JOB_RUNNING},      {"CANCELLING", JOB_RUNNING}, {"RESTARTING", JOB_RUNNING},
    {"RECONCILING", JOB_RUNNING},  {"SUSPENDED", JOB_RUNNING},  {"FINISHED", JOB_SUCCEEDED},
    {"CANCELED", JOB_CANCELLED},   {"FAILED", JOB_FAILED},
};

const char *job_state_name(enum job_state state)
{
    return (size_t)state < ARRAY_SIZE(names) ? names[state] : "Unknown";
}

enum job_state job_state_parse(const char *name)
{
    if (str_empty(name))
        return JOB_NONE;
    for (size_t i = 1; i < ARRAY_SIZE(names); i++)
        if (str_eq(names[i], name))
            return (enum job_state)i;
    return JOB_UNKNOWN;
}

enum job_state job_state_of_flink(const char *flink_state)
{
    for (size_t i = 0; i < ARRAY_SIZE(flink_states); i++)
        if (str_eq(flink_states[i].flink, flink_state))
            return flink_states[i].state;
    return JOB_UNKNOWN;
}

bool job_state_is_pending(enum job_state state)
{
    return state == JOB_PENDING || state == JOB_UPDATING || state == JOB_RESTARTING;
}

bool job_state_is_active(enum job_state state)
{
    return state == JOB_DEPLOYING || state == JOB_RUNNING;
}

bool job_state_is_failed(enum job_state state)
{
    return state == JOB_FAILED || state == JOB_LOST || state == JOB_DEPLOY_FAILED;
}

bool job_state_is_stopped(enum job_state state)
{
    return state == JOB_SUCCEEDED || state == JOB_CANCELLED || job_state_is_failed(state);
}
