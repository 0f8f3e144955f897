#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/model/findings.h"

enum { FINDING_TEXT_MAX = 8192 };

void finding_add(struct findings *f, const char *rule, const char *field, const char *fmt, ...)
{
    char text[FINDING_TEXT_MAX];
    struct finding *finding;
    va_list args;

    if (f->n_errors >= FINDINGS_MAX)
        return;
    finding = &f->errors[f->n_errors++];
    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    finding->rule = rule;
    finding->expired = false;
    str_copy(finding->field, sizeof(finding->field), field);
    str_copy(finding->text, sizeof(finding->text), text);
}

void findings_warn(struct findings *f, const char *fmt, ...)
{
    char text[FINDING_TEXT_MAX];
    va_list args;

    if (f->n_warnings >= WARNINGS_MAX)
        return;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    str_copy(f->warnings[f->n_warnings++], WARNING_SIZE, text);
}

struct quoted quote(const char *value)
{
    struct quoted q = {.text = "<none>"};
    char cut[sizeof(q.text) - sizeof("\"\"...")];

    if (!value)
        return q;
    str_copy(cut, sizeof(cut), value);
    if (snprintf(q.text, sizeof(q.text), "\"%s\"%s", cut,
                 strlen(value) > strlen(cut) ? "..." : "") < 0)
        q.text[0] = '\0';
    return q;
}

void findings_text(const struct findings *findings, char *out, size_t size)
{
    _cleanup_(buf_done) struct buf b = BUF_INIT(sizeof(findings->errors) + 1024);

    for (int i = 0; i < findings->n_errors; i++)
        buf_printf(&b, "%s%s: %s", i ? "; " : "", findings->errors[i].field,
                   findings->errors[i].text);
    str_copy(out, size, buf_str(&b));
}

const struct finding *findings_find(const struct findings *findings, const char *rule)
{
    for (int i = 0; i < findings->n_errors; i++)
        if (str_eq(findings->errors[i].rule, rule))
            return &findings->errors[i];
    return NULL;
}
