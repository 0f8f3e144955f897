#include <errno.h>

#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/quantity.h"

/* Canonical texts as Kubernetes 1.34 prints them. */
static const struct {
    const char *text, *canonical;
    int64_t ceil;
} quantities[] = {
    {"0", "0", 0},
    {"0Ki", "0", 0},
    {"1", "1", 1},
    {"2048Mi", "2Gi", 2147483648},
    {"1.5Gi", "1536Mi", 1610612736},
    {"1023Ki", "1023Ki", 1047552},
    {"0.5Ki", "512", 512},
    {"0.5Mi", "512Ki", 524288},
    {"1Ei", "1Ei", 1152921504606846976},
    {"0.5", "500m", 1},
    {"1500m", "1500m", 2},
    {"2000m", "2", 2},
    {"100", "100", 100},
    {"1000", "1k", 1000},
    {"1000000", "1M", 1000000},
    {"0.1k", "100", 100},
    {"1E", "1E", 1000000000000000000},
    {"1E3", "1e3", 1000},
    {"2e3", "2e3", 2000},
    {"12e2", "1200", 1200},
    {"1e-3", "1e-3", 1},
    {"1u", "1u", 1},
    {"0.0000000001", "1n", 1},
    {"1.0000000000000000000000000000000000001", "1000000001n", 2},
    {"-5m", "-5m", -1},
    {"-1.5", "-1500m", -2},
    {"+1", "1", 1},
    {"01.50", "1500m", 2},
    {".5", "500m", 1},
    {"5.", "5", 5},
    {"9223372036854775807", "9223372036854775807", INT64_MAX},
    {"203331000893.6793565", "203331000893679356500n", 203331000894},
    {"-9223372036854775806.000000001", "-9223372036854775806000000001n", -INT64_MAX},
    {"1.2345678912Gi", "1325607179348921549n", 1325607180},
    {"9223372036854775808", "9223372036854775808", INT64_MAX},
    {"100E", "100E", INT64_MAX},
    {"1e24", "1e24", INT64_MAX},
    {"100Ei", "9223372036854775807", INT64_MAX},
};

Test(quantity, has_the_canonical_form_of_kubernetes)
{
    for (size_t i = 0; i < ARRAY_SIZE(quantities); i++) {
        struct quantity q;
        char text[64];

        cr_assert_eq(quantity_parse(quantities[i].text, &q), 0, "%s", quantities[i].text);
        quantity_canonical(&q, text);
        cr_expect_str_eq(text, quantities[i].canonical, "%s: %s", quantities[i].text, text);
        cr_expect_eq(quantity_ceil(&q), quantities[i].ceil, "%s", quantities[i].text);
    }
}

Test(quantity, canonical_forms_stay_as_they_are)
{
    for (size_t i = 0; i < ARRAY_SIZE(quantities); i++) {
        struct quantity q, again;
        char text[64];

        quantity_parse(quantities[i].text, &q);
        quantity_canonical(&q, text);
        cr_assert_eq(quantity_parse(text, &again), 0, "%s", text);
        cr_expect_eq(quantity_compare(&q, &again), 0, "%s", quantities[i].text);
    }
}

Test(quantity, refuses_what_is_none)
{
    static const char *const bad[] = {NULL,    "",     ".",    "-",  "Gi",  "1 Gi",
                                      " 1",    "1 ",   "1gi",  "1K", "1ki", "1e",
                                      "1e1.5", "1..2", "1Gi5", "x",  "--1", "1e 3"};
    struct quantity q;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(quantity_parse(bad[i], &q), -EINVAL, "%s", bad[i] ? bad[i] : "NULL");
}

Test(quantity, has_a_range)
{
    static const char *const bad[] = {"1000001E", "1e25", "1e999999999999",
                                      "99999999999999999999999999999999999999999999999999"};
    struct quantity q;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_lt(quantity_parse(bad[i], &q), 0, "%s", bad[i]);
    cr_expect_eq(quantity_parse("1e-400", &q), 0);
    cr_expect_eq(quantity_ceil(&q), 1, "rounded up to what there is");
    cr_expect_eq(quantity_parse("0e400", &q), 0);
}

/* As Kubernetes 1.36's client library writes what it has read. */
Test(quantity, short_numbers_stay_as_they_were_written)
{
    static const char *const texts[][2] = {
        {"\"1.125\"", "1.125"},
        {"1.125", "1.125"},
        {"\"+5\"", "+5"},
        {"\"007m\"", "007m"},
        {"\"5.\"", "5."},
        {"\"1E3\"", "1E3"},
        {"\"1.234M\"", "1.234M"},
        {"\"+9Gi\"", "+9Gi"},
        {"\" 1Gi \"", "1Gi"},
        {"\"-10.801k\"", "-10.801k"},
        /* but these don't */
        {"1.5", "1500m"},
        {"\"1.000\"", "1"},
        {"\"0.125\"", "125m"},
        {"\"2048Mi\"", "2Gi"},
        {"\"+8Gi\"", "8Gi"},
        {"\"1e1\"", "10"},
        {"\"1000m\"", "1"},
        {"\"1234567890123456789.\"", "1234567890123456789"},
        {"\"+123456Gi\"", "123456Gi"},
    };
    char text[64];

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_(json_freep) cJSON *json = cJSON_Parse(texts[i][0]);

        cr_assert_eq(quantity_text(json, text), 0, "%s", texts[i][0]);
        cr_expect_str_eq(text, texts[i][1], "%s: %s", texts[i][0], text);
    }
}

Test(quantity, what_is_none_has_no_text)
{
    _cleanup_(json_freep) cJSON *word = cJSON_CreateString("lots"), *flag = cJSON_CreateTrue();
    char text[64] = "untouched";

    cr_expect_eq(quantity_text(word, text), -EINVAL);
    cr_expect_eq(quantity_text(flag, text), -EINVAL);
    cr_expect_str_eq(text, "untouched");
}

static bool equal(const char *a, const char *b)
{
    _cleanup_(json_freep) cJSON *x = cJSON_Parse(a), *y = cJSON_Parse(b);

    return quantity_json_equal(x, y);
}

Test(quantity, equal_values_are_equal_in_any_form)
{
    cr_expect(equal("\"2Gi\"", "\"2048Mi\""));
    cr_expect(equal("2", "\"2\""));
    cr_expect(equal("0.5", "\"500m\""));
    cr_expect(equal("1000000000000000", "\"1P\""));
    cr_expect_not(equal("\"2G\"", "\"2Gi\""));
    cr_expect(equal("\"abc\"", "\"abc\""), "compared as JSON when they are no quantities");
    cr_expect_not(equal("\"abc\"", "\"1\""));
    cr_expect(quantity_json_equal(NULL, NULL));
}
