#include "common/base/failpoint.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "jobsubmitter/work.h"

/* A line of the history: {"command", "kind", "state", "attempts", "result"}. */
static int add_history(struct work *work, struct journal_tx *tx, int64_t now_ms, struct error *err)
{
    _cleanup_(json_freep) cJSON *line = cJSON_CreateObject();
    const struct command *c = &work->command;
    static const char *const what[] = {[COMMAND_WANTED] = "retry",
                                       [COMMAND_CLAIMED] = "claimed",
                                       [COMMAND_DONE] = "done",
                                       [COMMAND_FAILED] = "failed",
                                       [COMMAND_DROPPED] = "dropped"};

    (void)json_set_str(line, "command", c->key);
    (void)json_set_str(line, "kind", c->kind);
    (void)json_set_int(line, "attempts", c->attempts);
    if (work->result)
        (void)json_set(line, "result", json_copy(work->result));
    return event_add(tx, now_ms, "jobsubmitter", c->cluster_uid, what[work->state], line, err);
}

static int write_report(struct work *work, int64_t *row, struct error *err)
{
    _cleanup_(journal_abort) struct journal_tx tx = {0};
    struct jobsubmitter *js = work->js;
    int64_t now_ms = time_now_ms();
    int r;

    if (!js->journal)
        return error_set(err, EIO, "the journal isn't open");
    r = journal_begin(js->journal, false, &tx, err);
    if (!r)
        r = command_report(&tx, work->command.id, js->identity, work->state, work->result,
                           work->not_before_ms, now_ms, row, err);
    if (!r)
        r = add_history(work, &tx, now_ms, err);
    if (!r)
        r = journal_commit(&tx, err);
    return r;
}

static void publish(const struct work *work, int64_t row)
{
    struct message m = {.type = MESSAGE_COMMAND_DONE,
                        .command_done = {.row = (uint64_t)row, .uid = work->command.cluster_uid}};
    struct error err = {0};

    if (bus_publish(work->js->bus, &m, &err))
        log_debug("%s", err.text);
}

/* @work is freed unless the journal can't be written: negative. */
static int report(struct work *work)
{
    struct error err = {0};
    int64_t row = 0;
    int r = write_report(work, &row, &err);

    if (r < 0) {
        log_warn("cluster=%s command=\"%s\": %s, the report is tried again",
                 work->command.cluster_uid, work->command.key, err.text);
        return r;
    }
    if (r == 0)
        publish(work, row);
    else /* the claim ran out or the journal was lost: whoever claims it next finds it done */
        log_warn("cluster=%s command=\"%s\": no longer ours, the outcome is left to the next",
                 work->command.cluster_uid, work->command.key);
    claim_finish(work);
    return 0;
}

static void end(struct work *work, enum command_state state, cJSON *take_result)
{
    _cleanup_(freep) char *text = NULL;

    work->ended = true;
    work->state = state;
    work->js->failures += state == COMMAND_FAILED || (state == COMMAND_WANTED && take_result);
    work->result = take_result;
    text = work->result ? json_text(work->result) : NULL;
    log_info("cluster=%s %s/%s command=\"%s\" attempt=%d state=%s result=%s",
             work->command.cluster_uid, work->command.ns, work->command.cluster_name,
             work->command.key, work->command.attempts, command_state_name(state),
             text ? text : "{}");
    (void)report(work);
}

static cJSON *with_text(cJSON *take_result, const char *key, const char *text)
{
    cJSON *result = take_result ? take_result : cJSON_CreateObject();

    (void)json_set_str(result, key, text);
    return result;
}

void outcome_done(struct work *work, cJSON *result)
{
    end(work, COMMAND_DONE, result ? result : cJSON_CreateObject());
}

void outcome_failed(struct work *work, cJSON *result, const char *error)
{
    end(work, COMMAND_FAILED, with_text(result, "error", error));
}

void outcome_dropped(struct work *work, const char *reason)
{
    end(work, COMMAND_DROPPED, with_text(NULL, "reason", reason));
}

void outcome_transient(struct work *work, const char *error, int tries_max)
{
    int attempts = work->command.attempts;

    if (tries_max > 0 && attempts >= tries_max) {
        outcome_failed(work, NULL, error);
        return;
    }
    work->not_before_ms = time_now_ms() + order_backoff_ms(attempts);
    end(work, COMMAND_WANTED, with_text(NULL, "error", error));
}

void outcome_give_back(struct work *work)
{
    work->not_before_ms = time_now_ms();
    end(work, COMMAND_WANTED, NULL);
}

void outcome_retry_reports(struct jobsubmitter *js)
{
    struct work *next;
    int r = 0;

    for (struct work *work = js->works; !r && work; work = next) {
        next = work->next;
        if (work->ended)
            r = report(work);
    }
}
