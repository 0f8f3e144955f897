#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/buf.h"

Test(buf, grows_and_stays_terminated)
{
    _cleanup_(buf_done) struct buf b = BUF_INIT(100000);

    cr_expect_str_eq(buf_str(&b), "");
    for (int i = 0; i < 10000; i++)
        cr_assert_eq(buf_puts(&b, "abc"), 0);
    cr_expect_eq(b.len, 30000);
    cr_expect_eq(strlen(b.data), 30000);
}

Test(buf, takes_exactly_its_maximum)
{
    _cleanup_(buf_done) struct buf b = BUF_INIT(4);

    cr_expect_eq(buf_add(&b, "1234", 4), 0);
    cr_expect_eq(buf_add(&b, "", 0), 0);
    cr_expect_eq(buf_add(&b, "5", 1), -EFBIG);
    cr_expect(b.failed);
    cr_expect_str_eq(buf_str(&b), "1234");
}

Test(buf, a_failure_sticks_until_it_is_reset)
{
    _cleanup_(buf_done) struct buf b = BUF_INIT(4);

    cr_expect_eq(buf_printf(&b, "%d", 12345), -EFBIG);
    cr_expect_lt(buf_puts(&b, "1"), 0);
    cr_expect_null(buf_take(&b));
    buf_reset(&b);
    cr_expect_eq(buf_printf(&b, "%d", 1234), 0);
}

Test(buf, gives_its_bytes_away)
{
    struct buf b = BUF_INIT(64);
    char *text = buf_take(&b);

    cr_expect_str_eq(text, "", "an empty one gives an empty string");
    free(text);
    buf_puts(&b, "again");
    text = buf_take(&b);
    cr_expect_str_eq(text, "again");
    cr_expect_eq(b.len, 0);
    cr_expect_null(b.data);
    free(text);
}

Test(buf, holds_any_bytes)
{
    _cleanup_(buf_done) struct buf b = BUF_INIT(64);

    buf_add(&b, "a\0b", 3);
    cr_expect_eq(b.len, 3);
    cr_expect_eq(memcmp(b.data, "a\0b", 4), 0);
}
