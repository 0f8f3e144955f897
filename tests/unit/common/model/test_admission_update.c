#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/names.h"
#include "tests/lib/admission_fixture.h"

TestSuite(admission_update, .timeout = 10);

/* The edits of the old job cluster (or session cluster), then those of it that make the new one. */
static const struct findings *change_job(const struct edit *was, const struct edit *is)
{
    cJSON *cluster = fixture_job(was);

    fixture_edit(cluster, is);
    return fixture_update(cluster, fixture_job(was));
}

static const struct findings *change_session(const struct edit *was, const struct edit *is)
{
    cJSON *cluster = fixture_session(was);

    fixture_edit(cluster, is);
    return fixture_update(cluster, fixture_session(was));
}

/* The job cluster's annotation, from @was (NULL: none) to @is. */
static const struct findings *control(const char *was, const char *is, const struct edit *edits)
{
    cJSON *old = fixture_job(edits), *cluster = fixture_job(edits);

    json_set(old, "metadata.annotations", cJSON_CreateObject());
    json_set(cluster, "metadata.annotations", cJSON_CreateObject());
    if (was)
        json_set_member_str(json_get(old, "metadata.annotations"), ANNOTATION_USER_CONTROL, was);
    if (is)
        json_set_member_str(json_get(cluster, "metadata.annotations"), ANNOTATION_USER_CONTROL, is);
    return fixture_update(cluster, old);
}

static const struct findings *control_session(const char *is)
{
    cJSON *cluster = fixture_session(EDITS({"metadata.annotations", "{}"}));

    json_set_member_str(json_get(cluster, "metadata.annotations"), ANNOTATION_USER_CONTROL, is);
    return fixture_update(cluster, fixture_session(NULL));
}

#define STATE(text)                                                                                \
    {                                                                                              \
        "status.components.job.state", "\"" text "\""                                              \
    }
#define NO_STATUS                                                                                  \
    {                                                                                              \
        "status", NULL                                                                             \
    }
#define NO_DIR                                                                                     \
    {                                                                                              \
        "spec.job.savepointsDir", NULL                                                             \
    }
#define NEW_JAR                                                                                    \
    {                                                                                              \
        "spec.job.jarFile", "\"/y.jar\""                                                           \
    }
#define RESTART                                                                                    \
    {"spec.job.restartPolicy", "\"FromSavepointOnFailure\""},                                      \
    {                                                                                              \
        "spec.job.maxStateAgeToRestoreSeconds", "60"                                               \
    }

/* ---- U1 to U7 ---- */

Test(admission_update, a_control_is_accepted_while_the_job_runs)
{
    expect_no_error(control(NULL, "savepoint", NULL));
    expect_no_error(control(NULL, "job-cancel", NULL));
    expect_no_error(control("savepoint", NULL, EDITS({"status.control.state", "\"InProgress\""})));
}

Test(admission_update, U1_a_control_in_progress_is_not_changed)
{
    const struct findings *f =
        control("savepoint", "job-cancel",
                EDITS({"status.control", "{\"name\":\"savepoint\",\"state\":\"InProgress\"}"}));

    expect_error(f, "U1", NULL, "not allowed for control in progress");
    expect_error(f, "U1", NULL, ANNOTATION_USER_CONTROL);
    expect_only(f, "U1");
}

Test(admission_update, U2_U4_a_session_cluster_has_no_job_to_control)
{
    expect_error(control_session("job-cancel"), "U2", NULL,
                 "job-cancel is not allowed for session cluster");
    expect_error(control_session("savepoint"), "U4", NULL,
                 "savepoint is not allowed for session cluster");
}

Test(admission_update, U3_a_job_that_is_not_there_is_not_cancelled)
{
    static const char *const states[] = {"Succeeded", "Cancelled", "Failed", "Lost",
                                         "DeployFailed"};
    const struct findings *f = control(NULL, "job-cancel", EDITS(NO_STATUS));

    expect_error(f, "U3", NULL, "not started");
    cr_expect(f->errors[0].expired);
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        _cleanup_(freep) char *state = str_printf("\"%s\"", states[i]);

        f = control(NULL, "job-cancel", EDITS({"status.components.job.state", state}));
        expect_error(f, "U3", NULL, states[i]);
        cr_expect(f->errors[0].expired);
    }
}

Test(admission_update, U3_a_failed_job_that_will_restart_can_be_cancelled)
{
    expect_no_error(control(NULL, "job-cancel", EDITS(STATE("Failed"), RESTART)));
    expect_error(control(NULL, "job-cancel", EDITS(STATE("Succeeded"), RESTART)), "U3", NULL, NULL);
}

Test(admission_update, U5_a_savepoint_needs_a_directory)
{
    expect_error(control(NULL, "savepoint", EDITS(NO_DIR)), "U5", NULL, "spec.job.savepointsDir");
}

