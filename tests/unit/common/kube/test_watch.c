#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/kube/resource.h"
#include "common/kube/watch.h"
#include "tests/lib/kube_fixture.h"

static struct kube_fixture f;
static struct error err;
static struct kube_watch *watch;

/* What the handlers were told: "begin +p end@7 +q >8 !410" and so on. */
static struct buf told;
static struct {
    char last[64];
    bool reached; /* told ends with last */
    bool free_at_object;
} until;

static void tell(const char *format, const char *what)
{
    if (told.len)
        (void)buf_puts(&told, " ");
    (void)buf_printf(&told, "%s%s", format, what);
    until.reached |= *until.last && str_ends(told.data, until.last);
}

static void on_begin(void *userdata)
{
    (void)userdata;
    tell("begin", "");
}

static void on_object(enum kube_watch_event event, cJSON **object, bool from_list, void *userdata)
{
    static const char *const signs[] = {"+", "~", "-"};

    (void)userdata;
    cr_expect_str_eq(json_str(*object, "kind"), "Pod");
    cr_expect(!from_list || event == KUBE_ADDED);
    tell(from_list ? "" : "watch", signs[event]);
    (void)buf_puts(&told, json_str(*object, "metadata.name"));
    if (until.free_at_object)
        watch = kube_watch_free(watch);
    else
        cJSON_Delete(TAKE(*object));
    until.reached |= *until.last && str_ends(told.data, until.last);
}

static void on_end(const char *rv, void *userdata)
{
    (void)userdata;
    tell("end@", rv);
}

static void on_progress(const char *rv, void *userdata)
{
    (void)userdata;
    tell(">", rv);
}

static void on_trouble(int status, const char *message, int64_t retry_ms, void *userdata)
{
    char text[16];

    (void)userdata;
    cr_expect_str_not_empty(message);
    cr_expect_geq(retry_ms, 0);
    (void)snprintf(text, sizeof(text), "%d", status);
    tell("!", text);
}

static const struct kube_watch_handler handler = {
    on_begin, on_object, on_end, on_progress, on_trouble,
};

/* ---- the server: a list of answers to lists, and one to watches ---- */

static struct fake_answer lists[8], watches[8];
static int n_lists, n_watches;

static struct fake_answer next_of(const struct fake_answer *script, int *n)
{
    int i = *n < 7 ? (*n)++ : 7;

    while (i > 0 && !script[i].status && !script[i].hold)
        i--; /* the last is given again and again */
    return script[i];
}

static void on_request(const struct fake_request *request, struct fake_answer *answer,
                       void *userdata)
{
    (void)userdata;
    if (strstr(request->target, "watch=true"))
        *answer = next_of(watches, &n_watches);
    else
        *answer = next_of(lists, &n_lists);
}

static void open_fixture(void)
{
    told = BUF_INIT(1 << 16);
    kube_fixture_open(&f, "{}", on_request, NULL);
    watches[0] = (struct fake_answer){.status = 200, .hold = true};
}

static void close_fixture(void)
{
    watch = kube_watch_free(watch);
    buf_done(&told);
    kube_fixture_close(&f);
}

TestSuite(watch, .init = open_fixture, .fini = close_fixture, .timeout = 30);

#define POD(name, rv)                                                                              \
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" rv "\"}}"
#define EVENT(type, name, rv) "{\"type\":\"" type "\",\"object\":" POD(name, rv) "}\n"
#define BOOKMARK(rv)                                                                               \
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" rv "\"}}}\n"
#define GONE "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n"
/* Items of a list come without kind. */
#define LIST(rv, token, items)                                                                     \
    "{\"metadata\":{\"resourceVersion\":\"" rv "\",\"continue\":\"" token "\"},\"items\":[" items  \
    "]}"
#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\"}}"

static void start_from(const char *rv)
{
    const struct kube_watch_config config = {.resource = resource_get(RESOURCE_POD),
                                             .ns = "ns",
                                             .label_selector = "app=flink,cluster",
                                             .resume_rv = rv,
                                             .page_size = 2,
                                             .missing_retry_ms = 50};

    cr_assert_eq(kube_watch_start(f.client, &config, &handler, NULL, &watch, &err), 0, "%s",
                 err.text);
}

static void wait_for(const char *last)
{
    until.reached = str_ends(buf_str(&told), last);
    str_copy(until.last, sizeof(until.last), last);
    kube_fixture_run(&f, &until.reached);
}

static void expect_told(const char *expected)
{
    cr_expect_str_eq(buf_str(&told), expected, "%s\nnot\n%s\n%s", buf_str(&told), expected,
                     fake_http_log(f.fake));
}

