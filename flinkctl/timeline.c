#include "flinkctl/timeline.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "flinkctl/flinkctl.h"

enum { LINE_MAX_BYTES = 4096, JSON_SHOWN_BYTES = 300 };

/* ---- words ---- */

static const char *separator(const struct buf *out, size_t begin)
{
    return out->len > begin ? "; " : "";
}

/* {"actions": [{"action", "kind", "name", "why"}], "blocked", "message"} */
static void decided(const cJSON *payload, struct buf *out)
{
    size_t begin = out->len;

    json_foreach (action, json_member(payload, "actions")) {
        buf_printf(out, "%s%s %s %s", separator(out, begin), json_str_or(action, "action", "?"),
                   json_str_or(action, "kind", ""), json_str_or(action, "name", ""));
        if (!str_empty(json_str(action, "why")))
            buf_printf(out, " (%s)", json_str(action, "why"));
    }
    if (json_has(payload, "blocked"))
        buf_printf(out, "%sblocked: %s: %s", separator(out, begin), json_str(payload, "blocked"),
                   json_str_or(payload, "message", ""));
}

/* What changed of the status. */
static void said(const cJSON *payload, struct buf *out)
{
    static const struct {
        const char *path, *name;
    } shown[] = {
        {"state", "cluster"},
        {"components.job.state", "job"},
        {"components.jobManager.ready", "JobManager"},
        {"components.taskManager.ready", "TaskManagers"},
        {"savepoint.state", "savepoint"},
        {"control.state", "user control"},
        {"components.job.savepointLocation", "savepoint at"},
        {"revision.currentRevision", "revision"},
    };
    size_t begin = out->len;

    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        const char *value = json_str(payload, shown[i].path);

        if (value)
            buf_printf(out, "%s%s %s", separator(out, begin), shown[i].name, value);
    }
    json_foreach (condition, json_member(payload, "conditions")) {
        bool bad = str_eq(json_str(condition, "type"), "Degraded") &&
                   str_eq(json_str(condition, "status"), "True");

        if (bad)
            buf_printf(out, "%s%s: %s", separator(out, begin), json_str_or(condition, "reason", ""),
                       json_str_or(condition, "message", ""));
    }
    if (out->len == begin)
        buf_puts(out, "details");
}

static void observed(const cJSON *payload, struct buf *out)
{
    buf_printf(out, "%s %s: %s", json_str_or(payload, "kind", ""), json_str_or(payload, "name", ""),
               json_str_or(payload, "state", ""));
}

static void other(const char *what, const cJSON *payload, struct buf *out)
{
    _cleanup_(freep) char *text = payload ? json_text(payload) : NULL;

    buf_printf(out, "%s %.*s", what, JSON_SHOWN_BYTES, text ? text : "");
}

void timeline_words(const char *source, const char *what, const cJSON *payload, struct buf *out)
{
    if (str_eq(what, "decided") && json_has(payload, "actions"))
        decided(payload, out);
    else if (str_eq(source, "statusreporter") && str_eq(what, "status"))
        said(payload, out);
    else if (str_eq(what, "observed") && json_has(payload, "state"))
        observed(payload, out);
    else
        other(what, payload, out);
}

/* ---- printing ---- */

static void print_time(int64_t ms)
{
    char text[32];

    time_rfc3339(ms, text);
    text[strcspn(text, "Z")] = '\0';
    (void)printf("%s.%03dZ", text, (int)(ms % 1000));
}

/* Control characters of foreign texts (logs, messages) stay on their line. */
static void print_flat(const char *text)
{
    for (; *text; text++)
        (void)putchar((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
}

static int print_event(const struct event *e, void *userdata)
{
    const struct flinkctl *ctl = userdata;
    _cleanup_(buf_done) struct buf words = BUF_INIT(LINE_MAX_BYTES);
    _cleanup_(json_freep) cJSON *payload = NULL;

    if (e->payload)
        (void)json_parse(e->payload, strlen(e->payload), &payload, NULL);
    if (ctl->config->json) {
        (void)printf("{\"time\":%lld,\"source\":\"%s\",\"what\":\"%s\",\"payload\":%s}\n",
                     (long long)e->time_ms, e->source, e->what, e->payload ? e->payload : "null");
        return 0;
    }
    timeline_words(e->source, e->what, payload, &words);
    print_time(e->time_ms);
    (void)printf("  %-14s  ", e->source);
    print_flat(buf_str(&words));
    (void)putchar('\n');
    return 0;
}

int timeline_run(struct flinkctl *ctl, struct error *err)
{
    struct changed_cluster cluster;
    int r = flinkctl_open_journal(ctl, err);

    if (!r)
        r = flinkctl_find(ctl, &cluster, err);
    if (!r)
        r = event_each(ctl->journal, cluster.uid, 0, print_event, ctl, err);
    return r;
}
