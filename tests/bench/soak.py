"""Does memory grow? FlinkClusters come, are updated, save, fail and go, for as long as SOAK_MINUTES says (30; --quick: 3)."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Figure, each, pss, wait_quiet
from tests.bench.scripted import Scripted, scripted
from tests.lib.daemons import Daemons
from tests.lib.kube import CONTROL
from tests.lib.testing import wait_for


Seen = tuple[float, dict[str, float], int]  # when (s), memory of each daemon, open files of all


def middle(seen: list[Seen]) -> tuple[float, float]:
    """Memory and open files."""
    return statistics.median(sum(x[1].values()) for x in seen), statistics.median(x[2] for x in seen)


def open_files(daemons: Daemons) -> int:
    return sum(len(list(Path(f"/proc/{p.pid}/fd").iterdir())) for p in daemons.processes.values())


class Churn:
    """The same number of FlinkClusters after each round; a fifth of them new."""

    def __init__(self, s: Scripted, names: list[str]) -> None:
        self.s, self.names, self.made, self.acts = s, names, len(names), 0
        self.rng = random.Random(1)

    def save(self, names: list[str]) -> None:
        before = {name: len(self.s.flink_of(name).made) for name in names}
        for name in names:
            self.s.api.annotate("FlinkCluster", self.s.ns, name, **{CONTROL: "savepoint"})
        wait_for(lambda: all(len(self.s.flink_of(n).made) > before[n] for n in names), "the savepoints", 120)
        wait_for(lambda: not any(self.asked(n) for n in names), "the requests to end", 120)

    def asked(self, name: str) -> bool:
        return CONTROL in self.s.api.get("FlinkCluster", self.s.ns, name)["metadata"].get("annotations", {})

    def run_again(self, updated: list[str], failing: list[str]) -> None:
        before = {name: len(self.s.flink_of(name).submitted) for name in updated + failing}
        for name in updated:
            self.s.api.patch("FlinkCluster", self.s.ns, name, {"spec": {"job": {"args": [f"--round={self.acts}"]}}})
        for name in failing:
            for job in self.s.flink_of(name).jobs.values():
                job.end("FAILED")
        wait_for(lambda: all(len(self.s.flink_of(n).submitted) > before[n] and self.s.state(n) == "Running" for n in before),
                 "the new runs", 120, explain=lambda: {n: self.s.state(n) for n in before})

    def replace(self, old: list[str]) -> None:
        new = [f"c{self.made + i:05}" for i in range(len(old))]
        self.made += len(old)
        for name in old:
            self.s.api.delete("FlinkCluster", self.s.ns, name)
            self.names.remove(name)
        self.s.create(new)
        self.names += new

    def round(self) -> None:
        fifth = len(self.names) // 5
        picked = self.rng.sample(self.names, 3 * fifth)
        failing, updated, old = (picked[i * fifth:(i + 1) * fifth] for i in range(3))
        self.save(failing)
        self.run_again(updated, failing)
        self.replace(old)
        self.acts += 4 * fifth


def bench(quick: bool) -> Iterator[Figure]:
    minutes = float(os.environ.get("SOAK_MINUTES", 3 if quick else 30))
    with scripted("bench-soak") as (s, daemons):
        names = [f"c{i:05}" for i in range(20 if quick else 50)]
        s.create(names)
        churn = Churn(s, names)
        began = time.monotonic()
        seen: list[Seen] = []
        while time.monotonic() - began < minutes * 60:
            churn.round()
            wait_quiet(daemons, 1)
            seen.append((time.monotonic() - began, pss(daemons), open_files(daemons)))
    # The first quarter fills caches and pools.
    memory_before, files_before = middle([x for x in seen if x[0] >= minutes * 60 / 4][:5] or seen[:1])
    memory, files = middle(seen[-5:])
    yield Figure("memory at the end, PSS of five daemons", memory, "MB", 1.15, memory_before, "after a quarter",
                 note=f"{minutes:g} minutes, {churn.acts} acts on {len(names)} clusters; {each(seen[-1][1])}")
    yield Figure("open files at the end", files, "", 1.15, files_before, "after a quarter")
