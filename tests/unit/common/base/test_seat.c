#include "common/base/seat.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

static struct error err;

static int sit(const char *who, const char *path, int *fd)
{
    int seat = -1;

    cr_assert_eq(seat_take(who, path, &seat, fd, &err), 0, "%s", err.text);
    return seat;
}

TestSuite(seat, .timeout = 20);

Test(seat, is_the_lowest_that_is_free)
{
    int a, b, c;

    cr_expect_eq(sit("x", "/tmp/journal.db", &a), 0);
    cr_expect_eq(sit("x", "/tmp/journal.db", &b), 1);
    close(a);
    cr_expect_eq(sit("x", "/tmp/journal.db", &c), 0, "whoever comes back sits where it sat");
    close(b);
    close(c);
}

Test(seat, others_sit_elsewhere)
{
    int a, b, c;

    cr_expect_eq(sit("x", "/tmp/journal.db", &a), 0);
    cr_expect_eq(sit("y", "/tmp/journal.db", &b), 0);
    cr_expect_eq(sit("x", "/tmp/other.db", &c), 0);
    close(a);
    close(b);
    close(c);
}

Test(seat, is_free_when_its_process_was_killed)
{
    int ready[2], fd, status;
    char byte;
    pid_t child;

    cr_assert_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        cr_assert_eq(sit("killed", "/tmp/journal.db", &fd), 0);
        cr_assert_eq(write(ready[1], "x", 1), 1);
        for (;;)
            pause();
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_expect_eq(sit("killed", "/tmp/journal.db", &fd), 1);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(sit("killed", "/tmp/journal.db", &fd), 0);
}

Test(seat, a_folder_that_is_not_there_is_an_error)
{
    int seat, fd;

    cr_expect_eq(seat_take("x", "/no/such/folder/journal.db", &seat, &fd, &err), -ENOENT);
    cr_expect(err.text[0]);
}
