#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/call.h"
#include "common/kube/resource.h"
#include "tests/lib/kube_fixture.h"

static struct kube_fixture f;
static struct error err;

/* The answers, in order; the last is given again and again. */
static struct fake_answer script[8];
static char seen[16384]; /* the last request */

static void on_request(const struct fake_request *request, struct fake_answer *answer,
                       void *userdata)
{
    size_t last = 0;

    (void)userdata;
    while (last + 1 < ARRAY_SIZE(script) && script[last + 1].status)
        last++;
    *answer = script[(size_t)request->number < last ? (size_t)request->number : last];
    (void)snprintf(seen, sizeof(seen), "%s %s\n%s\n\n%s", request->method, request->target,
                   request->headers, request->body);
}

static void open_with(const char *user)
{
    kube_fixture_open(&f, user, on_request, NULL);
}

static void open_with_token(void)
{
    open_with("{\"token\": \"secret\"}");
}

static void close_fixture(void)
{
    kube_fixture_close(&f);
}

TestSuite(kube, .init = open_with_token, .fini = close_fixture, .timeout = 30);
TestSuite(kube_auth, .fini = close_fixture, .timeout = 30);

struct answer {
    bool done;
    int status, times;
    char reason[64], message[512], text[64];
    cJSON *object;
    bool transient;
};

static void on_done(struct kube_response *response, void *userdata)
{
    struct answer *a = userdata;

    a->done = true;
    a->times++;
    a->status = response->status;
    a->transient = response->transient;
    a->object = TAKE(response->object);
    str_copy(a->reason, sizeof(a->reason), response->reason);
    str_copy(a->message, sizeof(a->message), response->message);
    str_copy(a->text, sizeof(a->text), response->text ? response->text : "");
}

static struct answer call(struct kube_request request)
{
    struct answer a = {0};

    if (!request.resource)
        request.resource = resource_get(RESOURCE_POD);
    cr_assert_eq(kube_start(f.client, &request, on_done, &a, NULL, &err), 0, "%s", err.text);
    cr_expect_not(a.done, "never from inside");
    cr_expect_eq(kube_active(f.client), 1);
    kube_fixture_run(&f, &a.done);
    cr_expect_eq(kube_active(f.client), 0);
    cr_expect_eq(a.times, 1);
    cJSON_Delete(a.object);
    return a;
}

static struct answer get_pod(void)
{
    return call((struct kube_request){.verb = KUBE_GET, .ns = "ns", .name = "p"});
}

/* ---- what goes on the wire ---- */

Test(kube, a_get_names_its_object)
{
    script[0] = (struct fake_answer){.status = 200, .body = "{\"kind\": \"Pod\"}"};
    cr_expect_eq(get_pod().status, 200);
    cr_expect(str_starts(seen, "GET /api/v1/namespaces/ns/pods/p\n"), "%s", seen);
    cr_expect_not_null(strstr(seen, "Authorization: Bearer secret\r\n"), "%s", seen);
    cr_expect_not_null(strstr(seen, "User-Agent: flinkd-test/"), "%s", seen);
    cr_expect_not_null(strstr(seen, "Accept: application/json"), "%s", seen);
}

Test(kube, a_name_stays_one_segment_of_the_path)
{
    script[0] = (struct fake_answer){.status = 200, .body = "{}"};
    call((struct kube_request){.verb = KUBE_GET, .ns = "a/b", .name = "p?x=1&y#z%"});
    cr_expect(str_starts(seen, "GET /api/v1/namespaces/a%2Fb/pods/p%3Fx%3D1%26y%23z%25\n"), "%s",
              seen);
}

