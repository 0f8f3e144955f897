#include "common/base/seat.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/str.h"

/* The folder as the kernel knows it: the same for all who mount it. */
static int folder_of(const char *path, struct stat *st, struct error *err)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) : 0;

    (void)snprintf(folder, sizeof(folder), "%.*s", n, path);
    if (stat(!slash ? "." : n == 0 ? "/" : folder, st) < 0)
        return error_set(err, errno, "seat: the folder of %s: %s", path, strerror(errno));
    return 0;
}

/* An abstract name: nothing is left in the file system. 1: somebody has it. */
static int take(int fd, const char *digest, int seat, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "flinkd-seat-%s-%d",
                     digest, seat);

    if (bind(fd, (const struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
        return 0;
    if (errno == EADDRINUSE)
        return 1;
    return error_set(err, errno, "seat: %s", strerror(errno));
}

int seat_take(const char *who, const char *path, int *seat, int *fd, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char folder[64], digest[33];
    struct stat st = {0};
    int socket_fd, r = folder_of(path, &st, err);

    if (r)
        return r;
    (void)snprintf(folder, sizeof(folder), "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    md5_hex(digest, who, folder, slash ? slash + 1 : path, NULL);
    socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0)
        return error_set(err, errno, "seat: %s", strerror(errno));
    for (int i = 0; i < SEATS_MAX; i++) {
        r = take(socket_fd, digest, i, err);
        if (r > 0)
            continue;
        if (r < 0)
            break;
        *seat = i;
        *fd = socket_fd;
        return 0;
    }
    (void)close(socket_fd);
    return r < 0 ? r : error_set(err, EBUSY, "seat: %d processes '%s' already", SEATS_MAX, who);
}
