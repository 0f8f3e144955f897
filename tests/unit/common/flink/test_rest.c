#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/flink/rest.h"
#include "tests/lib/kube_fixture.h"

#define JOB     "0123456789abcdef0123456789abcdef"
#define TRIGGER "00112233445566778899aabbccddeeff"

static struct error err;

/* ---- the parsers ---- */

typedef int (*parse_fn)(const char *body, size_t len, cJSON **ret, struct error *err);

static void expect_parsed(parse_fn parse, const char *body, const char *expected)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    _cleanup_(freep) char *text = NULL;

    cr_assert_eq(parse(body, strlen(body), &json, &err), 0, "%s: %s", body, err.text);
    text = json_text(json);
    cr_expect_str_eq(text, expected);
}

Test(flink_parse, jobs_come_newest_first)
{
    expect_parsed(flink_parse_overview, "{}", "{\"jobs\":[]}");
    expect_parsed(
        flink_parse_overview,
        "{\"jobs\":[{\"jid\":\"" JOB "\",\"state\":\"FAILED\",\"name\":\"old\",\"start-time\":1,"
        "\"end-time\":2,\"tasks\":{\"total\":1}},"
        "{\"jid\":\"" TRIGGER "\",\"state\":\"RUNNING\",\"name\":\"new\",\"start-time\":5},"
        "{\"jid\":\"../../x\",\"state\":\"RUNNING\"},{\"state\":\"RUNNING\"},7]}",
        "{\"jobs\":[{\"jid\":\"" TRIGGER "\",\"state\":\"RUNNING\",\"name\":\"new\","
        "\"start-time\":5},{\"jid\":\"" JOB "\",\"state\":\"FAILED\",\"name\":\"old\","
        "\"start-time\":1}]}");
}

static void expect_waits(const char *state, const char *tasks, bool waits)
{
    _cleanup_(freep) char *from =
        str_printf("{\"jobs\":[{\"jid\":\"" JOB "\",\"state\":\"%s\",\"name\":\"j\","
                   "\"start-time\":1,\"tasks\":%s}]}",
                   state, tasks);
    _cleanup_(freep) char *to =
        str_printf("{\"jobs\":[{\"jid\":\"" JOB "\",\"state\":\"%s\",\"name\":\"j\","
                   "\"start-time\":1%s}]}",
                   state, waits ? ",\"waits\":true" : "");

    expect_parsed(flink_parse_overview, from, to);
}

Test(flink_parse, a_job_waits_until_its_tasks_run)
{
    expect_waits("RUNNING", "{\"total\":2,\"scheduled\":2}", true);
    expect_waits("RUNNING", "{\"total\":2,\"running\":1,\"initializing\":1}", true);
    expect_waits("RUNNING", "{\"total\":2,\"running\":2}", false);
    expect_waits("RUNNING", "{\"total\":2,\"finished\":1,\"created\":1}", false);
    expect_waits("RUNNING", "{}", false);
    expect_waits("FAILED", "{\"total\":2}", false);
}

Test(flink_parse, exceptions_are_read_from_old_and_new_fields_once)
{
    expect_parsed(flink_parse_exceptions, "{}", "{\"exceptions\":[]}");
    expect_parsed(flink_parse_exceptions,
                  "{\"root-exception\":\"A\",\"all-exceptions\":[{\"exception\":\"B\","
                  "\"location\":\"x\"},{\"exception\":\"A\"}],\"exceptionHistory\":{\"entries\":["
                  "{\"stacktrace\":\"C\"},{\"stacktrace\":5},{\"stacktrace\":\" \"}]}}",
                  "{\"exceptions\":[\"C\",\"A\",\"B\"]}");
    expect_parsed(flink_parse_exceptions,
                  "{\"all-exceptions\":[{\"exception\":\"1\"},{\"exception\":\"2\"},"
                  "{\"exception\":\"3\"},{\"exception\":\"4\"},{\"exception\":\"5\"},"
                  "{\"exception\":\"6\"}]}",
                  "{\"exceptions\":[\"1\",\"2\",\"3\",\"4\",\"5\"]}");
}

Test(flink_parse, a_long_exception_is_cut_between_characters)
{
    _cleanup_(json_freep) cJSON *json = NULL;
    char body[8192] = "{\"root-exception\":\"x";
    const char *text;

    while (strlen(body) < 6000)
        (void)strncat(body, "\u00e4", sizeof(body) - strlen(body) - 1);
    (void)strncat(body, "\"}", sizeof(body) - strlen(body) - 1);
    cr_assert_eq(flink_parse_exceptions(body, strlen(body), &json, &err), 0, "%s", err.text);
    text = cJSON_GetArrayItem(json_get(json, "exceptions"), 0)->valuestring;
    cr_expect_eq(strlen(text), 1999);
}

