#!/usr/bin/env python3
"""Changes of a FlinkCluster that lives, on a real node and a real Flink: what restarts, what goes on, and that no state is lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import Fc, Node, check, check_equal, node, session, start, wait_for  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.kube import ApiError  # noqa: E402
from tests.lib.testing import hold, test  # noqa: E402

OTHER_IMAGE = {"name": "docker.io/library/flink:1.20", "pullPolicy": "IfNotPresent"}  # the same by another name
MISSING_IMAGE = {"name": "nowhere.invalid/flink:9", "pullPolicy": "IfNotPresent"}
NOWHERE = "file:///proc/savepoints"  # nobody can write there
PROPERTY = {"web.refresh-interval": "4321"}


def program(fc: Fc, pause: int) -> list[str]:
    return ["--pause", str(pause), "--control", f"/share/{fc.ns}"]


def change_program(fc: Fc, pause: int) -> None:
    """An update that only the job sees."""
    fc.patch({"job": {"args": program(fc, pause)}})


def property_at_flink(fc: Fc) -> str:
    entries = fc.node.get(f"{fc.flink}/jobmanager/config") or []
    return next((e["value"] for e in entries if e["key"] == next(iter(PROPERTY))), "")


def check_flinkd_never_died(n: Node) -> None:
    for status in n.operator_pod()["status"]["containerStatuses"]:
        check_equal(status["restartCount"], 0, f"restarts of flinkd's {status['name']}")


def running(fc: Fc, count: int = 10) -> str:
    """Its job runs and counts; the job's id."""
    fc.wait_state("Running")
    fc.wait_counting(count)
    return fc.job["id"]


# ---- what doesn't concern the job ------------------------------------------------------------------


@test(timeout=600)
def test_a_session_cluster_is_scaled_and_restarts_with_another_image_and_properties(n: Node) -> None:
    with Fc(n, session("session")).hurried() as fc:
        fc.wait_cluster("Running")
        revision, jobmanager, taskmanager = fc.revision(), fc.pods("jobmanager"), fc.pods("taskmanager")
        n.cluster.kubectl("-n", fc.ns, "scale", "fc/session", "--replicas=2")
        fc.wait_updated(revision)
        fc.wait_cluster("Running")
        check_equal(fc.pods("jobmanager"), jobmanager, "JobManager")
        check_equal(fc.pods("taskmanager") | taskmanager, fc.pods("taskmanager"), "TaskManagers")
        revision, old = fc.revision(), jobmanager | fc.pods("taskmanager")
        fc.patch({"image": OTHER_IMAGE, "flinkProperties": PROPERTY})
        fc.wait_updated(revision)

        def all_new() -> bool:
            now = fc.pods("jobmanager") | fc.pods("taskmanager")
            return now.keys() == old.keys() and not set(now.values()) & set(old.values())
        wait_for(all_new, "all pods to be new ones", 240, explain=lambda: fc.status)
        wait_for(lambda: (n.get(f"{fc.flink}/overview") or {}).get("taskmanagers") == 2, "two TaskManagers at Flink", 120)
        check_equal(property_at_flink(fc), "4321", "the property at Flink")
        fc.wait_cluster("Running")
        n.cluster.kubectl("-n", fc.ns, "wait", "--for=condition=Ready", "fc/session", "--timeout=60s")
        check_flinkd_never_died(n)


@test(timeout=500)
def test_an_ingress_is_added_and_taskmanagers_are_scaled_while_the_job_counts_on(n: Node) -> None:
    with start(n, "scale") as fc:
        job = running(fc)
        revision, jobmanager, taskmanager = fc.revision(), fc.pods("jobmanager"), fc.pods("taskmanager")
        submitter = fc.submitter["metadata"]["uid"]
        fc.patch({"jobManager": {"ingress": {"hostFormat": "{{$clusterName}}.example.org"}}})
        fc.wait_updated(revision)
        check_equal(fc.api.get("Ingress", fc.ns, "scale-jobmanager")["spec"]["rules"][0]["host"], "scale.example.org", "host")
        wait_for(lambda: "jobManagerIngress" in fc.status["components"], "the Ingress in the status", 30)
        revision = fc.revision()
        n.cluster.kubectl("-n", fc.ns, "scale", "fc/scale", "--replicas=2")
        fc.wait_updated(revision)
        wait_for(lambda: (n.get(f"{fc.flink}/overview") or {}).get("taskmanagers") == 2, "two TaskManagers at Flink", 120)
        revision, before = fc.revision(), fc.wait_counting()[0]
        n.cluster.kubectl("-n", fc.ns, "scale", "fc/scale", "--replicas=1")
        fc.wait_updated(revision)
        wait_for(lambda: fc.pods("taskmanager") == taskmanager, "the first TaskManager to be left", 60)
        check_equal(fc.pods("jobmanager"), jobmanager, "JobManager")
        check_equal((fc.state, fc.job["id"], fc.running_jobs()), ("Running", job, [job]), "job")
        check_equal(fc.submitter["metadata"]["uid"], submitter, "submitter")
        fc.wait_counted_on(before)
        check_flinkd_never_died(n)


