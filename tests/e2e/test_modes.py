#!/usr/bin/env python3
"""The ways a job can be run, on a real node: Blocking, Application, several jobs in one program, Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import Fc, Node, check, check_equal, counting, node, start, wait_for, with_share  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.testing import test  # noqa: E402

KEEP = {"afterJobSucceeds": "KeepCluster", "afterJobCancelled": "KeepCluster", "afterJobFails": "KeepCluster"}
PYTHON_IMAGE = {"image": {"name": "flink-python:1.20", "pullPolicy": "IfNotPresent"}}


def output_of(fc: Fc) -> str:
    pods = fc.api.list("Pod", fc.ns, labelSelector="component=taskmanager")
    return "".join(fc.api.log(fc.ns, p["metadata"]["name"], "taskmanager") for p in pods)


def succeeds(fc: Fc) -> None:
    fc.wait_state("Succeeded", "Failed", "Lost", "DeployFailed", deadline_s=400)
    check_equal(fc.state, "Succeeded", f"job ({fc.job.get('failureReasons')})")


@test(timeout=500)
def test_a_blocking_job_has_succeeded_when_its_program_has_ended(n: Node) -> None:
    with start(n, "blocking", {"mode": "Blocking", "args": ["--pause", "20", "--limit", "50"]}) as fc:
        succeeds(fc)
        check_equal(max(fc.counts()), (50, 49), "last count")
        submitter = fc.api.get("Job", fc.ns, "blocking-job-submitter")
        check_equal(submitter["status"].get("succeeded"), 1, "submitter")


@test(timeout=500)
def test_a_program_that_executes_two_jobs_runs_both(n: Node) -> None:
    spec = {"flinkProperties": {"$internal.pipeline.job-id": ""}}
    with start(n, "two", {"mode": "Blocking", "args": ["--pause", "20", "--limit", "10", "--jobs", "2"]}, spec) as fc:
        succeeds(fc)
        check_equal([j["state"] for j in fc.flink_jobs()], ["FINISHED", "FINISHED"], "Flink's jobs")


def application(name: str, args: list[str]) -> dict[str, Any]:
    """The jar comes into Flink's user library from the share, by an init container."""
    manifest = counting(name, {"mode": "Application", "className": "CountingJob", "args": args})
    fetch = {"name": "jar", "image": "flink:1.20", "imagePullPolicy": "IfNotPresent",
             "command": ["cp", "/share/counting.jar", "/usrlib/"],
             "volumeMounts": [{"name": "usrlib", "mountPath": "/usrlib"}, {"name": "share", "mountPath": "/share"}]}
    for part in ("jobManager", "taskManager"):
        manifest["spec"][part] |= {
            "initContainers": [fetch],
            "volumes": [{"name": "usrlib", "emptyDir": {}}],
            "volumeMounts": [{"name": "usrlib", "mountPath": "/opt/flink/usrlib"}],
        }
    return manifest


def in_share(n: Node, manifest: dict[str, Any]) -> dict[str, Any]:
    for part in ("jobManager", "taskManager"):
        manifest["spec"][part]["volumes"].append({"name": "share", "hostPath": {"path": str(n.share)}})
        manifest["spec"][part]["volumeMounts"].append({"name": "share", "mountPath": "/share"})
    return manifest


@test(timeout=500)
def test_an_application_succeeds_and_its_jobmanager_ends(n: Node) -> None:
    with Fc(n, in_share(n, application("app", ["--pause", "20", "--limit", "50"]))) as fc:
        succeeds(fc)
        check_equal(max(fc.counts()), (50, 49), "last count")
        check_equal(fc.api.get("Job", fc.ns, "app-jobmanager")["status"].get("succeeded"), 1, "JobManager")


@test(timeout=600)
def test_an_application_is_cancelled_with_a_savepoint(n: Node) -> None:
    with Fc(n, in_share(n, application("appcancel", ["--pause", "50"]))) as fc:
        fc.wait_state("Running")
        fc.wait_counting(10)
        fc.request("job-cancel")
        fc.wait_control("Succeeded", 180)
        check_equal(fc.state, "Cancelled", "job")
        check(fc.job.get("savepointLocation"), f"no savepoint: {fc.job}")


def python(n: Node, name: str, job: dict[str, Any]) -> dict[str, Any]:
    manifest = with_share(n, counting(name, job, PYTHON_IMAGE))
    del manifest["spec"]["job"]["jarFile"], manifest["spec"]["job"]["args"]
    manifest["spec"]["job"] |= job
    manifest["spec"]["taskManager"]["resources"]["limits"]["memory"] = "1500Mi"
    return manifest


def counts_words(n: Node, name: str, job: dict[str, Any]) -> None:
    with Fc(n, python(n, name, job)) as fc:
        succeeds(fc)
        wait_for(lambda: "(be,2)" in output_of(fc).replace(" ", "").replace("'", ""), "the words to be counted", 20)


@test(timeout=600)
def test_a_python_file_is_submitted(n: Node) -> None:
    counts_words(n, "pyfile", {"pyFile": "/share/word_count.py"})


@test(timeout=600)
def test_a_python_module_is_submitted_with_its_files(n: Node) -> None:
    counts_words(n, "pymodule", {"pyModule": "word_count", "pyFiles": "/share/word_count.py"})


@test(timeout=600)
def test_python_options_in_the_arguments_work_as_they_used_to(n: Node) -> None:
    counts_words(n, "pyargs", {"jarFile": "", "className": "", "args": ["--python", "/share/word_count.py"]})


@test(timeout=600)
def test_a_python_application_runs(n: Node) -> None:
    counts_words(n, "pyapp", {"mode": "Application", "pyFile": "/share/word_count.py"})


if __name__ == "__main__":
    testing.main(lambda: node(["flink-python-1.20"]), threads=2)
