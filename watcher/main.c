#include <stdlib.h>

#include "common/base/output.h"
#include "watcher/config.h"
#include "watcher/watcher.h"

enum { EXIT_USAGE = 2 };

static int run(const struct watcher_config *config, struct error *err)
{
    _cleanup_(watcher_freep) struct watcher *w = NULL;
    int r;

    r = watcher_new(config, &w, err); /* opens everything it will need, or nothing */
    if (r)
        return r;
    return watcher_run(w, err); /* the event loop; 0 on SIGTERM */
}

int main(int argc, char **argv)
{
    struct watcher_config config = WATCHER_CONFIG_DEFAULT;
    struct error err = {0};
    int r;

    r = watcher_config_load(&config, argc, argv, &err); /* flag over environment */
    log_init("watcher", config.common.log_level, config.common.log_json);
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
