#include <stdlib.h>

#include "common/base/output.h"
#include "jobsubmitter/config.h"
#include "jobsubmitter/jobsubmitter.h"

enum { EXIT_USAGE = 2 };

static int run(const struct jobsubmitter_config *config, struct error *err)
{
    _cleanup_(jobsubmitter_freep) struct jobsubmitter *js = NULL;
    int r;

    r = jobsubmitter_new(config, &js, err); /* opens everything it will need, or nothing */
    if (r)
        return r;
    return jobsubmitter_run(js, err); /* the event loop; 0 on SIGTERM */
}

int main(int argc, char **argv)
{
    struct jobsubmitter_config config = JOBSUBMITTER_CONFIG_DEFAULT;
    struct error err = {0};
    int r;

    r = jobsubmitter_config_load(&config, argc, argv, &err); /* flag over environment */
    log_init("jobsubmitter", config.common.log_level, config.common.log_json);
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
