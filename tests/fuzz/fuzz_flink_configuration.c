/* Any JSON as the spec of a FlinkCluster that was stored without a webhook: its children can be
 * made, and Flink's configuration says each of the user's properties once, on its own line. */
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <yaml.h>

#include "common/model/admission.h"
#include "reconciler/desired_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SPEC_MAX = 64 * 1024 }; /* what is meant here is said in less */

#define require(condition) require_at(condition, #condition)
static void require_at(bool holds, const char *condition)
{
    if (holds)
        return;
    (void)fprintf(stderr, "not so: %s\n", condition);
    abort();
}

/* Go, which the API server is written in, has no other text. */
static bool is_utf8(const char *text, size_t len)
{
    mbstate_t state = {0};

    while (len > 0) {
        size_t n = mbrtowc(NULL, text, len, &state);

        if (n == 0 || n > len)
            return false;
        text += n;
        len -= n;
    }
    return true;
}

static cJSON *cluster_of(cJSON *take_spec)
{
    cJSON *cluster = cJSON_CreateObject();

    json_set_str(cluster, "metadata.name", "mine");
    json_set_str(cluster, "metadata.namespace", "default");
    json_set_str(cluster, "metadata.uid", "u");
    json_set(cluster, "spec", take_spec);
    return cluster;
}

/* ---- before 2.0: Flink splits each line at the first ": " ---- */

static void check_lines(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        const char *colon = memmem(text, len, ": ", 2);

        require(text[len] == '\n' && colon && !memchr(text, '\r', len));
        text += len + 1;
    }
}

/* ---- since 2.0: YAML ---- */

/* The next event; its end is the caller's. Anything but an error. */
static yaml_event_type_t next(yaml_parser_t *parser, yaml_event_t *event)
{
    require(yaml_parser_parse(parser, event));
    return event->type;
}

static yaml_event_type_t skip(yaml_parser_t *parser)
{
    yaml_event_t event;
    yaml_event_type_t type = next(parser, &event);

    yaml_event_delete(&event);
    return type;
}

/* The value of a key: a scalar, or a list or map that the user wrote. */
static void skip_value(yaml_parser_t *parser)
{
    int depth = 0;

    do {
        yaml_event_type_t type = skip(parser);

        require(type != YAML_DOCUMENT_END_EVENT);
        depth += type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT;
        depth -= type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT;
    } while (depth > 0);
}

static void check_yaml(const char *text, const cJSON *user)
{
    _cleanup_(json_freep) cJSON *missing = json_copy(user);
    yaml_parser_t parser;
    yaml_event_t event;

    require(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    require(skip(&parser) == YAML_STREAM_START_EVENT);
    require(skip(&parser) == YAML_DOCUMENT_START_EVENT);
    require(skip(&parser) == YAML_MAPPING_START_EVENT);
    while (next(&parser, &event) == YAML_SCALAR_EVENT) {
        cJSON *item;

        /* Given twice, one of them counts. */
        while ((item = json_member(missing, (const char *)event.data.scalar.value)))
            cJSON_Delete(cJSON_DetachItemViaPointer(missing, item));
        yaml_event_delete(&event);
        skip_value(&parser);
    }
    require(event.type == YAML_MAPPING_END_EVENT);
    yaml_event_delete(&event);
    require(skip(&parser) == YAML_DOCUMENT_END_EVENT);
    require(skip(&parser) == YAML_STREAM_END_EVENT);
    yaml_parser_delete(&parser);
    cJSON_Delete(cJSON_DetachItemFromObjectCaseSensitive(missing, "$internal.pipeline.job-id"));
    require(!missing || !missing->child);
}

/* ---- */

static void check_configuration(const struct view *view)
{
    _cleanup_(desired_done) struct desired d = {0};
    _cleanup_(freep) char *text = NULL;

    require(!desired_init(&d, view, view->spec, "mine-hash"));
    text = flink_configuration(&d);
    require(text);
    if (flink_version_at_least(&d.version, 2, 0))
        check_yaml(text, json_member(d.spec, "flinkProperties"));
    else
        check_lines(text);
}

static void check_children(const struct view *view)
{
    const struct desired_input in = {.view = view,
                                     .spec = view->spec,
                                     .revision = "mine-hash",
                                     .jobmanager = true,
                                     .taskmanager = true,
                                     .everything = true};
    const struct desired_job run = {.view = view,
                                    .revision = "mine-hash",
                                    .job_id = "0123456789abcdef0123456789abcdef",
                                    .from_savepoint = "file:///s"};
    _cleanup_(json_freep) cJSON *children = desired_children(&in);
    _cleanup_(json_freep) cJSON *submitter = NULL;

    require(children);
    json_foreach (child, children)
        (void)desired_matches(child, child);
    if (json_has(view->spec, "job"))
        submitter = desired_submitter(&run);
    require(!json_has(view->spec, "job") || submitter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snapshot snapshot = {.objects = cJSON_CreateArray(),
                                .observations = cJSON_CreateObject(),
                                .commands = cJSON_CreateArray()};
    struct view view;
    cJSON *spec = NULL;

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (size > SPEC_MAX || !is_utf8((const char *)data, size) ||
        json_parse((const char *)data, size, &spec, NULL))
        spec = NULL;
    if (cJSON_IsObject(spec)) {
        snapshot.cluster = cluster_of(TAKE(spec));
        view_init(&view, &snapshot, 1767225600000);
        if (!view.invalid) {
            check_configuration(&view);
            check_children(&view);
        }
        view_done(&view);
    }
    cJSON_Delete(spec);
    snapshot_done(&snapshot);
    return 0;
}
