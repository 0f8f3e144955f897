#include "flinkctl/config.h"

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

enum { WORDS_MAX = 64 };

#define ROW(name, type, field, env, metavar, help, min, max)                                       \
    {                                                                                              \
        name, type, offsetof(struct flinkctl_config, field), env, metavar, help, min, max          \
    }

static const struct arg table[] = {
    ROW("kubeconfig", ARG_STRING, common.kubeconfig, NULL, "FILE",
        "kubeconfig; default: $KUBECONFIG, then the pod's service account, then ~/.kube/config", 0,
        0),
    ROW("context", ARG_STRING, common.context, "FLINKD_CONTEXT", "NAME",
        "context of the kubeconfig", 0, 0),
    ROW("journal", ARG_STRING, common.journal, "FLINKD_JOURNAL", "FILE",
        "the daemons' journal, or a copy of it; only read", 0, 0),
    ROW("namespace", ARG_STRING, common.ns, NULL, "NAME",
        "namespace of a FlinkCluster that is named without one", 0, 0),
    ROW("json", ARG_BOOL, json, NULL, NULL,
        "timeline, why: print JSON, a line for each thing (snapshot and replay do anyway)", 0, 0),
    ROW("file", ARG_STRING, file, NULL, "FILE",
        "why, replay: a snapshot (flinkctl snapshot) instead of the journal; - is stdin", 0, 0),
    ROW("now", ARG_INT, now_ms, NULL, "MS",
        "replay: the time to decide at, milliseconds since 1970; default: now", 1, INT64_MAX),
    ROW("timeout", ARG_INT, timeout_s, NULL, "SECONDS",
        "savepoint, cancel: how long to wait for the end; 0: don't wait", 0, 86400),
    ROW("operator-namespace", ARG_STRING, operator_ns, "POD_NAMESPACE", "NAME",
        "doctor: where flinkd is installed", 0, 0),
    ROW("daemons", ARG_STRING, daemons, NULL, "HOST:PORT,…",
        "doctor: where the daemons serve /readyz; empty: don't ask them", 0, 0),
    ROW("log-level", ARG_LOG_LEVEL, common.log_level, "FLINKD_LOG_LEVEL", "LEVEL",
        "error, warn, info or debug", 0, 0),
};

/* Does the word after this flag belong to it? */
static bool takes_next(const char *word)
{
    const char *name = word + strspn(word, "-");

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        if (str_eq(table[i].name, name))
            return table[i].type != ARG_BOOL;
    }
    return false;
}

/* Flags may come before and after the argument. */
static int split(struct flinkctl_config *config, int argc, char **argv, char **flags, int *n_flags,
                 struct error *err)
{
    *n_flags = 0;
    if (argc > WORDS_MAX)
        return error_set(err, EINVAL, "too many arguments");
    for (int i = 0; i < argc; i++) {
        bool flag = i == 0 || (argv[i][0] == '-' && argv[i][1]);

        if (flag) {
            flags[(*n_flags)++] = argv[i];
            if (i > 0 && takes_next(argv[i]) && i + 1 < argc)
                flags[(*n_flags)++] = argv[++i];
        } else if (config->argument) {
            return error_set(err, EINVAL, "unexpected argument '%s' (see --help)", argv[i]);
        } else {
            config->argument = argv[i];
        }
    }
    flags[*n_flags] = NULL; /* args_parse() reads on to it for a value that is missing */
    return 0;
}

int flinkctl_config_load(struct flinkctl_config *config, const char *usage, const char *about,
                         int argc, char **argv, struct error *err)
{
    char *flags[WORDS_MAX + 1];
    char program[128];
    int n_flags, r;

    r = split(config, argc, argv, flags, &n_flags, err);
    if (r)
        return r;
    (void)snprintf(program, sizeof program, "flinkctl %s", usage);
    return args_parse(program, about, table, ARRAY_SIZE(table), n_flags, flags, config, err);
}