Test(admission_update, U6_a_savepoint_needs_a_job_that_runs)
{
    expect_error(control(NULL, "savepoint", EDITS(NO_STATUS)), "U6", NULL, "not started");
    expect_error(control(NULL, "savepoint", EDITS(STATE("Succeeded"))), "U6", NULL, "stopped");
    cr_expect_not(control(NULL, "savepoint", EDITS(NO_STATUS))->errors[0].expired);
}

Test(admission_update, U7_other_controls_are_refused)
{
    expect_error(control(NULL, "reboot", NULL), "U7", NULL,
                 "\"reboot\", available values: savepoint, job-cancel");
    expect_error(control(NULL, "", NULL), "U7", NULL, ANNOTATION_USER_CONTROL);
}

Test(admission_update, an_annotation_that_stays_is_not_looked_at_again)
{
    expect_no_error(control("savepoint", "savepoint", EDITS(STATE("Failed"))));
    expect_no_error(control("reboot", "reboot", NULL));
}

/* ---- 4.2 ---- */

Test(admission_update, without_a_change_of_the_spec_nothing_is_checked)
{
    const struct edit *broken = EDITS({"spec.job.parallelism", "0"});

    expect_no_error(change_job(broken, EDITS({"metadata.labels", "{\"x\":\"y\"}"})));
    expect_no_error(
        change_job(broken, EDITS({"spec.jobManager.resources.limits.memory", "\"2048Mi\""})));
}

Test(admission_update, defaults_that_the_old_object_lacks_are_no_change)
{
    cJSON *cluster = fixture_job(EDITS(NO_DIR));
    struct error err;

    cr_assert_eq(cluster_default(cluster, &err), 0);
    expect_no_error(fixture_update(cluster, fixture_job(EDITS(NO_DIR))));
}

Test(admission_update, the_rules_for_new_clusters_hold_for_changed_ones)
{
    expect_error(change_job(NULL, EDITS({"spec.job.parallelism", "-3"})), "C25", NULL, NULL);
}

/* ---- suspend ---- */

Test(admission_update, suspending_alone_is_always_accepted)
{
    const struct findings *f = change_job(EDITS(NO_DIR), EDITS({"spec.job.suspend", "true"}));

    expect_no_error(f);
    expect_warning(f, "without a savepoint");
    expect_no_error(
        change_job(EDITS({"spec.job.parallelism", "0"}), EDITS({"spec.job.suspend", "true"})));
    expect_no_error(change_job(EDITS({"spec.job.suspend", "true"}, STATE("Cancelled")),
                               EDITS({"spec.job.suspend", "false"})));
    expect_no_warning(change_job(NULL, EDITS({"spec.job.suspend", "true"})), "without a savepoint");
}

/* ---- 4.3, 4.4 ---- */

Test(admission_update, cancelRequested_does_not_go_back)
{
    expect_error(change_job(EDITS({"spec.job.cancelRequested", "true"}),
                            EDITS({"spec.job.cancelRequested", "false"})),
                 "U-cancelRequested", "spec.job.cancelRequested", "true to false");
}

Test(admission_update, cancelRequested_is_not_set)
{
    const struct findings *f = change_job(NULL, EDITS({"spec.job.cancelRequested", "true"}));

    expect_error(f, "C29", NULL, "cancelRequested");
    expect_only(f, "C29");
    f = change_job(NULL, EDITS({"spec.job.cancelRequested", "true"}, {"spec.job.args", "[\"a\"]"}));
    expect_error(f, "U-cancelRequested", NULL, "with others at the same time");
}

Test(admission_update, cancelRequested_that_is_there_does_not_block_other_changes)
{
    expect_no_error(change_job(EDITS({"spec.job.cancelRequested", "true"}), EDITS(NEW_JAR)));
}

#define GENERATION "spec.job.savepointGeneration"

Test(admission_update, savepointGeneration_goes_up_by_one_from_the_status)
{
    const struct edit *two = EDITS({"status.components.job.savepointGeneration", "2"});

    expect_no_error(change_job(NULL, EDITS({GENERATION, "1"})));
    expect_no_error(change_job(two, EDITS({GENERATION, "3"})));
    expect_error(change_job(two, EDITS({GENERATION, "4"})), "U-savepointGeneration", GENERATION,
                 "only update savepointGeneration to 3");
    expect_error(
        change_job(EDITS({GENERATION, "2"}, {"status.components.job.savepointGeneration", "2"}),
                   EDITS({GENERATION, NULL})),
        "U-savepointGeneration", GENERATION, "to 3");
}

Test(admission_update, savepointGeneration_is_changed_alone)
{
    expect_error(change_job(NULL, EDITS({GENERATION, "1"}, NEW_JAR)), "U-savepointGeneration",
                 GENERATION, "with others at the same time");
}

