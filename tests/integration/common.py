"""What the integration tests share: FlinkClusters and pods made by hand, and commands written into a journal."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from tests.lib.cluster import Cluster
from tests.lib.daemons import Daemons
from tests.lib.fake_flink import FakeFlink
from tests.lib.kube import Kube
from tests.lib.testing import wait_for

Object = dict[str, Any]


class World:
    """A control plane, a scripted Flink, and some daemons on one journal."""

    def __init__(self, cluster: Cluster, flink: FakeFlink, daemons: Daemons) -> None:
        self.cluster, self.flink, self.daemons = cluster, flink, daemons

    @property
    def api(self) -> Kube:
        return self.cluster.api

    def namespace(self) -> str:
        """With the service account that a controller manager would make: pods can be created."""
        ns = self.api.namespace()
        self.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, ns)
        return ns

    def add_cluster(self, ns: str, name: str = "wc", status: Object | None = None, **job: Any) -> str:
        """A job cluster; its uid."""
        spec = {"flinkVersion": "1.20", "image": {"name": "flink:1.20"}, "jobManager": {}, "taskManager": {},
                "job": {"jarFile": "/x.jar", "savepointsDir": "/savepoints"} | job}
        made = self.api.create({"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster",
                                "metadata": {"name": name, "namespace": ns}, "spec": spec})
        if status:
            self.set_status(ns, name, status)
        return made["metadata"]["uid"]

    def set_status(self, ns: str, name: str, status: Object) -> None:
        self.api.patch_status("FlinkCluster", ns, name, {"state": "Running", "components": {}, "lastUpdateTime": ""} | status)

    def run_job(self, ns: str, name: str, job_id: str) -> None:
        self.set_status(ns, name, running(job_id))

    def child(self, kind: str, ns: str, name: str, cluster: str = "wc", labels: Object | None = None, **rest: Any) -> Object:
        version = {"Pod": "v1", "ConfigMap": "v1", "Service": "v1"}.get(kind, "apps/v1")
        labels = {"app": "flink", "cluster": cluster, "flinkoperator.k8s.io/revision-name": f"{cluster}-1"} | (labels or {})
        return self.api.create({"apiVersion": version, "kind": kind,
                                "metadata": {"name": name, "namespace": ns, "labels": labels}, **rest})

    def add_pod(self, ns: str, name: str, component: str = "jobmanager", cluster: str = "wc") -> Object:
        return self.child("Pod", ns, name, cluster, {"component": component},
                          spec={"containers": [{"name": component, "image": "flink:1.20"}]})

    def add_jobmanager(self, ns: str, cluster: str = "wc", restarts: int = 0) -> str:
        """A JobManager's pod that runs; its uid."""
        pod = self.add_pod(ns, f"{cluster}-jobmanager-0", cluster=cluster)
        self.set_container(ns, f"{cluster}-jobmanager-0", "jobmanager", restarts, {"running": {"startedAt": "2026-01-02T03:04:05Z"}})
        return pod["metadata"]["uid"]

    def set_container(self, ns: str, pod: str, name: str, restarts: int, state: Object, last: Object | None = None) -> None:
        self.api.patch_status("Pod", ns, pod, {"phase": "Running", "containerStatuses": [
            {"name": name, "image": "flink:1.20", "imageID": "", "ready": "running" in state, "restartCount": restarts,
             "state": state, "lastState": last or {}}]})

    def observation(self, uid: str, key: str) -> Any:
        return self.daemons.journal.observations(uid).get(key)

    def wait_observation(self, uid: str, key: str, want: Any = lambda o: o, deadline_s: float = 10) -> Any:
        """Until it is there and want(it)."""
        def there() -> Any:
            o = self.observation(uid, key)
            return o if o and want(o) else None
        return wait_for(there, f"observation {key}", deadline_s, 0.02, explain=lambda: self.daemons.journal.observations(uid))

    def wait_stored(self, kind: str, ns: str, name: str, want: Any = lambda o: o) -> Object:
        def there() -> Any:
            o = self.daemons.journal.object(kind, ns, name)
            return o if o and want(o) else None
        return wait_for(there, f"{kind} {name} in the journal", 10, 0.02)

    # ---- commands, as the reconciler would write them ----

    def add_command(self, ns: str, uid: str, kind: str, key: str, args: Any, name: str = "wc") -> int:
        now_ms = int(time.time() * 1000)
        db = sqlite3.connect(self.daemons.journal_path, timeout=10, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            row = db.execute("UPDATE counter SET row = row + 1 RETURNING row").fetchone()[0]
            db.execute("INSERT INTO cluster_change VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET row = excluded.row",
                       (uid, row, ns, name))
            made = db.execute(
                "INSERT INTO command (cluster_uid, ns, cluster_name, kind, key, state, due_ms, decided_row, created_ms,"
                " changed_ms, args) VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?)",
                (uid, ns, name, kind, key, row, now_ms, now_ms, json.dumps(args) if args is not None else None))
            db.execute("COMMIT")
            return int(made.lastrowid or 0)
        finally:
            db.close()

    def command(self, command_id: int) -> Object:
        return next(c for c in self.daemons.journal.commands() if c["id"] == command_id)

    def wait_command(self, command_id: int, *states: str, deadline_s: float = 10) -> Object:
        def there() -> Any:
            c = self.command(command_id)
            return c if c["state"] in (states or ("done", "failed", "dropped")) else None
        return wait_for(there, f"command {command_id} to be {' or '.join(states) or 'ended'}", deadline_s, 0.02,
                        explain=lambda: self.command(command_id))


def running(job_id: str, **savepoint: str) -> Object:
    status: Object = {"components": {"job": {"state": "Running", "id": job_id}}}
    if savepoint:
        status["savepoint"] = {"state": "InProgress"} | savepoint
    return status


@contextlib.contextmanager
def world(*daemons: str, **about: Any) -> Iterator[World]:
    with Cluster() as cluster, FakeFlink(cluster) as flink, Daemons(cluster, daemons, flink_url=flink.url_template, **about) as d:
        yield World(cluster, flink, d)
