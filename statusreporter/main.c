#include <stdlib.h>

#include "common/base/output.h"
#include "statusreporter/config.h"
#include "statusreporter/statusreporter.h"

enum { EXIT_USAGE = 2 };

static int run(const struct statusreporter_config *config, struct error *err)
{
    _cleanup_(statusreporter_freep) struct statusreporter *sr = NULL;
    int r;

    r = statusreporter_new(config, &sr, err); /* opens everything it will need, or nothing */
    if (r)
        return r;
    return statusreporter_run(sr, err); /* the event loop; 0 on SIGTERM */
}

int main(int argc, char **argv)
{
    struct statusreporter_config config = STATUSREPORTER_CONFIG_DEFAULT;
    struct error err = {0};
    int r;

    r = statusreporter_config_load(&config, argc, argv, &err); /* flag over environment */
    log_init("statusreporter", config.common.log_level, config.common.log_json);
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
