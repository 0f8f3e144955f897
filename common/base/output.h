/* What a program prints. */
#ifndef COMMON_BASE_OUTPUT_H
#define COMMON_BASE_OUTPUT_H

#include "common/base/error.h"

/** Before a program says that all went well: was everything that it printed taken? 0 or -errno. */
int output_flush(struct error *err);

#endif
