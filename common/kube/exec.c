#include "common/kube/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"

enum { OUTPUT_BYTES_MAX = 1 << 20, ERRORS_BYTES_MAX = 16 << 10, CHILD_POLL_MS = 10 };

struct exec {
    struct loop *loop;
    struct loop_timer
        *timer; /* the deadline; after the end of its output: looks whether it ended */
    int64_t deadline_ms; /* monotonic */
    pid_t pid; /* 0: none (any more) */
    int out_fd, err_fd; /* -1: closed */
    struct buf out, errors;
    exec_fn fn;
    void *userdata;
};

static void close_pipe(struct exec *e, int *fd)
{
    if (*fd < 0)
        return;
    loop_remove_fd(e->loop, *fd);
    close(*fd);
    *fd = -1;
}

struct exec *exec_free(struct exec *e)
{
    if (!e)
        return NULL;
    if (e->pid) {
        kill(-e->pid, SIGKILL); /* its own group: the programs it started, too */
        waitpid(e->pid, NULL, 0);
    }
    close_pipe(e, &e->out_fd);
    close_pipe(e, &e->err_fd);
    loop_timer_free(e->timer);
    buf_done(&e->out);
    buf_done(&e->errors);
    free(e);
    return NULL;
}

/* The caller of exec_start() frees it, in @fn or later. */
static void finish(struct exec *e, struct exec_answer *answer, const struct error *err)
{
    loop_timer_arm(e->timer, -1);
    close_pipe(e, &e->out_fd);
    close_pipe(e, &e->err_fd);
    e->fn(answer, err, e->userdata);
}

/* The last line of what it said on stderr. */
static const char *last_words(struct exec *e)
{
    const char *line;
    size_t len = e->errors.len;

    while (len && strchr("\r\n \t", e->errors.data[len - 1]))
        e->errors.data[--len] = '\0';
    line = len ? strrchr(e->errors.data, '\n') : NULL;
    return line ? line + 1 : buf_str(&e->errors);
}

static void ended(struct exec *e, int status)
{
    struct exec_answer answer = {0};
    struct error err = {0};

    e->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        error_set(&err, EIO, "exec plugin: %s %d: %s",
                  WIFEXITED(status) ? "exit status" : "killed by signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), last_words(e));
        finish(e, NULL, &err);
        return;
    }
    if (e->out.failed)
        error_set(&err, EPROTO, "exec plugin: its answer is too long");
    else
        exec_parse(buf_str(&e->out), e->out.len, &answer, &err);
    finish(e, err.code ? NULL : &answer, err.code ? &err : NULL); /* @e may be gone after it */
    exec_answer_done(&answer);
}

static void on_timer(void *userdata)
{
    struct exec *e = userdata;
    struct error err = {0};
    int status = 0;
    pid_t pid = e->out_fd < 0 ? waitpid(e->pid, &status, WNOHANG) : 0;

    if (pid == e->pid) {
        ended(e, status);
        return;
    }
    if (pid < 0 || time_monotonic_ms() >= e->deadline_ms) {
        error_set(&err, ETIMEDOUT, "exec plugin: no answer in time");
        finish(e, NULL, &err);
        return;
    }
    loop_timer_arm(e->timer, CHILD_POLL_MS);
}

/* Returns true at its end. */
static bool drain(int fd, struct buf *b)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        (void)buf_add(b, chunk, (size_t)n); /* too much: b->failed */
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_output(int fd, unsigned events, void *userdata)
{
    struct exec *e = userdata;

    (void)events;
    if (fd == e->err_fd) {
        if (drain(fd, &e->errors))
            close_pipe(e, &e->err_fd);
        return;
    }
    if (!drain(fd, &e->out))
        return;
    close_pipe(e, &e->out_fd);
    loop_timer_arm(e->timer, 0);
}

/* ---- starting ---- */

static void strings_freep(char ***strings)
{
    for (size_t i = 0; *strings && (*strings)[i]; i++)
        free((*strings)[i]);
    free(*strings);
}

static char **make_argv(const char *command, const cJSON *exec)
{
    _cleanup_(strings_freep) char **argv =
        calloc((size_t)json_count(exec, "args") + 2, sizeof(*argv));
    size_t n = 0;

    if (!argv || !(argv[n++] = strdup(command)))
        return NULL;
    json_foreach (arg, json_member(exec, "args")) {
        if (cJSON_IsString(arg) && !(argv[n++] = strdup(arg->valuestring)))
            return NULL;
    }
    return TAKE(argv);
}

static char *exec_info(const struct kubeconfig *config)
{
    _cleanup_(json_freep) cJSON *info = cJSON_CreateObject();

    json_set_str(info, "apiVersion", json_str(config->exec, "apiVersion"));
    json_set_str(info, "kind", "ExecCredential");
    json_set_bool(info, "spec.interactive", false);
    if (json_bool(config->exec, "provideClusterInfo", false))
        json_set(info, "spec.cluster", json_copy(config->cluster));
    return json_text(info);
}