static void wait_until_held(int n)
{
    for (int i = 0; fake_http_held(f.fake) != n; i++) {
        cr_assert_lt(i, 1000);
        kube_fixture_run_ms(&f, 5);
    }
}

/* ---- the way it should go ---- */

Test(watch, lists_then_watches_from_there)
{
    lists[0] = (struct fake_answer){.status = 200, .body = LIST("7", "", ITEM("p"))};
    start_from(NULL);
    cr_expect_not(kube_watch_synced(watch));
    wait_for("end@7");
    cr_expect(kube_watch_synced(watch));
    wait_until_held(1);
    fake_http_push(f.fake, EVENT("ADDED", "q", "8") EVENT("MODIFIED", "p", "9"));
    wait_for(">9");
    fake_http_push(f.fake, EVENT("DELETED", "p", "10"));
    wait_for(">10");
    fake_http_push(f.fake, BOOKMARK("11"));
    wait_for(">11");
    expect_told("begin +p end@7 watch+q watch~p >9 watch-p >10 >11");
    cr_expect_not_null(strstr(fake_http_log(f.fake),
                              "GET /api/v1/namespaces/ns/pods?limit=2&labelSelector=app%3Dflink"
                              "%2Ccluster\n"),
                       "%s", fake_http_log(f.fake));
    cr_expect_not_null(strstr(fake_http_log(f.fake), "&resourceVersion=7&labelSelector="));
    cr_expect_not_null(strstr(fake_http_log(f.fake), "allowWatchBookmarks=true&timeoutSeconds="));
}

Test(watch, reads_a_list_page_by_page)
{
    lists[0] =
        (struct fake_answer){.status = 200, .body = LIST("7", "t 1", ITEM("a") "," ITEM("b"))};
    lists[1] = (struct fake_answer){.status = 200, .body = LIST("7", "", ITEM("c"))};
    start_from(NULL);
    wait_for("end@7");
    expect_told("begin +a +b +c end@7");
    cr_expect_not_null(strstr(fake_http_log(f.fake), "?limit=2&continue=t%201&"));
}

Test(watch, resumes_without_a_list)
{
    start_from("5");
    wait_until_held(1);
    kube_fixture_run_ms(&f, 20);
    cr_expect(kube_watch_synced(watch), "accepted, though nothing has come");
    fake_http_push(f.fake, EVENT("ADDED", "q", "6"));
    wait_for(">6");
    expect_told("watch+q >6");
}

Test(watch, puts_lines_together)
{
    start_from("5");
    wait_until_held(1);
    fake_http_push(f.fake, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"meta");
    kube_fixture_run_ms(&f, 20);
    fake_http_push(f.fake, "data\":{\"name\":\"q\",\"resourceVersion\":\"6\"}}}\n\n{\"type\":");
    wait_for(">6");
    fake_http_push(f.fake, "\"DELETED\",\"object\":" POD("q", "7") "}\n");
    wait_for(">7");
    expect_told("watch+q >6 watch-q >7");
}

/* ---- the ways it goes wrong ---- */

Test(watch, goes_on_where_a_stream_ended)
{
    start_from("5");
    wait_until_held(1);
    fake_http_push(f.fake, EVENT("ADDED", "q", "6"));
    wait_for(">6");
    fake_http_hang_up(f.fake);
    wait_until_held(1);
    fake_http_push(f.fake, EVENT("ADDED", "r", "7"));
    wait_for(">7");
    expect_told("watch+q >6 watch+r >7");
    cr_expect_not_null(strstr(fake_http_log(f.fake), "resourceVersion=6&"));
}

Test(watch, does_not_lose_what_came_with_the_end)
{
    watches[0] = (struct fake_answer){.status = 200,
                                      .body = EVENT("ADDED", "q", "6") EVENT("ADDED", "r", "7")};
    watches[1] = (struct fake_answer){.status = 200, .hold = true};
    start_from("5");
    wait_until_held(1);
    expect_told("watch+q watch+r >7");
    cr_expect_not_null(strstr(fake_http_log(f.fake), "resourceVersion=7&"));
}

Test(watch, ignores_a_line_that_was_cut_off)
{
    watches[0] = (struct fake_answer){
        .status = 200, .body = EVENT("ADDED", "q", "6") "{\"type\":\"ADDED\",\"obj", .cut = true};
    watches[1] = (struct fake_answer){.status = 200, .hold = true};
    start_from("5");
    wait_until_held(1);
    expect_told("watch+q >6");
}

Test(watch, lists_again_when_its_version_is_gone)
{
    watches[0] = (struct fake_answer){.status = 200, .body = EVENT("ADDED", "q", "6") GONE};
    watches[1] = (struct fake_answer){.status = 200, .hold = true};
    lists[0] = (struct fake_answer){.status = 200, .body = LIST("9", "", ITEM("p"))};
    start_from("5");
    wait_for("end@9");
    expect_told("watch+q >6 begin +p end@9");
    cr_expect(kube_watch_synced(watch));
}

