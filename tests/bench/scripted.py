"""Many FlinkClusters on a control plane with a scripted Flink."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.bench.measure import QUIET
from tests.bench.scale import manifest
from tests.lib.cluster import Cluster
from tests.lib.controllers import Controllers
from tests.lib.daemons import Daemons
from tests.lib.fake_flink import FakeFlink, FlinkAt
from tests.lib.kube import Kube, Object
from tests.lib.testing import wait_for


class Scripted:
    def __init__(self, api: Kube, flink: FakeFlink, ns: str) -> None:
        self.api, self.flink, self.ns = api, flink, ns
        self.states: dict[str, tuple[str, float]] = {}  # name -> state of the job, when it was seen first
        self.over = threading.Event()

    def flink_of(self, name: str) -> FlinkAt:
        return self.flink.cluster(self.ns, name)

    def create(self, names: list[str]) -> None:
        def one(name: str) -> None:
            o = manifest(name)
            o["spec"]["job"]["savepointsDir"] = "/savepoints"
            self.api.create(o, self.ns)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, names))
        wait_for(lambda: all(self.state(n) == "Running" for n in names), "all jobs to be Running", 600, 0.5,
                 explain=lambda: {n: self.state(n) for n in names if self.state(n) != "Running"})

    def state(self, name: str) -> str:
        return self.states.get(name, ("", 0))[0]

    def note(self, o: Object) -> None:
        name, state = o["metadata"]["name"], o.get("status", {}).get("components", {}).get("job", {}).get("state", "")
        if self.state(name) != state:
            self.states[name] = state, time.monotonic()

    def watch(self) -> None:
        version = "0"
        while not self.over.is_set():
            with contextlib.suppress(OSError, ValueError):
                for kind, o in self.api.watch("FlinkCluster", self.ns, version, 300):
                    if kind == "ERROR":
                        version = "0"
                        break
                    version = o["metadata"]["resourceVersion"]
                    self.note(o)
                    if self.over.is_set():
                        return


@contextlib.contextmanager
def scripted(name: str) -> Iterator[tuple[Scripted, Daemons]]:
    with Cluster() as cluster, FakeFlink(cluster) as flink, Controllers(cluster.api, flink):
        with Daemons(cluster, args=QUIET, flink_url=flink.url_template, name=name) as daemons:
            daemons.install_webhooks()
            api = cluster.api
            ns = api.namespace(prefix="scripted")
            api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, ns)
            s = Scripted(api, flink, ns)
            threading.Thread(target=s.watch, daemon=True).start()
            try:
                yield s, daemons
            finally:
                s.over.set()
