#include "webhook/cert_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/kube/file.h"

enum { FILE_MAX_BYTES = 256 * 1024, PATH_SIZE = 4096, MODE_PUBLIC = 0644, MODE_KEY = 0600 };

static int path_of(char path[PATH_SIZE], const char *dir, const char *name, const char *suffix,
                   struct error *err)
{
    int n = snprintf(path, PATH_SIZE, "%s/%s%s", dir, name, suffix);

    return n > 0 && n < PATH_SIZE ? 0 : error_set(err, ENAMETOOLONG, "%s: too long", dir);
}

static int load_file(const char *dir, const char *name, char **ret, struct error *err)
{
    char path[PATH_SIZE];
    size_t len;
    int r;

    r = path_of(path, dir, name, "", err);
    return r ? r : file_read(path, FILE_MAX_BYTES, ret, &len, err);
}

/* A file that isn't there is none. */
static int load_optional(const char *dir, const char *name, char **ret, struct error *err)
{
    int r = load_file(dir, name, ret, err);

    return r == -ENOENT ? 0 : r;
}

int cert_store_load(const char *dir, struct cert *ret, struct error *err)
{
    _cleanup_(cert_done) struct cert cert = {0};
    int r;

    r = load_optional(dir, "tls.crt", &cert.cert_pem, err);
    if (!r && !cert.cert_pem)
        return CERT_STORE_E_EMPTY;
    if (!r)
        r = load_file(dir, "tls.key", &cert.key_pem, err);
    if (!r)
        r = load_optional(dir, "ca.crt", &cert.ca_pem, err);
    if (!r)
        r = load_optional(dir, "ca.key", &cert.ca_key, err);
    if (!r)
        r = cert_check(&cert, err);
    if (r)
        return error_wrap(err, "certificate in %s", dir);
    *ret = cert_take(&cert);
    return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int save_file(const char *dir, const char *name, const char *text, mode_t mode,
                     struct error *err)
{
    _cleanup_(closep) int fd = -1;
    char path[PATH_SIZE], next[PATH_SIZE];
    int r;

    r = path_of(path, dir, name, "", err);
    if (!r)
        r = path_of(next, dir, name, ".new", err);
    if (r)
        return r;
    (void)unlink(next);
    fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return error_set(err, errno, "%s: %s", next, strerror(errno));
    r = write_all(fd, text, strlen(text));
    if (!r && rename(next, path) != 0)
        r = -errno;
    if (!r)
        return 0;
    (void)unlink(next);
    return error_set(err, -r, "%s: %s", path, strerror(-r));
}

int cert_store_save(const char *dir, const struct cert *cert, struct error *err)
{
    /* The certificate last: a key that isn't its own is noticed by cert_check(), and made anew. */
    const struct {
        const char *name, *text;
        mode_t mode;
    } files[] = {
        {"ca.key", cert->ca_key, MODE_KEY},
        {"ca.crt", cert->ca_pem, MODE_PUBLIC},
        {"tls.key", cert->key_pem, MODE_KEY},
        {"tls.crt", cert->cert_pem, MODE_PUBLIC},
    };

    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return error_set(err, errno, "%s: %s", dir, strerror(errno));
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        int r = save_file(dir, files[i].name, files[i].text, files[i].mode, err);

        if (r)
            return r;
    }
    return 0;
}
