#!/usr/bin/env python3
"""A real Flink 1.14, which gives its savepoints ids of its own: the sample for it, and that no state is lost."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import ROOT, Fc, Node, check, check_equal, node, sample, start, wait_for  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.testing import test  # noqa: E402


def java_17_options() -> str:
    """What flinkd gives to later versions of Flink by itself.

    The public image of 1.14 has an older JDK; the tests' has 17, which that Flink must be told how to run on."""
    found = re.findall(r'(EXPORT|OPEN)\("([^"]+)"\)', (ROOT / "reconciler/desired_flink.c").read_text())
    check(found, "the list of modules isn't in desired_flink.c")
    words = {"EXPORT": "--add-exports", "OPEN": "--add-opens"}
    return " ".join(f"{words[kind]}={name}=ALL-UNNAMED" for kind, name in found)


def begin(n: Node, name: str, job: dict[str, Any] | None = None) -> Fc:
    """A counting job on 1.14 that has its savepoints for itself."""
    fc = start(n, name, job, {
        "flinkVersion": "1.14.0",
        "image": {"name": "flink:1.14.0", "pullPolicy": "IfNotPresent"},
        "flinkProperties": {"env.java.opts": java_17_options(), "restart-strategy": "none"},
    })
    del fc.manifest["spec"]["flinkProperties"]["restart-strategy.type"]
    fc.manifest["spec"]["job"]["savepointsDir"] = f"file:///share/{fc.ns}/savepoints"
    return fc


def saved(fc: Fc) -> set[str]:
    """The complete savepoints that there are."""
    return {f"file:/share/{fc.ns}/savepoints/{f.parent.name}" for f in (fc.control / "savepoints").glob("savepoint-*/_metadata")}


def check_went_on(first: int, asked_at: int, stopped_at: int) -> None:
    """From the savepoint of a stop: the sources of 1.14 go on for a moment after it, and what they said is said again."""
    check(asked_at < first <= stopped_at + 1, f"it went on at {first}; asked to stop at {asked_at}, it stopped at {stopped_at}")


def counted(fc: Fc) -> int:
    return max((count for count, _ in fc.counts()), default=0)


@test(timeout=400)
def test_the_job_cluster_as_users_of_1_14_know_it_succeeds_and_is_cleaned_up(n: Node) -> None:
    manifest = sample("wordcount-1.14")
    manifest["spec"]["flinkProperties"]["env.java.opts"] = java_17_options()
    with Fc(n, manifest) as fc:
        fc.wait_state("Succeeded", "Failed", "Lost")
        check_equal(fc.state, "Succeeded", "job")
        fc.wait_cluster("Stopped", 120)
        wait_for(lambda: not fc.api.list("StatefulSet", fc.ns), "the workloads to go", 60)


@test(timeout=600)
def test_a_savepoint_is_taken_on_request_and_a_job_that_fails_goes_on_from_it(n: Node) -> None:
    restarts = {"restartPolicy": "FromSavepointOnFailure", "maxStateAgeToRestoreSeconds": 3600}
    with begin(n, "restarts", restarts) as fc:
        fc.wait_state("Running")
        run = fc.job["id"]
        before, _ = fc.wait_counting(20)
        fc.request("savepoint")
        fc.wait_control("Succeeded")
        after = counted(fc)
        location = fc.job["savepointLocation"]
        check_equal(saved(fc), {location}, "savepoints")
        check_equal((fc.job["savepointGeneration"], fc.job["id"]), (1, run), "savepointGeneration, job")

        fc.wait_counting(after + 10)
        fc.tell("fail")
        fc.wait_run(run)
        check_equal((fc.job["fromSavepoint"], fc.job["restartCount"]), (location, 1), "fromSavepoint, restartCount")
        fc.wait_counted_on_from(before, after)
        fc.wait_counting(after + 40)
        check_equal((saved(fc), fc.running_jobs()), ({location}, [fc.job["id"]]), "savepoints, running jobs")


@test(timeout=600)
def test_an_update_stops_the_job_with_a_savepoint_and_the_count_goes_on_without_a_gap(n: Node) -> None:
    with begin(n, "update") as fc:
        fc.wait_state("Running")
        run, revision = fc.job["id"], fc.revision()
        asked_at, _ = fc.wait_counting(20)
        fc.patch({"job": {"args": ["--pause", "40", "--control", f"/share/{fc.ns}"]}})
        fc.wait_updated(revision)
        fc.wait_state("Running")
        location = fc.job["fromSavepoint"]
        check_equal(saved(fc), {location}, "savepoints")
        check_equal({j["jid"]: j["state"] for j in fc.flink_jobs()}, {run: "FINISHED", fc.job["id"]: "RUNNING"}, "jobs of Flink")
        fc.wait_counting(counted(fc) + 10)
        fc.check_nothing_lost()
        counts = [count for count, _ in fc.counts()]
        jumps = [(a, b) for a, b in itertools.pairwise(counts) if b != a + 1]
        check(len(jumps) <= 1, f"more than two runs: {jumps}")
        for stopped_at, first in jumps:
            check_went_on(first, asked_at, stopped_at)


@test(timeout=600)
def test_a_job_that_is_cancelled_leaves_a_savepoint_from_which_another_counts_on(n: Node) -> None:
    with begin(n, "cancel") as fc:
        fc.wait_state("Running")
        asked_at, _ = fc.wait_counting(20)
        fc.request("job-cancel")
        fc.wait_control("Succeeded")
        check_equal((fc.state, fc.job["finalSavepoint"]), ("Cancelled", True), "state, finalSavepoint")
        location = fc.job["savepointLocation"]
        check_equal((saved(fc), fc.running_jobs()), ({location}, []), "savepoints, running jobs")
        last = counted(fc)

        with begin(n, "heir", {"fromSavepoint": location}) as heir:
            heir.wait_state("Running")
            heir.wait_counting(last + 20)
            heir.check_nothing_lost()
            check_went_on(min(count for count, _ in heir.counts()), asked_at, last)


if __name__ == "__main__":
    testing.main(lambda: node(["flink-1.14.0"]), threads=2)
