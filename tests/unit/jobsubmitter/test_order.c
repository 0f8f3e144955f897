#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "jobsubmitter/order.h"

TestSuite(order, .timeout = 10);

#define ID "0123456789abcdef0123456789abcdef"
#define MANIFEST                                                                                   \
    "{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"wc-job-submitter\","   \
    "\"namespace\":\"ns\"}}"

static struct error err;
static char kind_text[32], ns_text[] = "ns";

static int read_order(const char *kind, const char *args, struct order *ret)
{
    static cJSON *json;
    struct command c = {.kind = kind_text, .ns = ns_text};

    (void)snprintf(kind_text, sizeof(kind_text), "%s", kind);
    cJSON_Delete(json);
    json = cJSON_Parse(args);
    c.args = json;
    return order_read(&c, ret, &err);
}

Test(order, each_kind_is_read)
{
    struct order o;

    cr_expect_eq(read_order("submit", "{\"manifest\":" MANIFEST ",\"jobId\":\"" ID "\"}", &o), 0,
                 "%s", err.text);
    cr_expect_eq(o.kind, ORDER_SUBMIT);
    cr_expect_eq(read_order("savepoint",
                            "{\"jobId\":\"" ID "\",\"directory\":\"/s\",\"format\":\"NATIVE\","
                            "\"triggerId\":\"" ID "\"}",
                            &o),
                 0);
    cr_expect_str_eq(o.format, "NATIVE");
    cr_expect_eq(read_order("stop",
                            "{\"jobId\":\"" ID "\",\"directory\":\"/s\",\"drain\":true,"
                            "\"triggerId\":\"" ID "\"}",
                            &o),
                 0);
    cr_expect(o.drain);
    cr_expect_not(o.flink_names);
    cr_expect_eq(read_order("stop",
                            "{\"jobId\":\"" ID "\",\"directory\":\"/s\",\"flinkNames\":true,"
                            "\"triggerId\":\"" ID "\"}",
                            &o),
                 0);
    cr_expect(o.flink_names);
    cr_expect_eq(read_order("cancel", "{\"jobId\":\"" ID "\"}", &o), 0);
    cr_expect_eq(read_order("dispose", "{\"path\":\"/s/1\",\"triggerId\":\"" ID "\"}", &o), 0);
    cr_expect_eq(o.kind, ORDER_DISPOSE);
}

Test(order, hostile_arguments_are_refused_by_name)
{
    static const struct {
        const char *kind, *args, *names;
    } cases[] = {
        {"cancel", "{\"jobId\":\"../../config\"}", "jobId"},
        {"cancel", "{\"jobId\":17}", "jobId"},
        {"cancel", "[]", "jobId"},
        {"cancel", "no json", "jobId"},
        {"savepoint", "{\"jobId\":\"" ID "\",\"directory\":\"/s\",\"triggerId\":\"x\"}",
         "triggerId"},
        {"savepoint", "{\"jobId\":\"" ID "\",\"directory\":\" \",\"triggerId\":\"" ID "\"}",
         "directory"},
        {"savepoint",
         "{\"jobId\":\"" ID "\",\"directory\":\"/s\",\"triggerId\":\"" ID "\",\"format\":\"x\"}",
         "format"},
        {"dispose", "{\"triggerId\":\"" ID "\",\"path\":{}}", "path"},
        {"submit", "{\"jobId\":\"" ID "\"}", "manifest"},
        {"submit", "{\"manifest\":[],\"jobId\":\"" ID "\"}", "manifest"},
        {"submit",
         "{\"manifest\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\","
         "\"namespace\":\"ns\"}},\"jobId\":\"" ID "\"}",
         "manifest"},
        {"submit",
         "{\"manifest\":{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":"
         "\"x\",\"namespace\":\"kube-system\"}},\"jobId\":\"" ID "\"}",
         "manifest"},
        {"delete-everything", "{}", "unknown kind"},
        {"", "{}", "unknown kind"},
    };
    struct order o;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cr_expect_eq(read_order(cases[i].kind, cases[i].args, &o), -EINVAL, "%s", cases[i].args);
        cr_expect(strstr(err.text, cases[i].names), "%s: %s", cases[i].args, err.text);
    }
}

Test(order, the_pause_doubles_up_to_half_a_minute)
{
    static const int64_t pauses[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};

    for (int i = 0; i < (int)ARRAY_SIZE(pauses); i++)
        cr_expect_eq(order_backoff_ms(i + 1), pauses[i]);
    cr_expect_eq(order_backoff_ms(0), 500);
    cr_expect_eq(order_backoff_ms(2000000000), 30000);
}
