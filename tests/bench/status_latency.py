"""From the end of a job at a scripted Flink until the status says so. The reference operator asks every 10 s."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator

from tests.bench.measure import Figure
from tests.bench.scripted import scripted
from tests.lib.testing import wait_for


def bench(quick: bool) -> Iterator[Figure]:
    n = 10 if quick else 40
    names = [f"c{i:03}" for i in range(n)]
    rng = random.Random(1)
    with scripted("bench-status-latency") as (s, _):
        s.create(names)
        time.sleep(5 if quick else 15)  # asked less often by then
        ended = {}
        for name in names:
            time.sleep(rng.uniform(0.2, 0.6))
            at = s.flink_of(name)
            ended[name] = time.monotonic()
            next(iter(at.jobs.values())).end("FINISHED")
        wait_for(lambda: all(s.state(name) == "Succeeded" for name in names), "all to be Succeeded", 60)
        delays = sorted(s.states[name][1] - ended[name] for name in names)
    yield Figure("job finished to status Succeeded, median", statistics.median(delays), "s", 0.5,
                 note=f"{n} clusters; best {delays[0]:.2f}, worst {delays[-1]:.2f}")
