/* Children of an edited cluster, for tests of desired_*.c. One cluster at a time. */
#ifndef TESTS_UNIT_RECONCILER_RENDERING_H
#define TESTS_UNIT_RECONCILER_RENDERING_H

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "reconciler/desired_internal.h"
#include "tests/lib/admission_fixture.h"
#include "tests/lib/quoted_json.h"

#define RUN_ID "0123456789abcdef0123456789abcdef"

static struct snapshot rendered_snapshot;
static struct view rendered_view;
static cJSON *rendered, *rendered_job;

static void rendering_done(void)
{
    if (rendered_snapshot.cluster)
        view_done(&rendered_view);
    snapshot_done(&rendered_snapshot);
    cJSON_Delete(rendered);
    cJSON_Delete(rendered_job);
    rendered = rendered_job = NULL;
}

static void rendering_begin(cJSON *take_cluster)
{
    rendering_done();
    json_set_str(take_cluster, "metadata.uid", "u");
    rendered_snapshot = (struct snapshot){.cluster = take_cluster,
                                          .objects = cJSON_CreateArray(),
                                          .observations = cJSON_CreateObject(),
                                          .commands = cJSON_CreateArray()};
    view_init(&rendered_view, &rendered_snapshot, 1);
}

static struct desired_input rendering_input(void)
{
    return (struct desired_input){.view = &rendered_view,
                                  .spec = rendered_view.spec,
                                  .revision = "mine-hash",
                                  .jobmanager = true,
                                  .taskmanager = true,
                                  .everything = true};
}

/* All children of the cluster, which is taken. */
static inline void render(cJSON *cluster)
{
    struct desired_input in;

    rendering_begin(cluster);
    in = rendering_input();
    rendered = desired_children(&in);
    cr_assert_not_null(rendered);
}

/* The Job of a run of the cluster, which is taken. */
static inline const cJSON *render_run(cJSON *cluster, const char *from_savepoint)
{
    struct desired_job run = {.view = &rendered_view,
                              .revision = "mine-hash",
                              .job_id = RUN_ID,
                              .from_savepoint = from_savepoint,
                              .restart_count = 2};

    rendering_begin(cluster);
    rendered_job = desired_submitter(&run);
    cr_assert_not_null(rendered_job);
    return rendered_job;
}

/* NULL: there is none. */
static inline const cJSON *child(const char *kind, const char *name)
{
    json_foreach (object, rendered)
        if (str_eq(json_str(object, "kind"), kind) &&
            str_eq(json_str(object, "metadata.name"), name))
            return object;
    return NULL;
}

#endif
