#!/usr/bin/env python3
"""The state of a job on a real node and a real Flink: which savepoints are taken and kept, and that no run goes on from
less than it should. Judged by the numbers that the job prints and the files that Flink leaves in the share."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import Fc, Node, check, check_equal, node, start, wait_for  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.testing import hold, test  # noqa: E402

RESTARTS = {"restartPolicy": "FromSavepointOnFailure", "maxStateAgeToRestoreSeconds": 3600}


def begin(n: Node, name: str, job: dict[str, Any] | None = None, spec: dict[str, Any] | None = None) -> Fc:
    """A counting job that has its savepoints for itself."""
    fc = start(n, name, job, spec)
    fc.manifest["spec"]["job"]["savepointsDir"] = f"file:///share/{fc.ns}/savepoints"
    return fc


def saved(fc: Fc) -> set[str]:
    """The complete savepoints that there are."""
    return {f"file:/share/{fc.ns}/savepoints/{f.parent.name}" for f in (fc.control / "savepoints").glob("savepoint-*/_metadata")}


def runs(fc: Fc) -> list[int]:
    """The counts at which the job began, or went on from an earlier one: one when it only ever counted on."""
    counts = [count for count, _ in fc.counts()]
    return counts[:1] + [b for a, b in zip(counts, counts[1:]) if b != a + 1]


@test(timeout=500)
def test_a_jobmanager_that_hangs_for_a_minute_costs_nothing_and_takes_the_savepoint_asked_for_once(n: Node) -> None:
    patient = {"heartbeat.timeout": "300000", "pekko.ask.timeout": "300 s"}  # Flink itself waits that long
    with begin(n, "hangs", RESTARTS, {"flinkProperties": patient}) as fc:
        fc.wait_state("Running")
        fc.wait_counting(20)
        run = fc.job["id"]
        submitter = fc.api.get("Job", fc.ns, "hangs-job-submitter")["metadata"]["uid"]
        jobmanager = n.process_in(fc.api.get("Pod", fc.ns, "hangs-jobmanager-0"), "StandaloneSessionClusterEntrypoint")
        os.kill(jobmanager, signal.SIGSTOP)
        try:
            fc.request("savepoint")
            hold(lambda: fc.state == "Running" and fc.job["id"] == run, "taken to be running", 60)
            check_equal(fc.condition("Degraded").get("reason"), "JobManagerUnreachable", "Degraded")
        finally:
            os.kill(jobmanager, signal.SIGCONT)
        fc.wait_control("Succeeded")
        wait_for(lambda: fc.condition("Degraded").get("status") == "False", "all to be well", 60, explain=lambda: fc.status)
        check_equal([j["jid"] for j in fc.flink_jobs()], [run], "jobs that Flink ever had")
        check_equal(fc.api.get("Job", fc.ns, "hangs-job-submitter")["metadata"]["uid"], submitter, "submitter")
        check_equal((fc.state, fc.job["id"], fc.job.get("restartCount", 0)), ("Running", run, 0), "job")
        check_equal((len(saved(fc)), fc.job["savepointGeneration"]), (1, 1), "savepoints")
        fc.wait_counting(max(fc.counts())[0] + 10)
        check_equal(len(runs(fc)), 1, "runs")
        fc.check_nothing_lost()


if __name__ == "__main__":
    testing.main(node, threads=3)
