/* The small languages: quantities, times, durations, cron expressions. */
#include <stdlib.h>
#include <string.h>

#include "common/base/quantity.h"
#include "common/base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quantity(const char *text)
{
    struct quantity q, again;
    char canonical[64];

    if (quantity_parse(text, &q))
        return;
    quantity_canonical(&q, canonical);
    (void)quantity_ceil(&q);
    if (quantity_parse(canonical, &again) || quantity_compare(&q, &again))
        abort();
}

static void check_time(const char *text)
{
    int64_t ms = time_parse_rfc3339(text), next;
    char printed[32];

    time_rfc3339(ms, printed);
    if (ms >= 1000 && time_parse_rfc3339(printed) != ms / 1000 * 1000)
        abort();
    (void)time_parse_duration(text, &next);
    if (!time_cron_next(text, ms, &next) && next <= ms)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256];

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check_quantity(text);
    check_time(text);
    return 0;
}
