#include "statusreporter/cluster_state.h"

#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"

static const char *const names[] = {
    [CLUSTER_CREATING] = "Creating",       [CLUSTER_RUNNING] = "Running",
    [CLUSTER_RECONCILING] = "Reconciling", [CLUSTER_UPDATING] = "Updating",
    [CLUSTER_STOPPING] = "Stopping",       [CLUSTER_PARTIALLY_STOPPED] = "PartiallyStopped",
    [CLUSTER_STOPPED] = "Stopped",
};

const char *cluster_state_name(enum cluster_state state)
{
    return names[state];
}

enum cluster_state cluster_state_parse(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (str_eq(names[i], name))
            return (enum cluster_state)i;
    }
    return CLUSTER_CREATING;
}

/* What has to hold for a transition. */
enum {
    MUST_UPDATE = 1,
    TRIGGERED = 2,
    SETTLED = 4, /* no update is triggered */
    STOPS = 8, /* the components are taken down */
    LACKS = 16, /* a component isn't ready */
    NONE_READY = 32,
    SOME_READY = 64,
    LIVES = 128, /* the job isn't at its end, or there is none */
    STAYS = 256, /* the components aren't taken down */
};

#define IN(state) (1u << CLUSTER_##state)

/* The first row that fits decides. A failed job that is to be restarted keeps its cluster: it
 * neither stops nor is at its end (there the reference operator tears the cluster down and builds
 * it again). A stopped job whose cluster is kept doesn't hide a component that isn't ready. A
 * clean-up that is called off (other policy, job back) is undone. */
static const struct {
    unsigned from, when;
    enum cluster_state to;
} transitions[] = {
    {IN(CREATING), LACKS | STOPS, CLUSTER_STOPPING},
    {IN(CREATING), LACKS, CLUSTER_CREATING},
    {IN(CREATING), 0, CLUSTER_RUNNING},

    {IN(UPDATING) | IN(RUNNING) | IN(RECONCILING) | IN(STOPPING) | IN(PARTIALLY_STOPPED),
     MUST_UPDATE, CLUSTER_UPDATING},
    {IN(UPDATING), LACKS | TRIGGERED, CLUSTER_UPDATING},
    {IN(UPDATING), LACKS, CLUSTER_RECONCILING},
    {IN(UPDATING), 0, CLUSTER_RUNNING},

    {IN(RUNNING) | IN(RECONCILING), SETTLED | STOPS, CLUSTER_STOPPING},
    {IN(RUNNING) | IN(RECONCILING), LACKS, CLUSTER_RECONCILING},
    {IN(RUNNING) | IN(RECONCILING), 0, CLUSTER_RUNNING},

    {IN(STOPPING) | IN(PARTIALLY_STOPPED), STAYS | LACKS, CLUSTER_RECONCILING},
    {IN(STOPPING) | IN(PARTIALLY_STOPPED), STAYS, CLUSTER_RUNNING},
    {IN(STOPPING) | IN(PARTIALLY_STOPPED), NONE_READY, CLUSTER_STOPPED},
    {IN(STOPPING) | IN(PARTIALLY_STOPPED), LACKS, CLUSTER_PARTIALLY_STOPPED},
    {IN(STOPPING) | IN(PARTIALLY_STOPPED), 0, CLUSTER_STOPPING},

    {IN(STOPPED), TRIGGERED, CLUSTER_UPDATING},
    {IN(STOPPED), LIVES | STAYS | LACKS, CLUSTER_RECONCILING},
    {IN(STOPPED), LIVES | STAYS, CLUSTER_RUNNING},
    {IN(STOPPED), STAYS | SOME_READY, CLUSTER_RECONCILING},
    {IN(STOPPED), 0, CLUSTER_STOPPED},
};

enum cluster_state cluster_state_next(enum cluster_state recorded,
                                      const struct cluster_facts *facts)
{
    unsigned holds =
        (facts->must_update ? MUST_UPDATE : 0) | (facts->update_triggered ? TRIGGERED : SETTLED) |
        (facts->stops ? STOPS : STAYS) | (facts->ready < facts->total ? LACKS : 0) |
        (facts->ready == 0 ? NONE_READY : SOME_READY) | (facts->job_stopped ? 0 : LIVES);

    for (size_t i = 0; i < ARRAY_SIZE(transitions); i++) {
        if ((transitions[i].from & 1u << recorded) && (transitions[i].when & ~holds) == 0)
            return transitions[i].to;
    }
    return recorded;
}