Test(admission_update, savepointGeneration_alone_skips_the_other_rules)
{
    expect_no_error(change_job(EDITS({"spec.job.parallelism", "0"}), EDITS({GENERATION, "1"})));
}

/* ---- 4.5 ---- */

#define TYPE "spec.taskManager.deploymentType"

Test(admission_update, deploymentType_is_not_changed)
{
    expect_error(change_session(NULL, EDITS({TYPE, "\"Deployment\""})), "U-deploymentType", TYPE,
                 "not allowed");
    expect_error(change_session(EDITS({TYPE, "\"Deployment\""}), EDITS({TYPE, "\"StatefulSet\""})),
                 "U-deploymentType", TYPE, NULL);
    expect_error(change_session(EDITS({TYPE, NULL}), EDITS({TYPE, "\"Deployment\""})),
                 "U-deploymentType", TYPE, NULL);
    expect_no_error(change_session(EDITS({TYPE, NULL}), EDITS({TYPE, "\"StatefulSet\""})));
}

Test(admission_update, a_deploymentType_that_never_was_one_may_be_corrected)
{
    expect_no_error(change_session(EDITS({TYPE, "\"Daemon\""}), EDITS({TYPE, "\"StatefulSet\""})));
}

/* ---- J1 to J8 ---- */

Test(admission_update, J1_a_session_cluster_may_change)
{
    expect_no_error(change_session(NULL, EDITS({"spec.image.name", "\"flink:2\""})));
}

Test(admission_update, J2_session_and_job_clusters_stay_what_they_are)
{
    const struct findings *f = change_job(NULL, EDITS({"spec.job", NULL}));

    expect_error(f, "J2", "spec.job", "between session cluster and job cluster");
    expect_error(f, "J2", "spec.job", "\"jarFile\":\"/x.jar\"");
    expect_error(change_session(NULL, EDITS({"spec.job", "{\"jarFile\":\"/x.jar\"}"})), "J2",
                 "spec.job", "old spec.job: nil");
}

