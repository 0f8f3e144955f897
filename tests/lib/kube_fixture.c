#include "tests/lib/kube_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "common/base/str.h"
#include "common/base/time.h"

enum { RUN_MS = 10000 };

void kube_fixture_write(const struct kube_fixture *f, const char *name, const char *text, int mode)
{
    _cleanup_(freep) char *path = str_printf("%s/%s", f->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* Each %s of @user is the directory. */
static char *expand(const struct kube_fixture *f, const char *user)
{
    char *text = calloc(1, strlen(user) + 16 * sizeof(f->dir));

    cr_assert_not_null(text);
    for (const char *p = user; *p;) {
        size_t len = strlen(text);

        if (str_starts(p, "%s")) {
            str_copy(text + len, sizeof(f->dir), f->dir);
            p += 2;
        } else {
            text[len] = *p++;
        }
    }
    return text;
}

void kube_fixture_open(struct kube_fixture *f, const char *user, fake_http_fn fn, void *userdata)
{
    _cleanup_(freep) char *config = NULL;
    _cleanup_(freep) char *path = NULL;
    _cleanup_(freep) char *who = NULL;
    struct kube_options options = {.user_agent = "flinkd-test"};
    struct error err = {0};

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/flinkd-kube-XXXXXX");
    cr_assert_not_null(mkdtemp(f->dir));
    cr_assert_eq(loop_new(&f->loop, &err), 0, "%s", err.text);
    cr_assert_eq(http_new(f->loop, &f->http, &err), 0, "%s", err.text);
    f->fake = fake_http_new(f->loop, fn, userdata);
    who = expand(f, user);
    config = str_printf("{\"current-context\": \"c\", \"contexts\": [{\"name\": \"c\","
                        " \"context\": {\"cluster\": \"k\", \"user\": \"u\"}}],"
                        " \"clusters\": [{\"name\": \"k\", \"cluster\": {\"server\": \"%s/\"}}],"
                        " \"users\": [{\"name\": \"u\", \"user\": %s}]}",
                        fake_http_url(f->fake), who);
    kube_fixture_write(f, "config", config, 0600);
    path = str_printf("%s/config", f->dir);
    options.kubeconfig = path;
    cr_assert_eq(kube_client_new(f->http, f->loop, &options, &f->client, &err), 0, "%s", err.text);
}

void kube_fixture_close(struct kube_fixture *f)
{
    DIR *d = opendir(f->dir);

    kube_client_free(f->client);
    fake_http_free(f->fake);
    http_free(f->http);
    loop_free(f->loop);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        _cleanup_(freep) char *path = str_printf("%s/%s", f->dir, e->d_name);

        (void)remove(path);
    }
    if (d)
        closedir(d);
    (void)remove(f->dir);
}

void kube_fixture_run(struct kube_fixture *f, const bool *done)
{
    int64_t end_ms = time_monotonic_ms() + RUN_MS;
    struct error err = {0};

    while (!*done) {
        cr_assert_eq(loop_step(f->loop, 100, &err), 0, "%s", err.text);
        cr_assert_lt(time_monotonic_ms(), end_ms, "it didn't happen:\n%s", fake_http_log(f->fake));
    }
}

void kube_fixture_run_ms(struct kube_fixture *f, int64_t ms)
{
    int64_t end_ms = time_monotonic_ms() + ms;
    struct error err = {0};

    while (time_monotonic_ms() < end_ms)
        cr_assert_eq(loop_step(f->loop, 10, &err), 0, "%s", err.text);
}
