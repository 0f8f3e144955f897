"""Apply -> Succeeded for WordCount, against the floor: the same pods by hand, the job submitted once Flink answers.

In paired runs on 2 cores the reference operator took 35 s where the floor was 19 to 23 s.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from tests.bench.floor.by_hand import HERE, ByHand
from tests.bench.measure import Figure
from tests.e2e.node import Fc, Node, node, with_share
from tests.lib.kube import load_yaml
from tests.lib.testing import check_equal, wait_for

WORDCOUNT = ("-c org.apache.flink.streaming.examples.wordcount.WordCount /opt/flink/examples/streaming/WordCount.jar"
             " --input /opt/flink/README.txt")
START_S = 300
EVERY_S = 0.1


def by_hand(n: Node) -> float:
    with ByHand(n) as hand:
        began = time.monotonic()
        hand.create()
        hand.submit(WORDCOUNT)
        wait_for(lambda: "FINISHED" in hand.states(), "WordCount to finish", START_S, EVERY_S)
        return time.monotonic() - began


def by_flinkd(n: Node) -> float:
    fc = Fc(n, with_share(n, load_yaml(HERE / "cluster.yaml")))
    began = time.monotonic()
    with fc:
        wait_for(lambda: fc.state in ("Succeeded", "Failed"), "WordCount to succeed", START_S, EVERY_S)
        took = time.monotonic() - began
        check_equal(fc.state, "Succeeded", "job")
    n.wait_no_pods(fc.ns)
    return took


def bench(quick: bool) -> Iterator[Figure]:
    with node() as n:
        by_hand(n)  # fills caches
        pairs = [(by_flinkd(n), by_hand(n)) for _ in range(1 if quick else 3)]
    ours, floor = (statistics.median(times) for times in zip(*pairs))
    yield Figure("apply to Succeeded, WordCount", ours, "s", 1.15, floor, "by hand",
                 note="runs: " + ", ".join(f"{a:.1f}/{b:.1f}" for a, b in pairs))
