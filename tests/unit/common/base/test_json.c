#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/buf.h"
#include "common/base/json.h"

static struct error err;

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;

    cr_assert_eq(json_parse(text, strlen(text), &json, &err), 0, "%s: %s", text, err.text);
    return json;
}

static void expect_text(const cJSON *json, const char *expected)
{
    _cleanup_(freep) char *text = json_text(json);

    cr_expect_str_eq(text, expected);
}

/* ---- parsing ---- */

Test(json_parse, takes_the_whole_text_and_white_space)
{
    cJSON_Delete(parse(" {\"a\": [1, true, null]} \r\n\t"));
}

Test(json_parse, refuses_what_is_not_json)
{
    static const char *const bad[] = {"",       "{",        "{\"a\":}",  "[1,]", "{} x",
                                      "nul",    "\"abc",    "{\"a\" 1}", "1 2",  "[1e999]",
                                      "\001{}", "\"a\nb\"", "{}{}"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cJSON *json = NULL;

        cr_expect_eq(json_parse(bad[i], strlen(bad[i]), &json, &err), -EPROTO, "%s", bad[i]);
        cr_expect_null(json);
    }
}

Test(json_parse, reads_no_further_than_it_is_told)
{
    _cleanup_(json_freep) cJSON *json = NULL;

    cr_expect_eq(json_parse("12345", 3, &json, &err), 0);
    cr_expect_eq(json_int(json, "", 0), 123);
    cr_expect_eq(json_parse("{}\0", 3, &json, &err), -EPROTO, "a NUL is no white space");
}

Test(json_parse, bounds_the_depth)
{
    char text[2 * JSON_DEPTH_MAX + 3];
    cJSON *json = NULL;
    size_t n = JSON_DEPTH_MAX;

    memset(text, '[', n);
    memset(text + n, ']', n);
    cr_expect_eq(json_parse(text, 2 * n, &json, &err), 0);
    cJSON_Delete(json);
    n++;
    memset(text, '[', n);
    memset(text + n, ']', n);
    cr_expect_eq(json_parse(text, 2 * n, &json, &err), -EPROTO);
    cJSON_Delete(
        parse("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
              "[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[\""));
}

/* ---- reading ---- */

Test(json_read, follows_paths_and_gives_fallbacks)
{
    _cleanup_(json_freep) cJSON *json =
        parse("{\"a\":{\"b\":{\"s\":\"x\",\"n\":5,\"f\":1.5,\"t\":true,\"z\":null}},"
              "\"d.e\":\"dots\",\"list\":[1,2]}");

    cr_expect_str_eq(json_str(json, "a.b.s"), "x");
    cr_expect_null(json_str(json, "a.b.n"));
    cr_expect_str_eq(json_str_or(json, "a.b.none", "fallback"), "fallback");
    cr_expect_eq(json_int(json, "a.b.n", -1), 5);
    cr_expect_eq(json_int(json, "a.b.f", -1), -1, "a fraction is no integer");
    cr_expect(json_bool(json, "a.b.t", false));
    cr_expect(json_bool(json, "a.b.s", true), "a string is no bool");
    cr_expect_not(json_has(json, "a.b.z"), "null is as absent");
    cr_expect_not_null(json_get(json, "a.b.z"));
    cr_expect_null(json_get(json, "a.b.s.more"));
    cr_expect_null(json_get(json, "A.b"), "case counts");
    cr_expect_null(json_get(json, "lis"), "the beginning of a key");
    cr_expect_null(json_get(json, "lists"), "more than a key");
    cr_expect_null(json_get(json, "d.e"), "a dot is between keys");
    cr_expect_str_eq(cJSON_GetStringValue(json_member(json, "d.e")), "dots");
    cr_expect_eq(json_count(json, "list"), 2);
    cr_expect_eq(json_count(json, "a.b"), 5);
    cr_expect_eq(json_count(json, "a.b.s"), 0);
}

Test(json_read, of_nothing_finds_nothing)
{
    cr_expect_null(json_get(NULL, "a"));
    cr_expect_null(json_member(NULL, "a"));
    cr_expect_eq(json_int(NULL, "a", 3), 3);
    cr_expect_eq(json_count(NULL, "a"), 0);
}

Test(json_read, integers_out_of_range_are_the_fallback)
{
    _cleanup_(json_freep) cJSON *json = parse("[9223372036854775808,-9223372036854775808,1e300]");

    cr_expect_eq(json_int(cJSON_GetArrayItem(json, 0), "", -1), -1);
    cr_expect_eq(json_int(cJSON_GetArrayItem(json, 1), "", -1), INT64_MIN);
    cr_expect_eq(json_int(cJSON_GetArrayItem(json, 2), "", -1), -1);
}

/* ---- writing ---- */

Test(json_write, makes_the_objects_on_the_way)
{
    _cleanup_(json_freep) cJSON *json = parse("{\"a\":1,\"b\":{\"c\":2}}");

    cr_expect_eq(json_set_str(json, "b.d.e", "x"), 0);
    cr_expect_eq(json_set_int(json, "b.c", 3), 0);
    cr_expect_eq(json_set_bool(json, "a.now.object", true), 0);
    cr_expect_eq(json_set_str(json, "absent", NULL), 0);
    cr_expect_eq(json_set_member_str(json, "d.o.t", "s"), 0);
    expect_text(json, "{\"a\":{\"now\":{\"object\":true}},\"b\":{\"c\":3,\"d\":{\"e\":\"x\"}},"
                      "\"d.o.t\":\"s\"}");
}

Test(json_write, removes_only_what_is_there)
{
    _cleanup_(json_freep) cJSON *json = parse("{\"a\":{\"b\":1,\"c\":2},\"d\":3}");

    json_remove(json, "a.b");
    json_remove(json, "a.x");
    json_remove(json, "x.y");
    json_remove(json, "d");
    expect_text(json, "{\"a\":{\"c\":2}}");
}

