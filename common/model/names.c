#include "common/model/names.h"

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

void child_name(char out[CHILD_NAME_MAX], const char *format, const char *cluster)
{
    const char *at = strstr(format, "%s");
    int before = at ? (int)(at - format) : 0;

    (void)snprintf(out, CHILD_NAME_MAX, "%.*s%s%s", before, format, cluster, at ? at + 2 : "");
}

void run_id(char out[33], const char *uid, const char *previous, const char *revision)
{
    md5_hex(out, uid, previous, revision, NULL);
}
