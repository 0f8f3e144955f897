/* A message that decodes is the same after another round, and whatever comes, nothing is read past
 * its end. */
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message m;
    unsigned char again[MESSAGE_BYTES_MAX];
    struct error err = {0};
    int n;

    if (message_decode(data, size, &m, &err))
        return 0;
    n = message_encode(&m, again, sizeof(again), &err);
    if (n < 0 || (size_t)n != size || memcmp(again, data, size) != 0)
        abort();
    return 0;
}
