#!/usr/bin/env python3
"""What happens to a job when something dies under it, or takes over: on a real node and a real Flink, judged by the numbers
that the job prints."""

from __future__ import annotations

import contextlib
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import SYSTEM, Fc, Node, check, check_equal, node, start, wait_for  # noqa: E402
from tests.e2e.reference import Reference  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.kube import ApiError, Kube  # noqa: E402
from tests.lib.testing import hold, test  # noqa: E402

RESTARTS = {"restartPolicy": "FromSavepointOnFailure", "maxStateAgeToRestoreSeconds": 3600}
CHECKPOINTS = {"execution.checkpointing.interval": "500ms", "state.checkpoints.dir": "file:///share/checkpoints",
               "state.checkpoints.num-retained": "30",
               "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
               "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "1000",
               "restart-strategy.fixed-delay.delay": "500ms"}
LOCK = "flink-operator-lock"


class States(contextlib.AbstractContextManager["States"]):
    """What the status said of the job meanwhile."""

    def __init__(self, fc: Fc) -> None:
        self.fc, self.seen = fc, set[str]()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self) -> None:
        while not self.over.wait(0.2):
            with contextlib.suppress(ApiError, OSError):
                self.seen.add(self.fc.state)

    def __enter__(self) -> States:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.thread.join()


def kill(fc: Fc, pod: str) -> str:
    """At once, as if its machine had died. Its uid."""
    uid = fc.api.get("Pod", fc.ns, pod)["metadata"]["uid"]
    fc.api.delete("Pod", fc.ns, pod, gracePeriodSeconds=0)
    return uid


def evict(fc: Fc, pod: str) -> int:
    """What a drain of its node does; the API server's answer."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": fc.ns},
            "deleteOptions": {"gracePeriodSeconds": 1}}
    return fc.api.raw("POST", fc.api.path("Pod", fc.ns, pod, "eviction"), body)[0]


# ---- pods die --------------------------------------------------------------------------------------


def allow_configmaps(fc: Fc) -> None:
    """What Flink's high availability needs of the service account."""
    for o in ({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "flink"}},
              {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "flink"},
               "rules": [{"apiGroups": [""], "resources": ["configmaps"],
                          "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"]}]},
              {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "flink"},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "flink"},
               "subjects": [{"kind": "ServiceAccount", "name": "flink", "namespace": fc.ns}]}):
        fc.api.create(o, fc.ns)


