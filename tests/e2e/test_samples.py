#!/usr/bin/env python3
"""The samples on a real node: what a user gets who applies them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import Fc, Node, check, check_equal, node, sample, wait_for  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.testing import test  # noqa: E402


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
def test_the_session_cluster_gets_ready_and_goes_when_it_is_deleted(n: Node) -> None:
    with Fc(n, sample("session")) as fc:
        n.cluster.kubectl("-n", fc.ns, "wait", "--for=condition=Ready", f"fc/{fc.name}", "--timeout=240s")
        check_equal(fc.status["state"], "Running", "cluster")
        check_equal(fc.flink_jobs(), [], "jobs")
        fc.api.delete("FlinkCluster", fc.ns, fc.name)
        wait_for(lambda: not fc.api.list("StatefulSet", fc.ns), "the workloads to go", 60)


if __name__ == "__main__":
    testing.main(node, threads=1)
