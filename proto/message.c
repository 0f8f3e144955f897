#include "proto/message.h"

#include <string.h>

static const char *const topics[MESSAGE_TYPES] = {
#define X(name, upper, topic) [MESSAGE_##upper] = (topic),
    MESSAGE_LIST(X)
#undef X
};

const char *message_topic(enum message_type type)
{
    return (unsigned)type < MESSAGE_TYPES ? topics[type] : "unknown";
}

/* ---- encoding: a cursor that remembers that something didn't fit ---- */

struct writer {
    unsigned char *out;
    size_t len, size;
    const char *bad; /* what is wrong with the message; NULL: nothing */
};

static void put(struct writer *w, const void *data, size_t len)
{
    if (len > w->size - w->len)
        w->bad = "the message is too long";
    if (w->bad)
        return;
    memcpy(w->out + w->len, data, len);
    w->len += len;
}

static void put_byte(struct writer *w, unsigned value)
{
    unsigned char byte = (unsigned char)value;

    put(w, &byte, 1);
}

static void put_u64(struct writer *w, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        put_byte(w, (unsigned)(value >> shift) & 0xFF);
}

static void put_str(struct writer *w, const char *text)
{
    size_t len = text ? strnlen(text, MESSAGE_STR_MAX + 1) : 0;

    if (!text || len > MESSAGE_STR_MAX) {
        w->bad = text ? "a string is too long" : "a string is missing";
        return;
    }
    put_byte(w, (unsigned)len >> 8);
    put_byte(w, (unsigned)len & 0xFF);
    put(w, text, len);
}

#define F(type, name) put_##type(w, body->name);
#define X(name, upper, topic)                                                                      \
    static void put_##name(struct writer *w, const struct message_##name *body)                    \
    {                                                                                              \
        FIELDS_##name(F)                                                                           \
    }
MESSAGE_LIST(X)
#undef X
#undef F

int message_encode(const struct message *m, unsigned char *out, size_t size, struct error *err)
{
    struct writer w = {.size = size < MESSAGE_BYTES_MAX ? size : MESSAGE_BYTES_MAX};

    w.out = out;
    put_byte(&w, MESSAGE_VERSION);
    put_byte(&w, m->type);
    switch (m->type) {
#define X(name, upper, topic)                                                                      \
    case MESSAGE_##upper:                                                                          \
        put_##name(&w, &m->name);                                                                  \
        break;
        MESSAGE_LIST(X)
#undef X
    case MESSAGE_TYPES:
        w.bad = "no such type";
        break;
    }
    if (w.bad)
        return error_set(err, EINVAL, "encode '%s': %s", message_topic(m->type), w.bad);
    return (int)w.len;
}

/* ---- decoding: hostile bytes ---- */

struct reader {
    const unsigned char *data;
    size_t left;
    char *strings; /* where the next string goes */
    size_t room;
    const char *bad;
};

static const unsigned char *take(struct reader *r, size_t len)
{
    const unsigned char *data = r->data;

    if (r->bad || len > r->left) {
        r->bad = r->bad ? r->bad : "cut short";
        return NULL;
    }
    r->data += len;
    r->left -= len;
    return data;
}

static unsigned get_byte(struct reader *r)
{
    const unsigned char *p = take(r, 1);

    return p ? *p : 0;
}

static uint64_t get_u64(struct reader *r)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | get_byte(r);
    return value;
}

static const char *get_str(struct reader *r)
{
    unsigned high = get_byte(r);
    size_t len = high << 8 | get_byte(r);
    const unsigned char *p = take(r, len);
    char *text = r->strings;

    if (!p)
        return "";
    if (len > MESSAGE_STR_MAX || len >= r->room || memchr(p, '\0', len)) {
        r->bad = "a string is too long or holds a NUL";
        return "";
    }
    memcpy(text, p, len);
    text[len] = '\0';
    r->strings += len + 1;
    r->room -= len + 1;
    return text;
}

#define F(type, name) body->name = get_##type(r);
#define X(name, upper, topic)                                                                      \
    static void get_##name(struct reader *r, struct message_##name *body)                          \
    {                                                                                              \
        FIELDS_##name(F)                                                                           \
    }
MESSAGE_LIST(X)
#undef X
#undef F

int message_decode(const unsigned char *data, size_t len, struct message *ret, struct error *err)
{
    struct reader r = {
        .data = data, .left = len, .strings = ret->strings, .room = sizeof(ret->strings)};
    unsigned type;

    if (len > MESSAGE_BYTES_MAX)
        return error_set(err, EPROTO, "message of %zu bytes", len);
    if (get_byte(&r) != MESSAGE_VERSION)
        return error_set(err, EPROTO, "message of an unknown version");
    type = get_byte(&r);
    if (r.bad || type >= MESSAGE_TYPES)
        return error_set(err, EPROTO, "message of an unknown type");
    ret->type = (enum message_type)type;
    switch (ret->type) {
#define X(name, upper, topic)                                                                      \
    case MESSAGE_##upper:                                                                          \
        get_##name(&r, &ret->name);                                                                \
        break;
        MESSAGE_LIST(X)
#undef X
    case MESSAGE_TYPES:
        break;
    }
    if (!r.bad && r.left)
        r.bad = "bytes left over";
    if (r.bad)
        return error_set(err, EPROTO, "message '%s': %s", message_topic(ret->type), r.bad);
    return 0;
}
