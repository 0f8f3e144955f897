#!/usr/bin/env python3
"""The state of a job on a real node and a real Flink: which savepoints are taken and kept, and that no run goes on from
less than it should. Judged by the numbers that the job prints and the files that Flink leaves in the share."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import Fc, Node, check, check_equal, node, saved, start, wait_for  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.testing import hold, test  # noqa: E402

RESTARTS = {"restartPolicy": "FromSavepointOnFailure", "maxStateAgeToRestoreSeconds": 3600}


def begin(n: Node, name: str, job: dict[str, Any] | None = None, spec: dict[str, Any] | None = None) -> Fc:
    """A counting job that has its savepoints for itself."""
    fc = start(n, name, job, spec)
    fc.manifest["spec"]["job"]["savepointsDir"] = f"file:///share/{fc.ns}/savepoints"
    return fc


def path_of(fc: Fc, location: str) -> Path:
    check(location.startswith("file:/share/"), f"a location: {location}")
    return fc.node.share / location.removeprefix("file:/share/")


def listed(fc: Fc) -> list[str]:
    """Those of the status, newest first."""
    return [s["location"] for s in fc.status.get("savepoints", [])]


def runs(fc: Fc) -> list[int]:
    """The counts at which the job began, or went on from an earlier one: one when it only ever counted on."""
    counts = [count for count, _ in fc.counts()]
    return counts[:1] + [b for a, b in zip(counts, counts[1:]) if b != a + 1]


def wait_run(fc: Fc, after: str, deadline_s: float = 200) -> None:
    wait_for(lambda: fc.job.get("id") != after and fc.state == "Running", "the next run", deadline_s, explain=lambda: fc.status)


def wait_savepoint(fc: Fc, generation: int, deadline_s: float = 120) -> str:
    """Where the savepoint of that number is."""
    wait_for(lambda: fc.job.get("savepointGeneration", 0) >= generation, f"savepoint {generation}", deadline_s,
             explain=lambda: fc.status)
    return fc.job["savepointLocation"]


def ask_savepoint(fc: Fc) -> str:
    generation = fc.job.get("savepointGeneration", 0) + 1
    fc.patch({"job": {"savepointGeneration": generation}})
    return wait_savepoint(fc, generation)


def change(fc: Fc, **job: Any) -> None:
    """A change of the job that restarts it, and isn't seen in what it counts."""
    fc.patch({"job": {"args": ["--pause", "40", "--control", f"/share/{fc.ns}"], **job}})


@test(timeout=500)
def test_the_clock_takes_savepoints_and_flink_disposes_of_old_ones_by_count_and_age(n: Node) -> None:
    with begin(n, "clock", {"autoSavepointSeconds": 4, "savepointRetention": {"count": 2}}) as fc:
        fc.wait_state("Running")
        run = fc.job["id"]
        first = wait_savepoint(fc, 1)
        for generation in range(2, 5):
            check(path_of(fc, wait_savepoint(fc, generation)).exists(), "the newest is gone")
        fc.patch({"job": {"autoSavepointSeconds": None}})
        wait_for(lambda: len(saved(fc)) == 2 and saved(fc) == set(listed(fc)), "two savepoints to be left", 30,
                 explain=lambda: [saved(fc), fc.status])
        check(first not in saved(fc), "the first was kept")
        old, generation = saved(fc), fc.job["savepointGeneration"]

        fc.patch({"job": {"autoSavepointSchedule": "* * * * *", "savepointRetention": {"count": None, "maxAgeSeconds": 60}}})
        newest = wait_savepoint(fc, generation + 1)
        check_equal(fc.status["savepoint"]["triggerReason"], "scheduled", "reason")
        check(int(fc.status["savepoint"]["triggerTime"][17:19]) < 10, f"not at the minute: {fc.status['savepoint']}")
        check(newest not in old, "no new savepoint")
        wait_for(lambda: not old & (saved(fc) | set(listed(fc))), "the old ones to go", 90,
                 explain=lambda: [saved(fc), fc.status])
        check(fc.job["savepointLocation"] in saved(fc), "the newest is gone")
        check_equal((fc.job["id"], len(fc.flink_jobs()), len(runs(fc))), (run, 1, 1), "job, jobs that Flink ever had, runs")
        fc.check_nothing_lost()


