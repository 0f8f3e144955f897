/* What to do about one FlinkCluster: plan(snapshot, now) -> actions. No I/O, no clock, no globals.
 */
#ifndef RECONCILER_PLAN_H
#define RECONCILER_PLAN_H

#include "common/model/life.h"
#include "common/model/view.h"

enum action_kind {
    ACTION_APPLY, /* server-side apply of manifest (create or change a child) */
    ACTION_CREATE, /* create manifest (ControllerRevision, PodGroup first time) */
    ACTION_DELETE, /* delete resource kind/name with uid as precondition; manifest NULL */
    ACTION_PATCH, /* merge patch `manifest` onto kind/name (owner references, finalizer, revision
                     number) */
    ACTION_COMMAND, /* for the jobsubmitter: manifest is {"kind","key","args"} */
    ACTION_DROP_COMMAND, /* the command in `command_id` is moot */
};

struct action {
    enum action_kind kind;
    const char *object_kind; /* static or borrowed from the snapshot/manifest */
    char name[256];
    char uid[64]; /* precondition of delete; "" none */
    bool is_new; /* apply: nothing of that name is to be there; what somebody else has is left alone
                  */
    cJSON *manifest; /* owned */
    int64_t command_id;
    char why[256]; /* for logs, the history and flinkctl why */
};

enum { PLAN_ACTIONS_MAX = 64 };

struct plan {
    struct action actions[PLAN_ACTIONS_MAX];
    int n;
    int64_t wake_ms; /* plan again then even if nothing changes; 0: not needed */
    char blocked[64]; /* CamelCase reason why nothing goes on; "" */
    char blocked_text[1024];
    bool blocked_by_plan; /* it is the plan's own reason: life_derive() doesn't say it */
};

void plan_make(const struct snapshot *snapshot, int64_t now_ms, struct plan *ret);
void plan_done(struct plan *plan);
/** The plan as JSON (for --dry-run, flinkctl). Caller's. */
cJSON *plan_json(const struct plan *plan);
/** The same without manifests (for the history). Caller's. */
cJSON *plan_summary(const struct plan *plan);

#endif
