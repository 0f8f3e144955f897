/* One property of Flink's config.yaml. A value goes in as it is while YAML reads it as it is (users
 * of the reference operator, which never quotes, may have written quotes and lists themselves),
 * else in quotes. */
#include "reconciler/desired_internal.h"

#include <string.h>

#include <yaml.h>

enum { LINE_MAX_BYTES = 1024 * 1024 }; /* what a ConfigMap can hold */

static void parserp(yaml_parser_t *parser)
{
    yaml_parser_delete(parser);
}

/* The parser's next event is of that type; for scalars: plain ones must be @text, quoted ones may
 * be anything. */
static bool next_is(yaml_parser_t *parser, yaml_event_type_t type, const char *text)
{
    yaml_event_t event;
    bool good;

    if (!yaml_parser_parse(parser, &event))
        return false;
    good = event.type == type;
    if (good && text && event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        good = str_eq((const char *)event.data.scalar.value, text);
    yaml_event_delete(&event);
    return good;
}

/* A list or map in the one line that it was written in. */
static bool is_flow_collection(yaml_parser_t *parser)
{
    int depth = 0;

    do {
        yaml_event_t event;

        if (!yaml_parser_parse(parser, &event))
            return false;
        depth += event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        yaml_event_delete(&event);
    } while (depth > 0);
    return true;
}

/* "key: <value>" is a document that says just that. */
static bool is_read_as_is(const char *key, const char *value)
{
    _cleanup_(buf_done) struct buf line = BUF_INIT(LINE_MAX_BYTES);
    _cleanup_(parserp) yaml_parser_t parser;
    bool collection = *value == '[' || *value == '{';

    if (!yaml_parser_initialize(&parser))
        return false;
    if (strchr(value, '\n') || buf_printf(&line, "%s: %s\n", key, value))
        return false;
    yaml_parser_set_input_string(&parser, (const unsigned char *)line.data, line.len);
    if (!next_is(&parser, YAML_STREAM_START_EVENT, NULL) ||
        !next_is(&parser, YAML_DOCUMENT_START_EVENT, NULL) ||
        !next_is(&parser, YAML_MAPPING_START_EVENT, NULL) ||
        !next_is(&parser, YAML_SCALAR_EVENT, key))
        return false;
    if (collection ? !is_flow_collection(&parser) : !next_is(&parser, YAML_SCALAR_EVENT, value))
        return false;
    return next_is(&parser, YAML_MAPPING_END_EVENT, NULL) &&
           next_is(&parser, YAML_DOCUMENT_END_EVENT, NULL) &&
           next_is(&parser, YAML_STREAM_END_EVENT, NULL);
}

/* What YAML refuses, or takes for the end of a line, though it is text: C1 control characters, line
 * and paragraph separator, byte order mark, no characters (YAML 1.2, 5.1 and 5.4). */
static const struct {
    const char *utf8, *escape;
} unprintable[] = {
    {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"}, {"\xef\xbb\xbf", "\\ufeff"},
    {"\xef\xbf\xbe", "\\ufffe"}, {"\xef\xbf\xbf", "\\uffff"},
};

/* The bytes of @p that were added escaped; 0: they need not be. */
static size_t add_escaped(struct buf *out, const char *p)
{
    unsigned char c = (unsigned char)p[0], next = c ? (unsigned char)p[1] : 0;

    if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
        (void)buf_printf(out, "\\x%02x", next);
        return 2;
    }
    for (size_t i = 0; i < ARRAY_SIZE(unprintable); i++) {
        if (!str_starts(p, unprintable[i].utf8))
            continue;
        (void)buf_puts(out, unprintable[i].escape);
        return strlen(unprintable[i].utf8);
    }
    return 0;
}

static void add_quoted(struct buf *out, const char *text)
{
    (void)buf_puts(out, "\"");
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        size_t escaped = c < 0x80 ? 0 : add_escaped(out, p);

        if (escaped)
            p += escaped - 1;
        else if (c == '"' || c == '\\')
            (void)buf_printf(out, "\\%c", c);
        else if (c == '\n')
            (void)buf_puts(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            (void)buf_printf(out, "\\x%02x", c);
        else
            (void)buf_add(out, p, 1);
    }
    (void)buf_puts(out, "\"");
}

void yaml_property(struct buf *out, const char *key, const char *value)
{
    bool plain_key = is_read_as_is(key, "x");

    if (plain_key)
        (void)buf_puts(out, key);
    else
        add_quoted(out, key);
    (void)buf_puts(out, ": ");
    if (*value && is_read_as_is("x", value))
        (void)buf_puts(out, value);
    else
        add_quoted(out, value);
    (void)buf_puts(out, "\n");
}
