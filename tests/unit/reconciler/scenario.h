/* Snapshots for tests of life and plan, made from a few words of JSON. Times are seconds from T0.
 */
#ifndef TESTS_UNIT_RECONCILER_SCENARIO_H
#define TESTS_UNIT_RECONCILER_SCENARIO_H

#include <stdio.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/names.h"
#include "reconciler/plan.h"

#define T0   1790000000000LL
#define RUN1 "0123456789abcdef0123456789abcdef"

struct scenario {
    struct snapshot snapshot;
    int64_t now_ms;
    struct plan plan;
};

static inline cJSON *parse(const char *text)
{
    cJSON *json = NULL;
    struct error err = {0};

    cr_assert_eq(json_parse(text, strlen(text), &json, &err), 0, "%s in %s", err.text, text);
    return json;
}

static inline const char *at(int64_t s)
{
    static char text[8][32];
    static int turn;
    char *out = text[turn++ % 8];

    time_rfc3339(T0 + s * 1000, out);
    return out;
}

/* @job: more members of spec.job, "" none; NULL: a session cluster. */
static inline void scenario_init(struct scenario *s, const char *job)
{
    char text[4096];

    (void)snprintf(
        text, sizeof text,
        "{\"kind\":\"FlinkCluster\",\"apiVersion\":\"flinkoperator.k8s.io/"
        "v1beta1\",\"metadata\":{\"name\":\"c\","
        "\"namespace\":\"ns\",\"uid\":\"u\",\"resourceVersion\":\"1\"},\"spec\":{"
        "\"flinkVersion\":\"1.20\","
        "\"image\":{\"name\":\"flink:1.20\"},\"jobManager\":{\"replicas\":1,\"accessScope\":"
        "\"Cluster\","
        "\"memoryProcessRatio\":80,\"ports\":{\"rpc\":6123,\"blob\":6124,\"query\":6125,"
        "\"ui\":8081},"
        "\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"2Gi\"}}},\"taskManager\":{"
        "\"replicas\":1,"
        "\"deploymentType\":\"StatefulSet\",\"memoryProcessRatio\":80,"
        "\"ports\":{\"data\":6121,\"rpc\":6122,\"query\":6125},"
        "\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"2Gi\"}}}%s%s%s}}",
        job ? ",\"job\":{\"jarFile\":\"/x.jar\",\"mode\":\"Detached\",\"parallelism\":1" : "",
        job ? job : "", job ? "}" : "");
    *s = (struct scenario){.now_ms = T0};
    s->snapshot = (struct snapshot){.row = 1,
                                    .cluster = parse(text),
                                    .objects = cJSON_CreateArray(),
                                    .observations = cJSON_CreateObject(),
                                    .commands = cJSON_CreateArray()};
}

static inline void scenario_done(struct scenario *s)
{
    plan_done(&s->plan);
    snapshot_done(&s->snapshot);
}

static inline void add_object(struct scenario *s, cJSON *object)
{
    static int uid;
    char text[32];

    (void)snprintf(text, sizeof text, "uid-%d", ++uid);
    json_set_str(object, "metadata.uid", text);
    json_set_str(object, "metadata.creationTimestamp", at((s->now_ms - T0) / 1000));
    json_set(object, "metadata.managedFields",
             parse("[{\"manager\":\"flinkd\",\"operation\":\"Apply\"}]"));
    json_add_item(s->snapshot.objects, object);
}

/* @state: of its container */
static inline void add_jobmanager_pod(struct scenario *s, const char *state)
{
    char text[512];

    (void)snprintf(
        text, sizeof text,
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"c-jobmanager-0\",\"labels\":{\"component\":"
        "\"jobmanager\"}},\"status\":{\"containerStatuses\":[{\"name\":\"jobmanager\",\"state\":%s}"
        "]}}",
        state);
    add_object(s, parse(text));
}

static inline void status(struct scenario *s, const char *path, const char *json)
{
    char full[256];

    (void)snprintf(full, sizeof full, "status.%s", path);
    json_set(s->snapshot.cluster, full, parse(json));
}

static inline void status_str(struct scenario *s, const char *path, const char *value)
{
    char full[256];

    (void)snprintf(full, sizeof full, "status.%s", path);
    json_set_str(s->snapshot.cluster, full, value);
}

static inline void observe(struct scenario *s, const char *key, const char *json)
{
    json_set_member(s->snapshot.observations, key, parse(json));
}

static inline void flink_lists(struct scenario *s, const char *id, const char *state)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "{\"reachable\":true,\"since\":%lld,\"jobs\":[{\"jid\":\"%s\",\"state\":\"%s\","
                   "\"name\":\"j\"}]}",
                   (long long)s->now_ms, id, state);
    observe(s, "overview", text);
}

