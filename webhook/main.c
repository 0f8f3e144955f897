#include <stdlib.h>

#include "common/base/output.h"
#include "webhook/config.h"
#include "webhook/once.h"
#include "webhook/webhook.h"

enum { EXIT_USAGE = 2 };

static int run(const struct webhook_config *config, struct error *err)
{
    _cleanup_(webhook_freep) struct webhook *w = NULL;
    int r;

    if (config->common.once || config->common.dry_run)
        return webhook_once(stdin, stdout, err);
    r = webhook_new(config, &w, err); /* opens everything it will need, or nothing */
    if (r)
        return r;
    return webhook_run(w, err); /* the event loop; 0 on SIGTERM */
}

int main(int argc, char **argv)
{
    struct webhook_config config = WEBHOOK_CONFIG_DEFAULT;
    struct error err = {0};
    int r;

    r = webhook_config_load(&config, argc, argv, &err); /* flag over environment */
    log_init("webhook", config.common.log_level, config.common.log_json);
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
