"""A job cluster as the reference operator leaves it behind, with live pods: made of what was recorded of it (tests/golden)."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from tests.e2e.node import ROOT, Fc, Node
from tests.lib.testing import check_equal, wait_for

RECORDED = ROOT / "tests/golden/takeover_cases/running/settled"
MANAGER = "flink-operator"
KINDS = ("ConfigMap", "Service", "StatefulSet", "ControllerRevision", "Job")
GENERATED = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
# In place of its texts, which aren't recorded.
TEXTS = {
    "submit-job.sh": "until (exec 3<>/dev/tcp/${FLINK_JM_ADDR/:/\\/}) 2>/dev/null; do :; done\n"
                     "exec /opt/flink/bin/flink run \"$@\"\n",
    "log4j-console.properties": "rootLogger.level = INFO\nrootLogger.appenderRef.console.ref = console\n"
                                "appender.console.name = console\nappender.console.type = CONSOLE\n"
                                "appender.console.layout.type = PatternLayout\n"
                                "appender.console.layout.pattern = %d %-5p %c{1} %m%n\n",
}


class Reference(Fc):
    """It runs the counting job, from the folder that all pods share."""

    def __init__(self, node: Node) -> None:
        self.uids: dict[str, str] = {}
        self.recorded = json.loads(self.adapted(node, (RECORDED / "flinkcluster.json").read_text()))
        self.children = json.loads(self.adapted(node, (RECORDED / "children.json").read_text()))["items"]
        super().__init__(node, {k: v for k, v in self.recorded.items() if k != "status"})

    @staticmethod
    def adapted(node: Node, text: str) -> str:
        for old, new in (("/opt/flink/examples/streaming/TopSpeedWindowing.jar", "/savepoints/counting.jar"),
                         ("org.apache.flink.streaming.examples.windowing.TopSpeedWindowing", "CountingJob"),
                         ("/var/tmp/flink-takeover", str(node.share))):
            text = text.replace(old, new)
        return text

    def __enter__(self) -> Reference:
        self.create(self.recorded)
        for kind in KINDS:
            for child in self.children:
                if child["kind"] == kind and self.is_operators(child):
                    self.create(child)
        self.wait_job()
        return self

    def is_operators(self, child: dict[str, Any]) -> bool:
        return any(o["kind"] == "FlinkCluster" for o in child["metadata"].get("ownerReferences", []))

    def create(self, recorded: dict[str, Any]) -> None:
        o = json.loads(json.dumps({k: v for k, v in recorded.items() if k != "status"}))
        meta = o["metadata"]
        o["metadata"] = {k: v for k, v in meta.items() if k not in GENERATED} | {"namespace": self.ns}
        for owner in o["metadata"].get("ownerReferences", []):
            owner["uid"] = self.uids[owner["uid"]]
        if o["kind"] == "ConfigMap":
            o["data"] = {k: TEXTS.get(k, "") if v == "<TEXT>" else v for k, v in o["data"].items()}
        if o["kind"] == "Service" and o["spec"]["clusterIP"] != "None":
            del o["spec"]["clusterIP"], o["spec"]["clusterIPs"]
        if o["kind"] == "Job":
            del o["spec"]["selector"]
            for label in UID_LABELS:
                o["spec"]["template"]["metadata"]["labels"].pop(label, None)
        self.uids[meta["uid"]] = self.api.create(o, self.ns, fieldManager=MANAGER)["metadata"]["uid"]

    def wait_job(self) -> None:
        """And write down what the reference operator would have."""
        wait_for(lambda: [j for j in self.flink_jobs() if j["state"] == "RUNNING"], "the job to run", 240,
                 explain=lambda: [(p["metadata"]["name"], p["status"]) for p in self.api.list("Pod", self.ns)])
        wait_for(lambda: self.submitter["status"].get("succeeded"), "the submitter to end", 60)
        [job] = self.flink_jobs()
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = self.recorded["status"]
        status["lastUpdateTime"] = now
        status["components"]["job"] |= {"id": job["jid"], "name": job["name"], "deployTime": now, "startTime": now}
        self.api.request("PATCH", self.api.path("FlinkCluster", self.ns, self.name, "status", fieldManager=MANAGER),
                         {"status": status}, "application/merge-patch+json")

    def written(self) -> dict[str, Any]:
        """What an operator writes of its children, without what Kubernetes adds to it by and by."""
        found: dict[str, Any] = {}
        for kind in (*KINDS, "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler"):
            for o in self.api.list(kind, self.ns):
                if self.is_operators(o):
                    meta = o["metadata"]
                    found[f"{kind}/{meta['name']}"] = [meta["uid"], meta.get("labels"), meta.get("annotations"), o.get("spec"),
                                                       o.get("data"), sorted({m["manager"] for m in meta["managedFields"]})]
        return found

    def check_unwritten(self, before: dict[str, Any]) -> None:
        for name, was in before.items():
            check_equal(self.written().get(name), was, name)
        check_equal(sorted(self.written()), sorted(before), "children")