@test(timeout=500)
def test_a_session_cluster_whose_image_cannot_be_pulled_comes_up_once_that_is_mended(n: Node) -> None:
    with Fc(n, session("mended", {"image": MISSING_IMAGE})) as fc:
        fc.wait_wrong("nowhere.invalid")
        fc.patch({"image": {"name": "flink:1.20"}})
        fc.wait_cluster("Running")
        n.cluster.kubectl("-n", fc.ns, "wait", "--for=condition=Ready", "fc/mended", "--timeout=60s")


# ---- with the job's state --------------------------------------------------------------------------


def budgets(fc: Fc) -> list[tuple[str, dict[str, Any]]]:
    """uid, and what they allow"""
    return [(o["metadata"]["uid"], {k: o["spec"][k] for k in ("maxUnavailable", "minAvailable") if k in o["spec"]})
            for o in fc.api.list("PodDisruptionBudget", fc.ns)]


@test(timeout=600)
def test_an_update_in_place_replaces_the_pods_and_the_job_counts_on(n: Node) -> None:
    with start(n, "inplace", spec={"recreateOnUpdate": False, "podDisruptionBudget": {"maxUnavailable": 1}}).hurried() as fc:
        job = running(fc, 20)
        workloads, [budget] = [o["metadata"]["uid"] for o in fc.api.list("StatefulSet", fc.ns)], budgets(fc)
        revision, pods, before = fc.revision(), fc.pods("jobmanager") | fc.pods("taskmanager"), fc.wait_counting()[0]
        fc.patch({"flinkProperties": PROPERTY, "podDisruptionBudget": {"maxUnavailable": None, "minAvailable": 1}})
        fc.wait_run(job)
        fc.wait_counted_on(before, new_from=before + 1)
        fc.wait_updated(revision)
        check_equal([o["metadata"]["uid"] for o in fc.api.list("StatefulSet", fc.ns)], workloads, "workloads")
        [(uid, amounts)] = budgets(fc)
        check_equal((uid, budget[1], amounts), (budget[0], {"maxUnavailable": 1}, {"minAvailable": 1}), "budget")
        now = fc.pods("jobmanager") | fc.pods("taskmanager")
        check(not set(now.values()) & set(pods.values()), f"old pods are left: {now}")
        check_equal(property_at_flink(fc), "4321", "the property at Flink")
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")


@test(timeout=600)
def test_an_update_that_recreates_the_pods_keeps_their_claims_and_the_jobs_state(n: Node) -> None:
    n.api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "claims-data"},
                  "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "claims",
                           "hostPath": {"path": str(n.share)}, "persistentVolumeReclaimPolicy": "Retain"}})
    fc = start(n, "claims")
    manager = fc.manifest["spec"]["taskManager"]
    manager["volumeClaimTemplates"] = [
        {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "claims",
                                                "resources": {"requests": {"storage": "1Gi"}}}}]
    manager["volumeMounts"] = [*manager["volumeMounts"], {"name": "data", "mountPath": "/data"}]
    with fc:
        job = running(fc, 20)
        claim = fc.api.get("PersistentVolumeClaim", fc.ns, "data-claims-taskmanager-0")
        revision, pods, before = fc.revision(), fc.pods("jobmanager") | fc.pods("taskmanager"), fc.wait_counting()[0]
        fc.tell("slow")
        fc.patch({"image": OTHER_IMAGE})
        wait_for(lambda: fc.status.get("savepoint", {}).get("state") == "InProgress", "the savepoint to be under way", 60)
        hold(lambda: (fc.running_jobs(), fc.pods("jobmanager") | fc.pods("taskmanager")) == ([job], pods), "nothing is touched", 5)
        fc.untell("slow")
        fc.wait_run(job)
        fc.wait_counted_on(before, new_from=before + 1)
        fc.wait_updated(revision)
        now = fc.pods("jobmanager") | fc.pods("taskmanager")
        check(not set(now.values()) & set(pods.values()), f"old pods are left: {now}")
        kept = fc.api.get("PersistentVolumeClaim", fc.ns, "data-claims-taskmanager-0")
        check_equal(kept["metadata"]["uid"], claim["metadata"]["uid"], "claim")
        check_equal(kept["metadata"].get("deletionTimestamp"), None, "deletion of the claim")
        check_equal([o["kind"] for o in kept["metadata"]["ownerReferences"]], ["FlinkCluster"], "owners of the claim")


