/* Savepoints and stops: a command that was accepted is in progress until Flink's trigger says how
 * it ended. Trigger ids are chosen by the reconciler from what is recorded, so that after any crash
 * the same act has the same id. */
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/flink/exception.h"
#include "common/model/life_internal.h"

bool savepoint_is_stop(const char *reason)
{
    return str_eq(reason, REASON_CANCEL) || str_eq(reason, REASON_UPDATE) ||
           str_eq(reason, REASON_SUSPEND) || str_eq(reason, REASON_DELETION);
}

/* What follows the scheme, without what may be written in more than one way. */
static const char *place_of(const char *location, size_t *len)
{
    static const char metadata[] = "/_metadata";
    const char *colon = strchr(location, ':');
    const char *place =
        colon && !memchr(location, '/', (size_t)(colon - location)) ? colon + 1 : location;

    place += strspn(place, "/");
    *len = strlen(place);
    if (*len >= strlen(metadata) && str_eq(place + *len - strlen(metadata), metadata))
        *len -= strlen(metadata);
    while (*len > 0 && place[*len - 1] == '/')
        (*len)--;
    return place;
}

bool savepoint_is_same(const char *a, const char *b)
{
    size_t len_a, len_b;
    const char *place_a, *place_b;

    if (!a || !b)
        return false;
    place_a = place_of(a, &len_a);
    place_b = place_of(b, &len_b);
    return len_a == len_b && memcmp(place_a, place_b, len_a) == 0;
}

bool savepoint_is_named_in(const char *text, const char *location)
{
    for (const char *quote = strchr(text, '\''); quote; quote = strchr(quote + 1, '\'')) {
        const char *end = strchr(quote + 1, '\'');
        _cleanup_(freep) char *name = end ? strndup(quote + 1, (size_t)(end - quote - 1)) : NULL;

        if (savepoint_is_same(name, location))
            return true;
    }
    return strstr(text, location) != NULL;
}

/* AbstractFsCheckpointStorageAccess says so on every file system. */
bool savepoint_is_said_missing(const char *text)
{
    return text && (strstr(text, "Cannot find checkpoint or savepoint") ||
                    strstr(text, "Cannot find meta data file"));
}

bool savepoint_has_failed(const char *state)
{
    return str_eq(state, "Failed") || str_eq(state, "TriggerFailed");
}

int64_t life_savepoint_timeout_ms(const struct view *v)
{
    const cJSON *properties = json_member(v->spec, "flinkProperties");
    const char *text =
        cJSON_GetStringValue(json_member(properties, "execution.checkpointing.timeout"));
    int64_t ms = SAVEPOINT_TIMEOUT_MS;

    if (text && (time_parse_duration(text, &ms) || ms <= 0))
        ms = SAVEPOINT_TIMEOUT_MS;
    return ms + SAVEPOINT_SLACK_MS;
}

bool life_names_triggers(const struct view *v)
{
    return flink_version_at_least(&v->version, 1, 15);
}

/* The id that Flink knows it by; until an earlier Flink has made one up, the one chosen here. */
static const char *trigger_of(const cJSON *command)
{
    const char *chosen = json_str(command, "args.triggerId");

    return json_bool(command, "args.flinkNames", false)
               ? json_str_or(command, "result.triggerId", chosen)
               : chosen;
}

static bool has_trigger(const cJSON *command, const char *id)
{
    return str_eq(json_str(command, "args.triggerId"), id) || str_eq(trigger_of(command), id);
}

static bool is_savepoint_command(const cJSON *command)
{
    const char *kind = json_str(command, "kind");

    return (str_eq(kind, "savepoint") || str_eq(kind, "stop")) &&
           !str_eq(json_str(command, "state"), "dropped");
}

/* A stop that was asked for again to learn whether there had been one: there hadn't, as far as is
 * known. */
static bool is_mere_question(const struct view *v, const cJSON *command)
{
    return json_bool(command, "args.again", false) &&
           !view_trigger(v, json_str(command, "args.triggerId")).location;
}

/* The newest savepoint or stop that was decided and isn't recorded yet. */
static const cJSON *newer_command(const struct view *v)
{
    const char *recorded = json_str(v->rec_savepoint, "triggerID");
    int64_t recorded_ms = time_parse_rfc3339(json_str(v->rec_savepoint, "triggerTime"));
    const cJSON *newest = NULL;

    json_foreach (command, v->snapshot->commands) {
        if (is_savepoint_command(command) && !is_mere_question(v, command))
            newest = command;
    }
    if (!newest || has_trigger(newest, recorded))
        return NULL;
    /* Status times are whole seconds. */
    return json_int(newest, "createdAt", 0) / 1000 >= recorded_ms / 1000 ? newest : NULL;
}