Test(admission_update, J3_a_change_that_restarts_the_job_needs_savepointsDir)
{
    static const struct edit changes[] = {
        NEW_JAR,
        {"spec.image.name", "\"flink:2\""},
        {"spec.flinkProperties", "{\"a\":\"b\"}"},
        {"spec.taskManager.resources.limits.memory", "\"4Gi\""},
        {"spec.job.parallelism", "2"},
        {"spec.job.fromSavepoint", "\"s3://sp/1\""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
        expect_error(change_job(EDITS(NO_DIR), EDITS(changes[i])), "J3", "spec.job.savepointsDir",
                     "spec.job.savepointsDir was not provided");
    expect_error(
        change_job(EDITS(NO_DIR), EDITS(NEW_JAR, {"spec.job.savepointsDir", "\"s3://sp\""})), "J3",
        NULL, NULL);
}

Test(admission_update, J3_other_changes_do_not)
{
    static const struct edit changes[] = {
        {"spec.taskManager.replicas", "5"},
        {"spec.podDisruptionBudget", "{\"maxUnavailable\":1}"},
        {"spec.taskManager.horizontalPodAutoscaler", "{\"maxReplicas\":4}"},
        {"spec.job.cleanupPolicy", "{\"afterJobFails\":\"DeleteCluster\"}"},
        {"spec.job.savepointsDir", "\"s3://sp\""},
        {"spec.revisionHistoryLimit", "3"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        const struct findings *f = change_job(EDITS(NO_DIR), EDITS(changes[i]));

        cr_expect_eq(f->n_errors, 0, "%s: %s", changes[i].path, f->errors[0].text);
    }
}

Test(admission_update, J4_savepointsDir_is_not_removed)
{
    expect_error(change_job(NULL, EDITS(NO_DIR)), "J4", "spec.job.savepointsDir",
                 "removing savepointsDir");
    expect_error(change_job(NULL, EDITS({"spec.job.savepointsDir", "\"\""})), "J4", NULL, NULL);
    expect_no_error(change_job(NULL, EDITS({"spec.job.savepointsDir", "\"s3://other\""})));
}

#define HA "\"kubernetes.cluster-id\":\"c\",\"high-availability.storageDir\":\"s3://ha\""

Test(admission_update, J5_high_availability_is_not_switched)
{
    const struct edit *on =
        EDITS({"spec.flinkProperties", "{\"high-availability\":\"kubernetes\"," HA "}"});
    const struct edit *none =
        EDITS({"spec.flinkProperties", "{\"high-availability\":\"NONE\"," HA "}"});

    expect_error(change_job(NULL, on), "J5", "spec.flinkProperties", "highAvailability");
    expect_error(change_job(on, none), "J5", NULL, NULL);
    expect_no_error(change_job(NULL, none));
    expect_no_error(change_job(
        NULL, EDITS({"spec.flinkProperties", "{\"high-availability\":\"kubernetes\"}"})));
    expect_no_error(change_session(NULL, on));
}

Test(admission_update, J5_the_key_that_the_reference_does_not_know_switches_freely)
{
    const struct edit *on =
        EDITS({"spec.flinkProperties", "{\"high-availability\":\"kubernetes\"," HA "}"});
    const struct edit *new_key =
        EDITS({"spec.flinkProperties", "{\"high-availability.type\":\"kubernetes\"," HA "}"});
    const struct edit *off =
        EDITS({"spec.flinkProperties", "{\"high-availability.type\":\"NONE\"," HA "}"});

    expect_no_error(change_job(NULL, new_key));
    expect_no_error(change_job(new_key, NULL));
    expect_no_error(change_job(on, new_key));
    expect_no_error(change_job(new_key, on));
    expect_error(change_job(on, off), "J5", NULL, NULL);
}

#define NO_SAVEPOINT                                                                               \
    {"spec.job.takeSavepointOnUpdate", "false"},                                                   \
    {                                                                                              \
        "spec.job.maxStateAgeToRestoreSeconds", "60"                                               \
    }
#define SAVEPOINT_AT(time)                                                                         \
    {"status.components.job.savepointTime", "\"" time "\""},                                       \
    {                                                                                              \
        "status.components.job.savepointLocation", "\"s3://sp/1\""                                 \
    }
#define COMPLETED                                                                                  \
    {                                                                                              \
        "status.components.job.completionTime", "\"2026-01-01T00:01:00Z\""                         \
    }

Test(admission_update, J6_a_savepoint_that_the_user_names_is_enough)
{
    expect_no_error(
        change_job(EDITS(NO_SAVEPOINT), EDITS({"spec.job.fromSavepoint", "\"s3://sp/7\""})));
    expect_error(change_job(EDITS(NO_SAVEPOINT), EDITS({"spec.job.fromSavepoint", "\" \""})), "J7",
                 NULL, NULL);
}

Test(admission_update, J7_a_skipped_savepoint_needs_a_recent_one)
{
    const struct findings *f = change_job(EDITS(NO_SAVEPOINT), EDITS(NEW_JAR));

    expect_error(f, "J7", "spec.job", "spec.job.takeSavepointOnUpdate: false");
    expect_error(f, "J7", "spec.job", "spec.job.maxStateAgeToRestoreSeconds: 60");
    expect_error(f, "J7", "spec.job", "\"state\":\"Running\"");
    /* it is 00:10:00 */
    expect_error(
        change_job(EDITS(NO_SAVEPOINT, SAVEPOINT_AT("2026-01-01T00:08:59Z")), EDITS(NEW_JAR)), "J7",
        NULL, NULL);
    expect_no_error(
        change_job(EDITS(NO_SAVEPOINT, SAVEPOINT_AT("2026-01-01T00:09:00Z")), EDITS(NEW_JAR)));
}

Test(admission_update, J7_a_stopped_job_needs_a_savepoint_of_its_end)
{
    const struct edit *age = EDITS(STATE("Failed"), COMPLETED, SAVEPOINT_AT("2026-01-01T00:00:00Z"),
                                   {"spec.job.maxStateAgeToRestoreSeconds", "30"});

    expect_error(change_job(age, EDITS(NEW_JAR)), "J7", NULL,
                 "spec.job.maxStateAgeToRestoreSeconds: 30");
    expect_no_error(
        change_job(age, EDITS(NEW_JAR, {"spec.job.maxStateAgeToRestoreSeconds", "60"})));
    expect_no_error(
        change_job(EDITS(STATE("Cancelled"), {"status.components.job.finalSavepoint", "true"}),
                   EDITS(NEW_JAR)));
    expect_error(change_job(EDITS(STATE("Succeeded")), EDITS(NEW_JAR)), "J7", NULL,
                 "spec.job.maxStateAgeToRestoreSeconds: nil");
}

Test(admission_update, J7_only_changes_that_restart_the_job_need_one)
{
    expect_no_error(
        change_job(EDITS(STATE("Succeeded")), EDITS({"spec.revisionHistoryLimit", "3"})));
}

Test(admission_update, J7_a_job_that_never_ran_has_no_state_to_lose)
{
    expect_no_error(change_job(EDITS(NO_STATUS, NO_SAVEPOINT), EDITS(NEW_JAR)));
}

Test(admission_update, J7_an_update_under_way_goes_on)
{
    expect_no_error(change_job(EDITS(STATE("Updating"), NO_SAVEPOINT), EDITS(NEW_JAR)));
}

Test(admission_update, J8_a_running_job_is_updated_with_a_savepoint)
{
    expect_no_error(change_job(NULL, EDITS(NEW_JAR)));
}
