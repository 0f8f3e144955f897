#!/usr/bin/env python3
"""The watcher alone: what Kubernetes and Flink say, as it stands in the journal."""

from __future__ import annotations

import json
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import World, running, world
from tests.lib import testing
from tests.lib.daemons import Daemons, fail_bin_dir
from tests.lib.testing import check, check_equal, hold, skip, test, wait_for

LEASE = "flink-operator-lock"


def new_id() -> str:
    return secrets.token_hex(16)


# ---- Kubernetes ----------------------------------------------------------------------------------


def test_a_child_belongs_to_its_cluster_and_foreign_objects_are_not_stored(w: World) -> None:
    ns = w.namespace()
    uid = w.add_cluster(ns)
    w.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign"}}, ns)
    w.child("ConfigMap", ns, "wc-configmap", data={"a": "b"})
    w.wait_stored("ConfigMap", ns, "wc-configmap")
    rows = w.daemons.journal.rows("SELECT kind, name, cluster_uid FROM object WHERE ns = ? AND NOT deleted", ns)
    check_equal(sorted(map(tuple, rows)), [("ConfigMap", "wc-configmap", uid), ("FlinkCluster", "wc", uid)], "what is stored")


def test_a_pod_is_stored_without_what_nobody_reads(w: World) -> None:
    ns = w.namespace()
    w.add_cluster(ns)
    w.add_pod(ns, "wc-taskmanager-0", "taskmanager")
    pod = w.wait_stored("Pod", ns, "wc-taskmanager-0")
    check_equal(pod["spec"], {"containers": [{"name": "taskmanager", "resources": {}}], "restartPolicy": "Always"}, "its spec")
    check_equal(pod["kind"], "Pod", "its kind")
    check_equal([sorted(m) for m in pod["metadata"]["managedFields"]], [["manager", "operation"]], "managed fields")


def test_a_pod_belongs_to_its_workloads_cluster_whatever_podlabels_say(w: World) -> None:
    ns = w.namespace()
    uid = w.add_cluster(ns)
    w.flink.add_job(ns, "wc")
    w.api.create({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "jobmanager", "image": "flink:1.20"}]}, "metadata": {
        "name": "wc-jobmanager-0", "labels": {"app": "flink", "cluster": "mine", "component": "mine"}, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "wc-jobmanager", "uid": "u", "controller": True}]}}, ns)
    w.set_container(ns, "wc-jobmanager-0", "jobmanager", 3, {"running": {"startedAt": "2026-01-02T03:04:05Z"}})
    w.wait_observation(uid, "overview", lambda o: o["reachable"] and o["jmRestarts"] == 3)
    rows = w.daemons.journal.rows("SELECT cluster_uid, cluster_name FROM object WHERE ns = ? AND kind = 'Pod'", ns)
    check_equal(list(map(tuple, rows)), [(uid, "wc")], "the cluster of the pod")


def test_flinks_own_configmaps_are_stored_once_without_their_data(w: World) -> None:
    ns = w.namespace()
    w.add_cluster(ns)
    labels = {"app": "wc", "configmap-type": "high-availability", "type": "flink-native-kubernetes"}
    leader = "control-plane.alpha.kubernetes.io/leader"
    w.api.create({"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "y"}, "metadata": {
        "name": "wc-cluster-config-map", "labels": labels, "annotations": {leader: "1"}}}, ns)
    stored = w.wait_stored("ConfigMap", ns, "wc-cluster-config-map")
    check("data" not in stored, "no data")
    for i in range(5):
        w.api.annotate("ConfigMap", ns, "wc-cluster-config-map", **{leader: f"renewed {i}"})
    w.add_pod(ns, "wc-marker")  # what comes later is seen, so those were seen
    w.wait_stored("Pod", ns, "wc-marker")
    check_equal(w.wait_stored("ConfigMap", ns, "wc-cluster-config-map"), stored, "the stored one")


