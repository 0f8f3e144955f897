/* --once: what is due is done, or has been tried. */
#include "common/base/time.h"
#include "reconciler/reconciler.h"
#include "reconciler/work.h"

enum {
    ONCE_MS = 60 * 1000, /* then it gives up */
    STEP_MS = 40,
};

/* What failed is due again after a while: not for us. */
static bool is_busy(const struct reconciler *rec)
{
    for (const struct work *work = rec->works; work; work = work->next)
        if (work->in_flight || (work->dirty && !work->elsewhere && !work->failures))
            return true;
    return false;
}

static int check_failures(const struct reconciler *rec, struct error *err)
{
    const struct work *first = NULL;
    int n = 0;

    for (const struct work *work = rec->works; work; work = work->next) {
        if (!work->failures)
            continue;
        first = first ? first : work;
        n++;
    }
    if (!first)
        return 0;
    return error_set(err, EIO, "FlinkClusters for which something failed (see above): %d, as %s/%s",
                     n, first->ns, first->name);
}

int reconciler_once(struct reconciler *rec, struct error *err)
{
    int64_t until_ms = time_monotonic_ms() + ONCE_MS;
    int r = leader_require(rec->journal, time_now_ms(), err);

    if (r)
        return r;
    reconciler_turn(rec);
    while (is_busy(rec) && !loop_stopping(rec->loop)) {
        if (time_monotonic_ms() > until_ms)
            return error_set(err, ETIMEDOUT, "not everything was done within %d s", ONCE_MS / 1000);
        r = loop_step(rec->loop, STEP_MS, err);
        if (!r)
            r = leader_require(rec->journal, time_now_ms(), err);
        if (r)
            return r;
        reconciler_turn(rec);
    }
    if (rec->journal_lost_ms)
        return error_set(err, EIO, "the journal could not be read");
    return check_failures(rec, err);
}