static inline void make_plan(struct scenario *s)
{
    plan_done(&s->plan);
    plan_make(&s->snapshot, s->now_ms, &s->plan);
}

static inline const struct action *find_action(const struct scenario *s, enum action_kind kind,
                                               const char *object_kind, const char *name)
{
    for (int i = 0; i < s->plan.n; i++) {
        const struct action *a = &s->plan.actions[i];

        if (a->kind == kind && (!object_kind || str_eq(a->object_kind, object_kind)) &&
            (!name || str_starts(a->name, name)))
            return a;
    }
    return NULL;
}

static inline const cJSON *find_command(const struct scenario *s, const char *kind)
{
    for (int i = 0; i < s->plan.n; i++)
        if (s->plan.actions[i].kind == ACTION_COMMAND &&
            str_eq(json_str(s->plan.actions[i].manifest, "kind"), kind))
            return json_get(s->plan.actions[i].manifest, "args");
    return NULL;
}

/* What the reconciler, the jobsubmitter and the watcher make of the plan: all of it carried out and
 * seen. */
static inline void carry_out(struct scenario *s)
{
    for (int i = 0; i < s->plan.n; i++) {
        const struct action *a = &s->plan.actions[i];

        if (a->kind == ACTION_APPLY || a->kind == ACTION_CREATE) {
            for (cJSON *o = s->snapshot.objects->child; o; o = o->next)
                if (str_eq(json_str(o, "kind"), a->object_kind) &&
                    str_eq(json_str(o, "metadata.name"), a->name)) {
                    cJSON_Delete(cJSON_DetachItemViaPointer(s->snapshot.objects, o));
                    break;
                }
            add_object(s, json_copy(a->manifest));
        } else if (a->kind == ACTION_PATCH) {
            json_foreach (o, s->snapshot.objects)
                if (str_eq(json_str(o, "kind"), a->object_kind) &&
                    str_eq(json_str(o, "metadata.name"), a->name))
                    json_apply_merge(o, a->manifest);
        } else if (a->kind == ACTION_DELETE) {
            for (cJSON *o = s->snapshot.objects->child, *next; o; o = next) {
                next = o->next;
                if (str_eq(json_str(o, "metadata.uid"), a->uid) ||
                    str_eq(json_str(cJSON_GetArrayItem(json_get(o, "metadata.ownerReferences"), 0),
                                    "uid"),
                           a->uid))
                    cJSON_Delete(cJSON_DetachItemViaPointer(s->snapshot.objects, o));
            }
        } else if (a->kind == ACTION_COMMAND) {
            cJSON *command = json_copy(a->manifest);

            json_set_int(command, "id", cJSON_GetArraySize(s->snapshot.commands) + 1);
            json_set_str(command, "state", "done");
            json_set_int(command, "createdAt", s->now_ms);
            json_set_int(command, "changedAt", s->now_ms);
            json_add_item(s->snapshot.commands, command);
            if (str_eq(json_str(command, "kind"), "submit"))
                add_object(s, json_copy(json_get(command, "args.manifest")));
        }
    }
}

/* The statusreporter's part that lives in life: job, savepoint, control, revision. */
static inline void record_status(struct scenario *s)
{
    struct view v;
    struct life l;

    view_init(&v, &s->snapshot, s->now_ms);
    life_derive(&v, &l);
    json_set(s->snapshot.cluster, "status.components.job", json_copy(l.job));
    json_remove(s->snapshot.cluster, "status.savepoint");
    if (l.savepoint)
        json_set(s->snapshot.cluster, "status.savepoint", json_copy(l.savepoint));
    json_remove(s->snapshot.cluster, "status.control");
    if (l.control)
        json_set(s->snapshot.cluster, "status.control", json_copy(l.control));
    json_remove(s->snapshot.cluster, "status.savepoints");
    if (l.savepoints)
        json_set(s->snapshot.cluster, "status.savepoints", json_copy(l.savepoints));
    if (l.clear_control)
        json_remove(s->snapshot.cluster, "metadata.annotations");
    json_set_str(s->snapshot.cluster, "status.revision.nextRevision", v.revision.next);
    json_set_str(s->snapshot.cluster, "status.revision.currentRevision",
                 l.update == UPDATE_FINISHED ? v.revision.next : v.revision.current);
    life_done(&l);
    view_done(&v);
}

/* Turns until nothing is left to do at this time. */
static inline void settle(struct scenario *s)
{
    for (int i = 0; i < 20; i++) {
        record_status(s);
        make_plan(s);
        if (s->plan.n == 0)
            break;
        carry_out(s);
    }
    record_status(s);
}

static inline const char *job_state(const struct scenario *s)
{
    return json_str_or(s->snapshot.cluster, "status.components.job.state", "");
}