@test(timeout=500)
def test_a_jobmanager_that_hangs_for_minutes_costs_nothing_and_takes_the_savepoint_asked_for_once(n: Node) -> None:
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
            hold(lambda: fc.state == "Running" and fc.job["id"] == run, "taken to be running", 130, every_s=1)
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


@test(timeout=500)
def test_a_job_whose_savepoint_is_gone_waits_and_says_so_until_the_user_names_another(n: Node) -> None:
    with begin(n, "gone", RESTARTS | {"savepointFormatType": "CANONICAL"}) as fc:
        fc.wait_state("Running")
        fc.wait_counting(20)
        canonical = ask_savepoint(fc)
        check(b"CANONICAL" in (path_of(fc, canonical) / "_metadata").read_bytes(), "not a canonical savepoint")
        fc.patch({"job": {"savepointFormatType": "NATIVE"}})
        native = ask_savepoint(fc)
        check(b"NATIVE" in (path_of(fc, native) / "_metadata").read_bytes(), "not a native savepoint")
        check_equal(fc.job["savepointGeneration"], 2, "savepoints")

        shutil.rmtree(path_of(fc, native))
        fc.tell("fail")
        wait_for(lambda: fc.condition("Degraded").get("reason") == "StateMissing", "the reason", 120, explain=lambda: fc.status)
        check(native in fc.condition("Degraded")["message"], str(fc.condition("Degraded")))
        # Not the status' Running: a run that is tried again is Flink's INITIALIZING for a moment, which counts as that.
        hold(lambda: all(j["state"] != "RUNNING" for j in fc.flink_jobs()) and len(runs(fc)) <= 1, "waiting", 20)
        ended = max(fc.counts())[0]

        fc.patch({"job": {"fromSavepoint": canonical}})
        wait_for(lambda: fc.job.get("fromSavepoint") == canonical and fc.state == "Running", "the job to run from it", 150,
                 explain=lambda: fc.status)
        again = wait_for(lambda: runs(fc)[1:], "the next run to count", 60)
        check(len(again) == 1 and 20 < again[0] <= ended, f"it went on at {again}, having ended at {ended}")
        fc.check_nothing_lost()


@test(timeout=500)
def test_a_job_whose_savepoint_is_too_old_is_cleaned_up_and_starts_again_only_when_the_user_names_it(n: Node) -> None:
    job = {"maxStateAgeToRestoreSeconds": 3, "cleanupPolicy": {"afterJobFails": "DeleteTaskManager"}}
    with begin(n, "stale", RESTARTS | job).hurried() as fc:
        fc.wait_state("Running")
        run, before, jobmanager = fc.job["id"], fc.wait_counting(20)[0], fc.pods("jobmanager")
        location = ask_savepoint(fc)
        after = max(fc.counts())[0]
        fc.wait_counting(after + 120)
        fc.tell("fail")
        fc.wait_state("Failed")
        wait_for(lambda: fc.condition("Degraded").get("reason") == "SavepointTooOld", "the reason", 60, explain=lambda: fc.status)
        check(location in fc.condition("Degraded")["message"], str(fc.condition("Degraded")))
        wait_for(lambda: not fc.pods("taskmanager"), "the TaskManagers to go", 60)
        hold(lambda: (fc.state, fc.pods("jobmanager")) == ("Failed", jobmanager), "failed, with its JobManager", 5)
        check_equal([(j["jid"], j["state"]) for j in fc.flink_jobs()], [(run, "FAILED")], "jobs that Flink ever had")
        fc.patch({"job": {"fromSavepoint": location}})
        wait_run(fc, run)
        check_equal(fc.job["fromSavepoint"], location, "fromSavepoint")
        fc.wait_counting(after + 5)
        fc.check_nothing_lost()
        check(before < runs(fc)[0] <= after + 1, f"saved between {before} and {after}, went on from {runs(fc)}")


