#include "common/flink/exception.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/str.h"

static bool is_frame(const char *line)
{
    return str_starts(line, "\tat ") || str_starts(line, "\t... ");
}

void exception_copy(char *out, size_t size, const char *text)
{
    size_t n = 0;

    if (strlen(text) < size) {
        str_copy(out, size, text);
        return;
    }
    out[0] = '\0';
    for (const char *line = text, *next; *line && n + 1 < size; line = next) {
        size_t length = strcspn(line, "\n");

        length += line[length] == '\n';
        next = line + length;
        if (is_frame(line))
            continue;
        str_copy(out + n, size - n < length + 1 ? size - n : length + 1, line);
        n += strlen(out + n);
    }
    if (n > 0 && out[n - 1] == '\n')
        out[n - 1] = '\0';
}
