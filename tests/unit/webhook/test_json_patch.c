#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "webhook/json_patch.h"

TestSuite(json_patch, .timeout = 10);

static void expect_patch(const char *from, const char *to, const char *patch)
{
    _cleanup_(json_freep) cJSON *a = cJSON_Parse(from);
    _cleanup_(json_freep) cJSON *b = cJSON_Parse(to);
    _cleanup_(json_freep) cJSON *ret = NULL;
    _cleanup_(freep) char *text = NULL;
    struct error err;

    cr_assert(a && b);
    cr_assert_eq(json_patch(a, b, &ret, &err), 0);
    text = json_text(ret);
    cr_expect_str_eq(text, patch, "%s -> %s", from, to);
}

Test(json_patch, equal_objects_need_none)
{
    expect_patch("{}", "{}", "[]");
    expect_patch("{\"a\":1,\"b\":[1,{\"c\":null}]}", "{\"b\":[1,{\"c\":null}],\"a\":1.0}", "[]");
}

Test(json_patch, what_is_new_is_added_as_a_whole)
{
    expect_patch("{\"a\":{}}", "{\"a\":{\"b\":{\"c\":1}}}",
                 "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":{\"c\":1}}]");
}

Test(json_patch, what_differs_is_replaced_as_deep_as_can_be)
{
    expect_patch("{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1,\"c\":3}}",
                 "[{\"op\":\"replace\",\"path\":\"/a/c\",\"value\":3}]");
    expect_patch("{\"a\":null}", "{\"a\":{}}",
                 "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":{}}]");
    expect_patch("{\"a\":{}}", "{\"a\":[]}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[]}]");
}

Test(json_patch, what_is_gone_is_removed)
{
    expect_patch("{\"a\":{\"b\":1}}", "{\"a\":{}}", "[{\"op\":\"remove\",\"path\":\"/a/b\"}]");
}

Test(json_patch, lists_of_equal_length_are_entered)
{
    expect_patch("{\"a\":[{\"b\":1},{}]}", "{\"a\":[{\"b\":1},{\"c\":2}]}",
                 "[{\"op\":\"add\",\"path\":\"/a/1/c\",\"value\":2}]");
    expect_patch("{\"a\":[1]}", "{\"a\":[1,2]}",
                 "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[1,2]}]");
}

Test(json_patch, paths_are_escaped)
{
    expect_patch("{\"a/b\":{\"~\":1}}", "{\"a/b\":{\"~\":2}}",
                 "[{\"op\":\"replace\",\"path\":\"/a~1b/~0\",\"value\":2}]");
    expect_patch("{\"\":1}", "{\"\":2}", "[{\"op\":\"replace\",\"path\":\"/\",\"value\":2}]");
}

Test(json_patch, the_whole_document_has_the_empty_path)
{
    expect_patch("1", "{}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{}}]");
}
