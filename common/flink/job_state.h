/* Job states as the status names them (spec 01-crd 4), and what Flink's JobStatus maps to (spec
 * 06-flink-rest 3). */
#ifndef COMMON_FLINK_JOB_STATE_H
#define COMMON_FLINK_JOB_STATE_H

#include <stdbool.h>

enum job_state {
    JOB_NONE, /* not recorded, or a session cluster */
    JOB_PENDING,
    JOB_UPDATING,
    JOB_RESTARTING,
    JOB_DEPLOYING,
    JOB_DEPLOY_FAILED,
    JOB_RUNNING,
    JOB_SUCCEEDED,
    JOB_CANCELLED,
    JOB_FAILED,
    JOB_LOST,
    JOB_UNKNOWN,
};

const char *job_state_name(enum job_state state); /* "" for JOB_NONE */
enum job_state
job_state_parse(const char *name); /* NULL, "": JOB_NONE; a strange one: JOB_UNKNOWN */
/* A job on its way down (FAILING, CANCELLING) still counts as running: its slots are taken until
 * Flink says it ended. */
enum job_state job_state_of_flink(const char *flink_state);

bool job_state_is_pending(enum job_state state); /* Pending, Updating, Restarting */
bool job_state_is_active(enum job_state state); /* Deploying, Running */
bool job_state_is_failed(enum job_state state); /* Failed, Lost, DeployFailed */
bool job_state_is_stopped(enum job_state state); /* Succeeded, Cancelled or failed */

#endif
