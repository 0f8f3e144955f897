#include "common/store/aside.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "common/base/str.h"
#include "common/base/time.h"

enum { LOCK_RETRY_MS = 10, LOCK_TIMEOUT_MS = 2000, ASIDE_SAME_SECOND_MAX = 100 };

static int lock_wait(int fd, const char *name, int timeout_ms, struct error *err)
{
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set(err, errno, "journal: lock %s: %s", name, strerror(errno));
        if (timeout_ms <= 0)
            return error_set(err, EBUSY, "journal: %s is held by another process", name);
        poll(NULL, 0, LOCK_RETRY_MS);
        timeout_ms -= LOCK_RETRY_MS;
    }
    return 0;
}

int aside_lock(const char *path, int timeout_ms, int *ret_fd, struct error *err)
{
    _cleanup_(freep) char *name = str_printf("%s.lock", path);
    int fd, r;

    if (!name)
        return error_set(err, ENOMEM, "journal: out of memory");
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, errno, "journal: open %s: %s", name, strerror(errno));
    r = lock_wait(fd, name, timeout_ms, err);
    if (r) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

/* A name that isn't taken: two files may go bad within one second. */
static int aside_name(const char *path, char *ret, size_t size)
{
    time_t now = (time_t)(time_now_ms() / 1000);
    struct tm utc;
    char when[32];
    struct stat st;

    gmtime_r(&now, &utc);
    if (strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &utc) == 0)
        return -EINVAL;
    for (int i = 0; i < ASIDE_SAME_SECOND_MAX; i++) {
        int n = i == 0 ? snprintf(ret, size, "%s.corrupt-%s", path, when)
                       : snprintf(ret, size, "%s.corrupt-%s-%d", path, when, i);

        if (n < 0 || (size_t)n >= size)
            return -ENAMETOOLONG;
        if (lstat(ret, &st) < 0)
            return errno == ENOENT ? 0 : -errno;
    }
    return -EEXIST;
}

static int move_part(const char *path, const char *name, const char *suffix)
{
    _cleanup_(freep) char *from = str_printf("%s%s", path, suffix);
    _cleanup_(freep) char *to = str_printf("%s%s", name, suffix);

    if (!from || !to)
        return -ENOMEM;
    return rename(from, to) == 0 || errno == ENOENT ? 0 : -errno;
}

int aside_rename(const char *path, char *ret_name, size_t size, struct error *err)
{
    /* The index first: a new file must never meet the index that connections to the old one share.
     */
    static const char *const parts[] = {"-shm", "-wal", ""};
    int r = aside_name(path, ret_name, size);

    for (size_t i = 0; i < ARRAY_SIZE(parts) && !r; i++)
        r = move_part(path, ret_name, parts[i]);
    return r ? error_set(err, -r, "journal: put %s aside: %s", path, strerror(-r)) : 0;
}

int aside_put(const char *path, dev_t dev, ino_t ino, char *ret_name, size_t size)
{
    _cleanup_(closep) int lock = -1;
    struct stat st;
    int r;

    r = aside_lock(path, LOCK_TIMEOUT_MS, &lock, NULL);
    if (r)
        return r;
    if (stat(path, &st) < 0 || st.st_dev != dev || st.st_ino != ino)
        return -ESTALE;
    return aside_rename(path, ret_name, size, NULL);
}