static cJSON *begin(const cJSON *command)
{
    cJSON *savepoint = cJSON_CreateObject();
    char when[32];

    time_rfc3339(json_int(command, "createdAt", 0), when);
    json_set_str(savepoint, "jobID", json_str(command, "args.jobId"));
    json_set_str(savepoint, "triggerID", trigger_of(command));
    json_set_str(savepoint, "triggerTime", when);
    json_set_str(savepoint, "requestTime", when);
    json_set_str(savepoint, "triggerReason", json_str(command, "args.reason"));
    json_set_str(savepoint, "formatType", json_str(command, "args.format"));
    json_set_str(savepoint, "state", "InProgress");
    return savepoint;
}

static void set_message(cJSON *savepoint, const char *prefix, const char *text)
{
    char message[1024 + 1];
    size_t n = strlen(prefix);

    str_copy(message, sizeof message, prefix);
    exception_copy(message + n, sizeof message - n, text ? text : "");
    json_set_str(savepoint, "message", message);
}

static void fail(struct life *l, const struct view *v, const char *state, const char *prefix,
                 const char *text)
{
    char when[32];

    json_set_str(l->savepoint, "state", state);
    set_message(l->savepoint, prefix, text);
    time_rfc3339(v->now_ms, when);
    json_set_str(l->savepoint, "requestTime", when); /* retries are spaced from the failure */
}

static const cJSON *command_of(const struct view *v, const char *trigger_id)
{
    json_foreach (command, v->snapshot->commands) {
        if (is_savepoint_command(command) && has_trigger(command, trigger_id))
            return command;
    }
    return NULL;
}

/* Its windows and timers have fired: a job that went on from it would be wrong. */
static bool is_drained(const struct view *v, const struct life *l)
{
    const cJSON *command = command_of(v, json_str(l->savepoint, "triggerID"));
    bool drains = json_bool(v->job, "drainOnCancel", false);

    return str_eq(json_str(l->savepoint, "triggerReason"), REASON_CANCEL) &&
           (command ? json_bool(command, "args.drain", false) : drains);
}

static void remember(const struct view *v, struct life *l, const char *location)
{
    int max = json_has(v->job, "savepointRetention") ? SAVEPOINTS_RETAINED_MAX : SAVEPOINTS_MAX;
    cJSON *entry = cJSON_CreateObject(), *list = cJSON_CreateArray();
    char when[32];

    time_rfc3339(v->now_ms, when);
    json_set_str(entry, "location", location);
    json_set_str(entry, "time", when);
    json_set_str(entry, "jobID", json_str(l->savepoint, "jobID"));
    json_set_str(entry, "triggerReason",
                 is_drained(v, l) ? REASON_DRAINED : json_str(l->savepoint, "triggerReason"));
    json_set_str(entry, "formatType", json_str(l->savepoint, "formatType"));
    json_add_item(list, entry);
    /* What is forgotten can't be disposed of any more (see plan). */
    json_foreach (old, l->savepoints) {
        if (cJSON_GetArraySize(list) < max && !str_eq(json_str(old, "location"), location))
            json_add_item(list, json_copy(old));
    }
    cJSON_Delete(l->savepoints);
    l->savepoints = list;
}

static void succeed(const struct view *v, struct life *l, const char *location)
{
    bool same_job = str_eq(json_str(l->savepoint, "jobID"), v->job_id);
    char when[32];

    time_rfc3339(v->now_ms, when);
    json_set_str(l->savepoint, "state", "Succeeded");
    json_remove(l->savepoint, "message");
    json_set_int(l->job, "savepointGeneration", json_int(l->job, "savepointGeneration", 0) + 1);
    json_set_str(l->job, "savepointLocation", location);
    json_set_str(l->job, "savepointTime", when);
    if (same_job && savepoint_is_stop(json_str(l->savepoint, "triggerReason")))
        json_set_bool(l->job, "finalSavepoint", true);
    remember(v, l, location);
}

