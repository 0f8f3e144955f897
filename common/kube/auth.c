#include "common/kube/auth.h"

#include <string.h>
#include <sys/stat.h>

#include "common/base/str.h"
#include "common/base/time.h"
#include "common/kube/exec.h"
#include "common/kube/file.h"

enum {
    TOKEN_BYTES_MAX = 1 << 20,
    TOKEN_FILE_AGE_MS = 60000,
    EXEC_TIMEOUT_MS = 30000,
    EXPIRY_MARGIN_MS = 10000, /* a token isn't used in its last moments */
    LIFE_MIN_MS = 1000, /* of what a plugin said: one that says "expired" isn't run in a circle */
};

struct auth {
    struct loop *loop;
    const struct kubeconfig *config;
    struct credential *current; /* NULL: to be made */
    int64_t read_ms; /* monotonic: when the token file was read */
    struct timespec token_mtime;
    int64_t expires_ms; /* wall clock; 0: never */
    struct exec *exec; /* NULL: none runs */
    auth_fn fn;
    void *userdata;
};

static struct credential *credential_new(const struct kubeconfig *config)
{
    struct credential *c = calloc(1, sizeof(*c));

    if (c) {
        c->refs = 1;
        c->tls = config->tls;
    }
    return c;
}

struct credential *credential_unref(struct credential *c)
{
    if (!c || --c->refs > 0)
        return NULL;
    free(c->token);
    free(c->cert_pem);
    free(c->key_pem);
    free(c);
    return NULL;
}

int auth_new(struct loop *loop, const struct kubeconfig *config, auth_fn fn, void *userdata,
             struct auth **ret, struct error *err)
{
    struct auth *a = calloc(1, sizeof(*a));

    if (!a)
        return error_set(err, ENOMEM, "out of memory");
    *a = (struct auth){.loop = loop, .config = config, .fn = fn, .userdata = userdata};
    *ret = a;
    return 0;
}

struct auth *auth_free(struct auth *a)
{
    if (!a)
        return NULL;
    exec_free(a->exec);
    credential_unref(a->current);
    free(a);
    return NULL;
}

/* Takes what it needs of @answer. */
static int adopt(struct auth *a, struct exec_answer *answer)
{
    struct credential *c = credential_new(a->config);
    int64_t earliest_ms = time_now_ms() + EXPIRY_MARGIN_MS + LIFE_MIN_MS;

    if (!c)
        return -ENOMEM;
    c->token = TAKE(answer->token);
    c->cert_pem = TAKE(answer->cert_pem);
    c->key_pem = TAKE(answer->key_pem);
    if (c->cert_pem) {
        c->tls.cert_file = c->tls.key_file = NULL;
        c->tls.cert_pem = c->cert_pem;
        c->tls.cert_pem_len = strlen(c->cert_pem);
        c->tls.key_pem = c->key_pem;
        c->tls.key_pem_len = strlen(c->key_pem);
    }
    a->expires_ms = answer->expires_ms;
    if (a->expires_ms && a->expires_ms < earliest_ms)
        a->expires_ms = earliest_ms;
    a->current = c;
    return 0;
}

static void on_exec(struct exec_answer *answer, const struct error *err, void *userdata)
{
    struct auth *a = userdata;
    struct error no_memory = {0};

    a->exec = exec_free(a->exec);
    if (answer && adopt(a, answer)) {
        error_set(&no_memory, ENOMEM, "out of memory");
        err = &no_memory;
    }
    a->fn(err, a->userdata);
}

static int read_token(const char *path, char **ret, struct error *err)
{
    _cleanup_(freep) char *text = NULL;
    int r = file_read(path, TOKEN_BYTES_MAX, &text, NULL, err);

    if (r)
        return r;
    text[strcspn(text, " \t\r\n")] = '\0';
    if (!*text)
        return error_set(err, EINVAL, "%s: empty", path);
    *ret = TAKE(text);
    return 0;
}

/* Not at all, or read a minute ago, or changed since. */
static bool is_token_old(const struct auth *a, const struct stat *st)
{
    return !a->current || time_monotonic_ms() - a->read_ms >= TOKEN_FILE_AGE_MS ||
           st->st_mtim.tv_sec != a->token_mtime.tv_sec ||
           st->st_mtim.tv_nsec != a->token_mtime.tv_nsec;
}

static int refresh_token_file(struct auth *a, struct error *err)
{
    const char *path = a->config->token_file;
    _cleanup_(freep) char *token = NULL;
    struct credential *c;
    struct stat st = {0};
    int r;

    /* A file that can't be read for a moment doesn't take away the token that is known. */
    if (stat(path, &st) < 0 && a->current)
        return 0;
    if (!is_token_old(a, &st))
        return 0;
    r = read_token(path, &token, err);
    if (r)
        return a->current ? 0 : r;
    a->read_ms = time_monotonic_ms();
    a->token_mtime = st.st_mtim;
    if (a->current && str_eq(a->current->token, token))
        return 0;
    c = credential_new(a->config);
    if (!c)
        return error_set(err, ENOMEM, "out of memory");
    c->token = TAKE(token);
    credential_unref(a->current);
    a->current = c;
    return 0;
}

static int refresh_exec(struct auth *a, struct error *err)
{
    int r;

    if (a->current && a->expires_ms && time_now_ms() >= a->expires_ms - EXPIRY_MARGIN_MS)
        a->current = credential_unref(a->current);
    if (a->current)
        return 0;
    if (!a->exec) {
        r = exec_start(a->loop, a->config, EXEC_TIMEOUT_MS, on_exec, a, &a->exec, err);
        if (r)
            return r;
    }
    return AUTH_E_PENDING;
}

static int refresh_static(struct auth *a, struct error *err)
{
    struct credential *c;

    if (a->current)
        return 0;
    c = credential_new(a->config);
    if (c && a->config->token)
        c->token = strdup(a->config->token);
    if (!c || (a->config->token && !c->token)) {
        credential_unref(c);
        return error_set(err, ENOMEM, "out of memory");
    }
    a->current = c;
    return 0;
}

int auth_get(struct auth *a, struct credential **ret, struct error *err)
{
    int r;

    if (a->config->exec)
        r = refresh_exec(a, err);
    else if (a->config->token_file)
        r = refresh_token_file(a, err);
    else
        r = refresh_static(a, err);
    if (r)
        return r;
    a->current->refs++;
    *ret = a->current;
    return 0;
}

bool auth_rejected(struct auth *a, const struct credential *credential)
{
    if (!a->config->exec && !a->config->token_file)
        return false;
    if (a->current == credential)
        a->current = credential_unref(a->current);
    return true;
}
