#include <string.h>

#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "webhook/once.h"

TestSuite(once, .timeout = 10);

static struct error err;

static void filep(FILE **f)
{
    if (*f)
        (void)fclose(*f);
}

static int once(const char *input, char *output, size_t size)
{
    _cleanup_(filep) FILE *in = tmpfile();
    _cleanup_(filep) FILE *out = fmemopen(output, size, "w");

    cr_assert(in && out);
    (void)fputs(input, in);
    rewind(in);
    return webhook_once(in, out, &err);
}

Test(once, both_webhooks_answer_in_a_line_each)
{
    char output[4096] = "";

    cr_assert_eq(once("{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\","
                      "\"request\":{\"uid\":\"u\",\"operation\":\"DELETE\"}}",
                      output, sizeof(output)),
                 0);
    cr_expect_str_eq(output, "{\"apiVersion\":\"admission.k8s.io/"
                             "v1\",\"kind\":\"AdmissionReview\",\"response\":{\"uid\":\"u\","
                             "\"allowed\":true}}\n"
                             "{\"apiVersion\":\"admission.k8s.io/"
                             "v1\",\"kind\":\"AdmissionReview\",\"response\":{\"uid\":\"u\","
                             "\"allowed\":true}}\n");
}

Test(once, a_review_that_is_too_long_is_refused)
{
    _cleanup_(freep) char *input = malloc(4 << 20);
    char output[16];

    cr_assert(input);
    memset(input, ' ', 4 << 20);
    input[(4 << 20) - 1] = '\0';
    cr_expect_eq(once(input, output, sizeof(output)), -EFBIG);
}

Test(once, what_is_no_review_is_answered_and_is_an_error)
{
    static const char *const inputs[] = {"", "garbage", "{}", "{\"kind\":\"AdmissionReview\"}"};

    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        char output[4096] = "";

        cr_expect_eq(once(inputs[i], output, sizeof(output)), -EBADMSG, "%s", inputs[i]);
        cr_expect_not_null(strstr(output, "\"allowed\":false"), "%s: %s", inputs[i], output);
    }
}
