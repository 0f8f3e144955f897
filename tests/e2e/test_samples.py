#!/usr/bin/env python3
"""The samples on a real node: what a user gets who applies them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import ROOT, Fc, Node, check, check_equal, node, sample, wait_for  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.testing import test  # noqa: E402


def java_17_options() -> list[str]:
    """What flinkd gives to later versions of Flink by itself."""
    found = re.findall(r'(EXPORT|OPEN)\("([^"]+)"\)', (ROOT / "reconciler/desired_flink.c").read_text())
    check(found, "the list of modules isn't in desired_flink.c")
    words = {"EXPORT": "--add-exports", "OPEN": "--add-opens"}
    return [f"{words[kind]}={name}=ALL-UNNAMED" for kind, name in found]


def words_of(fc: Fc) -> str:
    pods = fc.api.list("Pod", fc.ns, labelSelector="component=taskmanager")
    return "".join(fc.api.log(fc.ns, p["metadata"]["name"], "taskmanager") for p in pods)


@test(timeout=400)
def test_the_job_cluster_of_flink_1_20_succeeds_and_counts_words(n: Node) -> None:
    with Fc(n, sample("wordcount")) as fc:
        fc.wait_state("Succeeded", "Failed", "Lost")
        check_equal(fc.state, "Succeeded", "job")
        check_equal([j["state"] for j in fc.flink_jobs()], ["FINISHED"], "Flink's jobs")
        check("(flink," in words_of(fc).lower(), "no words were counted")
        check_equal(fc.condition("Ready")["status"], "True", "Ready")


@test(timeout=400)
def test_the_job_cluster_as_users_of_1_14_know_it_succeeds_and_is_cleaned_up(n: Node) -> None:
    manifest = sample("wordcount-1.14")
    # The public image of 1.14 has an older JDK; the tests' has 17, which that Flink must be told how to run on.
    manifest["spec"]["flinkProperties"]["env.java.opts"] = " ".join(java_17_options())
    with Fc(n, manifest) as fc:
        fc.wait_state("Succeeded", "Failed", "Lost")
        check_equal(fc.state, "Succeeded", "job")
        fc.wait_cluster("Stopped", 120)
        wait_for(lambda: not fc.api.list("StatefulSet", fc.ns), "the workloads to go", 60)


@test(timeout=400)
def test_the_session_cluster_gets_ready_and_goes_when_it_is_deleted(n: Node) -> None:
    with Fc(n, sample("session")) as fc:
        n.cluster.kubectl("-n", fc.ns, "wait", "--for=condition=Ready", f"fc/{fc.name}", "--timeout=240s")
        check_equal(fc.status["state"], "Running", "cluster")
        check_equal(fc.flink_jobs(), [], "jobs")
        fc.api.delete("FlinkCluster", fc.ns, fc.name)
        wait_for(lambda: not fc.api.list("StatefulSet", fc.ns), "the workloads to go", 60)


if __name__ == "__main__":
    testing.main(lambda: node(["flink-1.14.0"]), threads=1)
