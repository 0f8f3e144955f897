#include "statusreporter/metrics.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/base/time.h"

enum { METRICS_MAX_BYTES = 64 * 1024 * 1024 };

/* ---- one family each ---- */

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void plain(struct buf *out, const char *name, const char *type, const char *help,
                  int64_t value)
{
    head(out, name, type, help);
    buf_printf(out, "%s %lld\n", name, (long long)value);
}

/* Names of Kubernetes objects need no escaping. */
static void sample(struct buf *out, const char *name, const struct tracked *t, const char *state,
                   int64_t value)
{
    buf_printf(out, "%s{namespace=\"%s\",name=\"%s\"", name, t->ns, t->name);
    if (state)
        buf_printf(out, ",state=\"%s\"", state);
    buf_printf(out, "} %lld\n", (long long)value);
}

#define EACH_SHOWN(t, sr)                                                                          \
    (const struct tracked *t = tracked_next(&(sr)->clusters, NULL); t;                             \
     t = tracked_next(&(sr)->clusters, t)) if (t->shown)

static void states(struct buf *out, const struct statusreporter *sr)
{
    head(out, "flinkd_cluster_state", "gauge", "1 for the state that the FlinkCluster is in.");
    for
        EACH_SHOWN(t, sr)
    sample(out, "flinkd_cluster_state", t, cluster_state_name(t->state), 1);
    head(out, "flinkd_job_state", "gauge", "1 for the state that the job is in.");
    for
        EACH_SHOWN(t, sr)
        {
            if (t->job != JOB_NONE)
                sample(out, "flinkd_job_state", t, job_state_name(t->job), 1);
        }
}

static void jobs(struct buf *out, const struct statusreporter *sr, int64_t now_ms)
{
    head(out, "flinkd_job_savepoint_age_seconds", "gauge", "Age of the job's last savepoint.");
    for
        EACH_SHOWN(t, sr)
        {
            if (t->savepoint_ms)
                sample(out, "flinkd_job_savepoint_age_seconds", t, NULL,
                       (now_ms - t->savepoint_ms) / 1000);
        }
    head(out, "flinkd_job_savepoint_failures_total", "counter", "Savepoints that failed.");
    for
        EACH_SHOWN(t, sr)
        {
            if (t->job != JOB_NONE)
                sample(out, "flinkd_job_savepoint_failures_total", t, NULL, t->savepoint_failures);
        }
    head(out, "flinkd_job_restarts", "gauge", "Restarts of the job after a failure.");
    for
        EACH_SHOWN(t, sr)
        {
            if (t->job != JOB_NONE)
                sample(out, "flinkd_job_restarts", t, NULL, t->restarts);
        }
}

static void commands(struct buf *out, const struct statusreporter *sr)
{
    int64_t sums[COMMAND_STATES] = {0};

    for
        EACH_SHOWN(t, sr)
        {
            for (int i = 0; i < COMMAND_STATES; i++)
                sums[i] += t->commands[i];
        }
    head(out, "flinkd_commands", "gauge", "Commands for Flink jobs in the journal, by state.");
    for (int i = 0; i < COMMAND_STATES; i++)
        buf_printf(out, "flinkd_commands{state=\"%s\"} %lld\n",
                   command_state_name((enum command_state)i), (long long)sums[i]);
}

static void own_work(struct buf *out, const struct statusreporter *sr)
{
    const struct status_writer *w = &sr->writer;
    const struct event_counts *e = event_sender_counts(sr->events);

    head(out, "flinkd_kube_requests_total", "counter",
         "Requests of the statusreporter to the Kubernetes API, by what for and how they ended.");
    buf_printf(out, "flinkd_kube_requests_total{for=\"status\",result=\"ok\"} %lld\n",
               (long long)w->written);
    buf_printf(out, "flinkd_kube_requests_total{for=\"status\",result=\"conflict\"} %lld\n",
               (long long)w->conflicts);
    buf_printf(out, "flinkd_kube_requests_total{for=\"status\",result=\"error\"} %lld\n",
               (long long)w->failed);
    buf_printf(out, "flinkd_kube_requests_total{for=\"annotation\",result=\"ok\"} %lld\n",
               (long long)w->annotations);
    buf_printf(out, "flinkd_kube_requests_total{for=\"event\",result=\"ok\"} %lld\n",
               (long long)e->written);
    buf_printf(out, "flinkd_kube_requests_total{for=\"event\",result=\"error\"} %lld\n",
               (long long)e->failed);
    plain(out, "flinkd_events_left_out_total", "counter",
          "Kubernetes Events that were left out, because there were too many of the cluster.",
          e->left_out);
    plain(out, "flinkd_status_writes_total", "counter", "Statuses that were written.", w->written);
    plain(out, "flinkd_status_derived_total", "counter", "Statuses that were derived.",
          sr->reports);
}

char *metrics_text(const struct statusreporter *sr, int64_t now_ms)
{
    _cleanup_(buf_done) struct buf out = BUF_INIT(METRICS_MAX_BYTES);

    plain(&out, "flinkd_leader", "gauge", "1 while this instance may write.", sr->leads);
    plain(&out, "flinkd_clusters", "gauge", "FlinkClusters.", (int64_t)sr->clusters.n);
    plain(&out, "flinkd_journal_row", "gauge", "Row up to which the journal was read.", sr->cursor);
    states(&out, sr);
    jobs(&out, sr, now_ms);
    commands(&out, sr);
    own_work(&out, sr);
    return buf_take(&out);
}

/* ---- serving ---- */

static void answer_text(struct httpd_answer *answer, int status, const char *text)
{
    answer->status = status;
    answer->content_type = "text/plain";
    answer->body = strdup(text);
}

static void on_request(const struct httpd_request *request, struct httpd_answer *answer,
                       void *userdata)
{
    const struct statusreporter *sr = userdata;

    if (!str_eq(request->method, "GET")) {
        answer_text(answer, 405, "only GET\n");
    } else if (str_eq(request->path, "/metrics")) {
        answer->status = 200;
        answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
        answer->body = metrics_text(sr, time_now_ms());
    } else if (str_eq(request->path, "/healthz")) {
        answer_text(answer, 200, "ok\n");
    } else if (str_eq(request->path, "/readyz")) {
        answer_text(answer, sr->ready ? 200 : 503, sr->ready ? "ok\n" : "the journal isn't open\n");
    } else {
        answer_text(answer, 404, "there are /metrics, /healthz and /readyz\n");
    }
}

int metrics_serve(struct statusreporter *sr, struct error *err)
{
    struct httpd_config config = {.addr = sr->config->metrics_addr};

    if (str_empty(config.addr))
        return 0;
    return httpd_new(sr->loop, &config, on_request, sr, &sr->metrics, err);
}
