/* YAML as a cJSON tree: what a kubeconfig needs of it. Plain true, false and null become that,
 * every other scalar a string. Anchors, aliases and more than one document are refused. */
#ifndef COMMON_KUBE_YAML_H
#define COMMON_KUBE_YAML_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/base/error.h"

enum { YAML_DEPTH_MAX = 32, YAML_NODES_MAX = 100000 };

/** @ret is the caller's; of a key that is there twice the first counts. -EINVAL names the line;
 * -ENOMEM. */
int yaml_parse(const char *text, size_t len, cJSON **ret, struct error *err);

#endif