@test(timeout=600)
def test_an_update_without_savepoint_needs_a_fresh_one_and_goes_on_from_it(n: Node) -> None:
    with start(n, "nosave", {"takeSavepointOnUpdate": False, "maxStateAgeToRestoreSeconds": 3600}) as fc:
        job = running(fc)
        try:
            change_program(fc, 40)
            check(False, "an update was accepted that would lose the job's state")
        except ApiError as e:
            check("no up-to-date savepoint" in e.message, e.message)
        saved = fc.wait_counting(30)[0]
        fc.request("savepoint")
        fc.wait_control("Succeeded")
        after = max(fc.counts())[0]
        fc.wait_counting(after + 10)
        change_program(fc, 40)
        fc.wait_run(job)
        location = fc.job["savepointLocation"]
        check_equal((fc.job["fromSavepoint"], fc.job["savepointGeneration"]), (location, 1), "fromSavepoint, savepoints taken")
        check_equal([s["triggerReason"] for s in fc.status["savepoints"]], ["user requested"], "savepoints")
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")
        fc.wait_counted_on_from(saved, after)


@test(timeout=600)
def test_a_savepoint_to_start_from_that_stays_in_the_spec_does_not_take_later_updates_back(n: Node) -> None:
    with start(n, "from") as fc:
        job = running(fc, 20)
        fc.request("savepoint")
        fc.wait_control("Succeeded")
        location, saved = fc.job["savepointLocation"], fc.wait_counting()[0]
        fc.wait_counting(saved + 20)
        fc.patch({"job": {"fromSavepoint": location}})
        fc.wait_run(job)
        check_equal(fc.job["fromSavepoint"], location, "fromSavepoint")
        wait_for(fc.went_back, "the job to go back to the savepoint", 60)
        job = fc.job["id"]
        fc.wait_counting(saved + 30)
        change_program(fc, 40)
        fc.wait_run(job)
        check(fc.job["fromSavepoint"] != location, "the update started from the spec's old savepoint")
        fc.wait_counting(max(fc.counts())[0] + 10)
        fc.check_nothing_lost()
        back = fc.went_back()
        check(len(back) == 1 and 1 < back[0] <= saved + 1, f"saved before {saved}, went on from {back}")


# ---- several, and back -----------------------------------------------------------------------------


@test(timeout=600)
def test_updates_while_one_is_under_way_end_in_the_last_one(n: Node) -> None:
    with start(n, "second") as fc:
        job = running(fc, 20)
        before = fc.wait_counting()[0]
        fc.tell("slow")
        change_program(fc, 41)
        wait_for(lambda: fc.status.get("savepoint", {}).get("state") == "InProgress", "the savepoint to be under way", 60)
        check_equal(fc.condition("Progressing")["status"], "True", "Progressing")
        change_program(fc, 42)
        fc.untell("slow")
        wait_for(lambda: "42" in fc.submitted(), "the second program to be submitted", 120, explain=fc.submitted)
        change_program(fc, 43)
        wait_for(lambda: "43" in fc.submitted() and fc.state == "Running", "the third program to run", 240,
                 explain=lambda: (fc.submitted(), fc.status))
        fc.wait_counted_on(before)
        check(fc.job["id"] != job, "it is the old job")
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")
        check_equal([s["triggerReason"] for s in fc.status["savepoints"]][-1], "update", "first savepoint")
        wait_for(lambda: fc.revision() == fc.revision("nextRevision"), "the update to be finished", 60)
        wait_for(lambda: fc.condition("Progressing")["status"] == "False", "nothing to be under way", 30, explain=lambda: fc.status)


@test(timeout=600)
def test_an_update_that_is_taken_back_while_it_waits_leaves_the_job_running(n: Node) -> None:
    with start(n, "revert", {"savepointsDir": NOWHERE}) as fc:
        job = running(fc)
        revision, pods = fc.revision(), fc.pods("jobmanager") | fc.pods("taskmanager")
        change_program(fc, 40)
        fc.wait_wrong("the update waits")
        check_equal(fc.running_jobs(), [job], "running jobs")
        change_program(fc, 50)
        wait_for(lambda: fc.condition("Degraded").get("status") == "False", "the update to be taken back", 60,
                 explain=lambda: fc.status)
        hold(lambda: fc.state == "Running", "the job runs", 5, every_s=0.5)
        check_equal((fc.running_jobs(), fc.job["id"]), ([job], job), "running jobs")
        check_equal(fc.pods("jobmanager") | fc.pods("taskmanager"), pods, "pods")
        check_equal(fc.revision().rsplit("-", 1)[0], revision.rsplit("-", 1)[0], "revision")
        # Too late to leave the job alone: it is being stopped already. It goes on from there.
        fc.patch({"job": {"savepointsDir": "file:///share/savepoints"}})
        before = fc.wait_counting()[0]
        fc.tell("slow")
        change_program(fc, 40)
        wait_for(lambda: fc.status.get("savepoint", {}).get("state") == "InProgress", "the savepoint to be under way", 120)
        change_program(fc, 50)
        fc.untell("slow")
        fc.wait_run(job)
        check("50" in fc.submitted(), f"submitted: {fc.submitted()}")
        fc.wait_counted_on(before)
        check_equal(fc.pods("jobmanager") | fc.pods("taskmanager"), pods, "pods")


