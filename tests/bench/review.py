"""What a review costs the webhook: creations without effect through the API server, two reviews each."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.bench.measure import QUIET, Figure, cpu, since
from tests.bench.scale import OWN_THREADS, manifest
from tests.lib.cluster import Cluster
from tests.lib.daemons import Daemons


def bench(quick: bool) -> Iterator[Figure]:
    n = 200 if quick else 2000
    with Cluster() as cluster, Daemons(cluster, ["webhook"], args=QUIET, name="bench-review") as daemons:
        api = cluster.api
        daemons.install_webhooks()
        used = cpu(daemons)
        with ThreadPoolExecutor(OWN_THREADS) as pool:
            list(pool.map(lambda i: api.create(manifest(f"c{i}"), "default", dryRun="All"), range(n)))
        spent = sum(since(used, cpu(daemons)).values())
    yield Figure("CPU of the webhook for a review", spent * 1000 / (2 * n), "ms", 1, note=f"{2 * n} reviews")
