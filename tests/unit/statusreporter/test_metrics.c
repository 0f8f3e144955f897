#include "statusreporter/metrics.h"
#include "tests/unit/statusreporter/known.h"

static struct statusreporter sr;

static void init(void)
{
    cr_assert_eq(tracked_init(&sr.clusters), 0);
}

static void done(void)
{
    tracked_done(&sr.clusters);
    sr = (struct statusreporter){0};
}

TestSuite(metrics, .init = init, .fini = done, .timeout = 20);

static void expect(const char *line)
{
    _cleanup_(freep) char *text = metrics_text(&sr, NOW);
    _cleanup_(freep) char *whole = str_printf("\n%s\n", line);

    cr_assert(text);
    cr_expect(strstr(text, whole), "no line '%s' in\n%s", line, text);
}

static struct tracked *cluster(void)
{
    struct tracked *t = tracked_get(&sr.clusters, "u", "ns", "c");

    t->shown = true;
    t->state = CLUSTER_RUNNING;
    return t;
}

Test(metrics, each_cluster_and_job_shows_its_state)
{
    cluster()->job = JOB_RUNNING;
    expect("flinkd_clusters 1");
    expect("flinkd_cluster_state{namespace=\"ns\",name=\"c\",state=\"Running\"} 1");
    expect("flinkd_job_state{namespace=\"ns\",name=\"c\",state=\"Running\"} 1");
}

Test(metrics, a_session_cluster_shows_no_job)
{
    _cleanup_(freep) char *text = NULL;

    cluster();
    text = metrics_text(&sr, NOW);
    cr_expect(strstr(text, "flinkd_cluster_state{"));
    cr_expect_null(strstr(text, "flinkd_job_state{"));
    cr_expect_null(strstr(text, "flinkd_job_restarts{"));
}

Test(metrics, savepoints_age_and_restarts_count)
{
    struct tracked *t = cluster();

    t->job = JOB_RUNNING;
    t->savepoint_ms = NOW - 90 * 1000LL;
    t->savepoint_failures = 2;
    t->restarts = 3;
    expect("flinkd_job_savepoint_age_seconds{namespace=\"ns\",name=\"c\"} 90");
    expect("flinkd_job_savepoint_failures_total{namespace=\"ns\",name=\"c\"} 2");
    expect("flinkd_job_restarts{namespace=\"ns\",name=\"c\"} 3");
}

Test(metrics, commands_are_summed_by_state)
{
    cluster()->commands[COMMAND_WANTED] = 2;
    expect("flinkd_commands{state=\"wanted\"} 2");
    expect("flinkd_commands{state=\"done\"} 0");
}

Test(metrics, a_cluster_that_wasnt_looked_at_yet_shows_no_state)
{
    _cleanup_(freep) char *text = NULL;

    cluster()->shown = false;
    text = metrics_text(&sr, NOW);
    cr_expect_null(strstr(text, "flinkd_cluster_state{"));
}

Test(metrics, own_work_is_counted)
{
    sr.writer.written = 7;
    sr.writer.conflicts = 1;
    expect("flinkd_status_writes_total 7");
    expect("flinkd_kube_requests_total{for=\"status\",result=\"conflict\"} 1");
}

Test(metrics, every_line_is_a_comment_or_a_sample)
{
    _cleanup_(freep) char *text = NULL;

    cluster()->job = JOB_FAILED;
    text = metrics_text(&sr, NOW);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        const char *value = NULL;

        *end = '\0';
        value = strrchr(line, ' ');
        if (str_starts(line, "# HELP ") || str_starts(line, "# TYPE "))
            continue;
        cr_assert(value, "%s", line);
        cr_expect(str_starts(line, "flinkd_"), "%s", line);
        cr_expect_eq(strspn(value + 1, "-0123456789"), strlen(value + 1), "%s", line);
    }
}