Test(kube, a_list_is_of_one_namespace_or_all)
{
    const struct kube_resource *jobs = resource_get(RESOURCE_JOB);

    script[0] = (struct fake_answer){.status = 200, .body = "{}"};
    call((struct kube_request){.verb = KUBE_LIST, .resource = jobs, .query = "limit=1"});
    cr_expect(str_starts(seen, "GET /apis/batch/v1/jobs?limit=1\n"), "%s", seen);
    call((struct kube_request){.verb = KUBE_LIST, .resource = jobs, .ns = "ns"});
    cr_expect(str_starts(seen, "GET /apis/batch/v1/namespaces/ns/jobs\n"), "%s", seen);
}

Test(kube, an_apply_forces_with_its_field_manager)
{
    _cleanup_(json_freep) cJSON *body = cJSON_CreateObject();

    json_set_str(body, "kind", "Pod");
    script[0] = (struct fake_answer){.status = 201, .body = "{}"};
    call((struct kube_request){.verb = KUBE_APPLY,
                               .ns = "ns",
                               .name = "p",
                               .subresource = "status",
                               .body = body,
                               .dry_run = true});
    cr_expect(str_starts(seen, "PATCH /api/v1/namespaces/ns/pods/p/status"
                               "?fieldManager=flinkd&force=true&dryRun=All\n"),
              "%s", seen);
    cr_expect_not_null(strstr(seen, "Content-Type: application/apply-patch+yaml\r\n"), "%s", seen);
    cr_expect(str_ends(seen, "\n\n{\"kind\":\"Pod\"}"), "%s", seen);
}

Test(kube, create_patch_delete_and_log)
{
    _cleanup_(json_freep) cJSON *body = cJSON_CreateObject();
    _cleanup_(json_freep) cJSON *options = kube_delete_options("Foreground", "u1", NULL);

    script[0] = (struct fake_answer){.status = 200, .body = "{}"};
    call((struct kube_request){.verb = KUBE_CREATE, .ns = "ns", .body = body});
    cr_expect(str_starts(seen, "POST /api/v1/namespaces/ns/pods?fieldManager=flinkd\n"), "%s",
              seen);
    call((struct kube_request){.verb = KUBE_MERGE_PATCH, .ns = "ns", .name = "p", .body = body});
    cr_expect_not_null(strstr(seen, "Content-Type: application/merge-patch+json\r\n"), "%s", seen);
    call((struct kube_request){.verb = KUBE_DELETE, .ns = "ns", .name = "p", .body = options});
    cr_expect(str_starts(seen, "DELETE /api/v1/namespaces/ns/pods/p\n"), "%s", seen);
    cr_expect(str_ends(seen, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\","
                             "\"propagationPolicy\":\"Foreground\","
                             "\"preconditions\":{\"uid\":\"u1\"}}"),
              "%s", seen);
    script[0].body = "line\n";
    cr_expect_str_eq(call((struct kube_request){
                              .verb = KUBE_LOG, .ns = "ns", .name = "p", .query = "container=main"})
                         .text,
                     "line\n");
    cr_expect(str_starts(seen, "GET /api/v1/namespaces/ns/pods/p/log?container=main\n"), "%s",
              seen);
}

