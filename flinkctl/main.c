#include <stdio.h>
#include <string.h>

#include "common/base/output.h"
#include "common/base/str.h"
#include "flinkctl/flinkctl.h"

enum { EXIT_USAGE = 2 };

static const struct subcommand {
    const char *name, *usage, *about;
    int (*run)(struct flinkctl *ctl, struct error *err);
    bool has_json; /* with --json, or always */
} subcommands[] = {
    {"timeline", "timeline [NAMESPACE/]NAME",
     "What was seen, decided, done and said of a FlinkCluster, oldest first. From the journal.",
     timeline_run, true},
    {"why", "why [NAMESPACE/]NAME",
     "Why a FlinkCluster is as it is: conditions, pods, and what flinkd would do next.", why_run,
     true},
    {"snapshot", "snapshot [NAMESPACE/]NAME",
     "All that is known of a FlinkCluster as one JSON document, for --file of why and replay.",
     snapshot_run, true},
    {"replay", "replay [[NAMESPACE/]NAME]",
     "Decide again on what a journal (all its FlinkClusters, or the one named) or a snapshot "
     "holds: "
     "prints each plan as JSON and does nothing.",
     replay_run, true},
    {"journal", "journal",
     "A consistent copy of the whole journal on stdout: flinkctl journal > copy.db", journal_run,
     false},
    {"savepoint", "savepoint [NAMESPACE/]NAME",
     "Take a savepoint of the job and wait for it: sets the user-control annotation.",
     savepoint_run, false},
    {"cancel", "cancel [NAMESPACE/]NAME",
     "Cancel the job, with a savepoint if spec.job.savepointsDir is set, and wait for it: sets the "
     "user-control annotation.",
     cancel_run, false},
    {"doctor", "doctor",
     "Check the installation: API server, CRD, permissions, webhooks, Lease, journal, daemons.",
     doctor_run, false},
};

static int print_help(FILE *out)
{
    (void)fprintf(out, "usage: flinkctl SUBCOMMAND [ARGUMENT] [--flag value ...]\n\n"
                       "A window into flinkd, the operator of FlinkClusters.\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
        (void)fprintf(out, "  %-30s %s\n", subcommands[i].usage, subcommands[i].about);
    (void)fprintf(out,
                  "\nflinkctl SUBCOMMAND --help tells the flags. It exits with 0, 1 (failed, or "
                  "something is wrong) or 2 (wrong usage).\n");
    if (out != stdout)
        return EXIT_USAGE;
    return output_flush(NULL) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(const struct subcommand *sub, int argc, char **argv)
{
    struct flinkctl_config config = FLINKCTL_CONFIG_DEFAULT;
    _cleanup_(flinkctl_done) struct flinkctl ctl = {.config = &config};
    struct error err = {0};
    int r;

    config.common.log_level = LOG_LEVEL_WARN;
    r = flinkctl_config_load(&config, sub->usage, sub->about, argc, argv, &err);
    if (!r && config.json && !sub->has_json)
        r = error_set(&err, EINVAL, "%s has no --json (see --help)", sub->name);
    if (r < 0) {
        (void)fprintf(stderr, "flinkctl: %s\n", err.text);
        return EXIT_USAGE;
    }
    log_init("flinkctl", config.common.log_level, false);
    r = r ? 0 : sub->run(&ctl, &err); /* else --help or --version was served */
    if (!r)
        r = output_flush(&err);
    if (r < 0)
        (void)fprintf(stderr, "flinkctl %s: %s\n", sub->name, err.text);
    return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++) {
        if (str_eq(subcommands[i].name, name))
            return run(&subcommands[i], argc - 1, argv + 1);
    }
    if (str_eq(name, "--version")) {
        (void)printf("flinkctl %s\n", FLINKD_VERSION);
        return output_flush(NULL) ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    if (name[0] && !str_eq(name, "--help") && !str_eq(name, "-h") && !str_eq(name, "help"))
        (void)fprintf(stderr, "flinkctl: no subcommand '%s'\n\n", name);
    return print_help(str_starts(name, "-h") || str_starts(name, "--h") || str_eq(name, "help")
                          ? stdout
                          : stderr);
}
