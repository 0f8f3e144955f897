/* One review from a stream, for a laptop: what would the webhook say? */
#ifndef WEBHOOK_ONCE_H
#define WEBHOOK_ONCE_H

#include <stdio.h>

#include "common/base/error.h"

/** Read an AdmissionReview from @in, print the mutating webhook's answer, and the validating one's,
 * a line each. 0, -EBADMSG (there was no review to answer; the answers say why), -EIO, -EFBIG or
 * -ENOMEM. */
int webhook_once(FILE *in, FILE *out, struct error *err);

#endif