Test(kube, what_has_no_name_is_refused_at_once)
{
    const struct kube_resource *pods = resource_get(RESOURCE_POD);
    _cleanup_(json_freep) cJSON *body = cJSON_CreateObject();
    const struct kube_request bad[] = {
        {.verb = KUBE_GET, .ns = "ns", .name = "p"},
        {.verb = KUBE_GET, .resource = pods, .ns = "ns"},
        {.verb = KUBE_GET, .resource = pods, .name = "p"},
        {.verb = KUBE_GET, .resource = pods, .ns = "ns", .name = ".."},
        {.verb = KUBE_CREATE, .resource = pods, .body = body},
        {.verb = KUBE_CREATE, .resource = pods, .ns = "ns"},
        {.verb = KUBE_DELETE, .resource = pods, .ns = "", .name = "p"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(kube_start(f.client, &bad[i], on_done, NULL, NULL, &err), -EINVAL, "%zu", i);
    cr_expect_eq(kube_active(f.client), 0);
    cr_expect_eq(fake_http_requests(f.fake), 0);
}

/* ---- answers ---- */

Test(kube, a_refusal_carries_reason_and_message_and_is_not_repeated)
{
    struct answer a;

    script[0] = (struct fake_answer){.status = 404,
                                     .body = "{\"kind\":\"Status\",\"reason\":\"NotFound\","
                                             "\"message\":\"pods \\\"p\\\" not found\"}"};
    a = get_pod();
    cr_expect_eq(a.status, 404);
    cr_expect_str_eq(a.reason, "NotFound");
    cr_expect_str_eq(a.message, "pods \"p\" not found");
    cr_expect_not(a.transient);
    cr_expect_eq(fake_http_requests(f.fake), 1);
}

Test(kube, an_error_page_is_a_message_too)
{
    struct answer a;

    script[0] = (struct fake_answer){.status = 403, .body = "<html>go away</html>"};
    a = get_pod();
    cr_expect_str_eq(a.reason, "");
    cr_expect_str_eq(a.message, "HTTP status 403: <html>go away</html>");
}

Test(kube, a_kind_that_is_not_installed_is_not_found)
{
    struct answer a;

    script[0] = (struct fake_answer){.status = 404, .body = "404 page not found\n"};
    a = get_pod();
    cr_expect_str_eq(a.reason, "NotFound");
    cr_expect_str_eq(a.message, "HTTP status 404: 404 page not found");
}

Test(kube, a_server_that_recovers_is_asked_again)
{
    int64_t begin_ms = time_monotonic_ms();

    script[0] = (struct fake_answer){.status = 500, .body = "{}"};
    script[1] = (struct fake_answer){.status = 429, .headers = "Retry-After: 0\r\n"};
    script[2] = (struct fake_answer){.status = 501, .body = "<html>proxy</html>"};
    script[3] = (struct fake_answer){.status = 200, .body = "{}"};
    cr_expect_eq(get_pod().status, 200);
    cr_expect_eq(fake_http_requests(f.fake), 4);
    cr_expect_geq(time_monotonic_ms() - begin_ms, 100 + 200 + 400, "later each time");
}

Test(kube, a_server_that_wants_time_gets_it)
{
    int64_t begin_ms = time_monotonic_ms();

    script[0] = (struct fake_answer){.status = 429, .headers = "Retry-After: 1\r\n"};
    script[1] = (struct fake_answer){.status = 200, .body = "{}"};
    cr_expect_eq(get_pod().status, 200);
    cr_expect_geq(time_monotonic_ms() - begin_ms, 1000);
}

Test(kube, attempts_are_counted)
{
    struct answer a;

    script[0] = (struct fake_answer){.status = 503, .body = "busy"};
    a = call((struct kube_request){.verb = KUBE_GET, .ns = "n", .name = "p", .max_attempts = 2});
    cr_expect_eq(a.status, 503);
    cr_expect(a.transient);
    cr_expect_eq(fake_http_requests(f.fake), 2);
}

Test(kube, no_answer_is_status_0)
{
    struct answer a;

    script[0] = (struct fake_answer){.status = 0};
    a = call((struct kube_request){.verb = KUBE_GET, .ns = "n", .name = "p", .max_attempts = 1});
    cr_expect_eq(a.status, 0);
    cr_expect(a.transient);
    cr_expect_str_not_empty(a.message);
}

Test(kube, an_answer_that_is_cut_off_is_no_answer)
{
    struct answer a;

    script[0] = (struct fake_answer){.status = 200, .body = "{\"kind\":", .cut = true};
    a = call((struct kube_request){.verb = KUBE_GET, .ns = "n", .name = "p", .max_attempts = 1});
    cr_expect_eq(a.status, 0);
    cr_expect(a.transient);
    script[0] = (struct fake_answer){.status = 200, .body = "{\"kind\":"};
    a = call((struct kube_request){.verb = KUBE_GET, .ns = "n", .name = "p", .max_attempts = 1});
    cr_expect(a.transient);
    cr_expect_not_null(strstr(a.message, "no JSON"), "%s", a.message);
}

Test(kube, a_cancelled_call_never_ends)
{
    struct kube_request request = {
        .verb = KUBE_GET, .resource = resource_get(RESOURCE_POD), .ns = "n", .name = "p"};
    struct kube_call *running;
    struct answer a = {0};

    script[0] = (struct fake_answer){.status = 200, .body = "{}", .hold = true};
    cr_assert_eq(kube_start(f.client, &request, on_done, &a, &running, &err), 0);
    kube_fixture_run_ms(&f, 50);
    cr_expect_eq(fake_http_held(f.fake), 1);
    kube_cancel(running);
    cr_assert_eq(kube_start(f.client, &request, on_done, &a, &running, &err), 0);
    kube_cancel(running);
    kube_fixture_run_ms(&f, 50);
    cr_expect_eq(a.times, 0);
    cr_expect_eq(kube_active(f.client), 0);
    cr_assert_eq(kube_start(f.client, &request, on_done, &a, NULL, &err), 0);
    f.client = kube_client_free(f.client); /* with one under way */
    kube_fixture_run_ms(&f, 20);
    cr_expect_eq(a.times, 0);
}

static struct kube_client *client_that_sends(int max)
{
    _cleanup_(freep) char *path = str_printf("%s/config", f.dir);
    struct kube_options options = {.kubeconfig = path, .sending_max = max};
    struct kube_client *client;

    cr_assert_eq(kube_client_new(f.http, f.loop, &options, &client, &err), 0, "%s", err.text);
    return client;
}

Test(kube, who_may_send_two_at_once_keeps_the_third_until_one_is_answered)
{
    struct kube_request request = {
        .verb = KUBE_GET, .resource = resource_get(RESOURCE_POD), .ns = "n", .name = "p"};
    struct answer answers[3] = {0};

    script[0] = (struct fake_answer){.status = 200, .body = "{}", .hold = true};
    script[1] = (struct fake_answer){.status = 200, .body = "{}"};
    kube_client_free(f.client);
    f.client = client_that_sends(2);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        cr_assert_eq(kube_start(f.client, &request, on_done, &answers[i], NULL, &err), 0);
    while (fake_http_held(f.fake) == 0) /* the suite has a deadline */
        kube_fixture_run_ms(&f, 10);
    cr_expect_eq(f.client->sending, 2);
    fake_http_hang_up(f.fake); /* the end of the answer */
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        kube_fixture_run(&f, &answers[i].done);
        cr_expect_eq(answers[i].status, 200);
        cJSON_Delete(answers[i].object);
    }
    cr_expect_eq(f.client->sending, 0);
}

Test(kube, a_deadline_ends_each_attempt)
{
    struct answer a;

    script[0] = (struct fake_answer){.status = 200, .body = "{", .hold = true};
    a = call((struct kube_request){
        .verb = KUBE_GET, .ns = "n", .name = "p", .timeout_ms = 100, .max_attempts = 2});
    cr_expect_eq(a.status, 0);
    cr_expect_eq(fake_http_requests(f.fake), 2);
}

Test(kube, sync_maps_what_went_wrong_to_errno)
{
    static const struct {
        int status, expected;
        const char *body;
    } rows[] = {
        {401, -EACCES, "{}"},
        {403, -EACCES, "{}"},
        {404, -ENOENT, "{\"message\":\"gone\"}"},
        {409, -EEXIST, "{\"reason\":\"AlreadyExists\"}"},
        {409, -EAGAIN, "{\"reason\":\"Conflict\"}"},
        {422, -EINVAL, "{}"},
        {500, -EIO, "{}"},
        {200, 0, "{\"a\":1}"},
    };
    struct kube_request request = {.verb = KUBE_GET,
                                   .resource = resource_get(RESOURCE_POD),
                                   .ns = "n",
                                   .name = "p",
                                   .max_attempts = 1};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(json_freep) cJSON *object = NULL;

        script[0] = (struct fake_answer){.status = rows[i].status, .body = rows[i].body};
        cr_expect_eq(kube_call_sync(f.client, f.loop, &request, &object, &err), rows[i].expected,
                     "%d", rows[i].status);
        cr_expect_eq(object != NULL, rows[i].expected == 0);
        if (rows[i].status == 404)
            cr_expect_str_eq(err.text, "get Pod p: gone");
    }
}

