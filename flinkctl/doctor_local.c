/* What can be looked at beside the daemons: their journal and their health. */
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/str.h"
#include "common/base/time.h"
#include "flinkctl/doctor.h"

enum { HEALTH_TIMEOUT_MS = 2000, DISK_WARN_MIB = 64, HEALTH_ADDR_MAX = 256 };

/* ---- journal ---- */

static void check_space(struct doctor *d, const char *path)
{
    struct statvfs fs;
    unsigned long long free_mib;

    if (statvfs(path, &fs))
        return;
    free_mib = (unsigned long long)fs.f_bavail * fs.f_frsize / (1ULL << 20);
    doctor_say(d, free_mib < DISK_WARN_MIB ? FINDING_WARN : FINDING_OK, "journal: %llu MiB free",
               free_mib);
}

static void check_consumers(struct doctor *d, struct journal *journal)
{
    static const char *const consumers[] = {"reconciler", "statusreporter"};
    struct error err = {0};
    int64_t newest = 0, row = 0;

    if (journal_last_row(journal, &newest, &err)) {
        doctor_say(d, FINDING_WRONG, "journal: %s", err.text);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(consumers); i++) {
        if (!cursor_get(journal, consumers[i], &row, &err))
            doctor_say(d, FINDING_OK, "journal: %s has read row %lld of %lld", consumers[i],
                       (long long)row, (long long)newest);
    }
}

static void check_leader(struct doctor *d, struct journal *journal)
{
    struct leader leader;
    struct error err = {0};
    int64_t now = time_now_ms();

    if (leader_get(journal, &leader, &err))
        return;
    if (leader.ours && leader.until_ms > now)
        doctor_say(d, FINDING_OK, "journal: this suite leads (as %s)", leader.holder);
    else if (leader.ours)
        doctor_say(d, FINDING_WARN,
                   "journal: this suite led until %lld s ago; does the watcher run?",
                   (long long)((now - leader.until_ms) / 1000));
    else
        doctor_say(d, FINDING_WARN, "journal: this suite only watches; %s leads",
                   leader.holder[0] ? leader.holder : "nobody");
}

void doctor_journal(struct doctor *d)
{
    const char *path = d->ctl->config->common.journal;
    struct error err = {0};

    if (flinkctl_open_journal(d->ctl, &err)) {
        doctor_say(d, FINDING_WRONG, "journal: %s (doctor looks best inside the operator's pod)",
                   err.text);
        return;
    }
    if (access(path, R_OK | W_OK))
        doctor_say(d, FINDING_WRONG, "journal %s can't be written: %s", path, strerror(errno));
    else
        doctor_say(d, FINDING_OK, "journal %s can be written", path);
    check_space(d, path);
    check_consumers(d, d->ctl->journal);
    check_leader(d, d->ctl->journal);
}

/* ---- daemons ---- */

struct health {
    bool done;
    int status;
    char text[200];
};

static void on_health(const struct http_response *response, void *userdata)
{
    struct health *health = userdata;

    health->done = true;
    health->status = response->status;
    str_copy(health->text, sizeof health->text,
             response->status ? response->body : response->error_text);
    health->text[strcspn(health->text, "\r\n")] = '\0';
}

static void check_daemon(struct doctor *d, const char *addr)
{
    _cleanup_(freep) char *url =
        str_printf("http://%s%s/readyz", *addr == ':' ? "127.0.0.1" : "", addr);
    struct health health = {0};
    struct error err = {0};
    struct http_request request = {
        .method = "GET",
        .url = url,
        .timeout_ms = HEALTH_TIMEOUT_MS,
        .no_proxy = true,
        .on_done = on_health,
        .userdata = &health,
    };
    int r = url ? http_start(d->ctl->http, &request, NULL, &err) : -ENOMEM;

    while (!r && !health.done)
        r = loop_step(d->ctl->loop, HEALTH_TIMEOUT_MS, &err);
    if (r || health.status != 200)
        doctor_say(d, FINDING_WRONG, "daemon at %s: HTTP %d %s", addr, health.status,
                   r ? err.text : health.text);
    else
        doctor_say(d, FINDING_OK, "daemon at %s is ready", addr);
}

void doctor_daemons(struct doctor *d)
{
    const char *at = d->ctl->config->daemons;

    while (*at) {
        char addr[HEALTH_ADDR_MAX];
        size_t len = strcspn(at, ",");

        if (len && len < sizeof addr) {
            str_copy(addr, len + 1, at);
            check_daemon(d, addr);
        }
        at += len + (at[len] == ',');
    }
}
