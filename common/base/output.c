#include "common/base/output.h"

#include <stdio.h>
#include <string.h>

int output_flush(struct error *err)
{
    if (fflush(stdout))
        return error_set(err, errno, "standard output: %s", strerror(errno));
    if (ferror(stdout)) /* earlier */
        return error_set(err, EIO, "standard output: not everything could be written");
    return 0;
}
