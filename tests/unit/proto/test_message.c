#include <criterion/criterion.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "proto/message.h"

static struct error err;
static unsigned char bytes[MESSAGE_BYTES_MAX];

static int encode(enum message_type type, uint64_t row, const char *uid)
{
    struct message m = {.type = type};

    m.observed.row = row; /* all have the same fields */
    m.observed.uid = uid;
    return message_encode(&m, bytes, sizeof(bytes), &err);
}

Test(message, every_type_comes_back_as_it_was)
{
    static const uint64_t rows[] = {0, 1, 0x0102030405060708, UINT64_MAX};

    for (int type = 0; type < MESSAGE_TYPES; type++)
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
            struct message m;
            int len = encode((enum message_type)type, rows[i], "uid-\u00e9");

            cr_assert_gt(len, 0, "%s", err.text);
            cr_assert_eq(message_decode(bytes, (size_t)len, &m, &err), 0, "%s", err.text);
            cr_expect_eq(m.type, type);
            cr_expect_eq(m.observed.row, rows[i]);
            cr_expect_str_eq(m.observed.uid, "uid-\u00e9");
        }
}

Test(message, has_the_documented_bytes)
{
    static const unsigned char expected[] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 2, 'a', 'b'};

    cr_expect_eq(encode(MESSAGE_OBSERVED, 258, "ab"), (int)sizeof(expected));
    cr_expect_eq(memcmp(bytes, expected, sizeof(expected)), 0);
}

Test(message, strings_have_a_limit)
{
    char uid[MESSAGE_STR_MAX + 2];
    struct message m;
    int len;

    memset(uid, 'u', sizeof(uid));
    uid[MESSAGE_STR_MAX + 1] = '\0';
    cr_expect_eq(encode(MESSAGE_OBSERVED, 1, uid), -EINVAL);
    uid[MESSAGE_STR_MAX] = '\0';
    len = encode(MESSAGE_OBSERVED, 1, uid);
    cr_assert_gt(len, 0);
    cr_expect_eq(message_decode(bytes, (size_t)len, &m, &err), 0, "%s", err.text);
    cr_expect_str_eq(m.observed.uid, uid);
}

Test(message, what_cannot_be_said_is_refused)
{
    struct message m = {.type = MESSAGE_OBSERVED, .observed = {.row = 1, .uid = "u"}};

    cr_expect_eq(encode(MESSAGE_OBSERVED, 1, NULL), -EINVAL);
    cr_expect_eq(encode(MESSAGE_TYPES, 1, "u"), -EINVAL);
    for (size_t size = 0; size < 13; size++)
        cr_expect_eq(message_encode(&m, bytes, size, &err), -EINVAL, "into %zu bytes", size);
    cr_expect_eq(message_encode(&m, bytes, 13, &err), 13);
}

Test(message, a_piece_of_one_is_none)
{
    int len = encode(MESSAGE_DECIDED, 7, "uid");
    struct message m;

    for (int i = 0; i < len; i++)
        cr_expect_eq(message_decode(bytes, (size_t)i, &m, &err), -EPROTO, "%d bytes", i);
    bytes[len] = 0;
    cr_expect_eq(message_decode(bytes, (size_t)len + 1, &m, &err), -EPROTO, "and one more");
}

Test(message, hostile_bytes_are_refused)
{
    static const struct {
        int at;
        unsigned char byte;
        const char *what;
    } changes[] = {
        {0, 0, "version"},     {0, 2, "version"},   {1, MESSAGE_TYPES, "type"},
        {1, 255, "type"},      {10, 1, "a length"}, {10, 255, "a length"},
        {11, 2, "bytes over"}, {11, 4, "too few"},  {12, 0, "a NUL in a string"},
    };
    int len = encode(MESSAGE_OBSERVED, 7, "uid");

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        unsigned char bad[32];
        struct message m;

        memcpy(bad, bytes, (size_t)len);
        bad[changes[i].at] = changes[i].byte;
        cr_expect_eq(message_decode(bad, (size_t)len, &m, &err), -EPROTO, "%s", changes[i].what);
    }
}

Test(message, topics_are_named)
{
    cr_expect_str_eq(message_topic(MESSAGE_COMMAND_READY), "command.ready");
    cr_expect_str_eq(message_topic(MESSAGE_TYPES), "unknown");
}