@test(timeout=500)
def test_a_savepoint_of_a_job_that_hangs_ends_at_its_deadline_and_is_tried_again_as_one_that_the_job_refuses(n: Node) -> None:
    with begin(n, "refuses", RESTARTS, {"flinkProperties": {"execution.checkpointing.timeout": "10 s"}}) as fc:
        fc.wait_state("Running")
        run, before = fc.job["id"], fc.wait_counting(20)[0]
        fc.tell("hang")
        fc.patch({"job": {"savepointGeneration": 1}})
        wait_for(lambda: fc.status.get("savepoint", {}).get("state") == "InProgress", "the savepoint to be under way", 60,
                 explain=lambda: fc.status)
        expired = wait_for(lambda: (s := fc.status["savepoint"])["state"] == "Failed" and s, "the savepoint's deadline", 60,
                           explain=lambda: fc.status)
        check("expired" in expired["message"], f"not Flink's words: {expired}")
        check_equal((fc.state, fc.running_jobs(), saved(fc)), ("Running", [run], set()), "job, running jobs, savepoints")
        fc.untell("hang")
        first = wait_savepoint(fc, 1)
        after = max(fc.counts())[0]
        fc.wait_counting(after + 10)

        fc.tell("refuse")
        fc.patch({"job": {"savepointGeneration": 2}})
        failed = wait_for(lambda: (s := fc.status["savepoint"])["state"] in ("Failed", "TriggerFailed") and s, "the savepoint to fail", 120,
                          explain=lambda: fc.status)
        fc.untell("refuse")
        check("CheckpointException" in failed["message"], f"not Flink's words: {failed}")
        wait_run(fc, run)  # that the job has failed of it, too
        check_equal(fc.job["fromSavepoint"], first, "fromSavepoint")
        fc.wait_counted_on_from(before, after)
        second = wait_savepoint(fc, 2)
        check_equal(saved(fc), {first, second}, "savepoints")
        fc.check_nothing_lost()


@test(timeout=500)
def test_with_latest_state_a_failed_or_lost_job_comes_back_from_a_newer_checkpoint(n: Node) -> None:
    fc = begin(n, "latest", RESTARTS | {"restoreFrom": "LatestState"}, {"flinkProperties": {
        "execution.checkpointing.interval": "2s",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "state.checkpoints.num-retained": "3"}})
    fc.manifest["spec"]["flinkProperties"]["state.checkpoints.dir"] = f"file:///share/{fc.ns}/checkpoints"
    with fc:
        fc.wait_state("Running")
        fc.wait_counting(20)
        run = fc.job["id"]
        savepoint = ask_savepoint(fc)
        at_savepoint = max(fc.counts())[0]
        fc.wait_counting(at_savepoint + 100)
        fc.tell("fail")
        wait_run(fc, run)
        check("/checkpoints/" in fc.job["fromSavepoint"] and "/chk-" in fc.job["fromSavepoint"],
              f"from {fc.job['fromSavepoint']} instead of a checkpoint")
        again = wait_for(lambda: runs(fc)[1:], "the next run to count", 60)
        check(again[0] > at_savepoint, f"it went on at {again}, the savepoint was before {at_savepoint}")
        check_equal((fc.job["restartCount"], len(fc.running_jobs())), (1, 1), "restarts, running jobs")
        check(savepoint in saved(fc), "the savepoint is gone")

        run, first = fc.job["id"], fc.job["fromSavepoint"]
        at_first = again[0]
        fc.wait_counting(at_first + 150)
        fc.api.delete("Pod", fc.ns, "latest-jobmanager-0", gracePeriodSeconds=0)
        wait_run(fc, run)
        check("/chk-" in fc.job["fromSavepoint"] and fc.job["fromSavepoint"] != first, f"from {fc.job['fromSavepoint']} again")
        again = wait_for(lambda: runs(fc)[2:], "the next run to count", 60)
        check(again[0] > at_first, f"it went on at {again}, the run before at {at_first}")
        fc.check_nothing_lost()


