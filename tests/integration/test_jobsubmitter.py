#!/usr/bin/env python3
"""The jobsubmitter with a watcher that tells it what there is: commands in the journal, acts on Kubernetes and Flink."""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import Object, World, running, world
from tests.lib import testing
from tests.lib.daemons import Daemons, fail_bin_dir
from tests.lib.testing import check, check_equal, hold, skip, test, wait_for

JOB_ID = "flinkoperator.k8s.io/job-id"


def new_id() -> str:
    return secrets.token_hex(16)


def manifest(ns: str, job_id: str, name: str = "wc-job-submitter", **spec: Any) -> Object:
    return {"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": name, "namespace": ns, "labels": {"app": "flink", "cluster": "wc"}, "annotations": {JOB_ID: job_id}},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [
                {"name": "main", "image": "flink:1.20"}]}}} | spec}


def a_running_job(w: World) -> tuple[str, str, str]:
    """namespace, the FlinkCluster's uid, the Flink job's id"""
    ns = w.namespace()
    job = w.flink.add_job(ns, "wc")
    uid = w.add_cluster(ns, status=running(job.id))
    w.add_jobmanager(ns)
    w.wait_stored("FlinkCluster", ns, "wc", lambda o: o.get("status"))
    return ns, uid, job.id


def savepoint_args(job_id: str, trigger: str) -> Object:
    return {"jobId": job_id, "triggerId": trigger, "directory": "/s"}


# ---- submit --------------------------------------------------------------------------------------


def test_a_submission_creates_the_job_once(w: World) -> None:
    ns, job_id = w.namespace(), new_id()
    uid = w.add_cluster(ns)
    w.wait_stored("FlinkCluster", ns, "wc")
    args = {"manifest": manifest(ns, job_id), "jobId": job_id}
    first = w.wait_command(w.add_command(ns, uid, "submit", "submit/1", args))
    made = w.api.get("Job", ns, "wc-job-submitter")
    check_equal((first["state"], first["result"]["uid"]), ("done", made["metadata"]["uid"]), "the first")
    again = w.wait_command(w.add_command(ns, uid, "submit", "submit/2", args))
    check_equal((again["state"], again["result"].get("existed")), ("done", True), "the second")
    check_equal([e["what"] for e in w.daemons.journal.events(uid) if e["source"] == "jobsubmitter"], ["done", "done"], "history")


def test_a_submission_that_newer_state_overtook_is_dropped(w: World) -> None:
    ns, job_id = w.namespace(), new_id()
    uid = w.add_cluster(ns, status={"components": {"job": {"state": "Pending", "savepointLocation": "/s/2"}}})
    w.wait_stored("FlinkCluster", ns, "wc", lambda o: o.get("status"))
    args = {"manifest": manifest(ns, job_id), "jobId": job_id, "fromSavepoint": "/s/1", "state": "/s/1"}
    ended = w.wait_command(w.add_command(ns, uid, "submit", "submit/1", args))
    check_equal(ended["state"], "dropped", "the submission")
    check(w.api.find("Job", ns, "wc-job-submitter") is None, "no Job")
    args |= {"fromSavepoint": "/s/2", "state": "/s/2"}
    check_equal(w.wait_command(w.add_command(ns, uid, "submit", "submit/2", args))["state"], "done", "the next")


def test_a_job_with_another_id_is_a_conflict(w: World) -> None:
    ns, job_id = w.namespace(), new_id()
    uid = w.add_cluster(ns)
    w.wait_stored("FlinkCluster", ns, "wc")
    w.api.create(manifest(ns, new_id()))
    ended = w.wait_command(w.add_command(ns, uid, "submit", "submit/1", {"manifest": manifest(ns, job_id), "jobId": job_id}))
    check_equal((ended["state"], ended["result"]["conflict"]), ("failed", True), "the outcome")


def test_a_refused_job_fails_with_what_the_server_says(w: World) -> None:
    ns, job_id = w.namespace(), new_id()
    uid = w.add_cluster(ns)
    w.wait_stored("FlinkCluster", ns, "wc")
    bad = manifest(ns, job_id, parallelism=-1)
    ended = w.wait_command(w.add_command(ns, uid, "submit", "submit/1", {"manifest": bad, "jobId": job_id}))
    check_equal(ended["state"], "failed", "the state")
    check("parallelism" in ended["result"]["error"], ended["result"]["error"])