/* ---- credentials ---- */

/* Another time than that of the file before it, however coarse the clock of the file system. */
static void write_token_at(const char *token, time_t when)
{
    _cleanup_(freep) char *path = str_printf("%s/token", f.dir);
    const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};

    kube_fixture_write(&f, "token", token, 0600);
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

Test(kube_auth, a_token_file_is_read_again_when_it_changes)
{
    open_with("{\"tokenFile\": \"token\"}");
    script[0] = (struct fake_answer){.status = 200, .body = "{}"};
    write_token_at("first\n", 1000);
    get_pod();
    cr_expect_not_null(strstr(seen, "Bearer first\r\n"), "%s", seen);
    write_token_at("other\n", 1001); /* of the same length */
    get_pod();
    cr_expect_not_null(strstr(seen, "Bearer other\r\n"), "%s", seen);
}

Test(kube_auth, a_401_is_answered_with_a_fresh_token_once)
{
    open_with("{\"tokenFile\": \"token\"}");
    kube_fixture_write(&f, "token", "t", 0600);
    script[0] = (struct fake_answer){.status = 401, .body = "{}"};
    script[1] = (struct fake_answer){.status = 200, .body = "{}"};
    cr_expect_eq(get_pod().status, 200);
    cr_expect_eq(fake_http_requests(f.fake), 2);
    script[1] = (struct fake_answer){0};
    cr_expect_eq(get_pod().status, 401, "not for ever");
    cr_expect_eq(fake_http_requests(f.fake), 4);
}

