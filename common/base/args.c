#include "common/base/args.h"

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

#ifndef FLINKD_VERSION
#define FLINKD_VERSION "unknown"
#endif

static const char *metavar_of(const struct arg *arg)
{
    return arg->type == ARG_BOOL ? NULL : arg->metavar ? arg->metavar : "VALUE";
}

/* What @config holds before anything is read: the default, unless the help tells it in words. */
static void print_default(const struct arg *arg, const void *config)
{
    const void *field = (const char *)config + arg->offset;
    const char *text = arg->type == ARG_STRING ? *(const char *const *)field : NULL;

    if (strstr(arg->help, "default: "))
        return;
    if (arg->type == ARG_STRING)
        printf("; default: %s", str_empty(text) ? "empty" : text);
    else if (arg->type == ARG_INT)
        printf("; default: %lld", (long long)*(const int64_t *)field);
    else if (arg->type == ARG_LOG_LEVEL)
        printf("; default: %s", log_level_name(*(const enum log_level *)field));
    else if (arg->type == ARG_LOG_FORMAT)
        printf("; default: %s", *(const bool *)field ? "json" : "text");
    else if (*(const bool *)field)
        printf("; default: true");
}

static int print_help(const char *program, const char *about, const struct arg *table, size_t n,
                      const void *config)
{
    printf("usage: %s [--flag value ...]\n\n%s\n\n", program, about);
    for (size_t i = 0; i < n; i++) {
        const struct arg *arg = &table[i];
        const char *metavar = metavar_of(arg);

        printf("  --%s%s%s\n        %s", arg->name, metavar ? " " : "", metavar ? metavar : "",
               arg->help);
        print_default(arg, config);
        if (arg->env)
            printf(" [$%s]", arg->env);
        printf("\n");
    }
    printf("  --help\n  --version\n\n"
           "A flag counts before its [$VARIABLE].\n\n"
           "exit code\n"
           "  0  done; or ended by SIGTERM\n"
           "  1  failed; or something that is due could not be done\n"
           "  2  wrong flag or variable\n");
    (void)fflush(stdout);
    return ARGS_SERVED;
}

static int store_bool(bool *field, const char *value)
{
    static const char *const yes[] = {"true", "1", "yes", "on"}, *const no[] = {"false", "0", "no",
                                                                                "off"};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
        if (str_eq_nocase(value, yes[i]) || str_eq_nocase(value, no[i])) {
            *field = str_eq_nocase(value, yes[i]);
            return 0;
        }
    return -EINVAL;
}

static int store_int(const struct arg *arg, int64_t *field, const char *value)
{
    int64_t number;

    if (str_to_i64(value, &number))
        return -EINVAL;
    if ((arg->min || arg->max) && (number < arg->min || number > arg->max))
        return -ERANGE;
    *field = number;
    return 0;
}

static int store_format(bool *json, const char *value)
{
    *json = str_eq(value, "json");
    return *json || str_eq(value, "text") ? 0 : -EINVAL;
}

static int store(const struct arg *arg, void *config, const char *value)
{
    void *field = (char *)config + arg->offset;

    switch (arg->type) {
    case ARG_STRING:
        *(const char **)field = value;
        return 0;
    case ARG_BOOL:
        return store_bool(field, value);
    case ARG_INT:
        return store_int(arg, field, value);
    case ARG_LOG_LEVEL:
        return log_level_parse(value, field);
    case ARG_LOG_FORMAT:
        return store_format(field, value);
    }
    return -EINVAL;
}

static int set(const struct arg *arg, void *config, const char *prefix, const char *name,
               const char *value, struct error *err)
{
    int r = store(arg, config, value);

    if (r == -ERANGE)
        return error_set(err, EINVAL, "%s%s: '%s' is not between %lld and %lld", prefix, name,
                         value, (long long)arg->min, (long long)arg->max);
    if (r)
        return error_set(err, EINVAL, "%s%s: '%s' is not valid (%s)", prefix, name, value,
                         arg->help);
    return 0;
}

static int set_from_environment(const struct arg *table, size_t n, void *config, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = table[i].env ? getenv(table[i].env) : NULL;
        int r = value ? set(&table[i], config, "$", table[i].env, value, err) : 0;

        if (r)
            return r;
    }
    return 0;
}

static const struct arg *find(const struct arg *table, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(table[i].name, name, len) == 0 && !table[i].name[len])
            return &table[i];
    return NULL;
}

/* One flag at *@argv, which is moved to its last word. */
static int set_flag(const struct arg *table, size_t n, char ***argv, void *config,
                    struct error *err)
{
    const char *word = **argv, *name = word + strspn(word, "-"), *value;
    size_t len = strcspn(name, "=");
    const struct arg *arg = find(table, n, name, len);

    if (name == word || name > word + 2 || !len)
        return error_set(err, EINVAL, "unexpected argument '%s' (see --help)", word);
    if (!arg)
        return error_set(err, EINVAL, "unknown flag '%s' (see --help)", word);
    if (name[len] == '=')
        value = name + len + 1;
    else if (arg->type == ARG_BOOL)
        value = "true";
    else
        value = *++*argv;
    if (!value)
        return error_set(err, EINVAL, "--%s: a value is missing", arg->name);
    return set(arg, config, "--", arg->name, value, err);
}

int args_parse(const char *program, const char *about, const struct arg *table, size_t n, int argc,
               char **argv, void *config, struct error *err)
{
    char **end = argv + argc;
    int r;

    /* first of all, so that help is there even when the environment is broken */
    for (char **at = argv + 1; at < end; at++) {
        if (str_eq(*at, "--help") || str_eq(*at, "-help") || str_eq(*at, "-h"))
            return print_help(program, about, table, n, config);
        if (str_eq(*at, "--version") || str_eq(*at, "-version")) {
            printf("%s %s\n", program, FLINKD_VERSION);
            (void)fflush(stdout);
            return ARGS_SERVED;
        }
    }
    r = set_from_environment(table, n, config, err);
    for (char **at = argv + 1; !r && at < end && *at; at++)
        r = set_flag(table, n, &at, config, err);
    return r;
}
