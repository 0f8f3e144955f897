#include "common/base/seat.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

static struct error err;

static char own[32]; /* tests run side by side, here and elsewhere on the machine */

static void name_self(void)
{
    (void)snprintf(own, sizeof(own), "%ld", (long)getpid());
}

static int sit(const char *what, const char *path, int *fd)
{
    int seat = -1;
    char who[64];

    (void)snprintf(who, sizeof(who), "%s-%s", what, own);

    cr_assert_eq(seat_take(who, path, &seat, fd, &err), 0, "%s", err.text);
    return seat;
}

TestSuite(seat, .init = name_self, .timeout = 20);

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

Test(seat, a_folder_that_is_not_there_yet_counts_by_its_name)
{
    int a, b, c;

    cr_expect_eq(sit("x", "/no/such/folder/journal.db", &a), 0);
    cr_expect_eq(sit("x", "/no/such/folder/journal.db", &b), 1);
    cr_expect_eq(sit("x", "/no/other/folder/journal.db", &c), 0);
    close(a);
    close(b);
    close(c);
}
