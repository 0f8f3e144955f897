/* Flink's Python options among a job's arguments. Flink reads its own options up to the first word
 * that is none, so they come first, wherever the user wrote them. Pure. */
#ifndef COMMON_MODEL_PYTHON_ARGS_H
#define COMMON_MODEL_PYTHON_ARGS_H

#include <stdbool.h>

#include "common/base/json.h"

/** The Java program of Flink's that runs Python programs in Application mode. */
#define PYTHON_DRIVER "org.apache.flink.client.python.PythonDriver"

/** The job is a Python program: one is named in pyFile or pyModule, or else in its arguments; and
 * there is no Java program that has the arguments to itself (jarFile, or in Application mode
 * className). */
bool python_is_job(const cJSON *job);
/** One of pyFile and pyModule is set. */
bool python_is_named(const cJSON *job);
/** The arguments, with Flink's options in front, each as two words, in their order. What follows
 * "--" is the program's; so are -py and -pym when pyFile or pyModule name the program already.
 * Those of a job that is no Python program are as they were given. The caller's. */
cJSON *python_sorted_args(const cJSON *job);

#endif
