#include "tests/lib/quoted_json.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/str.h"

enum { BUFFERS = 64, BUFFER_SIZE = 4096 };

const char *q(const char *text)
{
    static char buffers[BUFFERS][BUFFER_SIZE];
    static unsigned next;
    char *out = buffers[next++ % BUFFERS];

    cr_assert(strlen(text) < BUFFER_SIZE);
    str_copy(out, BUFFER_SIZE, text);
    for (char *p = out; *p; p++)
        if (*p == '\'')
            *p = '"';
    return out;
}

cJSON *json_of(const char *text)
{
    struct error err = {0};
    const char *quoted = q(text);
    cJSON *json = NULL;

    cr_assert_eq(json_parse(quoted, strlen(quoted), &json, &err), 0, "%s: %s", quoted, err.text);
    return json;
}

const cJSON *json_at(const cJSON *json, const char *path)
{
    while (json && *path) {
        char name[256], *end;
        size_t len = strcspn(path, ".[");

        if (*path == '[') {
            long index = strtol(path + 1, &end, 10);

            json = cJSON_GetArrayItem(json,
                                      (int)(index < 0 ? cJSON_GetArraySize(json) + index : index));
            path = end + 1;
        } else {
            str_copy(name, len + 1 < sizeof(name) ? len + 1 : sizeof(name), path);
            json = json_member(json, name);
            path += len;
        }
        path += *path == '.';
    }
    return json;
}

void expect_json_at(const cJSON *json, const char *path, const char *text, const char *file,
                    int line)
{
    const cJSON *found = json_at(json, path);
    _cleanup_(freep) char *found_text = json_text(found);
    _cleanup_(json_freep) cJSON *wanted = text ? json_of(text) : NULL;

    cr_expect(text ? json_equal(found, wanted) : !found, "%s:%d: %s is %s, not %s", file, line,
              path, found_text ? found_text : "absent", text ? text : "absent");
}
