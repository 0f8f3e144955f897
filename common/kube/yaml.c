#include "common/kube/yaml.h"

#include <string.h>

#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one looked at; deleted before the next is read */
    int nodes;
    struct error *err;
};

static int fail(struct reader *r, const char *what)
{
    return error_set(r->err, EINVAL, "line %zu: %s", r->event.start_mark.line + 1, what);
}

static int next(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return 0;
    if (r->parser.error == YAML_MEMORY_ERROR)
        return error_set(r->err, ENOMEM, "out of memory");
    return error_set(r->err, EINVAL, "line %zu: %s", r->parser.problem_mark.line + 1,
                     r->parser.problem ? r->parser.problem : "no YAML");
}

static cJSON *scalar(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;

    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        if (strcmp(text, "true") == 0)
            return cJSON_CreateTrue();
        if (strcmp(text, "false") == 0)
            return cJSON_CreateFalse();
        if (strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || !*text)
            return cJSON_CreateNull();
    }
    return cJSON_CreateString(text);
}

static int read_node(struct reader *r, int depth, cJSON **ret);

static int read_sequence(struct reader *r, int depth, cJSON *array)
{
    int ret;

    for (;;) {
        cJSON *item = NULL;

        ret = next(r);
        if (ret || r->event.type == YAML_SEQUENCE_END_EVENT)
            return ret;
        ret = read_node(r, depth + 1, &item);
        if (ret)
            return ret;
        cJSON_AddItemToArray(array, item);
    }
}

static int read_pair(struct reader *r, int depth, cJSON *object)
{
    _cleanup_(freep) char *key = NULL;
    cJSON *value = NULL;
    int ret;

    if (r->event.type != YAML_SCALAR_EVENT)
        return fail(r, "a key must be a scalar");
    key = strdup((const char *)r->event.data.scalar.value);
    if (!key)
        return error_set(r->err, ENOMEM, "out of memory");
    ret = next(r);
    if (!ret)
        ret = read_node(r, depth + 1, &value);
    if (ret)
        return ret;
    if (!cJSON_AddItemToObject(object, key, value)) {
        cJSON_Delete(value);
        return error_set(r->err, ENOMEM, "out of memory");
    }
    return 0;
}

static int read_mapping(struct reader *r, int depth, cJSON *object)
{
    int ret;

    do {
        ret = next(r);
        if (ret || r->event.type == YAML_MAPPING_END_EVENT)
            return ret;
        ret = read_pair(r, depth, object);
    } while (!ret);
    return ret;
}

/* The event is the node's first. */
static int read_node(struct reader *r, int depth, cJSON **ret)
{
    _cleanup_(json_freep) cJSON *node = NULL;
    yaml_event_type_t type = r->event.type;
    int result = 0;

    if (depth > YAML_DEPTH_MAX || ++r->nodes > YAML_NODES_MAX)
        return fail(r, "nested too deeply or too long");
    if (type == YAML_SCALAR_EVENT)
        node = scalar(&r->event);
    else if (type == YAML_SEQUENCE_START_EVENT)
        node = cJSON_CreateArray();
    else if (type == YAML_MAPPING_START_EVENT)
        node = cJSON_CreateObject();
    else
        return fail(r, "anchors and aliases aren't supported");
    if (!node)
        return error_set(r->err, ENOMEM, "out of memory");
    if (type == YAML_SEQUENCE_START_EVENT)
        result = read_sequence(r, depth, node);
    else if (type == YAML_MAPPING_START_EVENT)
        result = read_mapping(r, depth, node);
    if (!result)
        *ret = TAKE(node);
    return result;
}

static int read_document(struct reader *r, cJSON **ret)
{
    _cleanup_(json_freep) cJSON *root = NULL;
    int result;

    result = next(r); /* the stream's start */
    if (!result)
        result = next(r);
    if (!result && r->event.type == YAML_STREAM_END_EVENT)
        return fail(r, "empty");
    if (!result)
        result = next(r); /* the document's start is behind us */
    if (!result)
        result = read_node(r, 0, &root);
    if (!result)
        result = next(r); /* its end */
    if (!result)
        result = next(r);
    if (result)
        return result;
    if (r->event.type != YAML_STREAM_END_EVENT)
        return fail(r, "more than one document");
    *ret = TAKE(root);
    return 0;
}

int yaml_parse(const char *text, size_t len, cJSON **ret, struct error *err)
{
    struct reader r = {.err = err};
    int result;

    if (!yaml_parser_initialize(&r.parser))
        return error_set(err, ENOMEM, "out of memory");
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    result = read_document(&r, ret);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return result;
}