static inline const char *job_id(const struct scenario *s)
{
    return json_str_or(s->snapshot.cluster, "status.components.job.id", "");
}

static inline const cJSON *object_of(const struct scenario *s, const char *kind, const char *name)
{
    return snapshot_object(&s->snapshot, kind, name);
}

static inline void after(struct scenario *s, int64_t seconds)
{
    s->now_ms += seconds * 1000;
}

/* From nothing to a job that Flink runs. */
static inline void run(struct scenario *s)
{
    settle(s);
    flink_lists(s, job_id(s), "RUNNING");
    settle(s);
    cr_assert_str_eq(job_state(s), "Running");
}

static inline void annotate(struct scenario *s, const char *request)
{
    json_set(s->snapshot.cluster, "metadata.annotations", cJSON_CreateObject());
    json_set_member_str(json_get(s->snapshot.cluster, "metadata.annotations"),
                        ANNOTATION_USER_CONTROL, request);
}

/* Flink completed the savepoint or stop that is in progress. */
static inline void trigger_completes(struct scenario *s, const char *json)
{
    char key[64];

    (void)snprintf(key, sizeof key, "trigger/%s",
                   json_str_or(s->snapshot.cluster, "status.savepoint.triggerID", ""));
    observe(s, key, json);
}

static inline void completes(struct scenario *s, const char *location)
{
    char text[256];

    cr_assert_str_eq(json_str_or(s->snapshot.cluster, "status.savepoint.state", ""), "InProgress");
    (void)snprintf(text, sizeof text, "{\"completed\":true,\"location\":\"%s\"}", location);
    trigger_completes(s, text);
    settle(s);
}

static inline void take_savepoint(struct scenario *s, const char *location)
{
    annotate(s, "savepoint");
    settle(s);
    completes(s, location);
}

/* The newest one, of second @at_s; @last: the run has ended, there are no others. */
static inline void checkpoint(struct scenario *s, const char *path, int64_t at_s, bool last)
{
    char key[64], text[256];

    (void)snprintf(key, sizeof key, "checkpoints/%s", job_id(s));
    (void)snprintf(text, sizeof text,
                   "{\"completed\":{\"id\":1,\"path\":\"%s\",\"time\":%lld}%s,\"since\":1}", path,
                   (long long)(T0 + at_s * 1000), last ? ",\"last\":true" : "");
    observe(s, key, text);
}

static inline void change_args(struct scenario *s, const char *args)
{
    json_set(s->snapshot.cluster, "spec.job.args", parse(args));
}

/* It runs, has a savepoint of second 10 and a checkpoint of second 40, and fails at 60. */
static inline void run_and_fail(struct scenario *s, const char *job, bool last)
{
    scenario_init(s, job);
    run(s);
    after(s, 10);
    take_savepoint(s, "file:///s/1");
    after(s, 50);
    checkpoint(s, "file:///c/chk-7", 40, last);
    flink_lists(s, job_id(s), "FAILED");
    settle(s);
}

static inline cJSON *submitter(const struct scenario *s)
{
    json_foreach (object, s->snapshot.objects)
        if (str_eq(json_str(object, "kind"), "Job"))
            return object;
    return NULL;
}

/* It failed, and its pod, which tells @message, is still there. */
static inline void submitter_fails(struct scenario *s, const char *message)
{
    char text[1024];

    json_set(submitter(s), "status", parse("{\"failed\":1}"));
    (void)snprintf(
        text, sizeof text,
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"c-job-submitter-x\",\"labels\":{\"job-name\":"
        "\"c-job-submitter\"},\"ownerReferences\":[{\"uid\":\"%s\",\"controller\":true}]},"
        "\"status\":{\"containerStatuses\":[{\"name\":\"main\",\"state\":{\"terminated\":{"
        "\"exitCode\":1,\"message\":\"message: |\\n  %s\"}}}]}}",
        json_str_or(submitter(s), "metadata.uid", ""), message);
    add_object(s, parse(text));
}

/* The stop that is in progress ends the job. */
static inline void stopped_at(struct scenario *s, const char *location)
{
    char text[256];

    flink_lists(s, job_id(s), "FINISHED");
    (void)snprintf(text, sizeof text, "{\"completed\":true,\"location\":\"%s\"}", location);
    trigger_completes(s, text);
    settle(s);
}

/* How many were ever given. */
static inline int commands(const struct scenario *s, const char *kind)
{
    int n = 0;

    json_foreach (command, s->snapshot.commands)
        n += str_eq(json_str(command, "kind"), kind);
    return n;
}

static inline const char *job_field(const struct scenario *s, const char *name)
{
    return json_str_or(json_get(s->snapshot.cluster, "status.components.job"), name, "");
}

#endif
