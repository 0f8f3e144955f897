/* What is watched in Kubernetes: FlinkClusters, and of everything else only what is theirs. */
#ifndef WATCHER_KUBE_SOURCE_H
#define WATCHER_KUBE_SOURCE_H

#include <stdbool.h>

#include "common/base/error.h"

struct kube_source;
struct watcher;

/** Starts watching from where the journal says; without it FlinkClusters are listed first. */
int kube_source_new(struct watcher *w, struct kube_source **ret, struct error *err);
struct kube_source *kube_source_free(struct kube_source *source); /* stops all watches */
/** Another journal: go on from where that one says. */
int kube_source_restart(struct kube_source *source, struct error *err);
/** All lists are in (a kind that isn't installed counts as listed). */
bool kube_source_is_synced(const struct kube_source *source);

#endif
