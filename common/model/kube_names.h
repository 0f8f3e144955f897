/* Kubernetes' own rules for names, labels and annotations (k8s.io/apimachinery,
 * pkg/util/validation). Pure. */
#ifndef COMMON_MODEL_KUBE_NAMES_H
#define COMMON_MODEL_KUBE_NAMES_H

#include <cjson/cJSON.h>

enum {
    KUBE_LABEL_MAX = 63, /* DNS label, label value, name part of a key */
    KUBE_SUBDOMAIN_MAX = 253, /* prefix of a key */
    KUBE_ANNOTATIONS_MAX = 256 * 1024, /* keys and values of one object's annotations, in bytes */
};

/* Each returns NULL when @text (not NULL) is valid, else what is wrong with it: a static string. */
const char *kube_dns1035_label_problem(const char *text);
const char *kube_dns1123_label_problem(const char *text);
const char *kube_dns1123_subdomain_problem(const char *text);
const char *kube_qualified_name_problem(const char *text); /* [prefix/]name: a key of a label */
const char *kube_annotation_key_problem(const char *text); /* the same, the prefix in any case */
const char *kube_label_value_problem(const char *text);

#endif
