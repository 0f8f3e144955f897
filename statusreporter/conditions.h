/* status.conditions: Ready, Progressing, Degraded, each with a reason for people. Pure. */
#ifndef STATUSREPORTER_CONDITIONS_H
#define STATUSREPORTER_CONDITIONS_H

#include "statusreporter/cluster_state.h"
#include "statusreporter/component.h"
#include "statusreporter/problem.h"

enum { CONDITION_MESSAGE_MAX = 4096 };

struct conditions_input {
    const struct view *view;
    const struct life *life;
    const struct components *components;
    const struct problems *problems;
    enum cluster_state state; /* the new one */
};

/** An array of three. lastTransitionTime stays where a condition's status does. The caller's. */
cJSON *conditions_make(const struct conditions_input *in);

#endif
