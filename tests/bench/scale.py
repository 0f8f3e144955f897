"""Many FlinkClusters at once on a control plane alone: how long, how much CPU, how much memory, and then at rest.

The reference operator on 2 cores: 33 to 42 s, 10 to 11.6 CPU-s, 129 MB, and 9 CPU-s in an idle minute.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.bench.measure import QUIET, Figure, api_requests, count_of, cpu, each, pss, since, wait_quiet
from tests.lib.cluster import Cluster
from tests.lib.daemons import Daemons
from tests.lib.kube import Kube, Object
from tests.lib.testing import wait_for

OWN_THREADS = 4
VERBS = ("APPLY", "PATCH", "POST", "PUT", "DELETE", "GET", "LIST", "WATCH")


def manifest(name: str) -> Object:
    return {"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster", "metadata": {"name": name},
            "spec": {"flinkVersion": "1.20", "image": {"name": "flink:1.20"},
                     "jobManager": {"resources": {"limits": {"memory": "1Gi", "cpu": "200m"}}},
                     "taskManager": {"replicas": 2, "resources": {"limits": {"memory": "2Gi", "cpu": "200m"}}},
                     "job": {"jarFile": "/opt/flink/examples/streaming/WordCount.jar", "parallelism": 2,
                             "args": ["--input", "/opt/flink/README.txt"], "restartPolicy": "FromSavepointOnFailure",
                             "maxStateAgeToRestoreSeconds": 60},
                     "flinkProperties": {"taskmanager.numberOfTaskSlots": "1"}}}


def create(api: Kube, ns: str, n: int) -> None:
    with ThreadPoolExecutor(OWN_THREADS) as pool:
        list(pool.map(lambda i: api.create(manifest(f"c{i:03}"), ns), range(n)))


def all_there(api: Kube, n: int) -> bool:
    return count_of(api, "Job") >= n and count_of(api, "StatefulSet") >= 2 * n


def bench(quick: bool) -> Iterator[Figure]:
    n, idle_s = (100, 20) if quick else (500, 60)
    of_500 = n / 500
    with Cluster() as cluster, Daemons(cluster, args=QUIET, flink_url="http://127.0.0.1:9/", name="bench-scale") as daemons:
        api = cluster.api
        daemons.install_webhooks()
        ns = api.namespace(prefix="scale")
        wait_quiet(daemons, 1)
        requests, used, began = api_requests(api), cpu(daemons), time.monotonic()
        create(api, ns, n)
        created_s = time.monotonic() - began
        wait_for(lambda: all_there(api, n), f"{2 * n} StatefulSets and {n} Jobs", 300, 0.1,
                 explain=lambda: (count_of(api, "StatefulSet"), count_of(api, "Job")))
        took_s = time.monotonic() - began
        yield Figure(f"{n} FlinkClusters, until all children exist", took_s, "s", 10 * of_500,
                     note=f"creating them took {created_s:.1f} s")
        wait_quiet(daemons)
        busy = since(used, cpu(daemons))
        yield Figure("CPU until all is at rest", sum(busy.values()), "CPU-s", 4 * of_500, note=each(busy))
        memory = pss(daemons)
        yield Figure("memory, PSS of five daemons", sum(memory.values()), "MB", 40, note=each(memory))
        yield from per_cluster(since_requests(requests, api_requests(api)), n)
        used, began = cpu(daemons), time.monotonic()
        time.sleep(idle_s)
        idle = {k: v * 60 / (time.monotonic() - began) for k, v in since(used, cpu(daemons)).items()}
        yield Figure("CPU in an idle minute", sum(idle.values()), "CPU-s", 0.3, note=each(idle))


def since_requests(before: dict[tuple[str, str], float], now: dict[tuple[str, str], float]) -> dict[str, float]:
    """Writes and reads of namespaced things, without the bench's own."""
    found = {f"{verb} {resource}": now[verb, resource] - before.get((verb, resource), 0) for verb, resource in now
             if verb in VERBS and resource not in ("", "leases", "subjectaccessreviews")}
    found.pop("POST flinkclusters", None)
    return {k: v for k, v in found.items() if v and not k.startswith("LIST ")}


def per_cluster(requests: dict[str, float], n: int) -> Iterator[Figure]:
    most = sorted(requests.items(), key=lambda kv: -kv[1])[:12]
    yield Figure("API requests a cluster", sum(requests.values()) / n, "",
                 note=", ".join(f"{k} {v / n:.1f}" for k, v in most))
