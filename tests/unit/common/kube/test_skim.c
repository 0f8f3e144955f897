#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/kube/skim.h"

static char version[KUBE_VERSION_SIZE];

static bool read_version(const char *json)
{
    return skim_version(json, strlen(json), version);
}

Test(skim, the_version_is_that_of_the_object)
{
    cr_expect(read_version(
        "{\"kind\":\"Job\",\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"17\"}}"));
    cr_expect_str_eq(version, "17");
    cr_expect(read_version(" { \"a\" : [1, {\"b\": \"]}\"}] ,\n\"metadata\" : { \"x\":{},"
                           "\"resourceVersion\" : \"9\" } }"));
    cr_expect_str_eq(version, "9");
}

Test(skim, a_version_somewhere_else_is_not_the_objects)
{
    static const char *const others[] = {
        "{\"resourceVersion\":\"1\"}",
        "{\"spec\":{\"metadata\":{\"resourceVersion\":\"1\"}}}",
        "{\"metadata\":{\"annotations\":{\"resourceVersion\":\"1\"}}}",
        "{\"metadata\":{\"a\":\"\\\"resourceVersion\\\":\\\"1\\\"\"}}",
        "{\"metadata\":[\"resourceVersion\"]}",
        "{\"metadata\":{\"resourceVersion\":5}}",
        "{\"metadata\":{\"resourceVersion\":\"\"}}",
        "{\"metadata\":{\"resourceVersion\":\"1\\u0030\"}}",
        "{\"metadata\":{\"resourceVersion\":\"12345678901234567890123456789012\"}}",
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        cr_expect_not(read_version(others[i]), "%s", others[i]);
        cr_expect_str_eq(version, "");
    }
}

/* Each beginning of an object, and each with one byte replaced, in memory of just that size. */
Test(skim, what_is_cut_off_or_damaged_is_survived)
{
    static const char good[] = "{\"object\":{\"metadata\":{\"managedFields\":[{\"manager\":\"x\","
                               "\"fieldsV1\":{\"f:a\":[{},\"]\"]}}],\"resourceVersion\":\"17\"}}}";
    size_t len = strlen(good);

    for (size_t n = 0; n <= len; n++) {
        for (size_t at = 0; at < n; at++) {
            char *copy = malloc(n);

            memcpy(copy, good, n);
            copy[at] = "{}[]\",:\\x"[(n + at) % 9];
            (void)skim_version(copy, n, version);
            skim_managed_fields(copy, n);
            free(copy);
        }
    }
}

static void expect_blanked(const char *before, const char *after)
{
    char text[512], *to = text;

    (void)snprintf(text, sizeof(text), "%s", before);
    skim_managed_fields(text, strlen(text));
    cr_expect_eq(strlen(text), strlen(before), "in place: %s", text);
    for (const char *from = text; *from; from++) /* without blanks */
        if (*from != ' ')
            *to++ = *from;
    *to = '\0';
    cr_expect_str_eq(text, after);
}

Test(skim, who_manages_stays_and_what_goes)
{
    expect_blanked(
        "{\"metadata\":{\"managedFields\":[{\"fieldsV1\":{\"f:spec\":{\"}\":1}},\"manager\":\"a\"},"
        "{\"manager\":\"b\",\"fieldsV1\":{\"f:x\":{}}}],\"name\":\"n\"},\"spec\":{\"fieldsV1\":{"
        "\"a\":1}}}",
        "{\"metadata\":{\"managedFields\":[{\"fieldsV1\":null,\"manager\":\"a\"},"
        "{\"manager\":\"b\",\"fieldsV1\":null}],\"name\":\"n\"},\"spec\":{\"fieldsV1\":{\"a\":1}}"
        "}");
}

Test(skim, the_object_of_a_watch_event_is_found)
{
    expect_blanked(
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"managedFields\":[{\"fieldsV1\":{\"f:a\":{}"
        "}}]}}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"managedFields\":[{\"fieldsV1\":null}]}}}");
}

Test(skim, what_is_short_or_of_another_form_stays)
{
    static const char *const texts[] = {
        "{\"metadata\":{\"managedFields\":[{\"fieldsV1\":{}}]}}",
        "{\"metadata\":{\"managedFields\":[{\"fieldsV1\":\"text\"}]}}",
        "{\"metadata\":{\"managedFields\":{\"fieldsV1\":{\"f:a\":1}}}}",
        "{\"metadata\":{\"managedFields\":[\"fieldsV1\"]}}",
        "[]",
        "",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        expect_blanked(texts[i], texts[i]);
}