@test(timeout=600)
def test_with_high_availability_a_killed_jobmanager_and_an_evicted_taskmanager_recover_the_job_by_themselves(n: Node) -> None:
    fc = start(n, "ha", RESTARTS, {"serviceAccountName": "flink", "podDisruptionBudget": {"maxUnavailable": 1}})
    fc.manifest["spec"]["flinkProperties"] |= CHECKPOINTS | {
        "high-availability.type": "kubernetes", "high-availability.storageDir": "file:///share/ha",
        "kubernetes.cluster-id": "ha", "kubernetes.namespace": fc.ns}
    allow_configmaps(fc)
    with fc:
        fc.wait_state("Running")
        job, submitter = fc.job["id"], fc.submitter["metadata"]["uid"]
        fc.wait_counting(40)
        with States(fc) as states:
            wait_for(lambda: budget(fc) == 1, "the budget to allow one disruption", 60, explain=lambda: fc.api.list(
                "PodDisruptionBudget", fc.ns)[0].get("status"))
            dead = kill(fc, "ha-jobmanager-0")
            wait_for(lambda: fc.pods("jobmanager").get("ha-jobmanager-0", dead) != dead, "another JobManager", 60)
            wait_for(lambda: fc.running_jobs() == [job], "Flink to recover the job", 120, explain=fc.flink_jobs)
            before = fc.wait_counting()[0]
            fc.wait_counting(before + 20)
            fc.check_nothing_lost()
            check(all(count > 1 for count in fc.went_back()), f"it went on from {fc.went_back()}")
            wait_for(lambda: budget(fc) == 1, "the budget to allow one disruption again", 60)
            wait_for(lambda: checkpoints(fc, job) >= 2, "checkpoints of the recovered job", 60)
            before, old = fc.wait_counting()[0], fc.pods("taskmanager")
            check_equal(evict(fc, "ha-taskmanager-0"), 201, "answer to the eviction")
            wait_for(lambda: fc.pods("taskmanager").keys() == old.keys() and fc.pods("taskmanager") != old, "another TaskManager", 90)
            fc.wait_counted_on(before, new_from=before // 2)
        check_equal(states.seen, {"Running"}, "states of the job meanwhile")
        check_equal((fc.running_jobs(), fc.job["id"]), ([job], job), "running jobs")
        check_equal(fc.submitter["metadata"]["uid"], submitter, "submitter")
        check_equal(fc.job.get("restartCount"), None, "restarts by flinkd")
        owners = [c["metadata"].get("ownerReferences", [{}])[0].get("kind")
                  for c in fc.api.list("ConfigMap", fc.ns, labelSelector="configmap-type=high-availability")]
        check(owners and set(owners) == {"FlinkCluster"}, f"owners of Flink's metadata: {owners}")


def checkpoints(fc: Fc, job: str) -> int:
    """How many this JobManager has seen completed."""
    return ((fc.node.get(f"{fc.flink}/jobs/{job}/checkpoints") or {}).get("counts") or {}).get("completed", 0)


def budget(fc: Fc) -> int:
    return fc.api.list("PodDisruptionBudget", fc.ns)[0].get("status", {}).get("disruptionsAllowed", -1)


@test(timeout=600)
def test_a_killed_taskmanager_and_a_drained_node_cost_the_job_nothing_but_time(n: Node) -> None:
    with start(n, "drain", RESTARTS | {"restoreFrom": "LatestState"}, {"flinkProperties": CHECKPOINTS}) as fc:
        fc.wait_state("Running")
        job, submitter = fc.job["id"], fc.submitter["metadata"]["uid"]
        before = fc.wait_counting(60)[0]
        with States(fc) as states:
            dead = kill(fc, "drain-taskmanager-0")
            wait_for(lambda: fc.pods("taskmanager").get("drain-taskmanager-0", dead) != dead, "another TaskManager", 60)
            fc.wait_counted_on(before, new_from=before // 2)
        check_equal(states.seen, {"Running"}, "states of the job meanwhile")
        check_equal((fc.job["id"], fc.running_jobs(), fc.submitter["metadata"]["uid"]), (job, [job], submitter), "job")

        before = fc.wait_counting(before + 60)[0]
        name = n.api.list("Node")[0]["metadata"]["name"]
        try:
            n.cluster.kubectl("drain", name, "--pod-selector=cluster=drain", "--grace-period=1", "--force",
                              "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
            fc.wait_wrong("nodes are available")
        finally:
            n.cluster.kubectl("uncordon", name)
        fc.wait_run(job)
        check("/chk-" in fc.job["fromSavepoint"], f"it started from {fc.job['fromSavepoint']}")
        fc.wait_counted_on(before, new_from=before // 2)
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")
        check_equal(fc.job["restartCount"], 1, "restartCount")


# ---- the submission ---------------------------------------------------------------------------------


def next_submitter(fc: Fc, without: set[str]) -> str:
    """A pod of it that runs and is none of these."""
    def found() -> Any:
        pods = fc.api.list("Pod", fc.ns, labelSelector=f"job-name={fc.name}-job-submitter")
        return [p["metadata"]["name"] for p in pods if p["metadata"]["uid"] not in without and p["status"]["phase"] == "Running"]
    return wait_for(found, "another submitter to run", 120, explain=lambda: fc.status)[0]


def wait_log(fc: Fc, pod: str, words: str) -> None:
    wait_for(lambda: words in fc.api.log(fc.ns, pod, "main"), f"'{words}' in the log of {pod}", 120)


@test(timeout=700)
def test_a_submitter_that_dies_before_in_and_after_the_submission_and_its_jobmanager_leave_one_job_that_ends(n: Node) -> None:
    fc = start(n, "dies", {"args": ["--pause", "50", "--limit", "300"]})
    fc.tell("wait")
    dead: set[str] = set()
    with fc:
        dead.add(kill(fc, next_submitter(fc, dead)))  # it waits for the JobManager
        submitter = next_submitter(fc, dead)
        wait_log(fc, submitter, "told to wait")
        killed = kill(fc, "dies-jobmanager-0")
        wait_for(lambda: fc.pods("jobmanager").get("dies-jobmanager-0", killed) != killed, "another JobManager", 60)
        dead.add(kill(fc, submitter))
        submitter = next_submitter(fc, dead)
        wait_log(fc, submitter, "told to wait")
        check_equal(n.get(f"{fc.flink}/jobs/overview"), {"jobs": []}, "jobs before the program executes one")
        again = fc.submitter["spec"]["template"]["spec"]
        fc.tell("stay")
        fc.untell("wait")
        fc.wait_state("Running")
        kill(fc, submitter)  # it hasn't said that Flink has the job
        fc.untell("stay")
        fc.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "again"}, "spec": again}, fc.ns)
        wait_for(lambda: fc.api.get("Pod", fc.ns, "again")["status"]["phase"] == "Succeeded", "one more submitter to end", 120)
        wait_log(fc, "again", "had been submitted before")
        fc.wait_state("Succeeded", "Failed", "Lost")
        check_equal((fc.state, fc.job.get("restartCount"), fc.job.get("failureReasons")), ("Succeeded", None, None), "job")
        check_equal([(j["jid"], j["state"]) for j in fc.flink_jobs()], [(fc.job["id"], "FINISHED")], "jobs that Flink ever had")
        check_equal(fc.counts(), [(i + 1, i) for i in range(300)], "all counts")


# ---- a job that fails again and again --------------------------------------------------------------


def seconds(time: str) -> float:
    return datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


@test(timeout=600)
def test_a_job_that_always_fails_is_restarted_less_and_less_often_and_lives_on_once_it_can(n: Node) -> None:
    with start(n, "storm", RESTARTS) as fc:
        fc.wait_state("Running")
        fc.wait_counting(20)
        fc.request("savepoint")
        fc.wait_control("Succeeded")
        saved = fc.wait_counting()[0]
        fc.tell("doomed")
        ended: dict[int, float] = {}
        begun: dict[int, float] = {}
        said: set[str] = set()

        def look() -> bool:
            job = fc.job
            count = job.get("restartCount", 0)
            if job.get("deployTime"):
                begun[count] = seconds(job["deployTime"])
            if job.get("completionTime"):
                ended[count] = seconds(job["completionTime"])
            said.add(fc.condition("Degraded").get("message", ""))
            return 3 in begun
        wait_for(look, "the third restart", 300, explain=lambda: fc.status)
        pauses = [begun[i + 1] - ended[i] for i in range(3)]
        check(pauses[0] < pauses[1] < pauses[2] and pauses[1] >= 9 and pauses[2] >= 19, f"pauses before restarts: {pauses}")
        check(any("failed 3 times in a row" in text for text in said), f"said meanwhile: {said}")
        fc.untell("doomed")
        fc.wait_state("Running")
        fc.wait_counting(saved + 20)
        fc.check_nothing_lost()
        check(all(count > 1 for count in fc.went_back()), f"it went on from {fc.went_back()}")
        check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")


# ---- the other operator ----------------------------------------------------------------------------


def micro_time() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Lease(contextlib.AbstractContextManager["Lease"]):
    """Taken away from flinkd, renewed as client-go does, until it is given up."""

    def __init__(self, api: Kube) -> None:
        self.api = api
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.renew, daemon=True)

    def write(self, holder: str, duration_s: int) -> None:
        self.api.patch("Lease", SYSTEM, LOCK, {"spec": {"holderIdentity": holder, "leaseDurationSeconds": duration_s,
                                                        "acquireTime": micro_time(), "renewTime": micro_time()}})

    def renew(self) -> None:
        while not self.over.wait(2):
            self.write("reference-operator", 15)

    def __enter__(self) -> Lease:
        self.write("reference-operator", 15)
        self.thread.start()
        return self

    def give_up(self) -> None:
        if not self.over.is_set():
            self.over.set()
            self.thread.join()
            self.write("", 1)

    def __exit__(self, *exc: object) -> None:
        self.give_up()


