#include "common/model/rollback.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/names.h"
#include "common/model/spec_typed.h"

enum { DEADLINE_DEFAULT_S = 600 };

const char *rollback_mark(const cJSON *revision)
{
    const cJSON *annotations = json_get(revision, "metadata.annotations");

    return cJSON_GetStringValue(json_member(annotations, ANNOTATION_ROLLED_BACK));
}

static void keep_members(cJSON *to, const cJSON *live, const cJSON *revisioned)
{
    json_foreach (item, live) {
        if (to && !json_member(revisioned, item->string))
            json_set_member(to, item->string, json_copy(item));
    }
}

/* What a revision says, and what is no part of one as it is now. */
static cJSON *merged(const cJSON *revision_spec, const cJSON *live)
{
    _cleanup_(json_freep) cJSON *revisioned = json_copy(live);
    cJSON *spec = json_copy(revision_spec);

    spec_strip_job(revisioned);
    json_remove(spec, "job.restartPolicy");
    keep_members(spec, live, revisioned);
    keep_members(json_member(spec, "job"), json_member(live, "job"),
                 json_member(revisioned, "job"));
    return spec;
}

void rollback_apply(struct view *v)
{
    const cJSON *revision = view_child(v, "ControllerRevision", v->revision.next_name, NULL);
    struct revision_sync *sync = &v->revision;
    char *number;

    if (!sync->update_triggered || !sync->current_spec || !rollback_mark(revision))
        return;
    v->rolled_back = revision;
    v->own_spec = merged(sync->current_spec, v->spec);
    v->spec = v->own_spec;
    str_copy(sync->next, sizeof sync->next, sync->current);
    str_copy(sync->next_name, sizeof sync->next_name, sync->current);
    number = strrchr(sync->next_name, '-');
    if (number)
        *number = '\0';
    sync->update_triggered = false;
    v->change = CHANGE_NONE;
}

const char *rollback_cause(const struct view *v, const struct life *l, int64_t *wake_ms)
{
    int64_t seconds =
        json_int(v->spec, "updateStrategy.progressDeadlineSeconds", DEADLINE_DEFAULT_S);
    int64_t deadline = time_parse_rfc3339(json_str(l->job, "deployTime")) + seconds * 1000;
    const cJSON *reasons = json_member(l->job, "failureReasons");
    const char *reason = cJSON_GetStringValue(cJSON_GetArrayItem(reasons, 0));

    *wake_ms = 0;
    if (!json_bool(v->spec, "updateStrategy.rollback", false) || v->rolled_back ||
        !v->revision.current_spec || (v->change & CHANGE_MODE) || l->update != UPDATE_IN_PROGRESS ||
        l->cancel_wanted || v->suspend || l->state != v->rec_state)
        return NULL;
    if (job_state_is_failed(l->state))
        return !view_submits_next(v) ? NULL
               : reason              ? reason
                                     : "the job failed when it was started";
    if (l->state != JOB_DEPLOYING && (l->state != JOB_RUNNING || view_is_up(v) || !v->jobs_known))
        return NULL;
    if (v->now_ms >= deadline)
        return "the job didn't run within spec.updateStrategy.progressDeadlineSeconds";
    *wake_ms = deadline;
    return NULL;
}
