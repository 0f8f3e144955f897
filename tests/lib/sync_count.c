#include "tests/lib/sync_count.h"

#include <sys/syscall.h>
#include <unistd.h>

static int count;

int sync_count(void)
{
    return count;
}

int fsync(int fd)
{
    count++;
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fildes)
{
    count++;
    return (int)syscall(SYS_fdatasync, fildes);
}
