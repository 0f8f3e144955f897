#include "flinkctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>

void doctor_say(struct doctor *d, enum finding_kind kind, const char *fmt, ...)
{
    static const char *const words[] = {"ok   ", "warn ", "WRONG"};
    va_list args;

    if (kind == FINDING_WRONG)
        d->wrong++;
    (void)printf("%s  ", words[kind]);
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    (void)putchar('\n');
    (void)fflush(stdout);
}

int doctor_run(struct flinkctl *ctl, struct error *err)
{
    struct doctor d = {.ctl = ctl};
    int r = flinkctl_open_kube(ctl, err);

    if (r == -ENOMEM)
        return r;
    if (r) {
        doctor_say(&d, FINDING_WRONG, "API server: %s", err->text);
    } else if (doctor_api(&d)) {
        doctor_crd(&d);
        doctor_permissions(&d);
        doctor_webhooks(&d);
        doctor_lease(&d);
    }
    doctor_journal(&d);
    if (ctl->loop && ctl->http)
        doctor_daemons(&d);
    if (d.wrong)
        (void)printf("%d checks failed\n", d.wrong);
    return d.wrong ? 1 : 0;
}
