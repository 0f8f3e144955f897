/* Named places between an intent and its outcome, so that tests kill a daemon exactly there.
 * Compiled in only with -DFLINKD_FAILPOINTS (test builds). FLINKD_FAILPOINT="name" kills the
 * process (SIGKILL) the first time that place is reached; "name:N" the N-th time; a file named in
 * FLINKD_FAILPOINT_ONCE, if set, is created before dying and, when it exists already, nothing
 * happens (so that a restarted container lives). */
#ifndef COMMON_BASE_FAILPOINT_H
#define COMMON_BASE_FAILPOINT_H

#ifdef FLINKD_FAILPOINTS
void failpoint(const char *name);
#else
#define failpoint(name) ((void)0)
#endif

#endif