def take_over(n: Node, lease: Lease, fc: Reference) -> None:
    before = fc.wait_counting(10)[0]
    job, status, children = fc.job["id"], fc.status, fc.written()
    pods = fc.pods("jobmanager") | fc.pods("taskmanager")
    check_equal(n.api.get("Lease", SYSTEM, LOCK)["spec"]["holderIdentity"], "reference-operator", "holder")
    hold(lambda: fc.status == status, "the status is the other operator's", 5, every_s=0.5)
    fc.check_unwritten(children)

    lease.give_up()
    wait_for(lambda: fc.condition("Ready").get("status") == "True", "flinkd to take over", 60, explain=lambda: fc.status)
    hold(lambda: (fc.state, fc.job["id"]) == ("Running", job), "the job runs", 5, every_s=0.5)
    fc.check_unwritten(children)
    check_equal(fc.pods("jobmanager") | fc.pods("taskmanager"), pods, "pods")
    for field in ("revision", "state"):
        check_equal(fc.status[field], status[field], field)
    check_equal(fc.job, status["components"]["job"], "the job's status")
    fc.wait_counted_on(before)

    fc.request("savepoint")
    fc.wait_control("Succeeded")
    before = fc.wait_counting()[0]
    fc.patch({"job": {"args": ["--pause", "50"]}})
    fc.wait_run(job)
    fc.wait_counted_on(before, new_from=before + 1)
    check_equal(fc.running_jobs(), [fc.job["id"]], "running jobs")


@test(serial=True, timeout=700)
def test_flinkd_only_watches_while_another_has_the_lease_then_takes_its_live_cluster_over(n: Node) -> None:
    reference = Reference(n)
    check(n.operator_leads(), "flinkd doesn't work")
    with Lease(n.api) as lease:
        wait_for(lambda: not n.operator_leads(), "flinkd to give way", 30)
        with reference as fc:
            take_over(n, lease, fc)


if __name__ == "__main__":
    testing.main(node, threads=3)
