"""Do FlinkClusters suffer from others whose Flink hangs or is slow? From a change of the spec until Flink is told."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from tests.bench.measure import Figure
from tests.bench.scripted import Scripted, scripted
from tests.lib.testing import wait_for

GENERATION = {"spec": {"job": {"savepointGeneration": 1}}}


def savepoint_delay(s: Scripted, name: str) -> float:
    at = s.flink_of(name)
    began = time.monotonic()
    s.api.patch("FlinkCluster", s.ns, name, GENERATION)
    wait_for(lambda: at.made, f"the savepoint of {name}", 60, 0.005)
    return at.made[0].begun_at - began


def bench(quick: bool) -> Iterator[Figure]:
    n = 60 if quick else 200
    bad, asked = n // 10, n // 10
    names = [f"c{i:03}" for i in range(n)]
    hang, slow, first, second = (names[i * bad:(i + 1) * bad] for i in range(4))
    with scripted("bench-neighbours") as (s, _):
        s.create(names)
        time.sleep(5)
        good = [savepoint_delay(s, name) for name in first[:asked]]
        for name in hang:
            s.flink_of(name).up = "hang"
        for name in slow:
            s.flink_of(name).savepoint_s = 60
        for name in hang + slow:
            s.api.patch("FlinkCluster", s.ns, name, GENERATION)
        time.sleep(3)
        with_bad = [savepoint_delay(s, name) for name in second[:asked]]
    yield Figure("change of the spec to Flink told, median", statistics.median(with_bad), "s", 1.2, statistics.median(good), "all well",
                 note=f"{bad} of {n} hang, {bad} take a minute; worst {max(with_bad):.2f}, all well {max(good):.2f}")
