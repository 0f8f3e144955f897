#include "flinkctl/flinkctl.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/str.h"

enum { CLUSTERS_AT_ONCE = 64, SNAPSHOT_MAX_BYTES = 64 * 1024 * 1024 };

void flinkctl_done(struct flinkctl *ctl)
{
    kube_client_free(ctl->kube);
    http_free(ctl->http);
    loop_free(ctl->loop);
    journal_close(ctl->journal);
    *ctl = (struct flinkctl){.config = ctl->config};
}

int flinkctl_open_journal(struct flinkctl *ctl, struct error *err)
{
    struct journal_options options = {.read_only = true};
    int r = journal_open(ctl->config->common.journal, &options, &ctl->journal, NULL, err);

    return r ? error_wrap(err, "--journal") : 0;
}

int flinkctl_open_kube(struct flinkctl *ctl, struct error *err)
{
    struct kube_options options = {
        .kubeconfig = ctl->config->common.kubeconfig,
        .context = ctl->config->common.context,
        .user_agent = "flinkctl",
    };
    int r = loop_new(&ctl->loop, err);

    if (!r)
        r = http_new(ctl->loop, &ctl->http, err);
    if (!r)
        r = kube_client_new(ctl->http, ctl->loop, &options, &ctl->kube, err);
    return r;
}

/* ---- which FlinkCluster ---- */

int flinkctl_split_name(const char *text, char ns[64], char name[256], struct error *err)
{
    const char *slash = text ? strchr(text, '/') : NULL;

    if (slash && slash - text < 64)
        str_copy(ns, (size_t)(slash - text) + 1, text);
    str_copy(name, 256, slash ? slash + 1 : text ? text : "");
    if (!name[0] || (slash && (slash == text || slash - text >= 64)))
        return error_set(err, EINVAL, "which FlinkCluster? [NAMESPACE/]NAME is needed");
    return 0;
}

static int no_such_cluster(const struct flinkctl *ctl, struct error *err)
{
    return error_set(err, ENOENT, "there is no FlinkCluster %s in the journal %s",
                     ctl->config->argument, ctl->config->common.journal);
}

/* The newest of that name: a FlinkCluster that was made anew has another uid. */
int flinkctl_find(struct flinkctl *ctl, struct changed_cluster *ret, struct error *err)
{
    _cleanup_(freep) struct changed_cluster *all = calloc(CLUSTERS_AT_ONCE, sizeof *all);
    struct changed_cluster found = {0};
    char ns[64], name[256];
    size_t n = CLUSTERS_AT_ONCE;
    int64_t last = 0;
    int r;

    str_copy(ns, sizeof ns, ctl->config->common.ns);
    r = flinkctl_split_name(ctl->config->argument, ns, name, err);
    while (!r && all && n == CLUSTERS_AT_ONCE) {
        r = object_changed_clusters(ctl->journal, last, all, CLUSTERS_AT_ONCE, &n, &last, err);
        for (size_t i = 0; !r && i < n; i++) {
            if (!str_eq(all[i].name, name) || (ns[0] && !str_eq(all[i].ns, ns)))
                continue;
            if (found.uid[0] && !str_eq(found.ns, all[i].ns))
                return error_set(err, EINVAL, "%s is in the namespaces %s and %s: name one", name,
                                 found.ns, all[i].ns);
            found = all[i];
        }
    }
    if (r)
        return r;
    if (!found.uid[0])
        return no_such_cluster(ctl, err);
    *ret = found;
    return 0;
}

/* ---- snapshots ---- */

static int read_file(const char *path, struct buf *text, struct error *err)
{
    FILE *file = str_eq(path, "-") ? stdin : fopen(path, "re");
    char chunk[65536];
    size_t n;
    int r = 0;

    if (!file)
        return error_set(err, errno, "%s: %s", path, strerror(errno));
    while (!r && (n = fread(chunk, 1, sizeof chunk, file)) > 0)
        r = buf_add(text, chunk, n);
    if (!r && ferror(file))
        r = -EIO;
    if (file != stdin)
        (void)fclose(file);
    return r ? error_set(err, -r, "%s can't be read", path) : 0;
}

static int snapshot_of_file(const char *path, struct snapshot *ret, struct error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(SNAPSHOT_MAX_BYTES);
    _cleanup_(json_freep) cJSON *json = NULL;
    int r = read_file(path, &text, err);

    if (!r)
        r = json_parse(buf_str(&text), text.len, &json, err);
    if (!r)
        r = snapshot_from_json(json, ret, err);
    return r ? error_wrap(err, "%s", path) : 0;
}

int flinkctl_snapshot(struct flinkctl *ctl, struct snapshot *ret, struct error *err)
{
    struct changed_cluster cluster;
    int r;

    if (ctl->config->file)
        return snapshot_of_file(ctl->config->file, ret, err);
    r = flinkctl_open_journal(ctl, err);
    if (!r)
        r = flinkctl_find(ctl, &cluster, err);
    if (!r)
        r = snapshot_load(ctl->journal, cluster.ns, cluster.name, cluster.uid, ret, err);
    return r;
}

int snapshot_run(struct flinkctl *ctl, struct error *err)
{
    _cleanup_(snapshot_done) struct snapshot snapshot = {0};
    _cleanup_(json_freep) cJSON *json = NULL;
    _cleanup_(freep) char *text = NULL;
    int r = flinkctl_snapshot(ctl, &snapshot, err);

    if (r)
        return r;
    json = snapshot_json(&snapshot);
    text = json_text(json);
    if (!text)
        return error_set(err, ENOMEM, "no memory");
    (void)puts(text);
    return 0;
}