Test(kube_auth, a_fixed_token_that_is_refused_is_not_tried_again)
{
    open_with("{\"token\": \"t\"}");
    script[0] = (struct fake_answer){.status = 401, .body = "{}"};
    cr_expect_eq(get_pod().status, 401);
    cr_expect_eq(fake_http_requests(f.fake), 1);
}

Test(kube_auth, a_missing_token_file_is_told_of)
{
    struct answer a;

    open_with("{\"tokenFile\": \"nowhere\"}");
    a = call((struct kube_request){.verb = KUBE_GET, .ns = "n", .name = "p", .max_attempts = 1});
    cr_expect_eq(a.status, 0);
    cr_expect_not_null(strstr(a.message, "/nowhere: No such file"), "%s", a.message);
    cr_expect_eq(fake_http_requests(f.fake), 0);
}

static const char exec_user[] =
    "{\"exec\": {\"apiVersion\": \"client.authentication.k8s.io/v1\", \"command\": \"./plugin\","
    " \"args\": [\"a b\"], \"env\": [{\"name\": \"GREETING\", \"value\": \"hi\"}]}}";

/* Counts its runs in @file and says who it is. */
static void write_plugin(const char *expires)
{
    _cleanup_(freep) char *script_text =
        str_printf("#!/bin/sh\necho run >> %s/runs\n"
                   "n=$(wc -l < %s/runs)\n"
                   "case $KUBERNETES_EXEC_INFO in *ExecCredential*) ;; *) exit 3 ;; esac\n"
                   "echo \"{\\\"kind\\\":\\\"ExecCredential\\\",\\\"status\\\":{\\\"token\\\":"
                   "\\\"$GREETING-$1-$n\\\"%s}}\" | tr ' ' '_'\n",
                   f.dir, f.dir, expires);

    kube_fixture_write(&f, "plugin", script_text, 0700);
}