@test(timeout=500)
def test_a_deleted_cluster_leaves_a_savepoint_when_it_is_to_and_the_next_keeps_its_state_through_an_update(n: Node) -> None:
    with begin(n, "late", {"savepointOnDeletion": True}) as late:
        late.wait_state("Running")
        late.wait_counting(20)
        check_equal(saved(late), set(), "savepoints")
        late.api.delete("FlinkCluster", late.ns, "late")
        wait_for(lambda: late.api.find("FlinkCluster", late.ns, "late") is None, "the FlinkCluster to go", 120,
                 explain=lambda: late.object)
        check_equal(len(saved(late)), 1, "savepoints")
        location = saved(late).pop()

    with begin(n, "heir", {"fromSavepoint": location}) as heir:
        heir.wait_state("Running")
        heir.wait_counting()
        check(runs(heir)[0] > 20, f"it began at {runs(heir)}")
        check_equal(heir.job["fromSavepoint"], location, "fromSavepoint")
        run = heir.job["id"]
        change(heir)  # spec.job.fromSavepoint stays
        wait_run(heir, run)
        ended = max(heir.counts())[0]
        heir.wait_counting(ended + 10)
        check_equal(len(runs(heir)), 1, f"it lost its place: {runs(heir)}; runs")
        check_equal((heir.status["savepoint"]["triggerReason"], heir.job["fromSavepoint"]),
                    ("update", heir.job["savepointLocation"]), "savepoint")
        check(heir.job["fromSavepoint"] != location, "the update went back to spec.job.fromSavepoint")
        heir.check_nothing_lost()
        before = saved(heir)
        heir.api.delete("FlinkCluster", heir.ns, "heir")
        heir.wait_gone("FlinkCluster", "StatefulSet", "Service", "ConfigMap", "Job", "ControllerRevision")
        check_equal(saved(heir), before, "savepoints")


@test(timeout=500)
def test_a_cancelled_job_that_is_updated_runs_until_it_is_cancelled_again(n: Node) -> None:
    with begin(n, "twice") as fc:
        fc.wait_state("Running")
        fc.wait_counting(20)
        fc.request("job-cancel")
        fc.wait_control("Succeeded")
        check_equal((fc.state, fc.running_jobs()), ("Cancelled", []), "job, running jobs")
        run, location = fc.job["id"], fc.job["savepointLocation"]
        ended = max(fc.counts())[0]
        change(fc)
        wait_run(fc, run)
        run = fc.job["id"]
        check_equal(fc.job["fromSavepoint"], location, "fromSavepoint")
        fc.wait_counting(ended + 10)
        hold(lambda: fc.state == "Running" and fc.job["id"] == run, "running", 5)
        check_equal((fc.running_jobs(), len(runs(fc))), ([run], 1), "running jobs, runs")
        fc.request("job-cancel")
        fc.wait_control("Succeeded")
        check_equal((fc.state, fc.running_jobs()), ("Cancelled", []), "job, running jobs")
        check(fc.job["savepointLocation"] in saved(fc) - {location}, "no savepoint of its end")
        fc.check_nothing_lost()


@test(timeout=500)
def test_a_drained_job_goes_on_only_from_a_savepoint_that_the_user_names(n: Node) -> None:
    with begin(n, "drain", {"drainOnCancel": True}) as fc:
        fc.wait_state("Running")
        fc.wait_counting(20)
        kept = ask_savepoint(fc)
        fc.wait_counting(max(fc.counts())[0] + 20)
        fc.request("job-cancel")
        fc.wait_control("Succeeded")
        run, ended = fc.job["id"], max(fc.counts())[0]
        log = fc.api.log(fc.ns, "drain-taskmanager-0", "taskmanager")
        check(f"time ended at {ended}" in log, "its timers didn't fire")
        change(fc)
        wait_for(lambda: fc.condition("Degraded").get("reason") == "UpdateNeedsState", "the update to wait", 60,
                 explain=lambda: fc.status)
        check("drained" in fc.condition("Degraded")["message"], str(fc.condition("Degraded")))
        hold(lambda: fc.state == "Cancelled" and not fc.running_jobs(), "cancelled", 5)
        change(fc, fromSavepoint=kept)
        wait_run(fc, run)
        check_equal(fc.job["fromSavepoint"], kept, "fromSavepoint")
        again = wait_for(lambda: runs(fc)[1:], "the next run to count", 60)
        check(len(again) == 1 and 20 < again[0] < ended, f"it went on at {again}, having ended at {ended}")
        fc.check_nothing_lost()


if __name__ == "__main__":
    testing.main(node, threads=3)
