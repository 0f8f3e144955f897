#include "common/base/failpoint.h"

#ifdef FLINKD_FAILPOINTS

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"

/* The N of "name:N"; 1 without one; 0: it isn't @name that is asked for. */
static int64_t wanted_pass(const char *name)
{
    const char *asked = getenv("FLINKD_FAILPOINT");
    size_t len = strlen(name);
    int64_t pass;

    if (!str_starts(asked, name))
        return 0;
    if (!asked[len])
        return 1;
    return asked[len] == ':' && !str_to_i64(asked + len + 1, &pass) && pass > 0 ? pass : 0;
}

void failpoint(const char *name)
{
    static int64_t passes; /* only one name is ever counted */
    const char *once = getenv("FLINKD_FAILPOINT_ONCE");
    int64_t wanted = wanted_pass(name);
    int fd;

    if (!wanted || ++passes != wanted)
        return;
    if (!str_empty(once)) {
        fd = open(once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return;
        close(fd);
    }
    (void)kill(getpid(), SIGKILL);
}

#endif
