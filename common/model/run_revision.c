#include "common/model/run_revision.h"

#include <stdio.h>

#include "common/base/json.h"
#include "common/base/str.h"

/* Whose submitter is gone: what was submitted last under its id tells. */
static const char *submitted_revision(const struct view *v)
{
    const char *revision = NULL;

    json_foreach (command, v->snapshot->commands) {
        const cJSON *labels = json_get(command, "args.manifest.metadata.labels");

        if (str_eq(json_str(command, "kind"), "submit") &&
            str_eq(json_str(command, "args.jobId"), json_str(v->rec_job, "id")))
            revision = cJSON_GetStringValue(json_member(labels, LABEL_REVISION));
    }
    return revision;
}

/* The savepoint is of the run before: then the id of the run, which is made of its revision, tells.
 */
static bool is_made_of(const struct view *v, const char *previous, const char *revision)
{
    char id[33];

    run_id(id, v->uid, previous, revision);
    return str_eq(id, json_str(v->rec_job, "id"));
}

/* What is known of a run even when the journal is lost: it was the first, or followed one that left
 * a savepoint. */
static const char *revision_in_id(const struct view *v)
{
    json_foreach (object, v->snapshot->objects) {
        const char *name = json_str_or(object, "metadata.name", "");

        if (!view_is_revision(v, object))
            continue;
        if (is_made_of(v, "", name))
            return name;
        json_foreach (entry, json_member(v->status, "savepoints"))
            if (is_made_of(v, json_str_or(entry, "jobID", ""), name))
                return name;
    }
    return NULL;
}

const char *run_revision(const struct view *v)
{
    const struct submitter *s = &v->submitter;
    const char *submitted;

    if (s->json)
        return s->by_flinkd && !s->deleting ? s->revision : NULL;
    submitted = submitted_revision(v);
    return submitted ? submitted : revision_in_id(v);
}

/* There is a run, or there was one whose revision was taken back. The status may not know yet of
 * one that was submitted. */
static bool has_run(const struct view *v)
{
    const struct submitter *s = &v->submitter;

    return job_state_is_active(v->rec_state) ||
           (v->rolled_back && job_state_is_failed(v->rec_state)) ||
           (s->by_flinkd && s->job_id && !str_eq(s->job_id, json_str(v->rec_job, "id")));
}

/* The run is of another revision than the one that is wanted, and that is no update as the status
 * has it: its submission was under way when the spec went back, or its revision was taken back. */
void run_revision_apply(struct view *v)
{
    const char *name = NULL;
    const cJSON *revision, *spec;
    unsigned change;

    if (!v->revision.update_triggered && has_run(v))
        name = run_revision(v);
    if (!name || str_eq(name, v->revision.next_name))
        return;
    revision = view_child(v, "ControllerRevision", name, NULL);
    spec = json_get(revision, "data.spec");
    change = spec ? revision_change(spec, v->spec) : CHANGE_NONE;
    if (!(change & (CHANGE_JOB | CHANGE_PODS | CHANGE_MODE)))
        return;
    v->change = change;
    v->run_revision = name;
    v->revision.update_triggered = true;
    v->revision.current_spec = spec;
    if (v->rolled_back)
        return; /* the status keeps the one that is gone back to */
    (void)snprintf(v->revision.current, sizeof v->revision.current, "%.250s-%lld", name,
                   (long long)json_int(revision, "revision", 0));
}
