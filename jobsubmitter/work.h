/* A claimed command on its way: claim.c claims and starts it, submit.c, savepoint.c and cancel.c
 * act, outcome.c reports. */
#ifndef JOBSUBMITTER_WORK_H
#define JOBSUBMITTER_WORK_H

#include "jobsubmitter/jobsubmitter.h"
#include "jobsubmitter/order.h"

struct work {
    struct work *next;
    struct jobsubmitter *js;
    struct command command;
    struct order order; /* borrows from the command */
    char *base; /* URL of the cluster's Flink; NULL for a submission */
    struct kube_call *kube_call;
    struct flink_call *flink_call;
    bool outdated; /* a submission that isn't to take place any more */
    bool settled; /* a savepoint or stop whose outcome is known */
    bool started; /* false: waits for another one of its cluster */
    /* The outcome, until it is in the journal. */
    bool ended;
    enum command_state state;
    cJSON *result;
    int64_t not_before_ms;
};

/* claim.c */
/** Claim what is due and start it. */
void claim_work(struct jobsubmitter *js);
/** Stops what is under way without a report. */
void claim_forget(struct jobsubmitter *js);
/** Reported: free it and go on with the next one of its cluster. */
void claim_finish(struct work *work);

/* act.c */
void act_start(struct work *work);

/* submit.c, savepoint.c, cancel.c */
void submit_start(struct work *work);
void savepoint_start(struct work *work);
void cancel_start(struct work *work);

/* outcome.c: how it ended. Each takes @result (NULL: {}), reports, and frees @work when the journal
 * has it; what the journal refuses is tried again by outcome_retry_reports(). */
void outcome_done(struct work *work, cJSON *result);
void outcome_failed(struct work *work, cJSON *result, const char *error);
void outcome_dropped(struct work *work, const char *reason);
/** A failure that may pass: again later, or (when @tries_max > 0 and so many were made) failed. */
void outcome_transient(struct work *work, const char *error, int tries_max);
/** Give the claim back as if it never was. */
void outcome_give_back(struct work *work);
void outcome_retry_reports(struct jobsubmitter *js);

#endif