def test_a_deleted_cluster_takes_its_observations_with_it(w: World) -> None:
    ns = w.namespace()
    uid = w.add_cluster(ns)
    w.add_jobmanager(ns)
    w.wait_observation(uid, "overview")
    w.api.delete("FlinkCluster", ns, "wc")
    wait_for(lambda: not w.daemons.journal.object("FlinkCluster", ns, "wc"), "the tombstone")
    wait_for(lambda: not w.daemons.journal.observations(uid), "no observations")
    asked = len(w.flink.cluster(ns, "wc").requests)
    hold(lambda: len(w.flink.cluster(ns, "wc").requests) <= asked + 1, "Flink isn't asked", 1)


def test_a_failed_create_is_told_until_the_pods_are_there(w: World) -> None:
    ns = w.namespace()
    uid = w.add_cluster(ns)
    w.wait_stored("FlinkCluster", ns, "wc")
    selector = {"matchLabels": {"a": "b"}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    w.child("StatefulSet", ns, "wc-taskmanager", spec={"replicas": 1, "serviceName": "s", "selector": selector, "template": template})
    w.wait_stored("StatefulSet", ns, "wc-taskmanager")
    w.api.create({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e1"}, "type": "Warning", "reason": "FailedCreate",
                  "message": "exceeded quota: q", "count": 3, "lastTimestamp": "2026-01-02T03:04:05Z",
                  "involvedObject": {"kind": "StatefulSet", "name": "wc-taskmanager", "namespace": ns}}, ns)
    seen = w.wait_observation(uid, "failedcreate/StatefulSet/wc-taskmanager")
    check_equal((seen["message"], seen["count"], seen["lastSeen"]), ("exceeded quota: q", 3, 1767323045000), "what it says")
    w.api.patch_status("StatefulSet", ns, "wc-taskmanager", {"replicas": 1})
    wait_for(lambda: not w.observation(uid, "failedcreate/StatefulSet/wc-taskmanager"), "it to go")


def test_a_crash_is_told_once_and_goes_with_its_pod(w: World) -> None:
    ns = w.namespace()
    uid = w.add_cluster(ns)
    w.wait_stored("FlinkCluster", ns, "wc")
    w.add_pod(ns, "wc-taskmanager-0", "taskmanager")
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    w.set_container(ns, "wc-taskmanager-0", "taskmanager", 0, ended)
    crash = w.wait_observation(uid, "crash/wc-taskmanager-0/taskmanager", deadline_s=30)
    check_equal((crash["exitCode"], crash["reason"], crash["crash"]), (137, "OOMKilled", 1), "the crash")
    w.set_container(ns, "wc-taskmanager-0", "taskmanager", 1, {"waiting": {"reason": "CrashLoopBackOff"}}, ended)
    w.wait_observation(uid, "crash/wc-taskmanager-0/taskmanager", lambda c: c["crash"] == 2, deadline_s=30)
    w.api.delete("Pod", ns, "wc-taskmanager-0", gracePeriodSeconds=0)
    wait_for(lambda: not w.observation(uid, "crash/wc-taskmanager-0/taskmanager"), "it to go")


# ---- Flink ---------------------------------------------------------------------------------------


def test_the_job_list_is_seen_as_soon_as_flink_answers_and_not_trusted_without_its_jobmanager(w: World) -> None:
    ns = w.namespace()
    uid = w.add_cluster(ns)
    pod = w.add_jobmanager(ns)
    w.wait_observation(uid, "overview", lambda o: not o["reachable"])
    job = w.flink.add_job(ns, "wc", state="INITIALIZING")
    seen = w.wait_observation(uid, "overview", lambda o: o["reachable"], 2)
    check_equal(seen["jm"], pod, "who answered")
    check_equal([(j["jid"], j["state"]) for j in seen["jobs"]], [(job.id, "INITIALIZING")], "the jobs")
    job.state = "RUNNING"
    w.wait_observation(uid, "overview", lambda o: o["jobs"][0]["state"] == "RUNNING", 2)
    w.api.delete("Pod", ns, "wc-jobmanager-0", gracePeriodSeconds=0)
    w.wait_observation(uid, "overview", lambda o: not o["reachable"], 2)


def test_a_restarted_jobmanager_is_another_one(w: World) -> None:
    ns = w.namespace()
    uid = w.add_cluster(ns)
    w.add_jobmanager(ns)
    w.flink.add_job(ns, "wc")
    before = w.wait_observation(uid, "overview", lambda o: o["reachable"])
    w.set_container(ns, "wc-jobmanager-0", "jobmanager", 1, {"running": {"startedAt": "2026-01-02T03:14:05Z"}})
    after = w.wait_observation(uid, "overview", lambda o: o["reachable"] and o["jmRestarts"] == 1)
    check(after["since"] > before["since"], "its list counts from now on")


def newest_row(w: World, uid: str) -> int:
    row: int = w.daemons.journal.value("SELECT row FROM cluster_change WHERE cluster_uid = ?", uid)
    return row


def wait_routine(w: World, ns: str, uid: str, times: int) -> None:
    """Until Flink has been asked so many times in a row with nothing new to store."""
    requests = w.flink.cluster(ns, "wc").requests
    since = {"row": -1, "asked": 0}

    def routine() -> bool:
        row = newest_row(w, uid)
        if row != since["row"]:
            since.update(row=row, asked=len(requests))
        return len(requests) - since["asked"] >= times
    wait_for(routine, f"{times} requests with nothing new", 20, 0.02)


def test_a_job_that_just_runs_writes_nothing(w: World) -> None:
    ns = w.namespace()
    job = w.flink.add_job(ns, "wc")
    uid = w.add_cluster(ns, status=running(job.id))
    w.add_jobmanager(ns)
    w.wait_observation(uid, "overview", lambda o: o["reachable"])
    wait_routine(w, ns, uid, 2)
    row, requests = newest_row(w, uid), w.flink.cluster(ns, "wc").requests
    asked = len(requests)
    hold(lambda: newest_row(w, uid) == row and len(requests) - asked <= 9, "nothing is stored, and it is asked now and then", 3)
    check(len(requests) > asked, "it is asked")


def test_the_end_of_a_job_is_seen_within_a_second(w: World) -> None:
    ns = w.namespace()
    job = w.flink.add_job(ns, "wc")
    uid = w.add_cluster(ns, status=running(job.id))
    w.add_jobmanager(ns)
    w.wait_observation(uid, "overview", lambda o: o["reachable"])
    wait_routine(w, ns, uid, 4)  # as seldom as it gets
    began = time.monotonic()
    job.end("FINISHED")
    w.wait_observation(uid, "overview", lambda o: o["jobs"][0]["state"] == "FINISHED")
    check(time.monotonic() - began < 1.5, f"seen after {time.monotonic() - began:.2f} s")


def test_a_finished_job_is_not_asked_about(w: World) -> None:
    ns = w.namespace()
    job = w.flink.add_job(ns, "wc")
    uid = w.add_cluster(ns, status=running(job.id))
    w.add_jobmanager(ns)
    job.end("FINISHED")
    w.wait_observation(uid, "overview", lambda o: o["reachable"] and o["jobs"][0]["state"] == "FINISHED")
    w.set_status(ns, "wc", {"components": {"job": {"state": "Succeeded", "id": job.id}}})
    w.wait_stored("FlinkCluster", ns, "wc", lambda o: o["status"]["components"]["job"]["state"] == "Succeeded")
    asked = len(w.flink.cluster(ns, "wc").requests)  # and one more that was under way
    hold(lambda: len(w.flink.cluster(ns, "wc").requests) <= asked + 1, "Flink isn't asked", 2)


def test_a_dead_jobmanager_delays_nobody(w: World) -> None:
    ns = w.namespace()
    for i in range(20):
        w.add_cluster(ns, f"dead{i}")
        w.flink.cluster(ns, f"dead{i}").up = "hang"
        w.add_jobmanager(ns, f"dead{i}")
    uid = w.add_cluster(ns)
    w.flink.add_job(ns, "wc")
    w.add_jobmanager(ns)
    w.wait_observation(uid, "overview", lambda o: o["reachable"], 2)


def test_a_savepoint_of_the_status_is_followed_to_its_end(w: World) -> None:
    ns, trigger = w.namespace(), new_id()
    job = w.flink.add_job(ns, "wc")
    at = w.flink.cluster(ns, "wc")
    at.savepoint_s = 1.0
    at.answer = None  # type: ignore[attr-defined]
    w.flink.trigger(at, job.id, "savepoints", {"triggerId": trigger, "target-directory": "/s"})
    uid = w.add_cluster(ns, status=running(job.id, jobID=job.id, triggerID=trigger))
    w.add_jobmanager(ns)
    w.wait_observation(uid, f"trigger/{trigger}", lambda o: not o["completed"])
    done = w.wait_observation(uid, f"trigger/{trigger}", lambda o: o["completed"])
    check(done["location"].startswith("/s/savepoint-"), done["location"])


def test_a_command_that_was_accepted_is_followed_and_its_failure_told(w: World) -> None:
    ns, trigger = w.namespace(), new_id()
    job = w.flink.add_job(ns, "wc")
    at = w.flink.cluster(ns, "wc")
    at.savepoint = "fail"
    w.flink.trigger(at, job.id, "savepoints", {"triggerId": trigger, "target-directory": "/s"})
    uid = w.add_cluster(ns, status=running(job.id))
    w.add_jobmanager(ns)
    w.wait_observation(uid, "overview", lambda o: o["reachable"])
    made = w.add_command(ns, uid, "savepoint", f"savepoint/{trigger}", {"jobId": job.id, "triggerId": trigger, "directory": "/s"})
    with sqlite3.connect(w.daemons.journal_path, timeout=10) as db:
        db.execute("UPDATE command SET state = 2, result = ? WHERE id = ?", (json.dumps({"triggerId": trigger}), made))
    failed = w.wait_observation(uid, f"trigger/{trigger}", lambda o: o["completed"])
    check("CheckpointException" in failed["failure"], failed["failure"])


def test_a_trigger_is_unknown_only_when_flink_says_so_again_and_again(w: World) -> None:
    ns, trigger = w.namespace(), new_id()
    job = w.flink.add_job(ns, "wc")
    uid = w.add_cluster(ns, status=running(job.id, jobID=job.id, triggerID=trigger))
    w.add_jobmanager(ns)
    w.wait_observation(uid, "overview", lambda o: o["reachable"])
    hold(lambda: not w.observation(uid, f"trigger/{trigger}"), "it isn't unknown at once", 1)
    unknown = w.wait_observation(uid, f"trigger/{trigger}")
    check(unknown["unknown"] and not unknown["completed"], str(unknown))
    asked = [r for r in w.flink.cluster(ns, "wc").requests if r[1].endswith(trigger)]
    check(len(asked) >= 3, f"asked {len(asked)} times")


def test_why_a_job_failed_is_asked_once(w: World) -> None:
    ns = w.namespace()
    job = w.flink.add_job(ns, "wc", exceptions=["java.lang.RuntimeException: boom"])
    uid = w.add_cluster(ns, status=running(job.id))
    w.add_jobmanager(ns)
    w.wait_observation(uid, "overview", lambda o: o["reachable"])
    job.end("FAILED")
    seen = w.wait_observation(uid, f"exceptions/{job.id}")
    check_equal(seen["exceptions"], ["java.lang.RuntimeException: boom"], "the reasons")
    requests = w.flink.cluster(ns, "wc").requests
    hold(lambda: len([r for r in requests if r[1].endswith("/exceptions")]) == 1, "asked once", 1)


def test_the_newest_checkpoint_is_known_where_it_may_be_restored(w: World) -> None:
    ns = w.namespace()
    job = w.flink.add_job(ns, "wc", checkpoint="/checkpoints/chk-1")
    uid = w.add_cluster(ns, status=running(job.id), restoreFrom="LatestState")
    w.add_jobmanager(ns)
    seen = w.wait_observation(uid, f"checkpoints/{job.id}")
    check_equal(seen["completed"]["path"], "/checkpoints/chk-1", "the path")
    job.checkpoint = "/checkpoints/chk-2"
    job.state = "RESTARTING"
    w.wait_observation(uid, f"checkpoints/{job.id}", lambda o: o["completed"]["path"] == "/checkpoints/chk-2", 5)


def test_once_a_job_has_ended_its_last_checkpoint_is_asked_for_when_flink_no_longer_repeats_itself(w: World) -> None:
    ns = w.namespace()
    job = w.flink.add_job(ns, "wc", checkpoint="/checkpoints/chk-1")
    uid = w.add_cluster(ns, status=running(job.id), restoreFrom="LatestState")
    w.add_jobmanager(ns)
    check("last" not in w.wait_observation(uid, f"checkpoints/{job.id}"), "it hasn't ended")
    job.state = "FAILED"
    w.wait_observation(uid, "overview", lambda o: o["jobs"][0]["state"] == "FAILED")
    failed = time.monotonic()
    job.checkpoint = "/checkpoints/chk-2"  # before it failed; Flink's web server had another answer in its cache
    seen = w.wait_observation(uid, f"checkpoints/{job.id}", lambda o: o.get("last"), 10)
    check_equal(seen["completed"]["path"], "/checkpoints/chk-2", "the path")
    check(time.monotonic() - failed > 3, "the cache may not have been over")
    requests = w.flink.cluster(ns, "wc").requests
    asked = [r for r in requests if r[1].endswith("/checkpoints")]
    hold(lambda: [r for r in requests if r[1].endswith("/checkpoints")] == asked, "asked no more", 4)


# ---- its own life --------------------------------------------------------------------------------


def resumes_at(w: World, resource: str) -> int:
    return int(w.daemons.journal.value("SELECT rv FROM watch WHERE resource = ?", resource) or 0)


def version_of(w: World, kind: str, ns: str, name: str) -> int:
    return int(w.api.get(kind, ns, name)["metadata"]["resourceVersion"])


@test(serial=True)
def test_what_happened_while_it_was_down_is_seen_without_a_new_list(w: World) -> None:
    ns = w.namespace()
    w.add_cluster(ns)
    w.child("Service", ns, "wc-jobmanager", spec={"ports": [{"port": 8081}]})
    w.child("Service", ns, "wc-taskmanager", spec={"ports": [{"port": 8081}]})
    w.wait_stored("Service", ns, "wc-taskmanager")
    wait_for(lambda: resumes_at(w, "services") >= version_of(w, "Service", ns, "wc-taskmanager"), "the place to resume at")
    w.daemons.kill("watcher")
    w.api.delete("Service", ns, "wc-jobmanager")
    w.child("ConfigMap", ns, "wc-configmap")
    log = len(w.daemons.log("watcher"))
    w.daemons.start("watcher")
    w.wait_stored("ConfigMap", ns, "wc-configmap")
    wait_for(lambda: not w.daemons.journal.object("Service", ns, "wc-jobmanager"), "the deletion")
    check("listing" not in w.daemons.log("watcher")[log:], "nothing is listed")


@test(serial=True)
def test_a_list_retires_what_is_gone(w: World) -> None:
    ns = w.namespace()
    w.add_cluster(ns)
    w.child("ConfigMap", ns, "wc-configmap")
    labels = {"configmap-type": "high-availability"}
    w.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wc-cluster-config-map", "labels": labels}}, ns)
    w.child("ConfigMap", ns, "wc-other")
    w.wait_stored("ConfigMap", ns, "wc-other")
    w.wait_stored("ConfigMap", ns, "wc-cluster-config-map")
    w.daemons.kill("watcher")
    w.api.delete("ConfigMap", ns, "wc-other")
    with sqlite3.connect(w.daemons.journal_path, timeout=10) as db:
        db.execute("DELETE FROM watch")
    w.daemons.start("watcher")
    wait_for(lambda: not w.daemons.journal.object("ConfigMap", ns, "wc-other"), "the deletion")
    w.daemons.wait_ready("watcher")
    for name in ("wc-configmap", "wc-cluster-config-map"):
        check(w.daemons.journal.object("ConfigMap", ns, name), f"{name} is still there")


@test(serial=True)
def test_a_journal_deleted_while_it_runs_is_filled_again(w: World) -> None:
    ns = w.namespace()
    job = w.flink.add_job(ns, "wc")
    uid = w.add_cluster(ns, status=running(job.id))
    w.add_jobmanager(ns)
    w.wait_observation(uid, "overview", lambda o: o["reachable"])
    for suffix in ("", "-wal", "-shm"):
        Path(f"{w.daemons.journal_path}{suffix}").unlink(missing_ok=True)
    wait_for(w.daemons.journal_path.exists, "the new journal")
    w.wait_stored("Pod", ns, "wc-jobmanager-0")
    w.wait_observation(uid, "overview", lambda o: o["reachable"])
    wait_for(lambda: w.daemons.journal.value("SELECT ours FROM leader"), "the leader")


@test(serial=True)
def test_killed_at_each_failpoint_it_goes_on(w: World) -> None:
    if not (fail_bin_dir() / "flinkd-watcher").exists():
        skip("no build with failpoints (make FAILPOINTS=1)")
    w.daemons.stop("watcher")
    for point in ("record.before_commit", "record.after_commit", "leader.after"):
        ns = w.namespace()
        w.add_cluster(ns)
        w.child("ConfigMap", ns, "wc-configmap")
        w.daemons.bin, normal = fail_bin_dir(), w.daemons.bin
        w.daemons.start("watcher", {"FLINKD_FAILPOINT": point})
        check_equal(w.daemons.wait_exit("watcher"), -signal.SIGKILL, f"{point}: the exit")
        w.daemons.bin = normal
        w.daemons.start("watcher")
        w.wait_stored("ConfigMap", ns, "wc-configmap")
        wait_for(lambda: leader(w.daemons)[1], f"{point}: the leader")
        w.daemons.stop("watcher")
    w.daemons.start("watcher")
    w.daemons.wait_ready("watcher")


@test(serial=True)
def test_a_full_disk_is_waited_out(w: World) -> None:
    ns = w.namespace()
    disk = w.daemons.dir / "disk"
    disk.mkdir()
    w.cluster.run("mount", "-t", "tmpfs", "-o", "size=1m", "none", disk, check=True)
    line = [a for a in w.daemons.command("watcher") if not a.startswith("--journal=")]
    log = w.daemons.dir / "full-disk.log"
    with log.open("w") as out, w.cluster.popen(
            *line, f"--journal={disk}/j.db", "--bus=", f"--namespace={ns}", stderr=out) as p:
        try:
            wait_for(lambda: stored_there(w, disk) == 0, "its journal", 15)
            w.cluster.run("sh", "-c", f"cat /dev/zero > {disk}/ballast", stderr=subprocess.DEVNULL)
            w.add_cluster(ns)
            for i in range(20):
                w.child("ConfigMap", ns, f"wc-{i}", data={"x": "y" * 5000})
            wait_for(lambda: "disk is full" in log.read_text(), "a word about it", explain=log.read_text)
            hold(lambda: p.poll() is None, "it runs", 1)
            check(stored_there(w, disk) < 21, "the disk is full")
            w.cluster.run("rm", f"{disk}/ballast", check=True)
            wait_for(lambda: stored_there(w, disk) == 21, "what it couldn't store", 30, explain=lambda: stored_there(w, disk))
        finally:
            p.send_signal(signal.SIGTERM)
            p.wait(20)
            w.cluster.run("umount", "-l", disk)


def stored_there(w: World, disk: Path) -> int:
    """Objects in the journal on a disk that is mounted inside only; -1: there is none yet."""
    script = f"import sqlite3; print(sqlite3.connect('file:{disk}/j.db?mode=ro', uri=True).execute('SELECT count(*) FROM object').fetchone()[0])"
    done = w.cluster.run(sys.executable, "-c", script, capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 else -1


@test(serial=True)
def test_once_lists_everything_and_exits(w: World) -> None:
    ns = w.namespace()
    w.daemons.stop("watcher")
    job = w.flink.add_job(ns, "wc")
    uid = w.add_cluster(ns, status=running(job.id))
    w.add_jobmanager(ns)
    done = w.daemons.run_once("watcher", "--once")
    check_equal(done.returncode, 0, done.stderr[-500:])
    check(w.daemons.journal.object("Pod", ns, "wc-jobmanager-0"), "the pod is stored")
    check(w.observation(uid, "overview")["reachable"], "Flink was asked")
    w.daemons.start("watcher")
    w.daemons.wait_ready("watcher")


@test(serial=True)
def test_dry_run_prints_and_writes_nothing(w: World) -> None:
    ns = w.namespace()
    w.add_cluster(ns)
    w.wait_stored("FlinkCluster", ns, "wc")
    done = w.daemons.run_once("watcher", "--dry-run", f"--namespace={ns}", f"--journal={w.daemons.dir}/none.db")
    check_equal(done.returncode, 0, done.stderr[-500:])
    check(any(json.loads(line).get("name") == "wc" for line in done.stdout.splitlines()), done.stdout)
    check(not (w.daemons.dir / "none.db").exists(), "no journal is made")


# ---- the Lease -----------------------------------------------------------------------------------


def lease(w: World, ns: str) -> str:
    found = w.api.find("Lease", ns, LEASE)
    return (found or {}).get("spec", {}).get("holderIdentity") or ""


def leader(d: Daemons) -> tuple[str, bool]:
    rows = d.journal.rows("SELECT holder, ours FROM leader")
    return (rows[0]["holder"], bool(rows[0]["ours"])) if rows else ("", False)


@test(serial=True)
def test_the_lease_is_taken_renewed_and_given_back(w: World) -> None:
    ns = w.namespace()
    args = {"watcher": ["--leader-election", f"--leader-election-namespace={ns}", "--identity=me"]}
    with Daemons(w.cluster, ("watcher",), args=args) as d:
        wait_for(lambda: leader(d) == ("me", True), "the Lease", 10)
        check_equal(lease(w, ns), "me", "the holder")
        first = w.api.get("Lease", ns, LEASE)["spec"]["renewTime"]
        wait_for(lambda: w.api.get("Lease", ns, LEASE)["spec"]["renewTime"] > first, "a renewal", 5)
        d.stop("watcher")
        check_equal(lease(w, ns), "", "the holder after its end")
        check_equal(leader(d), ("", False), "what the journal says")


@test(serial=True)
def test_sigterm_ends_who_leads_within_two_seconds_while_the_api_server_hangs(w: World) -> None:
    ns = w.namespace()
    args = {"watcher": ["--leader-election", f"--leader-election-namespace={ns}", "--identity=me"]}
    with Daemons(w.cluster, ("watcher",), args=args) as d:
        wait_for(lambda: leader(d) == ("me", True), "the Lease", 10)
        w.cluster.tool("signal", "kube-apiserver", "STOP")
        try:
            began = time.monotonic()
            check_equal(d.stop("watcher"), 0, "the exit code")
            check(time.monotonic() - began < 2, f"it took {time.monotonic() - began:.1f} s")
        finally:
            w.cluster.tool("signal", "kube-apiserver", "CONT")
        check_equal(leader(d), ("", False), "what the journal says")
        check("it runs out by itself" in d.log("watcher"), "it says that the Lease isn't released")


@test(serial=True)
def test_while_somebody_else_holds_the_lease_it_only_watches_and_then_takes_over(w: World) -> None:
    ns = w.namespace()
    w.api.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE},
                  "spec": {"holderIdentity": "reference", "leaseDurationSeconds": 3, "acquireTime": "2026-01-02T03:04:05.000000Z",
                           "renewTime": "2026-01-02T03:04:05.000000Z", "leaseTransitions": 4}}, ns)
    args = {"watcher": ["--leader-election", f"--leader-election-namespace={ns}", "--identity=me"]}
    with Daemons(w.cluster, ("watcher",), args=args) as d:
        for i in range(4):  # it renews, whatever its clock says
            w.api.patch("Lease", ns, LEASE, {"spec": {"renewTime": f"2026-01-02T03:05:0{i}.000000Z"}})
            hold(lambda: not leader(d)[1], "it isn't ours", 1)
        check_equal(leader(d), ("reference", False), "who holds it")
        wait_for(lambda: leader(d) == ("me", True), "the Lease", 15)
        check_equal(w.api.get("Lease", ns, LEASE)["spec"]["leaseTransitions"], 5, "transitions")


if __name__ == "__main__":
    testing.main(lambda: world("watcher"))
