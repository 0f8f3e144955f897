/* What is wrong with a cluster, as people should read it: the first is the one to look at first.
 * Pure. */
#ifndef STATUSREPORTER_PROBLEM_H
#define STATUSREPORTER_PROBLEM_H

#include "common/model/life.h"
#include "common/model/view.h"

enum { PROBLEMS_MAX = 6, PROBLEM_TEXT_MAX = 1024 };

struct problem {
    char reason[64]; /* CamelCase */
    char message[PROBLEM_TEXT_MAX]; /* which object, what, and what the numbers are */
    char object[300]; /* what it is about: "taskmanager pods", "ConfigMap/x"; names its Event */
};

struct problems {
    struct problem items[PROBLEMS_MAX]; /* what doesn't fit is left out */
    int n;
    int64_t wake_ms; /* when time alone makes another one; 0: never */
};

/** All of them: a spec that can't be rendered, memory that Flink will refuse, pods, creates that
 * were refused, names that are taken, what the life of the job says. */
void problems_find(const struct view *v, const struct life *l, struct problems *ret);

/** A new one at the end; NULL when there are enough. */
struct problem *problem_add(struct problems *problems, const char *reason, const char *object);

#endif
