/* Command line, environment and defaults of a daemon from one table: --help is made of it too.
 * Flag over environment (FLINKD_JOURNAL for --journal) over default. `--x=v`, `--x v`, `-x v`. */
#ifndef COMMON_BASE_ARGS_H
#define COMMON_BASE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/log.h"

enum arg_type { ARG_STRING, ARG_BOOL, ARG_INT, ARG_LOG_LEVEL, ARG_LOG_FORMAT };

struct arg {
    const char *name; /* without dashes */
    enum arg_type type;
    size_t
        offset; /* of a const char *, bool, int64_t, enum log_level or bool (json) in the config */
    const char *env; /* variable; NULL: none */
    const char *metavar; /* "FILE" for the help; NULL for a bool */
    const char *help; /* one sentence */
    int64_t min, max; /* ARG_INT; both 0: any */
};

enum { ARGS_SERVED = 1 }; /* --help or --version was printed: exit 0 */

/** @config holds the defaults. Strings borrow from argv or the environment. Returns 0, ARGS_SERVED,
 * or -EINVAL (usage: the text names the flag; main exits 2). */
int args_parse(const char *program, const char *about, const struct arg *table, size_t n, int argc,
               char **argv, void *config, struct error *err);

/* What every daemon has; first member of each daemon's config. Its rows: ARGS_COMMON(struct
 * x_config), or those of its three parts that it uses. */
struct common_config {
    const char *kubeconfig; /* NULL: $KUBECONFIG, in-cluster, ~/.kube/config */
    const char *context; /* of the kubeconfig; NULL: its current one */
    const char *journal; /* path of the SQLite file */
    const char *bus; /* directory of the sockets; "" = no bus */
    const char *ns; /* namespace to look at; "" = all */
    const char *health_addr; /* host:port; "" = none */
    enum log_level log_level;
    bool log_json;
    bool once; /* work off what is due and exit */
    bool dry_run; /* print what would be done as JSON, write nothing */
};

#define COMMON_CONFIG_DEFAULT                                                                      \
    {                                                                                              \
        .journal = "/var/lib/flinkd/journal.db", .bus = "/run/flinkd", .ns = "",                   \
        .health_addr = "", .log_level = LOG_LEVEL_INFO                                             \
    }

#define ARG_COMMON(T, name, type, field, env, metavar, help)                                       \
    {                                                                                              \
        name, type, offsetof(T, common.field), env, metavar, help, 0, 0                            \
    }

/* clang-format off */
#define ARGS_COMMON_CLIENT(T)                                                                      \
    ARG_COMMON(T, "kubeconfig", ARG_STRING, kubeconfig, NULL, "FILE",                              \
               "kubeconfig; default: $KUBECONFIG, then the pod's service account, then ~/.kube/config"), \
    ARG_COMMON(T, "context", ARG_STRING, context, "FLINKD_CONTEXT", "NAME",                        \
               "context of the kubeconfig; default: its current one")

#define ARGS_COMMON_JOURNAL(T)                                                                     \
    ARG_COMMON(T, "journal", ARG_STRING, journal, "FLINKD_JOURNAL", "FILE",                        \
               "SQLite file that the daemons share"),                                              \
    ARG_COMMON(T, "bus", ARG_STRING, bus, "FLINKD_BUS", "DIR",                                     \
               "directory of the daemons' sockets; empty: no bus, the journal is swept instead"),  \
    ARG_COMMON(T, "namespace", ARG_STRING, ns, "FLINKD_NAMESPACE", "NAME",                         \
               "the one namespace to look after; empty: all")

#define ARGS_COMMON_PROCESS(T)                                                                     \
    ARG_COMMON(T, "health-addr", ARG_STRING, health_addr, "FLINKD_HEALTH_ADDR", "HOST:PORT",       \
               "serve /healthz and /readyz there; empty: nowhere"),                                \
    ARG_COMMON(T, "log-level", ARG_LOG_LEVEL, log_level, "FLINKD_LOG_LEVEL", "LEVEL",              \
               "error, warn, info or debug"),                                                      \
    ARG_COMMON(T, "log-format", ARG_LOG_FORMAT, log_json, "FLINKD_LOG_FORMAT", "FORMAT",           \
               "text or json"),                                                                    \
    ARG_COMMON(T, "once", ARG_BOOL, once, NULL, NULL, "work off what is due and exit"),            \
    ARG_COMMON(T, "dry-run", ARG_BOOL, dry_run, NULL, NULL,                                        \
               "print as JSON what would be done, write nothing")

#define ARGS_COMMON(T) ARGS_COMMON_CLIENT(T), ARGS_COMMON_JOURNAL(T), ARGS_COMMON_PROCESS(T)
/* clang-format on */

#endif
