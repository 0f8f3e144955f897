#include "common/base/seat.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"

/* The folder as the kernel knows it: the same for all who mount it. One that isn't there yet: as it
 * is called. */
static void folder_of(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    _cleanup_(freep) char *folder =
        slash ? str_printf("%.*s/", (int)(slash - path), path) : str_printf("./");
    struct stat st;

    if (folder && stat(folder, &st) == 0)
        (void)snprintf(out, size, "%llu:%llu", (unsigned long long)st.st_dev,
                       (unsigned long long)st.st_ino);
    else
        str_copy(out, size, folder ? folder : "");
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
    char folder[4096], digest[33];
    int socket_fd, r = 0;

    folder_of(path, folder, sizeof(folder));
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
