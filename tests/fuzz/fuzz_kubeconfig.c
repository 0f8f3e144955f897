#include <stdlib.h>

#include "common/kube/exec.h"
#include "common/kube/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kubeconfig *config = NULL;
    struct exec_answer answer = {0};
    struct error err = {0};

    if (kubeconfig_parse((const char *)data, size, "f", NULL, &config, &err) == 0 &&
        (!config->server || !config->cluster))
        abort();
    kubeconfig_free(config);
    if (exec_parse((const char *)data, size, &answer, &err) == 0 && !answer.token &&
        !answer.cert_pem)
        abort();
    exec_answer_done(&answer);
    return 0;
}