Test(kube_auth, a_plugin_gives_a_token_that_is_kept)
{
    open_with(exec_user);
    write_plugin("");
    script[0] = (struct fake_answer){.status = 200, .body = "{}"};
    cr_expect_eq(get_pod().status, 200);
    cr_expect_not_null(strstr(seen, "Bearer hi-a_b-1\r\n"), "%s", seen);
    get_pod();
    cr_expect_not_null(strstr(seen, "Bearer hi-a_b-1\r\n"), "kept: %s", seen);
}

Test(kube_auth, an_expired_token_is_asked_for_again)
{
    open_with(exec_user);
    write_plugin(",\\\"expirationTimestamp\\\":\\\"2020-01-02T03:04:05Z\\\"");
    script[0] = (struct fake_answer){.status = 200, .body = "{}"};
    get_pod();
    get_pod();
    cr_expect_not_null(strstr(seen, "Bearer hi-a_b-1\r\n"), "not in a circle: %s", seen);
    kube_fixture_run_ms(&f, 1100);
    get_pod();
    cr_expect_not_null(strstr(seen, "Bearer hi-a_b-2\r\n"), "%s", seen);
}

Test(kube_auth, a_refused_token_is_asked_for_again)
{
    open_with(exec_user);
    write_plugin("");
    script[0] = (struct fake_answer){.status = 401, .body = "{}"};
    script[1] = (struct fake_answer){.status = 200, .body = "{}"};
    cr_expect_eq(get_pod().status, 200);
    cr_expect_not_null(strstr(seen, "Bearer hi-a_b-2\r\n"), "%s", seen);
}

Test(kube_auth, calls_share_one_run_of_a_plugin)
{
    struct kube_request request = {
        .verb = KUBE_GET, .resource = resource_get(RESOURCE_POD), .ns = "n", .name = "p"};
    struct answer a = {0}, b = {0};

    open_with(exec_user);
    write_plugin("");
    script[0] = (struct fake_answer){.status = 200};
    script[0].body = "{}";
    cr_assert_eq(kube_start(f.client, &request, on_done, &a, NULL, &err), 0);
    cr_assert_eq(kube_start(f.client, &request, on_done, &b, NULL, &err), 0);
    kube_fixture_run(&f, &a.done);
    kube_fixture_run(&f, &b.done);
    cr_expect_not_null(strstr(seen, "Bearer hi-a_b-1\r\n"), "%s", seen);
    cJSON_Delete(a.object);
    cJSON_Delete(b.object);
}

Test(kube_auth, a_failing_plugin_says_why)
{
    struct answer a;

    open_with(exec_user);
    kube_fixture_write(&f, "plugin", "#!/bin/sh\necho first >&2; echo log in first >&2; exit 7\n",
                       0700);
    a = call((struct kube_request){.verb = KUBE_GET, .ns = "n", .name = "p", .max_attempts = 1});
    cr_expect_eq(a.status, 0);
    cr_expect_str_eq(a.message, "exec plugin: exit status 7: log in first");
    cr_expect(a.transient);
}

Test(kube_auth, a_missing_plugin_says_so)
{
    struct answer a;

    open_with(exec_user);
    a = call((struct kube_request){.verb = KUBE_GET, .ns = "n", .name = "p", .max_attempts = 1});
    cr_expect_not_null(strstr(a.message, "./plugin: No such file"), "%s", a.message);
}

Test(kube_auth, a_client_freed_while_a_plugin_runs_leaves_nothing_behind)
{
    struct kube_request request = {
        .verb = KUBE_GET, .resource = resource_get(RESOURCE_POD), .ns = "n", .name = "p"};
    struct answer a = {0};

    open_with(exec_user);
    kube_fixture_write(&f, "plugin", "#!/bin/sh\nsleep 60\n", 0700);
    cr_assert_eq(kube_start(f.client, &request, on_done, &a, NULL, &err), 0);
    kube_fixture_run_ms(&f, 50);
    f.client = kube_client_free(f.client);
    kube_fixture_run_ms(&f, 20);
    cr_expect_eq(a.times, 0);
}
