/* What a change of the spec takes. Better one row too careful than one too few: what isn't listed
 * is taken for something that pods, or the job, see. */
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/revision.h"
#include "common/model/spec_typed.h"

/* Fields of spec, and of the parts of it that are looked into. */
static const struct rule {
    const char *path;
    unsigned change, in_application; /* change_kind bits */
} rules[] = {
    {"batchScheduler.queue", CHANGE_IN_PLACE, CHANGE_IN_PLACE}, /* the PodGroup's */
    {"batchSchedulerName", CHANGE_IN_PLACE, CHANGE_IN_PLACE}, /* batchScheduler has it too */
    {"podDisruptionBudget", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"recreateOnUpdate", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"revisionHistoryLimit", CHANGE_IN_PLACE, CHANGE_IN_PLACE},

    {"jobManager.ServiceAnnotations", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"jobManager.ServiceLabels", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"jobManager.accessScope", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"jobManager.ingress", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"jobManager.volumeClaimTemplates", CHANGE_PODS, CHANGE_IN_PLACE},

    {"taskManager.horizontalPodAutoscaler", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"taskManager.replicas", CHANGE_SCALE, CHANGE_SCALE},

    /* when and how the job is saved, restored and ended */
    {"job.autoSavepointSeconds", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"job.maxStateAgeToRestoreSeconds", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"job.savepointsDir", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"job.takeSavepointOnUpdate", CHANGE_IN_PLACE, CHANGE_IN_PLACE},

    /* what the submitter reads: an Application cluster has none */
    {"job.affinity", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.classPath", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.hostAliases", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.initContainers", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.jarFile", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.noLoggingToStdout", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.nodeSelector", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.podAnnotations", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.podLabels", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.pyFile", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.pyFiles", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.pyModule", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.resources", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.securityContext", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.tolerations", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.volumeMounts", CHANGE_JOB, CHANGE_IN_PLACE},
    {"job.volumes", CHANGE_JOB, CHANGE_IN_PLACE},

    /* Flink properties that are always the operator's own (spec 03-children 2.1) */
    {"flinkProperties.blob.server.port", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"flinkProperties.jobmanager.rpc.address", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"flinkProperties.jobmanager.rpc.port", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"flinkProperties.query.server.port", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
    {"flinkProperties.rest.port", CHANGE_IN_PLACE, CHANGE_IN_PLACE},
};

/* Parts of the spec that are looked into, and what an unlisted field of them is. */
static const struct part {
    const char *name; /* "": spec itself */
    unsigned otherwise;
} parts[] = {
    {"", CHANGE_PODS},
    {"batchScheduler", CHANGE_PODS},
    {"jobManager", CHANGE_PODS},
    {"taskManager", CHANGE_PODS},
    {"flinkProperties", CHANGE_PODS},
    {"job", CHANGE_JOB},
};

static bool is_part(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (str_eq(parts[i].name, name))
            return true;
    return false;
}

static bool is_application(const cJSON *spec)
{
    return str_eq(json_str(spec, "job.mode"), "Application");
}

static unsigned change_of_field(const struct part *part, const char *name, bool application)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s%s%s", part->name, *part->name ? "." : "", name);
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (str_eq(rules[i].path, path))
            return application ? rules[i].in_application : rules[i].change;
    return part->otherwise;
}

static unsigned change_of_part(const struct part *part, const cJSON *from, const cJSON *to,
                               bool application)
{
    unsigned change = CHANGE_NONE;

    json_foreach (item, from) {
        const cJSON *peer = json_member(to, item->string);

        if ((*part->name || !is_part(item->string)) && !json_equal(item, peer))
            change |= change_of_field(part, item->string, application);
    }
    json_foreach (item, to)
        if ((*part->name || !is_part(item->string)) && !json_member(from, item->string))
            change |= change_of_field(part, item->string, application);
    return change;
}

unsigned revision_change(const cJSON *from, const cJSON *to)
{
    _cleanup_(json_freep) cJSON *a = NULL;
    _cleanup_(json_freep) cJSON *b = NULL;
    unsigned change = CHANGE_NONE;
    bool application;

    spec_normal_pair(from, to, &a, &b);
    application = is_application(b);
    if (is_application(a) != application)
        change |= CHANGE_MODE;
    if (!json_member(a, "job") != !json_member(b, "job"))
        change |= CHANGE_JOB;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        const char *name = parts[i].name;

        change |= change_of_part(&parts[i], *name ? json_member(a, name) : a,
                                 *name ? json_member(b, name) : b, application);
    }
    return change;
}
