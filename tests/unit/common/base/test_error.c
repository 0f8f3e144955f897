#include <string.h>

#include <criterion/criterion.h>

#include "common/base/error.h"

static struct error err;

Test(error, setting_returns_the_negative_number_and_keeps_it)
{
    cr_expect_eq(error_set(&err, ENOENT, "no %s", "file"), -ENOENT);
    cr_expect_eq(err.code, -ENOENT);
    cr_expect_str_eq(err.text, "no file");
}

Test(error, may_be_absent)
{
    cr_expect_eq(error_set(NULL, EPERM, "x"), -EPERM);
    cr_expect_eq(error_wrap(NULL, "x"), -EIO);
}

Test(error, may_be_made_of_its_own_text)
{
    error_set(&err, EIO, "inner");
    error_set(&err, EPROTO, "outer of %s", err.text);
    cr_expect_str_eq(err.text, "outer of inner");
}

Test(error, wrapping_puts_what_the_caller_knows_before_it)
{
    error_set(&err, ENOENT, "inner");
    cr_expect_eq(error_wrap(&err, "cluster %s", "u1"), -ENOENT);
    cr_expect_str_eq(err.text, "cluster u1: inner");
}

Test(error, wrapping_what_was_never_set_is_an_input_output_error)
{
    cr_expect_eq(error_wrap(&err, "cluster"), -EIO);
    cr_expect_str_eq(err.text, "cluster");
    cr_expect_eq(err.code, -EIO);
}

Test(error, a_long_text_is_cut_at_a_character)
{
    char big[2048];

    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    error_set(&err, EIO, "\u00e9\u00e9");
    for (int i = 0; i < 2; i++)
        error_wrap(&err, "%.*s", 509, big);
    cr_expect_eq(strlen(err.text), (size_t)1022, "half an \u00e9 has no place");
}