Test(json_write, takes_ownership_also_when_it_fails)
{
    cr_expect_lt(json_set(NULL, "a", cJSON_CreateNumber(1)), 0);
    cr_expect_lt(json_set(NULL, "a.b", cJSON_CreateNumber(1)), 0);
    json_add_item(NULL, cJSON_CreateNumber(1));
    json_add_item(NULL, NULL);
}

/* ---- printing ---- */

Test(json_text, numbers_look_like_those_of_go)
{
    static const struct {
        double number;
        const char *text;
    } numbers[] = {
        {0, "0"},
        {-1, "-1"},
        {1e15, "1000000000000000"},
        {9007199254740992.0, "9007199254740992"},
        {-9007199254740992.0, "-9007199254740992"},
        {1e20, "100000000000000000000"},
        {123456789012345680000.0, "123456789012345680000"},
        {1e21, "1e+21"},
        {1.5e300, "1.5e+300"},
        {0.1, "0.1"},
        {0.5, "0.5"},
        {-1.25, "-1.25"},
        {0.000001, "0.000001"},
        {0.00000015, "1.5e-7"},
        {1234.5678, "1234.5678"},
        {1.0 / 3, "0.3333333333333333"},
        {INFINITY, "null"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        _cleanup_(json_freep) cJSON *json = cJSON_CreateNumber(numbers[i].number);

        expect_text(json, numbers[i].text);
    }
}

Test(json_text, strings_are_escaped_and_come_back)
{
    static const char text[] = "{\"k\\\"\":\"\\\"\\\\\\n\\r\\t\\u0001\\u0008/<&>\u00e9\u2028\"}";
    _cleanup_(json_freep) cJSON *json = parse(text);

    expect_text(json, text);
}

Test(json_text, nothing_has_no_text)
{
    cr_expect_null(json_text(NULL));
}

Test(json_canonical, sorts_every_level_and_is_safe_in_html)
{
    _cleanup_(json_freep) cJSON *json =
        parse("{\"b\":{\"z\":1,\"a\":[{\"y\":1,\"x\":2}]},\"B\":\"<a>&\u2028\u2029\",\"a\":{}}");
    _cleanup_(freep) char *text = json_canonical(json);

    cr_expect_str_eq(text, "{\"B\":\"\\u003ca\\u003e\\u0026\\u2028\\u2029\",\"a\":{},"
                           "\"b\":{\"a\":[{\"x\":2,\"y\":1}],\"z\":1}}");
}

/* ---- comparing, patching ---- */

static bool equal(const char *a, const char *b)
{
    _cleanup_(json_freep) cJSON *x = parse(a), *y = parse(b);

    return json_equal(x, y);
}

Test(json_equal, ignores_the_order_of_members_only)
{
    cr_expect(equal("{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1.0}"));
    cr_expect_not(equal("[1,2]", "[2,1]"));
    cr_expect_not(equal("{\"a\":1}", "{\"a\":1,\"b\":2}"));
    cr_expect_not(equal("{\"a\":1,\"c\":2}", "{\"a\":1,\"b\":2}"));
    cr_expect_not(equal("{\"a\":1}", "{\"A\":1}"));
    cr_expect_not(equal("{\"a\":null}", "{}"));
    cr_expect_not(equal("true", "false"));
    cr_expect_not(equal("1", "\"1\""));
    cr_expect_not(equal("[]", "{}"));
    cr_expect(json_equal(NULL, NULL));
    cr_expect_not(json_equal(NULL, &(cJSON){.type = cJSON_NULL}));
}

static const struct {
    const char *from, *to, *patch; /* "": equal */
} patches[] = {
    {"{\"a\":1}", "{\"a\":1}", ""},
    {"{\"a\":1}", "{\"a\":2}", "{\"a\":2}"},
    {"{\"a\":1,\"b\":2}", "{\"b\":2}", "{\"a\":null}"},
    {"{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1,\"c\":3,\"d\":4}}", "{\"a\":{\"c\":3,\"d\":4}}"},
    {"{\"a\":[1,2]}", "{\"a\":[2]}", "{\"a\":[2]}"},
    {"{\"a\":{\"b\":1}}", "{\"a\":\"s\"}", "{\"a\":\"s\"}"},
    {"{\"a\":\"s\"}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
    {"{\"a\":null}", "{}", ""},
    {"{}", "{\"a\":null}", ""},
    {"{\"a\":1}", "{\"a\":null}", "{\"a\":null}"},
};

Test(json_merge, a_patch_says_what_changed_and_nothing_else)
{
    for (size_t i = 0; i < ARRAY_SIZE(patches); i++) {
        _cleanup_(json_freep) cJSON *from = parse(patches[i].from), *to = parse(patches[i].to);
        _cleanup_(json_freep) cJSON *patch = json_merge_patch(from, to);
        _cleanup_(freep) char *text = json_text(patch);

        cr_expect_str_eq(text ? text : "", patches[i].patch, "%s -> %s", patches[i].from,
                         patches[i].to);
    }
}

Test(json_merge, applying_the_patch_gives_the_new_one)
{
    for (size_t i = 0; i < ARRAY_SIZE(patches); i++) {
        _cleanup_(json_freep) cJSON *from = parse(patches[i].from), *to = parse(patches[i].to);
        _cleanup_(json_freep) cJSON *patch = json_merge_patch(from, to);
        _cleanup_(json_freep) cJSON *rest = NULL;

        json_apply_merge(from, patch);
        rest = json_merge_patch(from, to);
        cr_expect_null(rest, "%s -> %s", patches[i].from, patches[i].to);
    }
}