static size_t environment_size(void)
{
    size_t n = 0;

    while (environ[n])
        n++;
    return n;
}

/* The plugin's own variables first: getenv() takes the first of a name. */
static char **make_environment(const struct kubeconfig *config)
{
    const cJSON *list = json_member(config->exec, "env");
    _cleanup_(strings_freep) char **env =
        calloc(environment_size() + (size_t)json_count(config->exec, "env") + 2, sizeof(*env));
    _cleanup_(freep) char *info = exec_info(config);
    size_t n = 0;

    if (!env || !info || !(env[n++] = str_printf("KUBERNETES_EXEC_INFO=%s", info)))
        return NULL;
    json_foreach (item, list) {
        const char *name = json_str(item, "name");

        if (!str_empty(name) &&
            !(env[n++] = str_printf("%s=%s", name, json_str_or(item, "value", ""))))
            return NULL;
    }
    for (size_t i = 0; environ[i]; i++) {
        if (!(env[n++] = strdup(environ[i])))
            return NULL;
    }
    return TAKE(env);
}

/* A command with a slash is relative to the kubeconfig, one without is searched in PATH. */
static char *command_path(const struct kubeconfig *config)
{
    const char *command = json_str(config->exec, "command");

    if (*command == '/' || !strchr(command, '/'))
        return strdup(command);
    return str_printf("%s/%s", config->dir, command);
}

static int spawn_with(const struct kubeconfig *config, const posix_spawn_file_actions_t *files,
                      const posix_spawnattr_t *attributes, pid_t *pid)
{
    _cleanup_(freep) char *command = command_path(config);
    _cleanup_(strings_freep) char **argv = command ? make_argv(command, config->exec) : NULL;
    _cleanup_(strings_freep) char **env = make_environment(config);

    if (!command || !argv || !env)
        return ENOMEM;
    return posix_spawnp(pid, command, files, attributes, argv, env);
}

/* Without the daemon's blocked and ignored signals, in a process group of its own. */
static int spawn(const struct kubeconfig *config, int out_fd, int err_fd, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int errnum;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    errnum = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!errnum)
        errnum = posix_spawn_file_actions_adddup2(&files, out_fd, 1);
    if (!errnum)
        errnum = posix_spawn_file_actions_adddup2(&files, err_fd, 2);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    if (!errnum)
        errnum = spawn_with(config, &files, &attributes, pid);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return errnum;
}

static int launch(struct exec *e, const struct kubeconfig *config, struct error *err)
{
    _cleanup_(closep) int out = -1;
    _cleanup_(closep) int errors = -1;
    int fds[2], errnum, r;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_set(err, errno, "pipe: %s", strerror(errno));
    e->out_fd = fds[0];
    out = fds[1];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_set(err, errno, "pipe: %s", strerror(errno));
    e->err_fd = fds[0];
    errors = fds[1];
    if (fcntl(e->out_fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(e->err_fd, F_SETFL, O_NONBLOCK) < 0)
        return error_set(err, errno, "fcntl: %s", strerror(errno));
    errnum = spawn(config, out, errors, &e->pid);
    if (errnum) {
        e->pid = 0;
        return error_set(err, errnum, "exec plugin %s: %s. %s", json_str(config->exec, "command"),
                         strerror(errnum), json_str_or(config->exec, "installHint", ""));
    }
    r = loop_set_fd(e->loop, e->out_fd, LOOP_READ, on_output, e, err);
    return r ?: loop_set_fd(e->loop, e->err_fd, LOOP_READ, on_output, e, err);
}

int exec_start(struct loop *loop, const struct kubeconfig *config, int64_t timeout_ms, exec_fn fn,
               void *userdata, struct exec **ret, struct error *err)
{
    struct exec *e = calloc(1, sizeof(*e));
    int r;

    if (!e)
        return error_set(err, ENOMEM, "out of memory");
    *e = (struct exec){
        .loop = loop,
        .deadline_ms = time_monotonic_ms() + timeout_ms,
        .out_fd = -1,
        .err_fd = -1,
        .out = BUF_INIT(OUTPUT_BYTES_MAX),
        .errors = BUF_INIT(ERRORS_BYTES_MAX),
        .fn = fn,
        .userdata = userdata,
    };
    e->timer = loop_timer_new(loop, on_timer, e);
    r = e->timer ? launch(e, config, err) : error_set(err, ENOMEM, "out of memory");
    if (r) {
        exec_free(e);
        return r;
    }
    loop_timer_arm(e->timer, timeout_ms);
    *ret = e;
    return 0;
}
