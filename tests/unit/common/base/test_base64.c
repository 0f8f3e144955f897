#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/base64.h"
#include "common/base/cleanup.h"

Test(base64, is_padded)
{
    static const char *const texts[][2] = {
        {"", ""}, {"a", "YQ=="}, {"ab", "YWI="}, {"abc", "YWJj"}, {"abcd", "YWJjZA=="}};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_(freep) char *text = base64_encode(texts[i][0], strlen(texts[i][0]));

        cr_expect_str_eq(text, texts[i][1]);
    }
}

Test(base64, is_exact)
{
    static const struct {
        const char *text, *bytes;
    } good[] = {{"YQ==", "a"}, {"YWI=", "ab"}, {"YWJj", "abc"}, {"YWJj\nZA==\n", "abcd"}};
    static const char *const bad[] = {
        "", "Y", "YQ", "YQ=", "=YQ=", "Y===", "YQ==YQ==", "Y*==", "===="};
    size_t len;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        _cleanup_(freep) char *bytes = NULL;

        cr_assert_eq(base64_decode(good[i].text, &bytes, &len), 0, "%s", good[i].text);
        cr_expect_str_eq(bytes, good[i].bytes);
        cr_expect_eq(len, strlen(good[i].bytes));
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *bytes = NULL;

        cr_expect_eq(base64_decode(bad[i], &bytes, &len), -EINVAL, "%s", bad[i]);
    }
}
