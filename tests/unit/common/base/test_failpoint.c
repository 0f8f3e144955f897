/* Only in builds with FAILPOINTS=1 is there anything to reach. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/failpoint.h"

#ifdef FLINKD_FAILPOINTS

Test(failpoint, nothing_happens_unless_asked_for)
{
    failpoint("submit.after-intent");
    setenv("FLINKD_FAILPOINT", "submit", 1);
    failpoint("submit.after-intent");
    setenv("FLINKD_FAILPOINT", "submit.after-intent.more", 1);
    failpoint("submit.after-intent");
}

Test(failpoint, kills_at_the_named_place, .signal = SIGKILL)
{
    setenv("FLINKD_FAILPOINT", "submit.after-intent", 1);
    failpoint("submit.after-intent");
}

Test(failpoint, passes_until_its_turn_has_come)
{
    setenv("FLINKD_FAILPOINT", "place:3", 1);
    failpoint("place");
    failpoint("place");
}

Test(failpoint, kills_at_its_turn, .signal = SIGKILL)
{
    setenv("FLINKD_FAILPOINT", "place:3", 1);
    for (int i = 0; i < 3; i++)
        failpoint("place");
}

static char marker[] = "/tmp/flinkd-failpoint-XXXXXX";

static void make_marker(void)
{
    close(mkstemp(marker));
    setenv("FLINKD_FAILPOINT", "place", 1);
    setenv("FLINKD_FAILPOINT_ONCE", marker, 1);
}

Test(failpoint, does_not_kill_twice)
{
    make_marker();
    failpoint("place");
    unlink(marker);
}

Test(failpoint, leaves_its_mark_before_killing, .signal = SIGKILL)
{
    make_marker();
    unlink(marker);
    failpoint("place");
}

#else

Test(failpoint, is_compiled_out)
{
    setenv("FLINKD_FAILPOINT", "place", 1);
    failpoint("place");
}

#endif
