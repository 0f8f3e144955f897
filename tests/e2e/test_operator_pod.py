#!/usr/bin/env python3
"""flinkd's own pod in trouble while a job deploys and runs."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import SYSTEM, Fc, Node, check_equal, counting, node, wait_for, with_share  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.daemons import ALL  # noqa: E402
from tests.lib.testing import test  # noqa: E402

SEED = int(os.environ.get("FAULT_SEED", time.time_ns() % 1_000_000))


def job(n: Node, name: str) -> Fc:
    """Counts for some 10 s and ends."""
    return Fc(n, with_share(n, counting(name, {"args": ["--pause", "50", "--limit", "200"]})))


def check_succeeded(fc: Fc) -> None:
    fc.wait_state("Succeeded", "Failed", "Lost", "Cancelled")
    check_equal(fc.state, "Succeeded", "job")
    check_equal([(j["jid"], j["state"]) for j in fc.flink_jobs()], [(fc.job["id"], "FINISHED")], "Flink's jobs")
    check_equal(fc.job.get("restartCount", 0), 0, "restartCount")
    fc.check_nothing_lost()


def restarts(n: Node) -> dict[str, int]:
    statuses: list[dict[str, Any]] = n.operator_pod().get("status", {}).get("containerStatuses", [])
    return {s["name"]: s["restartCount"] for s in statuses}


@test(serial=True, timeout=600)
def test_each_container_is_killed_once_and_there_is_one_job_that_succeeds(n: Node) -> None:
    testing.say(f"FAULT_SEED={SEED}")
    rng = random.Random(SEED)
    before = restarts(n)
    with job(n, "killed") as fc:
        for daemon in rng.sample(ALL, len(ALL)):
            time.sleep(rng.uniform(0, 4))  # the moment is by chance, not waited for
            os.kill(n.process_of(daemon), signal.SIGKILL)
        check_succeeded(fc)
    wait_for(lambda: len(restarts(n)) == len(before) and all(v > before[k] for k, v in restarts(n).items()),
             "every container to have been restarted", 60, explain=lambda: restarts(n))


@test(serial=True, timeout=600)
def test_the_pod_is_replaced_while_a_job_runs_and_the_job_does_not_notice(n: Node) -> None:
    with job(n, "replaced") as fc:
        fc.wait_state("Running")
        old = n.operator_pod()["metadata"]["uid"]
        n.cluster.kubectl("-n", SYSTEM, "rollout", "restart", "deployment/flink-operator-controller-manager")
        wait_for(lambda: n.operator_pod().get("metadata", {}).get("uid") != old, "a new pod of flinkd", 120)
        n.wait_operator()
        check_succeeded(fc)


if __name__ == "__main__":
    testing.main(node, threads=1)
