/* JSON in tests, readable: single quotes stand for double ones. */
#ifndef TESTS_LIB_QUOTED_JSON_H
#define TESTS_LIB_QUOTED_JSON_H

#include <cjson/cJSON.h>

/** @text with double quotes; one of many buffers, so that several can be used at once. */
const char *q(const char *text);
/** Parsed; what isn't JSON ends the test. The caller's. */
cJSON *json_of(const char *text);
/** Like json_get(), and "[1]" or "[-1]" (the last) are items of a list: "spec.containers[0].name".
 */
const cJSON *json_at(const cJSON *json, const char *path);
/** What is at @path is what @text says; NULL: there is nothing. */
void expect_json_at(const cJSON *json, const char *path, const char *text, const char *file,
                    int line);
#define expect_json(json, path, text) expect_json_at(json, path, text, __FILE__, __LINE__)

#endif
