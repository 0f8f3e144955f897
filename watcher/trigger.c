/* Savepoints, stops and disposals under way: asked until Flink says how they ended. */
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "watcher/poll.h"
#include "watcher/poll_time.h"
#include "watcher/record.h"

static const char *prefix_of(bool dispose)
{
    return dispose ? "dispose/" : "trigger/";
}

static void trigger_free(struct trigger *t)
{
    flink_cancel(t->call);
    loop_timer_free(t->timer);
    free(t);
}

void triggers_free(struct poll *p)
{
    struct trigger *t;

    while ((t = p->triggers)) {
        p->triggers = t->next;
        trigger_free(t);
    }
}

bool triggers_are_open(const struct poll *p)
{
    for (const struct trigger *t = p->triggers; t; t = t->next) {
        if (!t->done)
            return true;
    }
    return false;
}

static void end(struct trigger *t, cJSON *take_json)
{
    struct poll *p = t->poll;

    if (t->dispose && json_has(take_json, "failure"))
        log_warn("cluster=%s: a savepoint can't be disposed of: %s", p->cluster->uid,
                 json_str_or(take_json, "failure", ""));
    t->done = t->seen = true;
    loop_timer_arm(t->timer, -1);
    poll_observe(p, prefix_of(t->dispose), t->id, take_json);
    poll_hurry(p); /* a stop ends the job */
}

/* Flink doesn't know it. One such answer may come too early, or from a JobManager that just begins.
 */
static void on_unknown(struct trigger *t)
{
    int64_t now_ms = time_monotonic_ms();
    cJSON *json;

    if (t->open) /* it is yet to be told, or being told again */
        return;
    if (t->unknown && now_ms - t->unknown_ms < POLL_UNKNOWN_MS)
        return;
    t->unknown_ms = now_ms;
    if (++t->unknown < POLL_UNKNOWN_TIMES)
        return;
    json = cJSON_CreateObject();
    (void)json_set_bool(json, "completed", false);
    (void)json_set_bool(json, "unknown", true);
    end(t, json);
}

static void on_progress(struct trigger *t)
{
    cJSON *json;

    t->unknown = 0;
    if (t->seen)
        return;
    t->seen = true;
    json = cJSON_CreateObject();
    (void)json_set_bool(json, "completed", false);
    poll_observe(t->poll, prefix_of(t->dispose), t->id, json);
}

static void schedule(struct trigger *t)
{
    if (!t->done)
        loop_timer_arm(t->timer, poll_trigger_ms(time_monotonic_ms() - t->begun_ms));
}

static void on_status(struct flink_response *response, void *userdata)
{
    struct trigger *t = userdata;

    t->call = NULL;
    if (json_bool(response->json, "completed", false))
        end(t, TAKE(response->json));
    else if (response->json)
        on_progress(t);
    else if (response->status == 404)
        on_unknown(t);
    else
        log_debug("cluster=%s trigger=%s: %s", t->poll->cluster->uid, t->id, response->error);
    schedule(t);
}

static void on_timer(void *userdata)
{
    struct trigger *t = userdata;
    struct flink_client *flink = t->poll->source->w->flink;
    _cleanup_(freep) char *base = poll_base(t->poll);
    struct error err = {0};
    int r = 0;

    if (t->call || t->done)
        return;
    if (!base || !cluster_jobmanager(t->poll->cluster)) {
        schedule(t);
        return;
    }
    if (t->dispose)
        r = flink_dispose_status(flink, base, t->id, on_status, t, &t->call, &err);
    else
        r = flink_savepoint_status(flink, base, t->job, t->id, on_status, t, &t->call, &err);
    if (!r)
        return;
    log_warn("cluster=%s trigger=%s: %s", t->poll->cluster->uid, t->id, err.text);
    schedule(t);
}

static struct trigger *trigger_find(const struct poll *p, const char *id, bool dispose)
{
    struct trigger *t = p->triggers;

    while (t && !(t->dispose == dispose && str_eq(t->id, id)))
        t = t->next;
    return t;
}

/* NULL without memory. */
static struct trigger *trigger_add(struct poll *p, const char *id, bool dispose)
{
    struct trigger *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->timer = loop_timer_new(p->source->w->loop, on_timer, t);
    if (!t->timer) {
        trigger_free(t);
        return NULL;
    }
    t->poll = p;
    t->dispose = dispose;
    str_copy(t->id, sizeof(t->id), id);
    t->begun_ms = time_monotonic_ms();
    t->next = p->triggers;
    p->triggers = t;
    return t;
}

/* Somebody waits for it. @job: NULL for a disposal. */
static void want(struct poll *p, const char *job, const char *id, bool dispose)
{
    struct trigger *t;

    if (!id || !is_hex32(id) || (!dispose && (!job || !is_hex32(job))))
        return;
    t = trigger_find(p, id, dispose);
    if (!t)
        t = trigger_add(p, id, dispose);
    if (!t)
        return;
    t->wanted = true;
    if (!dispose)
        str_copy(t->job, sizeof(t->job), job);
    if (!t->done && !t->call && !loop_timer_armed(t->timer))
        loop_timer_arm(t->timer, 0);
}

void triggers_known(struct poll *p, const cJSON *observations)
{
    json_foreach (observation, observations) {
        bool dispose = str_starts(observation->string, prefix_of(true));
        struct trigger *t;

        if (!dispose && !str_starts(observation->string, prefix_of(false)))
            continue;
        t = trigger_add(p, observation->string + strlen(prefix_of(dispose)), dispose);
        if (!t)
            continue;
        t->seen = true;
        t->done =
            json_bool(observation, "completed", false) || json_bool(observation, "unknown", false);
    }
}

static int on_command(struct command *c, void *userdata)
{
    struct poll *p = userdata;
    bool dispose = str_eq(c->kind, "dispose");
    const char *id = json_str(c->result, "triggerId");

    if (c->state == COMMAND_WANTED || c->state == COMMAND_CLAIMED) {
        struct trigger *t = trigger_find(p, json_str_or(c->args, "triggerId", ""), dispose);

        p->open_commands = true;
        if (t)
            t->open = true;
    }
    if (c->state == COMMAND_DONE &&
        (dispose || str_eq(c->kind, "savepoint") || str_eq(c->kind, "stop")))
        want(p, json_str(c->args, "jobId"), id ? id : json_str(c->args, "triggerId"), dispose);
    return 0;
}

/* What nobody names any more is forgotten, in the journal too. */
static void drop_unwanted(struct poll *p)
{
    struct trigger **link = &p->triggers;

    while (*link) {
        struct trigger *t = *link;
        _cleanup_(freep) char *key = NULL;

        if (t->wanted) {
            link = &t->next;
            continue;
        }
        *link = t->next;
        key = str_printf("%s%s", prefix_of(t->dispose), t->id);
        if (t->seen && key)
            record_observation(p->source->w->record, p->cluster->uid, key, NULL);
        trigger_free(t);
    }
}

void triggers_sync(struct poll *p)
{
    const struct cluster_facts *facts = &p->cluster->facts;
    struct journal *journal = p->source->w->journal;
    struct error err = {0};
    int r = 0;

    for (struct trigger *t = p->triggers; t; t = t->next)
        t->wanted = t->open = false;
    p->open_commands = false;
    want(p, facts->savepoint_job, facts->savepoint_trigger, false);
    if (journal)
        r = command_each(journal, p->cluster->uid, on_command, p, &err);
    if (r)
        log_warn("cluster=%s: %s", p->cluster->uid, err.text);
    else
        drop_unwanted(p);
}