Test(flink_parse, only_a_checkpoint_that_can_be_restored_counts)
{
    expect_parsed(flink_parse_checkpoints,
                  "{\"latest\":{\"completed\":{\"id\":7,\"external_path\":\"s3://b/chk-7\","
                  "\"trigger_timestamp\":5,\"latest_ack_timestamp\":9,\"discarded\":false},"
                  "\"restored\":{\"external_path\":\"s3://b/sp\"}}}",
                  "{\"completed\":{\"id\":7,\"path\":\"s3://b/chk-7\",\"time\":9},"
                  "\"restored\":{\"path\":\"s3://b/sp\"}}");
    expect_parsed(flink_parse_checkpoints,
                  "{\"latest\":{\"savepoint\":{\"id\":6,\"external_path\":\"s3://b/sp\","
                  "\"trigger_timestamp\":5,\"latest_ack_timestamp\":9}}}",
                  "{\"savepoint\":{\"id\":6,\"path\":\"s3://b/sp\"}}");
    expect_parsed(flink_parse_checkpoints, "{\"latest\":{\"completed\":null,\"restored\":null}}",
                  "{}");
    expect_parsed(flink_parse_checkpoints,
                  "{\"latest\":{\"completed\":{\"external_path\":\"s3://b\",\"discarded\":true}}}",
                  "{}");
    expect_parsed(flink_parse_checkpoints,
                  "{\"latest\":{\"completed\":{\"external_path\":"
                  "\"<checkpoint-not-externally-addressable>\"}}}",
                  "{}");
    expect_parsed(flink_parse_checkpoints,
                  "{\"latest\":{\"completed\":{\"external_path\":\"a\\nb\"}}}", "{}");
}

Test(flink_parse, a_savepoint_is_under_way_done_or_failed)
{
    expect_parsed(flink_parse_savepoint, "{\"status\":{\"id\":\"IN_PROGRESS\"},\"operation\":null}",
                  "{\"completed\":false}");
    expect_parsed(flink_parse_savepoint,
                  "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"location\":\"file:/sp\"}}",
                  "{\"completed\":true,\"location\":\"file:/sp\"}");
    expect_parsed(flink_parse_savepoint,
                  "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"failure-cause\":"
                  "{\"class\":\"X\",\"stack-trace\":\"X: no\\n\\tat y\"}}}",
                  "{\"completed\":true,\"failure\":\"X: no\\n\\tat y\"}");
    expect_parsed(flink_parse_savepoint,
                  "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"failure-cause\":"
                  "{\"class\":\"X\",\"stack-trace\":\"\"}}}",
                  "{\"completed\":true,\"failure\":\"X\"}");
}

Test(flink_parse, a_trigger_has_an_id)
{
    expect_parsed(flink_parse_trigger, "{\"request-id\":\"" TRIGGER "\"}",
                  "{\"triggerId\":\"" TRIGGER "\"}");
}

