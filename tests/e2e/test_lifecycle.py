#!/usr/bin/env python3
"""The life of a job on a real node and a real Flink. State is judged by the numbers that the job prints."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import Fc, Node, check, check_equal, node, start, wait_for  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.kube import CONTROL  # noqa: E402
from tests.lib.testing import hold, test  # noqa: E402

RESTARTS = {"restartPolicy": "FromSavepointOnFailure", "maxStateAgeToRestoreSeconds": 3600}


def take_savepoint(fc: Fc) -> str:
    before = fc.job.get("savepointGeneration", 0)
    fc.request("savepoint")
    fc.wait_control("Succeeded")
    check_equal(fc.job["savepointGeneration"], before + 1, "savepointGeneration")
    return fc.job["savepointLocation"]


@test(timeout=500)
def test_a_savepoint_is_taken_on_request_and_cancel_stops_the_job_with_its_state(n: Node) -> None:
    with start(n, "cancel") as fc:
        fc.wait_state("Running")
        fc.wait_counting(20)
        location = take_savepoint(fc)
        check(location.startswith("file:/share/savepoints/"), location)
        check_equal(len(fc.running_jobs()), 1, "running jobs")
        fc.request("job-cancel")
        fc.wait_control("Succeeded")
        check_equal(fc.state, "Cancelled", "job")
        check(fc.job["finalSavepoint"] and fc.job["savepointLocation"] != location, f"no final savepoint: {fc.job}")
        check_equal(fc.running_jobs(), [], "running jobs")
        check_equal(fc.object["metadata"].get("annotations", {}).get(CONTROL),
                    None, "the request")
        fc.check_nothing_lost()
        said = {"StatusUpdate", "SavepointTriggered", "SavepointCreated", "ControlRequested", "ControlSucceeded"}
        wait_for(lambda: said <= fc.events(), f"Events {sorted(said)}", 10, explain=fc.events)


@test(timeout=500)
def test_a_cancelled_job_whose_taskmanagers_go_keeps_its_jobmanager_and_counts_on_when_it_is_updated(n: Node) -> None:
    with start(n, "cleanup", {"cleanupPolicy": {"afterJobCancelled": "DeleteTaskManager"}}).hurried() as fc:
        fc.wait_state("Running")
        jobmanager, old, before = fc.pods("jobmanager"), fc.job["id"], fc.wait_counting(20)[0]
        fc.request("job-cancel")
        fc.wait_control("Succeeded")
        wait_for(lambda: not fc.api.list("Pod", fc.ns, labelSelector="component=taskmanager"), "the TaskManagers to go", 90)
        hold(lambda: (fc.state, fc.pods("jobmanager")) == ("Cancelled", jobmanager), "cancelled, with its JobManager", 5)
        check_equal([j["state"] for j in fc.flink_jobs()], ["FINISHED"], "Flink's jobs")
        fc.patch({"job": {"args": ["--pause", "40", "--control", f"/share/{fc.ns}"]}})
        fc.wait_run(old, 300)
        fc.wait_counted_on(before, new_from=before + 1)


@test(timeout=500)
def test_a_cancelRequested_that_is_stored_stops_the_job_with_its_state_and_the_cluster_goes(n: Node) -> None:
    with start(n, "stored", {"cleanupPolicy": {"afterJobCancelled": "DeleteCluster"}}) as fc:
        fc.wait_state("Running")
        before = fc.wait_counting(20)[0]
        fc.store(lambda o: o["spec"]["job"].update(cancelRequested=True))
        fc.wait_state("Cancelled")
        check(fc.job["finalSavepoint"], f"no final savepoint: {fc.job}")
        location, last = fc.job["savepointLocation"], max(fc.counts())[0]
        check(last >= before, f"cancelled at {last}, after {before}")
        fc.wait_cluster("Stopped", 120)
        fc.wait_gone("StatefulSet", "Service", "ConfigMap", "Job")
        fc.patch({"revisionHistoryLimit": 3, "job": {"args": ["--pause", "40"]}})
        wait_for(lambda: fc.revision() == fc.revision("nextRevision"), "the change to be through", 30, explain=lambda: fc.status)
        hold(lambda: fc.state == "Cancelled" and not fc.api.list("StatefulSet", fc.ns), "still cancelled", 5)
        check_equal(fc.job["savepointLocation"], location, "savepointLocation")


@test(timeout=600)
def test_an_update_stops_with_a_savepoint_and_the_new_job_counts_on(n: Node) -> None:
    with start(n, "update") as fc:
        fc.wait_state("Running")
        old, before = fc.job["id"], fc.wait_counting(20)[0]
        fc.patch({"job": {"args": ["--pause", "40", "--control", f"/share/{fc.ns}"]}})
        fc.wait_run(old, 300)
        fc.wait_counted_on(before)
        check_equal(len(fc.running_jobs()), 1, "running jobs")
        wait_for(lambda: fc.status["revision"]["currentRevision"] == fc.status["revision"]["nextRevision"],
                 "the update to be finished", 60)


@test(timeout=600)
def test_a_suspended_job_counts_on_when_it_is_resumed(n: Node) -> None:
    with start(n, "suspend") as fc:
        fc.wait_state("Running")
        before = fc.wait_counting(20)[0]
        fc.patch({"job": {"suspend": True}})
        wait_for(lambda: fc.state == "Pending" and fc.job.get("finalSavepoint"), "the job to be suspended", 120,
                 explain=lambda: fc.status)
        wait_for(lambda: not fc.api.list("StatefulSet", fc.ns), "the workloads to go", 60)
        fc.patch({"job": {"suspend": False}})
        fc.wait_state("Running", deadline_s=400)
        fc.wait_counted_on(before, new_from=before + 1)


@test(timeout=600)
def test_a_job_that_fails_restarts_from_its_savepoint(n: Node) -> None:
    with start(n, "fails", RESTARTS) as fc:
        fc.wait_state("Running")
        old, before = fc.job["id"], fc.wait_counting(20)[0]
        location = take_savepoint(fc)
        after = max(fc.counts())[0]
        fc.wait_counting(after + 10)
        fc.tell("fail")
        fc.wait_run(old, 300)
        check_equal(fc.job["fromSavepoint"], location, "fromSavepoint")
        check_equal(fc.job["restartCount"], 1, "restartCount")
        fc.wait_counted_on_from(before, after)


@test(timeout=600)
def test_a_job_with_policy_never_stays_failed_and_says_why(n: Node) -> None:
    with start(n, "never") as fc:
        fc.wait_state("Running")
        fc.wait_counting(5)
        fc.tell("fail")
        fc.wait_state("Failed")
        wait_for(lambda: "told to fail" in " ".join(fc.job.get("failureReasons", [])), "the reason", 30,
                 explain=lambda: fc.job)
        hold(lambda: fc.state == "Failed", "Failed", 5)
        check_equal(fc.condition("Ready")["status"], "False", "Ready")
        check_equal(len(fc.flink_jobs()), 1, "jobs that Flink ever had")


@test(timeout=700)
def test_a_jobmanager_that_comes_back_empty_gets_the_job_again_from_its_savepoint(n: Node) -> None:
    with start(n, "jmkill", RESTARTS) as fc:
        fc.wait_state("Running")
        old, before = fc.job["id"], fc.wait_counting(20)[0]
        location = take_savepoint(fc)
        after = max(fc.counts())[0]
        fc.wait_counting(after + 10)
        fc.api.delete("Pod", fc.ns, "jmkill-jobmanager-0", gracePeriodSeconds=0)
        fc.wait_run(old, 400)
        check_equal(fc.job["fromSavepoint"], location, "fromSavepoint")
        fc.wait_counted_on_from(before, after)
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")


@test(timeout=500)
def test_a_savepoint_that_fails_is_reported_with_flinks_words_and_the_job_runs_on(n: Node) -> None:
    with start(n, "refuse", {"savepointsDir": "file:///proc/savepoints"}) as fc:  # nobody can write there
        fc.wait_state("Running")
        fc.wait_counting(5)
        fc.request("savepoint")
        control = fc.wait_control("Failed")
        check("savepoint" in control["message"].lower(), control["message"])
        check(fc.status["savepoint"]["state"] in ("Failed", "TriggerFailed"), str(fc.status["savepoint"]))
        check_equal(fc.state, "Running", "job")
        check_equal(len(fc.running_jobs()), 1, "running jobs")


if __name__ == "__main__":
    testing.main(node, threads=3)
