/* Keeps the CA of the serving certificate in the caBundle of the two webhook configurations, also
 * when somebody applies them anew without it. Other replicas have CAs of their own: theirs stay in.
 */
#ifndef WEBHOOK_CA_SYNC_H
#define WEBHOOK_CA_SYNC_H

#include "common/io/loop.h"
#include "common/kube/client.h"

struct ca_sync;

/** @names: of the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration; "": not
 * looked after. Borrowed.
 *  @on_settled is called whenever both hold the CA, or can't (they don't exist, it is forbidden):
 * @known tells. */
struct ca_sync_config {
    struct kube_client *kube;
    struct loop *loop;
    const char *mutating, *validating;
    void (*on_settled)(bool known, void *userdata);
    void *userdata;
};

int ca_sync_new(const struct ca_sync_config *config, struct ca_sync **ret, struct error *err);
struct ca_sync *ca_sync_free(struct ca_sync *sync);
/** From now on this CA (PEM, copied) belongs in there; NULL: none. */
void ca_sync_set(struct ca_sync *sync, const char *ca_pem);

/** A merge patch for @configuration (as read), with its resourceVersion, so that every webhook's
 * caBundle holds @ca_pem. *ret NULL: nothing to do. Exposed for tests. */
int ca_sync_patch(const cJSON *configuration, const char *ca_pem, int64_t now_ms, cJSON **ret,
                  struct error *err);

#endif
