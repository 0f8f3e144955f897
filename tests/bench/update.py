"""An update of a running job with a savepoint: from the change until Flink runs the new job, against the same by hand."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from tests.bench.floor.by_hand import HERE, ByHand
from tests.bench.measure import Figure
from tests.e2e.node import Fc, Node, node, with_share
from tests.lib.kube import Object, load_yaml
from tests.lib.testing import wait_for

START_S = 300
EVERY_S = 0.1
SAVEPOINTS = "file:///share/savepoints"


def by_hand(n: Node) -> float:
    with ByHand(n) as hand:
        hand.create()
        hand.submit("/share/counting.jar --pause 50")
        wait_for(lambda: "RUNNING" in hand.states(), "the job", START_S)
        old = next(iter(hand.jobs()))
        time.sleep(5)
        began = time.monotonic()
        trigger = hand.stop(old, SAVEPOINTS)
        location = wait_for(lambda: hand.savepoint(old, trigger), "the savepoint", START_S, EVERY_S)
        hand.submit(f"-s {location} /share/counting.jar --pause 40")
        wait_for(lambda: "RUNNING" in [s for j, s in hand.jobs().items() if j != old], "the new job", START_S, EVERY_S)
        return time.monotonic() - began


def manifest(n: Node) -> Object:
    o = with_share(n, load_yaml(HERE / "cluster.yaml"))
    del o["spec"]["job"]["className"]
    o["spec"]["job"] |= {"jarFile": "/share/counting.jar", "args": ["--pause", "50"], "savepointsDir": SAVEPOINTS}
    return o


def by_flinkd(n: Node) -> float:
    with Fc(n, manifest(n)) as fc:
        fc.wait_state("Running", deadline_s=START_S)
        old = fc.job["id"]
        time.sleep(5)
        began = time.monotonic()
        fc.patch({"job": {"args": ["--pause", "40"]}})
        wait_for(lambda: fc.job.get("id") != old and fc.state == "Running", "the new job", START_S, EVERY_S, explain=lambda: fc.status)
        took = time.monotonic() - began
    n.wait_no_pods(fc.ns)
    return took


def bench(quick: bool) -> Iterator[Figure]:
    with node() as n:
        pairs = [(by_flinkd(n), by_hand(n)) for _ in range(1 if quick else 3)]
    ours, floor = (statistics.median(times) for times in zip(*pairs))
    yield Figure("update, old job RUNNING to new job RUNNING", ours, "s", 1.3, floor, "by hand",
                 note="runs: " + ", ".join(f"{a:.1f}/{b:.1f}" for a, b in pairs))
