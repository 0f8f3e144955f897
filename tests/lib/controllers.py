"""Stands in for kubelet and controller manager where only an API server runs, with a scripted Flink.

    with Cluster() as c, FakeFlink(c) as flink, Controllers(c.api, flink): ...

StatefulSets get ready, JobManager pods come and go with them (a new one's Flink knows no job), a submitter Job submits to
the scripted Flink what its manifest says, once, and ends. Nobody collects garbage.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from typing import Any

from tests.lib.fake_flink import FakeFlink
from tests.lib.kube import ApiError, Kube, Object

JOB_ID = "flinkoperator.k8s.io/job-id"
HASH = "controller-revision-hash"
EVERY_S = 0.1


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Controllers:
    def __init__(self, api: Kube, flink: FakeFlink, submit_s: float = 0.2) -> None:
        """submit_s: how long a submitter takes until Flink has its job."""
        self.api, self.flink, self.submit_s = api, flink, submit_s
        self.ending = threading.Event()
        self.began: dict[str, float] = {}  # uid of a submitter Job -> since when it runs
        self.statuses: dict[str, Object] = {}  # uid of a StatefulSet -> the status that was written
        self.troubles: list[str] = []

    def __enter__(self) -> Controllers:
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.ending.set()
        self.thread.join()

    def loop(self) -> None:
        while not self.ending.wait(EVERY_S):
            try:
                self.turn()
            except (ApiError, OSError) as e:  # something went meanwhile: the next turn sees it
                self.troubles = [*self.troubles[-20:], str(e)]

    def turn(self) -> None:
        sets = {self.key(o): o for o in self.api.list("StatefulSet") if not self.deleting(o)}
        jobs = {self.key(o): o for o in self.api.list("Job") if not self.deleting(o)}
        pods = {self.key(o): o for o in self.api.list("Pod")}
        for key, pod in pods.items():
            owner = (key[0], pod["metadata"]["annotations"]["owner"])
            if owner not in sets and owner not in jobs:
                self.remove(pod)
        for key, o in sets.items():
            self.stateful_set(o, pods.get((key[0], f"{key[1]}-0")))
        for key, o in jobs.items():
            self.job(o, pods.get((key[0], f"{key[1]}-pod")))

    @staticmethod
    def key(o: Object) -> tuple[str, str]:
        return o["metadata"]["namespace"], o["metadata"]["name"]

    @staticmethod
    def deleting(o: Object) -> bool:
        return "deletionTimestamp" in o["metadata"]

    @staticmethod
    def cluster_of(o: Object) -> tuple[str, str]:
        return o["metadata"]["namespace"], o["metadata"]["labels"]["cluster"]

    # ---- pods ----

    def add_pod(self, owner: Object, name: str, labels: Object, container: str) -> None:
        ns = owner["metadata"]["namespace"]
        self.api.create({"apiVersion": "v1", "kind": "Pod",
                         "metadata": {"name": name, "labels": labels, "annotations": {"owner": owner["metadata"]["name"]},
                                      "ownerReferences": [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": True,
                                                           "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}]},
                         "spec": {"automountServiceAccountToken": False, "containers": [{"name": container, "image": "flink:1.20"}]}}, ns)
        self.set_pod(ns, name, container, "Running", {"running": {"startedAt": now()}})

    def set_pod(self, ns: str, name: str, container: str, phase: str, state: Object) -> None:
        self.api.patch_status("Pod", ns, name, {
            "phase": phase, "conditions": [{"type": "Ready", "status": "True" if phase == "Running" else "False"}],
            "containerStatuses": [{"name": container, "image": "flink:1.20", "imageID": "", "restartCount": 0, "lastState": {},
                                   "ready": phase == "Running", "state": state}]})

    def remove(self, pod: Object) -> None:
        if pod["metadata"].get("labels", {}).get("component") == "jobmanager":
            self.flink.stop_process(*self.cluster_of(pod))
        self.api.delete("Pod", *self.key(pod), gracePeriodSeconds=0)

    # ---- StatefulSets ----

    def stateful_set(self, o: Object, pod: Object | None) -> None:
        template = o["spec"]["template"]
        revision = hashlib.sha1(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        name = o["metadata"]["name"]
        if template["metadata"]["labels"].get("component") == "jobmanager":
            if pod and pod["metadata"]["labels"].get(HASH) != revision:
                self.remove(pod)
                return
            if not pod:
                self.add_pod(o, f"{name}-0", template["metadata"]["labels"] | {HASH: revision}, "jobmanager")
                self.flink.start_process(*self.cluster_of(o))
        n = o["spec"].get("replicas", 1)
        status = {"observedGeneration": o["metadata"]["generation"], "replicas": n, "readyReplicas": n, "availableReplicas": n,
                  "updatedReplicas": n, "currentReplicas": n, "currentRevision": revision, "updateRevision": revision}
        if self.statuses.get(o["metadata"]["uid"]) != status:
            self.api.patch_status("StatefulSet", *self.key(o), status)
            self.statuses[o["metadata"]["uid"]] = status

    # ---- submitters ----

    def job(self, o: Object, pod: Object | None) -> None:
        uid, (ns, name) = o["metadata"]["uid"], self.key(o)
        if o.get("status", {}).get("completionTime"):
            return
        if not pod:
            self.add_pod(o, f"{name}-pod", o["spec"]["template"]["metadata"].get("labels", {}) | {"job-name": name}, "main")
            self.api.patch_status("Job", ns, name, {"startTime": now(), "active": 1, "ready": 1})
            self.began[uid] = time.monotonic()
            return
        if time.monotonic() - self.began.setdefault(uid, time.monotonic()) < self.submit_s:
            return
        job_id = o["metadata"].get("annotations", {}).get(JOB_ID) or o["metadata"].get("labels", {})[JOB_ID]
        if not self.flink.submit(*self.cluster_of(o), job_id, from_savepoint(o)):
            return  # the JobManager doesn't answer yet
        self.set_pod(ns, f"{name}-pod", "main", "Succeeded", {"terminated": {"exitCode": 0, "finishedAt": now()}})
        done = {"status": "True", "reason": "CompletionsReached", "lastTransitionTime": now()}
        self.api.patch_status("Job", ns, name, {"active": 0, "ready": 0, "succeeded": 1, "completionTime": now(), "conditions": [
            {"type": "SuccessCriteriaMet"} | done, {"type": "Complete"} | done]})


def from_savepoint(job: Object) -> str:
    container: Any = job["spec"]["template"]["spec"]["containers"][0]
    args = container.get("command", []) + container.get("args", [])
    return args[args.index("--fromSavepoint") + 1] if "--fromSavepoint" in args else ""
