#include "common/kube/file.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/buf.h"

int file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_len, struct error *err)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_(buf_done) struct buf b = BUF_INIT(max_bytes);
    char chunk[4096];
    ssize_t n;
    int r;

    if (fd < 0)
        return error_set(err, errno, "%s: %s", path, strerror(errno));
    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        r = buf_add(&b, chunk, (size_t)n);
        if (r)
            return error_set(err, -r, "%s: %s", path, strerror(-r));
    }
    if (n < 0)
        return error_set(err, errno, "%s: %s", path, strerror(errno));
    if (ret_len)
        *ret_len = b.len;
    *ret = buf_take(&b);
    return *ret ? 0 : error_set(err, ENOMEM, "%s: out of memory", path);
}
