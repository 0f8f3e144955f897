/* The submit script, run by bash with a 'flink' and a JobManager of the test's own. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <criterion/criterion.h>

#include "common/base/str.h"
#include "reconciler/desired_internal.h"

#define ID       "0123456789abcdef0123456789abcdef"
#define OTHER_ID "fedcba9876543210fedcba9876543210"

enum { TEXT_MAX = 64 * 1024 };

static char dir[64], output[TEXT_MAX], report[TEXT_MAX];
static pid_t jobmanager;
static int port;

/* ---- files ---- */

static const char *file(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(file(name), "w");

    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
    cr_assert_eq(chmod(file(name), 0755), 0);
}

static void read_file(const char *path, char *out)
{
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(out, 1, TEXT_MAX - 1, f) : 0;

    out[n] = '\0';
    if (f)
        (void)fclose(f);
}

/* ---- the JobManager ---- */

/* The request to its end: bash writes it line by line, so one read may get less. */
static void read_request(int fd, char *in, size_t size)
{
    const struct timeval patience = {.tv_sec = 5};
    size_t len = 0;
    ssize_t n = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    in[0] = '\0';
    while (n > 0 && len < size - 1 && !strstr(in, "\r\n\r\n")) {
        n = read(fd, in + len, size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
        in[len] = '\0';
    }
}

static void answer(int fd, int status)
{
    char in[1024], text[128];

    read_request(fd, in, sizeof(in));
    if (!strstr(in, "GET /overview HTTP/1.1\r\n") || !strstr(in, "\r\nHost: 127.0.0.1:"))
        status = 400;
    (void)snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}", status);
    if (write(fd, text, strlen(text)) < 0)
        (void)fprintf(stderr, "the client is gone\n");
    (void)close(fd);
}

/* Answers @n times with 503, then with @status. */
static void start_jobmanager(int n, int status)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(listener, (const struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    cr_assert_eq(listen(listener, 8), 0);
    port = ntohs(address.sin_port);
    jobmanager = fork();
    cr_assert_geq(jobmanager, 0);
    while (jobmanager == 0) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0)
            answer(fd, n-- > 0 ? 503 : status);
    }
    (void)close(listener);
}

static void setup(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/flinkd-submit-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    write_file("submit-job.sh", submit_script);
    cr_assert_eq(mkdir(file("bin"), 0755), 0);
    start_jobmanager(0, 200);
}

