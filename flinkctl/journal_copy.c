/* The whole journal on stdout: the way out of a pod whose image has no tar. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/str.h"
#include "flinkctl/flinkctl.h"

enum { CHUNK_BYTES = 1024 * 1024 };

static int write_all(const char *bytes, size_t n, struct error *err)
{
    while (n > 0) {
        ssize_t done = write(STDOUT_FILENO, bytes, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_set(err, errno, "stdout: %s", strerror(errno));
        bytes += done;
        n -= (size_t)done;
    }
    return 0;
}

static int stream(int fd, struct error *err)
{
    _cleanup_(freep) char *chunk = malloc(CHUNK_BYTES);
    ssize_t n = 0;
    int r = chunk ? 0 : error_set(err, ENOMEM, "no memory");

    while (!r && (n = read(fd, chunk, CHUNK_BYTES)) > 0)
        r = write_all(chunk, (size_t)n, err);
    if (!r && n < 0)
        r = error_set(err, errno, "the copy can't be read: %s", strerror(errno));
    return r;
}

/* Beside the journal: that folder is writable where flinkd runs, and has room. The name is gone
 * before the first byte is written out, so that nothing is left behind. */
int journal_run(struct flinkctl *ctl, struct error *err)
{
    _cleanup_(freep) char *path = NULL;
    _cleanup_(closep) int fd = -1;
    int r;

    if (ctl->config->argument)
        return error_set(err, EINVAL, "unexpected argument '%s': it copies the whole journal",
                         ctl->config->argument);
    if (isatty(STDOUT_FILENO))
        return error_set(err, EINVAL, "not to a terminal: flinkctl journal > copy.db");
    r = flinkctl_open_journal(ctl, err);
    if (r)
        return r;
    path = str_printf("%s.copy-%d", ctl->config->common.journal, (int)getpid());
    if (!path)
        return error_set(err, ENOMEM, "no memory");
    r = journal_copy(ctl->journal, path, err);
    if (!r && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        r = error_set(err, errno, "%s: %s", path, strerror(errno));
    (void)unlink(path);
    return r ? r : stream(fd, err);
}
