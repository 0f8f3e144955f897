#include <stdlib.h>

#include "common/base/output.h"
#include "reconciler/config.h"
#include "reconciler/reconciler.h"

enum { EXIT_USAGE = 2 };

static int run(const struct reconciler_config *config, struct error *err)
{
    _cleanup_(reconciler_freep) struct reconciler *rec = NULL;
    int r;

    r = reconciler_new(config, &rec, err); /* opens everything it will need, or nothing */
    if (r)
        return r;
    return reconciler_run(rec, err); /* the event loop; 0 on SIGTERM */
}

int main(int argc, char **argv)
{
    struct reconciler_config config = RECONCILER_CONFIG_DEFAULT;
    struct error err = {0};
    int r;

    r = reconciler_config_load(&config, argc, argv, &err); /* flag over environment */
    log_init("reconciler", config.common.log_level, config.common.log_json);
    if (r < 0) {
        log_error("%s", err.text);
        return EXIT_USAGE;
    }
    if (!r) /* else --help or --version was served */
        r = run(&config, &err);
    if (r >= 0)
        r = output_flush(&err);
    if (r < 0)
        log_error("%s", err.text);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