def test_hostile_commands_fail_and_hurt_nobody(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    bad: list[tuple[str, Any]] = [
        ("submit", {"manifest": manifest("kube-system", job_id), "jobId": job_id}), ("submit", {"manifest": 5}), ("cancel", None),
        ("cancel", {"jobId": "../../jobs"}), ("savepoint", []), ("stop", {"jobId": job_id}), ("format-disk", {"a": "b"})]
    made = [w.add_command(ns, uid, kind, f"bad/{i}", args) for i, (kind, args) in enumerate(bad)]
    for command in made:
        check_equal(w.wait_command(command)["state"], "failed", "the state")
    check_equal(w.flink.cluster(ns, "wc").writes(), [], "what Flink was asked")


# ---- Flink ---------------------------------------------------------------------------------------


def test_a_savepoint_is_triggered_with_the_id_that_was_chosen(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    trigger = new_id()
    ended = w.wait_command(w.add_command(ns, uid, "savepoint", f"savepoint/{trigger}", savepoint_args(job_id, trigger) | {"format": "NATIVE"}))
    check_equal((ended["state"], ended["result"]), ("done", {"triggerId": trigger}), "the outcome")
    [(_, path, body)] = w.flink.cluster(ns, "wc").writes()
    check_equal(path, f"/jobs/{job_id}/savepoints", "the path")
    check_equal(body, {"target-directory": "/s", "cancel-job": False, "formatType": "NATIVE", "triggerId": trigger}, "the body")
    w.wait_observation(uid, f"trigger/{trigger}", lambda o: o["completed"])


def test_a_savepoint_whose_end_the_status_tells_is_not_taken_again(w: World) -> None:
    ns, trigger = w.namespace(), new_id()
    job = w.flink.add_job(ns, "wc")
    uid = w.add_cluster(ns, status=running(job.id) | {"savepoint": {"triggerID": trigger, "state": "Succeeded"}})
    w.add_jobmanager(ns)
    w.wait_stored("FlinkCluster", ns, "wc", lambda o: o.get("status"))
    ended = w.wait_command(w.add_command(ns, uid, "savepoint", f"savepoint/{trigger}", savepoint_args(job.id, trigger)))
    check_equal(ended["state"], "done", "the outcome")
    check_equal(w.flink.cluster(ns, "wc").writes(), [], "what Flink was told")


def test_a_stop_ends_the_job_and_its_savepoint_is_seen(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    trigger = new_id()
    ended = w.wait_command(w.add_command(ns, uid, "stop", f"stop/{trigger}", savepoint_args(job_id, trigger) | {"drain": True}))
    check_equal(ended["state"], "done", "the state")
    check_equal(w.flink.cluster(ns, "wc").writes()[0][2]["drain"], True, "drain")
    w.wait_observation(uid, f"trigger/{trigger}", lambda o: o["completed"] and o["location"])
    w.wait_observation(uid, "overview", lambda o: o["jobs"][0]["state"] == "FINISHED", 2)


def test_a_flink_before_1_15_makes_up_the_trigger_id_itself(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    w.flink.cluster(ns, "wc").is_old = True
    args = savepoint_args(job_id, new_id()) | {"flinkNames": True}
    done = w.wait_command(w.add_command(ns, uid, "stop", "stop/1", args))
    check_equal(done["state"], "done", "the stop")
    made_up = done["result"]["triggerId"]
    check(made_up != args["triggerId"], "Flink's own id")
    w.wait_observation(uid, f"trigger/{made_up}", lambda o: o.get("location"))


def test_what_flink_refuses_fails_with_its_reason(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    w.flink.cluster(ns, "wc").savepoint = "refuse"
    trigger = new_id()
    ended = w.wait_command(w.add_command(ns, uid, "savepoint", f"savepoint/{trigger}", savepoint_args(job_id, trigger)))
    check_equal(ended["state"], "failed", "the state")
    check("refused" in ended["result"]["error"], ended["result"]["error"])


def test_no_answer_is_tried_again_until_there_is_one(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    w.flink.cluster(ns, "wc").up = "refuse"
    trigger = new_id()
    made = w.add_command(ns, uid, "savepoint", f"savepoint/{trigger}", savepoint_args(job_id, trigger))
    wait_for(lambda: w.command(made)["attempts"] >= 2, "a second try")
    check_equal(w.wait_command(made, "wanted")["state"], "wanted", "the state")
    w.flink.cluster(ns, "wc").up = "yes"
    check_equal(w.wait_command(made)["state"], "done", "the state at last")


def test_cancelling_what_is_gone_is_done(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    ended = w.wait_command(w.add_command(ns, uid, "cancel", "cancel/1", {"jobId": job_id}))
    check_equal((ended["state"], ended["result"]), ("done", {}), "a job that ran")
    ended = w.wait_command(w.add_command(ns, uid, "cancel", "cancel/2", {"jobId": new_id()}))
    check_equal((ended["state"], ended["result"]), ("done", {"gone": True}), "a job that isn't there")


def test_a_savepoint_is_disposed_of(w: World) -> None:
    ns, uid, _ = a_running_job(w)
    trigger = new_id()
    ended = w.wait_command(w.add_command(ns, uid, "dispose", f"dispose/{trigger}", {"path": "/s/savepoint-1", "triggerId": trigger}))
    check_equal(ended["state"], "done", "the state")
    check_equal(w.flink.cluster(ns, "wc").writes()[0][1], "/savepoint-disposal", "the path")
    w.wait_observation(uid, f"dispose/{trigger}", lambda o: o["completed"])


def test_a_cluster_that_is_gone_needs_nothing(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    w.api.delete("FlinkCluster", ns, "wc")
    wait_for(lambda: not w.daemons.journal.object("FlinkCluster", ns, "wc"), "the tombstone")
    ended = w.wait_command(w.add_command(ns, uid, "cancel", "cancel/1", {"jobId": job_id}))
    check_equal(ended["state"], "dropped", "the state")


def test_one_at_a_time_of_a_cluster_in_the_order_decided(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    w.flink.cluster(ns, "wc").delay_s = 0.3
    triggers = [new_id() for _ in range(3)]
    made = [w.add_command(ns, uid, "savepoint", f"savepoint/{t}", savepoint_args(job_id, t)) for t in triggers]
    for command in made:
        check_equal(w.wait_command(command)["state"], "done", "the state")
    check_equal([body["triggerId"] for _, _, body in w.flink.cluster(ns, "wc").writes()], triggers, "the order")


def test_dead_jobmanagers_delay_nobody(w: World) -> None:
    for _ in range(10):
        ns, uid, job_id = a_running_job(w)
        w.flink.cluster(ns, "wc").up = "hang"
        w.add_command(ns, uid, "cancel", "cancel/1", {"jobId": job_id})
    ns, uid, job_id = a_running_job(w)
    began = time.monotonic()
    made = w.add_command(ns, uid, "cancel", "cancel/1", {"jobId": job_id})
    check_equal(w.wait_command(made)["state"], "done", "the state")
    check(time.monotonic() - began < 3.5, f"{time.monotonic() - began:.1f} s")  # no message here: the sweep finds it


def test_a_stop_that_takes_long_holds_up_no_other_cluster(w: World) -> None:
    slow_ns, slow_uid, slow_job = a_running_job(w)
    w.flink.cluster(slow_ns, "wc").savepoint = "never"
    stop = new_id()
    w.wait_command(w.add_command(slow_ns, slow_uid, "stop", f"stop/{stop}", savepoint_args(slow_job, stop)))
    w.wait_observation(slow_uid, f"trigger/{stop}", lambda o: not o["completed"])
    ns, uid, job_id = a_running_job(w)
    trigger = new_id()
    made = w.add_command(ns, uid, "savepoint", f"savepoint/{trigger}", savepoint_args(job_id, trigger))
    check_equal(w.wait_command(made, deadline_s=5)["state"], "done", "the other cluster's command")
    w.wait_observation(uid, f"trigger/{trigger}", lambda o: o["completed"], 5)
    check(not w.observation(slow_uid, f"trigger/{stop}")["completed"], "the stop has ended meanwhile")


# ---- its own life --------------------------------------------------------------------------------


@test(serial=True)
def test_while_somebody_else_leads_nothing_is_done(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    w.daemons.kill("watcher")
    with sqlite3.connect(w.daemons.journal_path, timeout=10) as db:
        db.execute("UPDATE leader SET ours = 0, holder = 'somebody'")
    made = w.add_command(ns, uid, "cancel", "cancel/1", {"jobId": job_id})
    hold(lambda: w.command(made)["attempts"] == 0, "it isn't claimed", 3)
    w.daemons.start("watcher")
    check_equal(w.wait_command(made)["state"], "done", "the state then")


@test(serial=True)
def test_what_waits_when_the_lease_is_lost_is_given_back(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    at = w.flink.cluster(ns, "wc")
    at.up = "hang"
    triggers = [new_id() for _ in range(2)]
    first, second = [w.add_command(ns, uid, "savepoint", f"savepoint/{t}", savepoint_args(job_id, t)) for t in triggers]
    for command in (first, second):
        w.wait_command(command, "claimed")
    w.daemons.kill("watcher")
    with sqlite3.connect(w.daemons.journal_path, timeout=10) as db:
        db.execute("UPDATE leader SET ours = 0, holder = 'somebody'")
    wait_for(lambda: w.command(second)["state"] == "wanted", "the second to be given back", 10)
    check_equal(w.command(second)["claimed_by"], "", "who has the second")
    check([body for _, _, body in at.writes()] == [body for _, _, body in at.writes() if body["triggerId"] == triggers[0]],
          "only the first was begun")
    at.up = "yes"
    w.daemons.start("watcher")
    check_equal(w.wait_command(second)["state"], "done", "the state then")


@test(serial=True)
def test_sigterm_gives_back_what_is_claimed(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    w.flink.cluster(ns, "wc").up = "hang"
    made = w.add_command(ns, uid, "cancel", "cancel/1", {"jobId": job_id})
    w.wait_command(made, "claimed")
    began = time.monotonic()
    check_equal(w.daemons.stop("jobsubmitter"), 0, "the exit code")
    check(time.monotonic() - began < 2, f"it took {time.monotonic() - began:.1f} s")
    check_equal((w.command(made)["state"], w.command(made)["claimed_by"]), ("wanted", ""), "the command")
    w.flink.cluster(ns, "wc").up = "yes"
    w.daemons.start("jobsubmitter")
    check_equal(w.wait_command(made)["state"], "done", "the state then")


@test(serial=True)
def test_killed_while_acting_it_takes_its_command_up_again_at_once(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    w.flink.cluster(ns, "wc").delay_s = 1
    trigger = new_id()
    made = w.add_command(ns, uid, "savepoint", f"savepoint/{trigger}", savepoint_args(job_id, trigger))
    wait_for(lambda: w.flink.cluster(ns, "wc").writes(), "the request")
    w.daemons.restart("jobsubmitter")
    check_equal(w.wait_command(made)["state"], "done", "the state")
    check_equal(len(w.flink.cluster(ns, "wc").savepoints), 1, "savepoints made")


@test(serial=True)
def test_dry_run_prints_what_is_due_and_once_does_it(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    w.daemons.stop("jobsubmitter")
    made = w.add_command(ns, uid, "cancel", "cancel/1", {"jobId": job_id})
    done = w.daemons.run_once("jobsubmitter", "--dry-run", f"--namespace={ns}")
    check_equal(done.returncode, 0, done.stderr[-500:])
    check_equal([json.loads(line)["key"] for line in done.stdout.splitlines()], ["cancel/1"], "what is printed")
    check_equal(w.command(made)["state"], "wanted", "the state after the dry run")
    done = w.daemons.run_once("jobsubmitter", "--once", f"--namespace={ns}")
    check_equal(done.returncode, 0, done.stderr[-500:])
    check_equal(w.command(made)["state"], "done", "the state")
    w.daemons.start("jobsubmitter")
    w.daemons.wait_ready("jobsubmitter")


@test(serial=True)
def test_a_journal_deleted_while_it_runs_is_opened_anew(w: World) -> None:
    ns, uid, job_id = a_running_job(w)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{w.daemons.journal_path}{suffix}").unlink(missing_ok=True)
    wait_for(w.daemons.journal_path.exists, "the new journal")
    w.wait_stored("FlinkCluster", ns, "wc")
    made = w.add_command(ns, uid, "cancel", "cancel/1", {"jobId": job_id})
    check_equal(w.wait_command(made)["state"], "done", "the state")


@test(serial=True, timeout=300)
def test_killed_at_each_failpoint_every_act_is_done_once(w: World) -> None:
    if not (fail_bin_dir() / "flinkd-jobsubmitter").exists():
        skip("no build with failpoints (make FAILPOINTS=1)")
    w.daemons.stop("jobsubmitter")
    for point in ("claim.after", "submit.before", "submit.after", "savepoint.before", "savepoint.after", "stop.before", "stop.after",
                  "cancel.before", "cancel.after"):
        ns, uid, job_id = a_running_job(w)
        kind, trigger = point.split(".")[0].replace("claim", "cancel"), new_id()
        args: Object = {"jobId": job_id, "triggerId": trigger, "directory": "/s"}
        if kind == "submit":
            args = {"jobId": job_id, "manifest": manifest(ns, job_id)}
        made = w.add_command(ns, uid, kind, f"{kind}/1", args)
        w.daemons.bin, normal = fail_bin_dir(), w.daemons.bin
        w.daemons.start("jobsubmitter", {"FLINKD_FAILPOINT": point})
        check_equal(w.daemons.wait_exit("jobsubmitter"), -9, f"{point}: the exit")
        w.daemons.bin = normal
        w.daemons.start("jobsubmitter")
        ended = w.wait_command(made)
        check_equal(ended["state"], "done", f"{point}: the state")
        check(ended["attempts"] >= 2, f"{point}: it was tried again")
        check(len(w.flink.cluster(ns, "wc").savepoints) <= 1, f"{point}: one savepoint")
        w.daemons.stop("jobsubmitter")
    w.daemons.start("jobsubmitter")
    w.daemons.wait_ready("jobsubmitter")


if __name__ == "__main__":
    testing.main(lambda: world("watcher", "jobsubmitter"))
