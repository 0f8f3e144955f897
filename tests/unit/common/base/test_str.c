#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/str.h"

Test(str, null_equals_only_null)
{
    cr_expect(str_eq(NULL, NULL));
    cr_expect_not(str_eq(NULL, ""));
    cr_expect(str_eq("a", "a"));
    cr_expect_not(str_eq("a", "A"));
    cr_expect(str_eq_nocase("aB", "Ab"));
}

Test(str, finds_beginnings_and_ends)
{
    cr_expect(str_starts("abc", "ab"));
    cr_expect_not(str_starts("a", "ab"));
    cr_expect_not(str_starts(NULL, ""));
    cr_expect(str_ends("abc", "bc"));
    cr_expect_not(str_ends("c", "bc"));
    cr_expect(str_blank(" \t\n"));
    cr_expect(str_blank(NULL));
    cr_expect_not(str_blank(" x"));
}

Test(str, a_number_is_the_whole_string)
{
    static const char *const bad[] = {"", " 1", "1 ", "1x", "x", "0x10", "1.0", "--1", NULL};
    int64_t n = 7;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(str_to_i64(bad[i], &n), -EINVAL, "'%s'", bad[i] ? bad[i] : "NULL");
    cr_expect_eq(str_to_i64("9223372036854775808", &n), -ERANGE);
    cr_expect_eq(n, 7, "a failure leaves the result alone");
    cr_expect_eq(str_to_i64("-9223372036854775808", &n), 0);
    cr_expect_eq(n, INT64_MIN);
}

Test(str, a_double_is_decimal_and_finite)
{
    static const char *const bad[] = {"", "nan", "inf", "0x1p3", "1e", "1.5 ", NULL};
    double d;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(str_to_double(bad[i], &d), -EINVAL, "'%s'", bad[i] ? bad[i] : "NULL");
    cr_expect_eq(str_to_double("1e999", &d), -ERANGE);
    cr_expect_eq(str_to_double("-1.5e2", &d), 0);
    cr_expect_eq(d, -150.0);
}

Test(str, copies_never_end_inside_a_character)
{
    char out[4];

    str_copy(out, sizeof(out), "ab\u00e9");
    cr_expect_str_eq(out, "ab");
    str_copy(out, sizeof(out), "a\u00e9");
    cr_expect_str_eq(out, "a\u00e9");
    str_copy(out, 1, "abc");
    cr_expect_str_eq(out, "");
    cr_expect_eq(str_utf8_cut("\U0001F600", 3), 0);
    cr_expect_eq(str_utf8_cut("abc", 100), 3);
}

Test(str, hashes_match_their_vectors)
{
    cr_expect_eq(fnv1a_32("test-namespace/fxoxo1", 21), 673086441);
    cr_expect_eq(fnv1a_32("test-namespace/fxoxo2", 21), 622753584);
    cr_expect_eq(fnv1_32("", 0), 2166136261);
    cr_expect_eq(fnv1_32("a", 1), 0x050c5d7e);
}

Test(str, md5_joins_its_parts_by_line_breaks)
{
    char whole[33], parts[33];

    md5_hex(whole, "abc", NULL);
    cr_expect_str_eq(whole, "900150983cd24fb0d6963f7d28e17f72");
    md5_hex(whole, "a\nb", NULL);
    md5_hex(parts, "a", "b", NULL);
    cr_expect_str_eq(whole, parts);
    cr_expect(is_hex32(parts));
}

Test(str, an_id_is_32_lower_case_hex_digits)
{
    cr_expect(is_hex32("0123456789abcdef0123456789abcdef"));
    cr_expect_not(is_hex32("0123456789ABCDEF0123456789abcdef"));
    cr_expect_not(is_hex32("0123456789abcdef0123456789abcde"));
    cr_expect_not(is_hex32("0123456789abcdef0123456789abcdef0"));
    cr_expect_not(is_hex32(NULL));
}
