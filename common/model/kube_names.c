#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "common/model/kube_names.h"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? over the first @len bytes */
static bool is_dns_label(const char *text, size_t len)
{
    if (len == 0 || !is_lower_alnum(text[0]) || !is_lower_alnum(text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_lower_alnum(text[i]) && text[i] != '-')
            return false;
    return true;
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_label_text(const char *text, size_t len)
{
    if (len == 0 || !is_alnum(text[0]) || !is_alnum(text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(text[i]) && !strchr("-_.", text[i]))
            return false;
    return true;
}

const char *kube_dns1123_label_problem(const char *text)
{
    if (strlen(text) > KUBE_LABEL_MAX)
        return "must be no more than 63 bytes";
    if (!is_dns_label(text, strlen(text)))
        return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
               "'-', and must start and end with an alphanumeric character";
    return NULL;
}

const char *kube_dns1035_label_problem(const char *text)
{
    if (strlen(text) > KUBE_LABEL_MAX)
        return "must be no more than 63 bytes";
    if (text[0] < 'a' || text[0] > 'z' || !is_dns_label(text, strlen(text)))
        return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
               "with an alphabetic character, and end with an alphanumeric character";
    return NULL;
}

static bool is_subdomain(const char *text, size_t len)
{
    size_t start = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] != '.')
            continue;
        if (!is_dns_label(text + start, i - start))
            return false;
        start = i + 1;
    }
    return true;
}

static const char *subdomain_problem(const char *text, size_t len)
{
    if (len > KUBE_SUBDOMAIN_MAX)
        return "must be no more than 253 bytes";
    if (!is_subdomain(text, len))
        return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
               "'-' or '.', and must start and end with an alphanumeric character";
    return NULL;
}

const char *kube_dns1123_subdomain_problem(const char *text)
{
    return subdomain_problem(text, strlen(text));
}

const char *kube_qualified_name_problem(const char *text)
{
    const char *slash = strchr(text, '/');
    const char *name = slash ? slash + 1 : text;

    if (slash && strchr(name, '/'))
        return "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and "
               "must start and end with an alphanumeric character, with an optional DNS subdomain "
               "prefix and '/'";
    if (slash == text)
        return "prefix part must be non-empty";
    if (slash && slash - text > KUBE_SUBDOMAIN_MAX)
        return "prefix part must be no more than 253 bytes";
    if (slash && !is_subdomain(text, (size_t)(slash - text)))
        return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
               "characters, '-' or '.', and must start and end with an alphanumeric character";
    if (!*name)
        return "name part must be non-empty";
    if (strlen(name) > KUBE_LABEL_MAX)
        return "name part must be no more than 63 bytes";
    if (!is_label_text(name, strlen(name)))
        return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
               "and end with an alphanumeric character";
    return NULL;
}

const char *kube_annotation_key_problem(const char *text)
{
    /* A longer key is invalid in any case: its prefix or its name is too long. */
    char lower[KUBE_SUBDOMAIN_MAX + KUBE_LABEL_MAX + 3] = "";
    size_t len = strlen(text);

    if (len >= sizeof(lower))
        return "prefix part must be no more than 253 bytes, name part must be no more than 63 "
               "bytes";
    for (size_t i = 0; i <= len; i++)
        lower[i] = (char)tolower((unsigned char)text[i]);
    return kube_qualified_name_problem(lower);
}

const char *kube_label_value_problem(const char *text)
{
    if (strlen(text) > KUBE_LABEL_MAX)
        return "must be no more than 63 bytes";
    if (*text && !is_label_text(text, strlen(text)))
        return "a valid label must be an empty string or consist of alphanumeric characters, '-', "
               "'_' or '.', and must start and end with an alphanumeric character";
    return NULL;
}