# ---- that don't come up ----------------------------------------------------------------------------


@test(timeout=600)
def test_an_update_that_fails_says_why_and_the_old_spec_brings_the_job_back_with_its_state(n: Node) -> None:
    with start(n, "broken") as fc:
        running(fc, 20)
        before = fc.wait_counting()[0]
        fc.patch({"job": {"jarFile": "/share/nosuch.jar"}})
        fc.wait_state("Failed", "DeployFailed")
        fc.wait_wrong("nosuch.jar")
        check_equal(fc.condition("Ready")["status"], "False", "Ready")
        check_equal(fc.running_jobs(), [], "running jobs")
        fc.patch({"job": {"jarFile": "/share/counting.jar"}})
        fc.wait_state("Running")
        fc.wait_counted_on(before)
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")
        n.cluster.kubectl("-n", fc.ns, "wait", "--for=condition=Ready", "fc/broken", "--timeout=60s")


@test(timeout=600)
def test_an_update_that_would_drop_state_fails_with_flinks_words_until_it_is_allowed_and_counts_on(n: Node) -> None:
    with start(n, "dropped", {"args": ["--pause", "50", "--more"]}) as fc:
        job = running(fc, 20)
        before = fc.wait_counting()[0]
        change_program(fc, 40)
        fc.wait_state("Failed")
        fc.wait_wrong("allowNonRestoredState")
        failed, location = fc.job["id"], fc.job["savepointLocation"]
        check(failed != job and fc.job["fromSavepoint"] == location, f"which run failed: {fc.job}")
        check_equal(fc.running_jobs(), [], "running jobs")
        fc.patch({"job": {"allowNonRestoredState": True}})
        fc.wait_run(failed)
        check_equal(fc.job["fromSavepoint"], location, "fromSavepoint")
        fc.wait_counted_on(before)
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")


@test(timeout=600)
def test_an_update_whose_submission_fails_is_rolled_back_with_the_state_and_a_later_one_is_tried(n: Node) -> None:
    with start(n, "rollback", spec={"updateStrategy": {"rollback": True}}) as fc:
        job = running(fc, 20)
        before = fc.wait_counting()[0]
        fc.patch({"job": {"jarFile": "/share/nosuch.jar"}})
        fc.wait_wrong("was taken back")
        fc.wait_run(job)
        fc.wait_wrong("nosuch.jar")
        check("/share/counting.jar" in fc.submitted(), f"submitted: {fc.submitted()}")
        fc.wait_counted_on(before)
        job, before = fc.job["id"], fc.wait_counting()[0]
        fc.patch({"job": {"jarFile": "/share/counting.jar", "args": program(fc, 40)}})
        fc.wait_run(job)
        fc.wait_counted_on(before)
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")
        wait_for(lambda: fc.condition("Degraded").get("status") == "False", "nothing to be wrong any more", 60,
                 explain=lambda: fc.status)


@test(timeout=700)
def test_an_update_to_an_image_that_cannot_be_pulled_is_rolled_back_with_the_state(n: Node) -> None:
    strategy: dict[str, Any] = {"rollback": True, "progressDeadlineSeconds": 30}
    with start(n, "noimage", spec={"updateStrategy": strategy}).hurried() as fc:
        job = running(fc, 20)
        before = fc.wait_counting()[0]
        fc.patch({"image": MISSING_IMAGE})
        fc.wait_wrong("nowhere.invalid")
        fc.wait_wrong("was taken back")
        fc.wait_run(job)
        fc.wait_counted_on(before, new_from=before + 1)
        for kind in ("jobmanager", "taskmanager"):
            pod = fc.api.get("Pod", fc.ns, f"noimage-{kind}-0")
            check_equal(pod["spec"]["containers"][0]["image"], "flink:1.20", f"image of the {kind}")
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")


if __name__ == "__main__":
    testing.main(node, threads=3)
