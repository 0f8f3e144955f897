/* A kubeconfig's exec plugin (client.authentication.k8s.io/v1, v1beta1): a program that prints a
 * token or a client certificate. It runs beside the loop, with a deadline. */
#ifndef COMMON_KUBE_EXEC_H
#define COMMON_KUBE_EXEC_H

#include <stddef.h>
#include <stdint.h>

#include "common/io/loop.h"
#include "common/kube/kubeconfig.h"

struct exec_answer {
    char *token; /* NULL: none */
    char *cert_pem, *key_pem; /* both or none */
    int64_t expires_ms; /* 0: never */
};
void exec_answer_done(struct exec_answer *answer);

/** What the plugin printed: hostile. -EPROTO. */
int exec_parse(const char *text, size_t len, struct exec_answer *ret, struct error *err);

struct exec;
/* @answer's strings may be taken; NULL when it failed, then @err says why. */
typedef void (*exec_fn)(struct exec_answer *answer, const struct error *err, void *userdata);

/** Runs config->exec; @fn is called once from the loop, unless freed before. -errno: it couldn't be
 * started. */
int exec_start(struct loop *loop, const struct kubeconfig *config, int64_t timeout_ms, exec_fn fn,
               void *userdata, struct exec **ret, struct error *err);
struct exec *exec_free(struct exec *exec); /* kills it; also from within @fn */

#endif
