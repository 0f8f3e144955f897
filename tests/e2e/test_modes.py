#!/usr/bin/env python3
"""The ways a job can be run, on a real node: Blocking, Application, several jobs in one program, Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import Fc, Node, check, check_equal, counting, node, start, wait_for, with_share  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.testing import hold, test  # noqa: E402

RESTARTS = {"restartPolicy": "FromSavepointOnFailure", "maxStateAgeToRestoreSeconds": 3600}
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
    job = {"mode": "Blocking", "args": ["--pause", "20", "--limit", "10", "--jobs", "2"],
           "cleanupPolicy": {"afterJobSucceeds": "DeleteTaskManager"}}
    with start(n, "two", job, spec) as fc:
        succeeds(fc)
        jobs = sorted(fc.flink_jobs(), key=lambda j: j["start-time"])
        check_equal([(j["name"], j["state"]) for j in jobs], [("counting-0", "FINISHED"), ("counting-1", "FINISHED")], "Flink's jobs")
        check_equal((fc.job["id"], fc.job["name"]), (jobs[0]["jid"], "counting-0"), "the job that is followed")
        wait_for(lambda: not fc.pods("taskmanager"), "the TaskManagers to go", 30)
        check_equal(list(fc.pods("jobmanager")), ["two-jobmanager-0"], "JobManager")


def application(name: str, args: list[str], job: dict[str, Any] | None = None) -> dict[str, Any]:
    """The jar comes into Flink's user library from the share, by an init container."""
    manifest = counting(name, {"mode": "Application", "className": "CountingJob", "args": args} | (job or {}))
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
        before = fc.wait_counting(10)[0]
        fc.request("job-cancel")
        fc.wait_control("Succeeded", 180)
        check_equal((fc.state, fc.job["finalSavepoint"]), ("Cancelled", True), "job, final savepoint")
        location, last = fc.job["savepointLocation"], max(fc.counts())[0]
        check(last >= before, f"cancelled at {last}, after {before}")
    with start(n, "appheir", {"fromSavepoint": location}) as heir:
        heir.wait_state("Running")
        heir.wait_counted_on(last, new_from=last + 1)


def kill_jobmanager(fc: Fc) -> None:
    """At once, as if its machine had died."""
    [pod] = fc.pods("jobmanager")
    fc.api.delete("Pod", fc.ns, pod, gracePeriodSeconds=0)


@test(timeout=600)
def test_an_application_whose_jobmanager_is_killed_comes_back_from_its_newest_savepoint(n: Node) -> None:
    with Fc(n, in_share(n, application("appkill", ["--pause", "50"], RESTARTS))) as fc:
        fc.wait_state("Running")
        run = fc.job["id"]
        fc.wait_counting(10)
        fc.request("savepoint")
        fc.wait_control("Succeeded")
        first = fc.job["savepointLocation"]
        fc.wait_counting(max(fc.counts())[0] + 10)
        saved = max(fc.counts())[0]
        fc.request("savepoint")
        fc.wait_control("Succeeded")
        newest = fc.job["savepointLocation"]
        check(newest != first, "one savepoint instead of two")
        fc.wait_counting(max(fc.counts())[0] + 20)
        kill_jobmanager(fc)
        fc.wait_run(run)
        check_equal((fc.job["fromSavepoint"], fc.job["restartCount"]), (newest, 1), "fromSavepoint, restarts")
        ended = max(fc.counts())[0]
        fc.wait_counting(ended + 10)
        fc.check_nothing_lost()
        back = fc.went_back()
        check(len(back) == 1 and saved < back[0] <= ended, f"saved after {saved}, ended at {ended}, went on from {back}")
        check_equal([j["jid"] for j in fc.flink_jobs()], [fc.job["id"]], "Flink's jobs")


@test(timeout=600)
def test_an_application_whose_jobmanager_is_killed_before_a_savepoint_waits_and_says_so(n: Node) -> None:
    with Fc(n, in_share(n, application("appempty", ["--pause", "50"], RESTARTS))) as fc:
        fc.wait_state("Running")
        run = fc.job["id"]
        fc.wait_counting(10)
        kill_jobmanager(fc)
        fc.wait_state("Failed", "Lost")
        wait_for(lambda: fc.condition("Degraded").get("reason") == "NoSavepoint", "the reason", 30, explain=lambda: fc.status)
        check("spec.job.fromSavepoint" in fc.condition("Degraded")["message"], str(fc.condition("Degraded")))
        check("JobManager" in " ".join(fc.job.get("failureReasons", [])), f"why it failed: {fc.job}")
        hold(lambda: fc.state in ("Failed", "Lost") and not fc.pods("jobmanager"), "waiting", 20)
        check_equal((fc.job["id"], fc.went_back()), (run, []), "run, where it went back")