Test(watch, lists_again_when_410_is_the_answer)
{
    watches[0] = (struct fake_answer){.status = 410, .body = "{}"};
    watches[1] = (struct fake_answer){.status = 200, .hold = true};
    lists[0] = (struct fake_answer){.status = 200, .body = LIST("9", "", "")};
    start_from("5");
    wait_for("end@9");
    expect_told("begin end@9");
    wait_until_held(1);
}

Test(watch, begins_a_list_anew_when_its_pages_are_gone)
{
    lists[0] = (struct fake_answer){.status = 200, .body = LIST("7", "t", ITEM("a"))};
    lists[1] = (struct fake_answer){.status = 410, .body = "{\"reason\":\"Expired\"}"};
    lists[2] = (struct fake_answer){.status = 200, .body = LIST("8", "", ITEM("b"))};
    start_from(NULL);
    wait_for("end@8");
    expect_told("begin +a begin +b end@8");
}

Test(watch, asks_for_the_same_page_again_after_a_failure)
{
    lists[0] = (struct fake_answer){.status = 200, .body = LIST("7", "t", ITEM("a"))};
    lists[1] = (struct fake_answer){.status = 503, .body = "busy"};
    lists[2] = (struct fake_answer){.status = 200, .body = LIST("7", "", ITEM("b"))};
    start_from(NULL);
    wait_for("end@7");
    expect_told("begin +a !503 +b end@7");
}

Test(watch, waits_for_a_resource_that_is_missing)
{
    lists[0] = (struct fake_answer){.status = 404, .body = "404 page not found"};
    lists[1] = lists[0];
    lists[2] = (struct fake_answer){.status = 200, .body = LIST("7", "", "")};
    start_from(NULL);
    wait_for("end@7");
    expect_told("begin !404 begin !404 begin end@7");
}

Test(watch, forgets_a_version_that_is_refused_again_and_again)
{
    watches[0] = (struct fake_answer){.status = 504, .body = "{\"message\":\"Too large\"}"};
    watches[3] = (struct fake_answer){.status = 200, .hold = true};
    watches[1] = watches[2] = watches[0];
    lists[0] = (struct fake_answer){.status = 200, .body = LIST("2", "", "")};
    start_from("5");
    wait_for("end@2");
    expect_told("!504 !504 !504 begin end@2");
}

Test(watch, tells_of_a_server_error_and_goes_on)
{
    watches[0] = (struct fake_answer){
        .status = 200,
        .body = "{\"type\":\"ERROR\",\"object\":{\"code\":500,\"message\":\"etcd\"}}\n"};
    watches[1] = (struct fake_answer){.status = 200, .body = "no json\n"};
    watches[2] =
        (struct fake_answer){.status = 200, .body = EVENT("ADDED", "q", "6"), .hold = true};
    start_from("5");
    wait_for(">6");
    expect_told("!0 !0 watch+q >6");
}

Test(watch, may_be_freed_by_its_own_handler)
{
    until.free_at_object = true;
    lists[0] = (struct fake_answer){.status = 200, .body = LIST("7", "t", ITEM("a") "," ITEM("b"))};
    start_from(NULL);
    wait_for("+a");
    kube_fixture_run_ms(&f, 20);
    expect_told("begin +a");
    start_from("5");
    wait_until_held(1);
    fake_http_push(f.fake, EVENT("ADDED", "q", "6") EVENT("ADDED", "r", "7"));
    wait_for("watch+q");
    kube_fixture_run_ms(&f, 20);
    expect_told("begin +a watch+q");
    cr_expect_eq(fake_http_held(f.fake), 0);
}

/* ---- one line ---- */

Test(watch_line, hostile_lines_are_refused)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"type\":\"ADDED\"}",
        "{\"type\":\"ADDED\",\"object\":5}",
        "{\"type\":\"ADDED\",\"object\":{}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":[]}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"p\"}}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}",
        "{\"type\":\"NEW\",\"object\":" POD("p", "1") "}",
        "{\"type\":[],\"object\":" POD("p", "1") "}",
        "{\"type\":\"BOOKMARK\",\"object\":{}}",
        "{\"type\":\"ERROR\"}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        enum kube_watch_event event;
        cJSON *object = NULL;
        bool bookmark;

        cr_expect_eq(
            kube_watch_parse_line(bad[i], strlen(bad[i]), &event, &bookmark, &object, &err),
            -EPROTO, "%s", bad[i]);
        cr_expect_null(object);
    }
}