static void teardown(void)
{
    static const char *const names[] = {"submit-job.sh", "bin/flink", "bin", "out", "report"};

    if (jobmanager > 0) {
        (void)kill(jobmanager, SIGKILL);
        (void)waitpid(jobmanager, NULL, 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        (void)remove(file(names[i]));
    (void)remove(dir);
}

TestSuite(submit_script, .init = setup, .fini = teardown, .timeout = 60);

static void restart_jobmanager(int n, int status)
{
    (void)kill(jobmanager, SIGKILL);
    (void)waitpid(jobmanager, NULL, 0);
    start_jobmanager(n, status);
}

/* ---- running ---- */

/* 'flink' does what @flink says; returns the exit status of the script. */
static int run(const char *flink, const char *environment, const char *args)
{
    char script[4096], command[2048];
    int status;

    (void)snprintf(script, sizeof(script), "#!/bin/bash\n%s\n", flink);
    write_file("bin/flink", script);
    (void)snprintf(command, sizeof(command),
                   "cd / && FLINK_HOME=%s FLINK_JM_ADDR=127.0.0.1:%d FLINKD_TERMINATION_LOG=%s "
                   "%s exec bash %s %s > %s 2>&1",
                   dir, port, file("report"), environment, file("submit-job.sh"), args,
                   file("out"));
    status = system(command); /* NOLINT(cert-env33-c): a test's own command */
    read_file(file("out"), output);
    read_file(file("report"), report);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define SUBMITTED "echo 'Job has been submitted with JobID " ID "'"
#define DUPLICATE                                                                                  \
    "printf 'Caused by: x.DuplicateJobSubmissionException: Job has already been submitted.\\n'\n"  \
    "exit 1"

static void expect_report(const char *beginning)
{
    cr_expect(str_starts(report, beginning), "%s", report);
}

Test(submit_script, is_the_file_of_that_name)
{
    char text[TEXT_MAX];

    read_file("reconciler/submit-job.sh", text);
    if (*text)
        cr_expect_str_eq(submit_script, text, "made from it by the command in its comment");
}

Test(submit_script, reports_the_job_id)
{
    cr_expect_eq(run(SUBMITTED, "", ""), 0);
    expect_report("jobID: " ID "\nmessage: |\n  Successfully submitted!\n");
    cr_expect(strstr(output, "\nJob has been submitted with JobID " ID "\n"));
}

Test(submit_script, asks_for_the_chosen_id_before_all_other_options)
{
    cr_expect_eq(run("printf '<%s>' \"$@\"; echo\n" SUBMITTED, "FLINK_JOB_ID=" ID,
                     "--detached -C 'a b' '*' ''"),
                 0);
    cr_expect(
        strstr(output, "\n<run><-D$internal.pipeline.job-id=" ID "><--detached><-C><a b><*><>\n"),
        "%s", output);
}

Test(submit_script, asks_for_no_id_when_none_was_chosen)
{
    cr_expect_eq(run("printf '<%s>' \"$@\"; echo\n" SUBMITTED, "", "x"), 0);
    cr_expect(strstr(output, "\n<run><x>\n"), "%s", output);
}

Test(submit_script, waits_until_the_jobmanager_is_ready)
{
    restart_jobmanager(3, 200);
    cr_expect_eq(run(SUBMITTED, "", ""), 0);
}

Test(submit_script, a_redirection_or_a_refusal_is_an_answer_too)
{
    restart_jobmanager(0, 301);
    cr_expect_eq(run(SUBMITTED, "", ""), 0);
    restart_jobmanager(0, 401);
    cr_expect_eq(run(SUBMITTED, "", ""), 0);
}

Test(submit_script, gives_up_on_a_jobmanager_that_never_answers)
{
    restart_jobmanager(1000, 200);
    cr_expect_eq(run("echo never", "FLINKD_WAIT_SECONDS=1", ""), 1);
    expect_report("message: |\n  Aborted: no answer of the JobManager at 127.0.0.1:");
    cr_expect_null(strstr(output, "never"));
}

Test(submit_script, a_job_that_is_there_already_was_submitted)
{
    cr_expect_eq(run(DUPLICATE, "FLINK_JOB_ID=" ID, ""), 0);
    expect_report("jobID: " ID "\nmessage: |\n  The job had been submitted before.\n");
}

Test(submit_script, a_duplicate_of_an_unknown_job_is_a_failure)
{
    cr_expect_eq(run(DUPLICATE, "", ""), 1);
    expect_report("message: |\n  Failed to submit the job (exit status 1).\n");
}

Test(submit_script, a_program_with_more_jobs_is_told_what_to_set)
{
    cr_expect_eq(run(SUBMITTED "\n" DUPLICATE, "FLINK_JOB_ID=" ID, ""), 1);
    expect_report("jobID: " ID "\nmessage: |\n  The program submits more than one job.");
    cr_expect(strstr(report, "'$internal.pipeline.job-id' to \"\""));
}

Test(submit_script, of_several_jobs_the_first_counts)
{
    cr_expect_eq(run(SUBMITTED "\necho 'Job has been submitted with JobID " OTHER_ID "'", "", ""),
                 0);
    expect_report("jobID: " ID "\n");
}

Test(submit_script, what_is_no_id_is_none)
{
    cr_expect_eq(run("echo 'Job has been submitted with JobID abc'", "", ""), 1);
    expect_report("message: |\n  The program ended without submitting a job");
}

Test(submit_script, the_cause_of_a_failure_comes_first_and_frames_are_left_out)
{
    cr_expect_eq(run("printf 'Exception: a\\n\\tat x.y(z)\\nCaused by: the reason\\n\\tat x\\n"
                     "\\t... 7 more\\n'; exit 9",
                     "", ""),
                 1);
    expect_report("message: |\n  Failed to submit the job (exit status 9). the reason\n"
                  "  Exception: a\n  Caused by: the reason\n");
    cr_expect_null(strstr(report, "at x"));
    cr_expect(strstr(output, "\tat x.y(z)\n"), "the output has them");
}

Test(submit_script, a_failure_after_the_submission_keeps_the_id_and_the_status)
{
    cr_expect_eq(run(SUBMITTED "\nexit 7", "", ""), 7);
    expect_report("jobID: " ID "\nmessage: |\n  The job was submitted; 'flink run' ended with "
                  "status 7.");
}

Test(submit_script, the_report_is_bounded_and_the_output_is_not)
{
    cr_expect_eq(run("for i in {1..1000}; do echo \"line $i of the output\"; done\n"
                     "printf '%05000d\\n' 0\n" SUBMITTED,
                     "", ""),
                 0);
    cr_expect_lt(strlen(report), 4096);
    cr_expect(strstr(output, "line 1 of the output\n"));
    cr_expect(strstr(report, "line 1000 of the output\n"));
    cr_expect_null(strstr(report, "line 1 of the output\n"));
}

Test(submit_script, a_last_line_without_an_end_is_read)
{
    cr_expect_eq(run("printf 'Job has been submitted with JobID " ID "'", "", ""), 0);
    expect_report("jobID: " ID "\n");
    cr_expect_null(strstr(output, "end-of-output"));
}

Test(submit_script, a_termination_log_that_cannot_be_written_changes_nothing)
{
    cr_expect_eq(run(SUBMITTED, "FLINKD_TERMINATION_LOG=/nonexistent/log", ""), 0);
}

Test(submit_script, being_told_to_stop_is_reported_at_once)
{
    cr_expect_eq(
        run("read -r _ _ _ script _ </proc/$PPID/stat; sleep 0.3; kill $script; sleep 5", "", ""),
        143);
    expect_report("message: |\n  The submitter was told to stop (SIGTERM).");
}