Test(flink_parse, hostile_answers_are_refused)
{
    static const struct {
        parse_fn parse;
        const char *body;
    } rows[] = {
        {flink_parse_overview, ""},
        {flink_parse_overview, "[]"},
        {flink_parse_overview, "{\"jobs\":{}}"},
        {flink_parse_overview, "{\"jobs\":[}"},
        {flink_parse_exceptions, "null"},
        {flink_parse_checkpoints, "5"},
        {flink_parse_savepoint, "{}"},
        {flink_parse_savepoint, "{\"status\":\"COMPLETED\"}"},
        {flink_parse_savepoint, "{\"status\":{\"id\":1}}"},
        {flink_parse_trigger, "{}"},
        {flink_parse_trigger, "{\"request-id\":\"x\"}"},
        {flink_parse_trigger, "{\"request-id\":7}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cJSON *json = NULL;

        cr_expect_eq(rows[i].parse(rows[i].body, strlen(rows[i].body), &json, &err), -EPROTO, "%s",
                     rows[i].body);
        cr_expect_null(json);
    }
}

Test(flink_parse, more_jobs_than_anybody_runs_are_refused)
{
    enum { JOBS = 1001 };
    _cleanup_(freep) char *body = malloc((size_t)JOBS * 64);
    size_t len = (size_t)snprintf(body, 64, "{\"jobs\":[");
    cJSON *json = NULL;

    for (int i = 0; i < JOBS; i++)
        len += (size_t)snprintf(body + len, 64, "%s{\"jid\":\"%032x\"}", i ? "," : "", i);
    len += (size_t)snprintf(body + len, 64, "]}");
    cr_expect_eq(flink_parse_overview(body, len, &json, &err), -EPROTO, "%s", err.text);
}

/* ---- the calls ---- */

static struct loop *loop;
static struct http *http;
static struct fake_http *fake;
static struct flink_client *client;
static struct fake_answer script;
static char seen[8192];

static void on_request(const struct fake_request *request, struct fake_answer *answer,
                       void *userdata)
{
    (void)userdata;
    *answer = script;
    (void)snprintf(seen, sizeof(seen), "%s %s %s", request->method, request->target, request->body);
}

static void open_client(void)
{
    cr_assert_eq(loop_new(&loop, &err), 0, "%s", err.text);
    cr_assert_eq(http_new(loop, &http, &err), 0, "%s", err.text);
    cr_assert_eq(flink_client_new(http, &client, &err), 0, "%s", err.text);
    fake = fake_http_new(loop, on_request, NULL);
}

static void close_client(void)
{
    flink_client_free(client);
    fake_http_free(fake);
    http_free(http);
    loop_free(loop);
}

TestSuite(flink, .init = open_client, .fini = close_client, .timeout = 30);

struct answer {
    bool done, transient;
    int status;
    char error[1024], json[1024];
};

static void on_done(struct flink_response *response, void *userdata)
{
    struct answer *a = userdata;
    _cleanup_(freep) char *text = response->json ? json_text(response->json) : NULL;

    *a =
        (struct answer){.done = true, .transient = response->transient, .status = response->status};
    str_copy(a->error, sizeof(a->error), response->error);
    str_copy(a->json, sizeof(a->json), text ? text : "");
}

static void wait_for(const struct answer *a)
{
    for (int i = 0; !a->done; i++) {
        cr_assert_lt(i, 1000);
        cr_assert_eq(loop_step(loop, 20, &err), 0, "%s", err.text);
    }
}

static struct answer overview(void)
{
    struct answer a = {0};

    cr_assert_eq(flink_jobs_overview(client, fake_http_url(fake), on_done, &a, NULL, &err), 0, "%s",
                 err.text);
    cr_expect_not(a.done, "never from inside");
    wait_for(&a);
    return a;
}

Test(flink, each_call_is_its_request)
{
    const char *base = fake_http_url(fake);
    struct answer a = {0};

#define EXPECT(call, expected)                                                                     \
    do {                                                                                           \
        a.done = false;                                                                            \
        cr_assert_eq(call, 0, "%s", err.text);                                                     \
        wait_for(&a);                                                                              \
        cr_expect_str_eq(seen, expected);                                                          \
    } while (0)

    script = (struct fake_answer){.status = 202, .body = "{\"request-id\":\"" TRIGGER "\"}"};
    EXPECT(flink_savepoint_trigger(client, base, JOB, "s3://\"x", "NATIVE", TRIGGER, on_done, &a,
                                   NULL, &err),
           "POST /jobs/" JOB "/savepoints {\"target-directory\":\"s3://\\\"x\",\"cancel-job\":"
           "false,\"formatType\":\"NATIVE\",\"triggerId\":\"" TRIGGER "\"}");
    cr_expect_str_eq(a.json, "{\"triggerId\":\"" TRIGGER "\"}");
    EXPECT(flink_job_stop(client, base, JOB, "d", true, NULL, NULL, on_done, &a, NULL, &err),
           "POST /jobs/" JOB "/stop {\"targetDirectory\":\"d\",\"drain\":true}");
    EXPECT(flink_savepoint_dispose(client, base, "p", TRIGGER, on_done, &a, NULL, &err),
           "POST /savepoint-disposal {\"savepoint-path\":\"p\",\"triggerId\":\"" TRIGGER "\"}");
    script.body = "";
    EXPECT(flink_job_cancel(client, base, JOB, on_done, &a, NULL, &err),
           "PATCH /jobs/" JOB "?mode=cancel ");
    cr_expect_str_eq(a.json, "{}");
    script = (struct fake_answer){.status = 200, .body = "{\"status\":{\"id\":\"COMPLETED\"}}"};
    EXPECT(flink_savepoint_status(client, base, JOB, TRIGGER, on_done, &a, NULL, &err),
           "GET /jobs/" JOB "/savepoints/" TRIGGER " ");
    EXPECT(flink_dispose_status(client, base, TRIGGER, on_done, &a, NULL, &err),
           "GET /savepoint-disposal/" TRIGGER " ");
    EXPECT(flink_job_exceptions(client, base, JOB, on_done, &a, NULL, &err),
           "GET /jobs/" JOB "/exceptions ");
    EXPECT(flink_job_checkpoints(client, base, JOB, on_done, &a, NULL, &err),
           "GET /jobs/" JOB "/checkpoints ");
    EXPECT(flink_jobs_overview(client, base, on_done, &a, NULL, &err), "GET /jobs/overview ");
#undef EXPECT
}

Test(flink, what_is_no_id_never_gets_into_a_url)
{
    const char *base = fake_http_url(fake);

    cr_expect_eq(flink_job_cancel(client, base, "../x", on_done, NULL, NULL, &err), -EINVAL);
    cr_expect_eq(flink_job_cancel(client, base, NULL, on_done, NULL, NULL, &err), -EINVAL);
    cr_expect_eq(flink_savepoint_status(client, base, JOB, "x", on_done, NULL, NULL, &err),
                 -EINVAL);
    cr_expect_eq(flink_dispose_status(client, base, "", on_done, NULL, NULL, &err), -EINVAL);
    cr_expect_eq(fake_http_requests(fake), 0);
}

Test(flink, an_error_says_what_flink_says)
{
    struct answer a;

    script = (struct fake_answer){
        .status = 500,
        .body = "{\"errors\":[\"Internal server error.\",\"<Exception on server side:\\n"
                "java.lang.IllegalStateException: no slots\\n\\tat a.b\\nEnd of exception>\"]}"};
    a = overview();
    cr_expect_eq(a.status, 500);
    cr_expect_str_eq(a.error, "HTTP status 500; Internal server error.; "
                              "java.lang.IllegalStateException: no slots");
    cr_expect(a.transient);
    cr_expect_str_eq(a.json, "");
    script = (struct fake_answer){.status = 404, .body = "<html>"};
    a = overview();
    cr_expect_str_eq(a.error, "HTTP status 404");
    cr_expect_not(a.transient);
    script = (struct fake_answer){.status = 302, .headers = "Location: http://127.0.0.1:1/\r\n"};
    a = overview();
    cr_expect_eq(a.status, 302, "not followed");
}

Test(flink, many_errors_are_bounded)
{
    char body[16384] = "{\"errors\":[\"a\"";
    struct answer a;

    while (strlen(body) < 10000)
        (void)strncat(body, ",\"0123456789012345678901234567890123456789\"",
                      sizeof(body) - strlen(body) - 1);
    (void)strncat(body, "]}", sizeof(body) - strlen(body) - 1);
    script = (struct fake_answer){.status = 400, .body = body};
    a = overview();
    cr_expect_leq(strlen(a.error), 800);
    cr_expect(str_starts(a.error, "HTTP status 400; a; 0123"), "%s", a.error);
}

Test(flink, nobody_there_is_transient)
{
    struct answer a;

    script = (struct fake_answer){.status = 0};
    a = overview();
    cr_expect_eq(a.status, 0);
    cr_expect(a.transient);
    cr_expect_str_not_empty(a.error);
}

Test(flink, an_answer_that_makes_no_sense_is_an_error)
{
    struct answer a;

    script = (struct fake_answer){.status = 200, .body = "{\"jobs\":5}"};
    a = overview();
    cr_expect_eq(a.status, 200);
    cr_expect_not_null(strstr(a.error, "jobs is no list"), "%s", a.error);
    cr_expect_str_eq(a.json, "");
}

Test(flink, a_cancelled_call_never_ends)
{
    struct flink_call *call;
    struct answer a = {0};

    script = (struct fake_answer){.status = 200, .hold = true};
    cr_assert_eq(flink_jobs_overview(client, fake_http_url(fake), on_done, &a, &call, &err), 0);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(loop_step(loop, 2, &err), 0);
    flink_cancel(call);
    cr_assert_eq(flink_jobs_overview(client, fake_http_url(fake), on_done, &a, NULL, &err), 0);
    client = flink_client_free(client);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(loop_step(loop, 2, &err), 0);
    cr_expect_not(a.done);
}