static void follow(const struct view *v, struct life *l)
{
    const cJSON *command = command_of(v, json_str(l->savepoint, "triggerID"));
    const char *id = command ? trigger_of(command) : json_str(l->savepoint, "triggerID");
    const char *command_state = json_str(command, "state");
    struct trigger seen = view_trigger(v, id);
    bool open = view_command_is_open(command);
    int64_t begun = time_parse_rfc3339(json_str(l->savepoint, "triggerTime"));
    int64_t told = json_int(command, "changedAt", 0);
    int64_t deadline = (told > begun ? told : begun) + life_savepoint_timeout_ms(v);

    if (command)
        json_set_str(l->savepoint, "triggerID", id);
    if (seen.completed && seen.failure)
        fail(l, v, "Failed", "Savepoint error: ", seen.failure);
    else if (seen.completed)
        succeed(v, l, seen.location);
    /* An answer that was lost looks like a failure, too: only the JobManager knows. */
    else if (str_eq(command_state, "failed") && seen.unknown)
        fail(l, v, "TriggerFailed", "", json_str_or(command, "result.error", "Flink refused it"));
    else if (seen.unknown && !open)
        fail(l, v, "Failed", "",
             "the JobManager no longer knows this savepoint: it was restarted meanwhile");
    else if (open)
        return; /* Flink isn't told yet */
    else if (v->now_ms < deadline)
        life_wake(l, deadline);
    else if (savepoint_is_stop(json_str(l->savepoint, "triggerReason")) && v->jobmanager_running &&
             (seen.known || !v->jobs_known))
        /* Given up, it would end the job with a savepoint that nobody knows. */
        life_say(l, "SavepointSlow",
                 "the outcome of the savepoint that ends the job, begun at %s, isn't known yet",
                 json_str_or(l->savepoint, "triggerTime", ""));
    else
        fail(l, v, "Failed", "",
             "Flink didn't complete the savepoint in time; see execution.checkpointing.timeout");
}

/* ---- disposal ---- */

void disposal_key(char *key, size_t size, const char *location, int number)
{
    if (number == 0)
        (void)snprintf(key, size, "dispose/%s", location);
    else
        (void)snprintf(key, size, "dispose/%s/%d", location, number);
}

static enum disposal_state outcome_of(const struct view *v, const cJSON *command)
{
    const char *state = json_str(command, "state");
    const cJSON *seen;
    char key[64];

    if (view_command_is_open(command))
        return DISPOSAL_OPEN;
    if (!str_eq(state, "done"))
        return DISPOSAL_FAILED;
    (void)snprintf(
        key, sizeof key, "dispose/%s",
        json_str_or(command, "result.triggerId", json_str_or(command, "args.triggerId", "")));
    seen = json_member(v->snapshot->observations, key);
    if (json_bool(seen, "completed", false))
        return !json_has(seen, "failure") || savepoint_is_said_missing(json_str(seen, "failure"))
                   ? DISPOSAL_DONE
                   : DISPOSAL_FAILED;
    if (json_bool(seen, "unknown", false) ||
        json_int(command, "changedAt", 0) + DISPOSAL_TIMEOUT_MS <= v->now_ms)
        return DISPOSAL_FAILED;
    return DISPOSAL_OPEN;
}

struct disposal life_disposal(const struct view *v, const char *location)
{
    struct disposal d = {.state = DISPOSAL_NONE};
    const cJSON *command;
    char key[600];

    while (d.tries < DISPOSAL_TRIES_MAX) {
        disposal_key(key, sizeof key, location, d.tries);
        command = view_command(v, key);
        if (!command)
            break;
        d.tries++;
        d.state = outcome_of(v, command);
        d.changed_ms = json_int(command, "changedAt", 0);
    }
    return d;
}

/* Not before Flink has said that it is done. */
static void forget_disposed(const struct view *v, struct life *l)
{
    for (cJSON *entry = l->savepoints ? l->savepoints->child : NULL, *next; entry; entry = next) {
        struct disposal d = life_disposal(v, json_str_or(entry, "location", ""));

        next = entry->next;
        if (d.state == DISPOSAL_DONE ||
            (d.state == DISPOSAL_FAILED && d.tries == DISPOSAL_TRIES_MAX))
            cJSON_Delete(cJSON_DetachItemViaPointer(l->savepoints, entry));
    }
}

void life_savepoint(const struct view *v, struct life *l)
{
    const cJSON *command;

    l->savepoints = json_copy(json_member(v->status, "savepoints"));
    if (v->mode == MODE_SESSION)
        return;
    command = newer_command(v);
    l->savepoint = command ? begin(command) : json_copy(v->rec_savepoint);
    if (l->savepoint && str_eq(json_str(l->savepoint, "state"), "InProgress"))
        follow(v, l);
    forget_disposed(v, l);
}
