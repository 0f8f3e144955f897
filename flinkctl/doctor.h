/* What the parts of doctor share: each check prints a line, "ok" or what is wrong and what to do.
 */
#ifndef FLINKCTL_DOCTOR_H
#define FLINKCTL_DOCTOR_H

#include "flinkctl/flinkctl.h"

struct doctor {
    struct flinkctl *ctl;
    int wrong; /* checks that failed */
};

enum finding_kind { FINDING_OK, FINDING_WARN, FINDING_WRONG };

void doctor_say(struct doctor *d, enum finding_kind kind, const char *fmt, ...) _printf_(3, 4);

/* doctor_kube.c; need the client. */
int doctor_call(struct doctor *d, enum kube_verb verb, const struct kube_resource *resource,
                const char *ns, const char *name, const cJSON *body, cJSON **ret,
                struct error *err);
/** False: the API server can't be reached, so nothing else can be asked of it. */
bool doctor_api(struct doctor *d);
void doctor_crd(struct doctor *d);
void doctor_webhooks(struct doctor *d);
void doctor_lease(struct doctor *d);
/* doctor_permissions.c */
void doctor_permissions(struct doctor *d);
/* doctor_local.c */
void doctor_journal(struct doctor *d);
void doctor_daemons(struct doctor *d);

/** Days until the last certificate of a base64 PEM bundle expires; negative: expired. -EINVAL: no
 * certificate in it. */
int doctor_ca_days(const char *base64, int *days);

#endif