@test(timeout=500)
def test_an_application_without_its_class_fails_with_flinks_words_which_stay_when_all_else_is_cleaned_up(n: Node) -> None:
    job = {"className": "org.example.NoSuchJob", "cleanupPolicy": {"afterJobFails": "DeleteCluster"}}
    with Fc(n, in_share(n, application("appwrong", [], job))) as fc:
        fc.wait_state("Failed", "DeployFailed", "Lost")
        wait_for(lambda: "NoSuchJob" in " ".join(fc.job.get("failureReasons", [])), "the reason", 60, explain=lambda: fc.job)
        fc.wait_cluster("Stopped", 60)
        fc.wait_gone("StatefulSet", "Service", "ConfigMap", "Job")
        check("NoSuchJob" in " ".join(fc.job["failureReasons"]), str(fc.job))


@test(timeout=600)
def test_an_application_that_has_succeeded_and_is_stopped_runs_again_when_it_is_updated_in_place(n: Node) -> None:
    job = RESTARTS | {"cleanupPolicy": {"afterJobSucceeds": "DeleteCluster"}}
    manifest = in_share(n, application("appagain", ["--pause", "100", "--limit", "200"], job))
    manifest["spec"]["recreateOnUpdate"] = False
    with Fc(n, manifest).hurried() as fc:
        fc.wait_state("Running")
        saved = fc.wait_counting(20)[0]
        fc.request("savepoint")
        fc.wait_control("Succeeded")
        location = fc.job["savepointLocation"]
        succeeds(fc)
        fc.wait_cluster("Stopped")
        wait_for(lambda: not fc.api.list("Pod", fc.ns), "the pods to go", 90)
        run, revision = fc.job["id"], fc.revision()
        fc.patch({"job": {"args": ["--pause", "10", "--limit", "200"], "cleanupPolicy": {"afterJobSucceeds": "KeepCluster"}}})
        wait_for(lambda: fc.job.get("id") != run, "another run", 60, explain=lambda: fc.status)
        succeeds(fc)
        check_equal(fc.job["fromSavepoint"], location, "fromSavepoint")
        check_equal(max(fc.counts()), (200, 199), "last count")
        check(min(fc.counts())[0] > saved, f"saved after {saved}, went on from {min(fc.counts())}")
        fc.check_nothing_lost()
        fc.wait_updated(revision)
        fc.wait_cluster("Running")


def python(n: Node, name: str, job: dict[str, Any]) -> dict[str, Any]:
    manifest = with_share(n, counting(name, job, PYTHON_IMAGE))
    del manifest["spec"]["job"]["jarFile"], manifest["spec"]["job"]["args"]
    manifest["spec"]["job"] |= job
    manifest["spec"]["taskManager"]["resources"]["limits"]["memory"] = "1500Mi"
    return manifest


def counts_words(n: Node, name: str, job: dict[str, Any], counted: str = "(be,2)") -> None:
    with Fc(n, python(n, name, job)) as fc:
        succeeds(fc)
        wait_for(lambda: counted in output_of(fc).replace(" ", "").replace("'", ""), "the words to be counted", 20)


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
def test_python_options_among_the_arguments_leave_the_program_its_own_in_order(n: Node) -> None:
    (n.share / "words.txt").write_text("that is the question\n")
    args = ["--input", "/share/words.txt", "-py", "/share/word_count.py", "--pyFiles=/share/word_count.py", "question"]
    counts_words(n, "pyodd", {"jarFile": "", "className": "", "args": args}, "(question,2)")


@test(timeout=600)
def test_a_python_application_runs(n: Node) -> None:
    counts_words(n, "pyapp", {"mode": "Application", "pyFile": "/share/word_count.py"})


if __name__ == "__main__":
    testing.main(lambda: node(["flink-python-1.20"]), threads=2)
