#!/usr/bin/env python3
"""The CRD alone, with no webhook: names, fields, defaults, bounds, and the rules that the API server checks itself."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.lib import testing
from tests.lib.cluster import ROOT, Cluster
from tests.lib.kube import ApiError, Kube, Object, load_yaml
from tests.lib.testing import check, check_equal, wait_for

CRD = load_yaml(ROOT / "deploy/crd/flinkclusters.yaml")
MISSING = object()


@dataclass
class World:
    cluster: Cluster
    ns: str

    @property
    def api(self) -> Kube:
        return self.cluster.api


def session(spec: Object | None = None, name: str = "c") -> Object:
    return {"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster", "metadata": {"name": name},
            "spec": {"flinkVersion": "1.20", "image": {"name": "flink:1.20"}} | (spec or {})}


def job(**job: Any) -> Object:
    return session({"job": {"jarFile": "/x.jar", "savepointsDir": "/savepoints"} | job})


def edited(o: Object, *edits: tuple[str, Any]) -> Object:
    """What is at each path becomes the value; MISSING: it goes."""
    o = copy.deepcopy(o)
    for path, value in edits:
        *parents, last = path.split(".")
        at = o
        for key in parents:
            at = at.setdefault(key, {})
        if value is MISSING:
            at.pop(last, None)
        else:
            at[last] = value
    return o


def refusal(w: World, o: Object, old: Object | None = None) -> str:
    """Why it is refused; "" when it is accepted."""
    try:
        if old is None:
            w.api.create(o, w.ns, dryRun="All")
        else:
            w.api.replace(edited(o, ("metadata.resourceVersion", old["metadata"]["resourceVersion"])), w.ns, dryRun="All")
    except ApiError as e:
        check_equal((e.code, e.reason), (422, "Invalid"), e.message)
        return e.message
    return ""


# ---- where it comes from -------------------------------------------------------------------------------------


def generate(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, folder / "generate.py", *args], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_it_is_what_the_generator_makes_of_its_inputs() -> None:
    done = generate(ROOT / "deploy/crd", "--check")
    check_equal(done.returncode, 0, done.stderr)


def test_a_crd_that_was_edited_by_hand_is_found_out() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        copy_of_it = shutil.copytree(ROOT / "deploy/crd", Path(scratch) / "crd")
        crd = copy_of_it / "flinkclusters.yaml"
        crd.write_text(crd.read_text().replace("minimum: 0", "minimum: 1", 1))
        check_equal(generate(copy_of_it, "--check").returncode, 1, "the exit code")
        check_equal(generate(copy_of_it).returncode, 0, "made anew")
        check_equal(crd.read_text(), (ROOT / "deploy/crd/flinkclusters.yaml").read_text(), "what is made")


# ---- names -------------------------------------------------------------------------------------------------


def test_it_has_the_names_that_clients_know(w: World) -> None:
    served = w.api.get("CustomResourceDefinition", None, "flinkclusters.flinkoperator.k8s.io")["spec"]
    check_equal((served["group"], served["scope"]), ("flinkoperator.k8s.io", "Namespaced"), "group and scope")
    check_equal({k: served["names"][k] for k in ("kind", "listKind", "plural", "singular")},
                {"kind": "FlinkCluster", "listKind": "FlinkClusterList", "plural": "flinkclusters", "singular": "flinkcluster"}, "names")
    check({"fc", "fcs"} <= set(served["names"]["shortNames"]), "the short names")
    [version] = served["versions"]
    check_equal((version["name"], version["served"], version["storage"]), ("v1beta1", True, True), "the version")
    columns = [(c["name"], c["type"], c.get("priority", 0), c["jsonPath"]) for c in version["additionalPrinterColumns"]]
    check_equal(columns, [
        ("version", "string", 0, ".spec.flinkVersion"), ("status", "string", 0, ".status.state"),
        ("age", "date", 0, ".metadata.creationTimestamp"), ("jm replicas", "string", 1, ".status.components.jobManager.ready"),
        ("jm zone", "string", 1, r".spec.jobManager.nodeSelector.topology\.kubernetes\.io\/zone"),
        ("tm replicas", "string", 1, ".status.components.taskManager.ready"),
        ("tm zone", "string", 1, r".spec.taskManager.nodeSelector.topology\.kubernetes\.io\/zone"),
        ("Image", "string", 1, ".spec.image.name")], "the columns")
    check_equal(version["subresources"], {"status": {}, "scale": {
        "specReplicasPath": ".spec.taskManager.replicas", "statusReplicasPath": ".status.components.taskManager.replicas",
        "labelSelectorPath": ".status.components.taskManager.selector"}}, "the subresources")


# What is in these is Kubernetes', and described as a whole.
KUBERNETES = {
    "affinity", "behavior", "claims", "env", "envFrom", "envVars", "hostAliases", "initContainers", "livenessProbe",
    "loadBalancerIngress", "matchExpressions",
    "metadata", "metrics", "podDisruptionBudget", "pullSecrets", "readinessProbe", "securityContext", "sidecars", "tolerations",
    "volumeClaimTemplates", "volumeMounts", "volumes"}


def undescribed(schema: Object, path: str = "") -> Iterator[str]:
    for name, field in schema.get("items", schema).get("properties", {}).items():
        if not field.get("description"):
            yield f"{path}.{name}"
        if name not in KUBERNETES:
            yield from undescribed(field, f"{path}.{name}")


def test_kubectl_explains_every_field(w: World) -> None:
    def published() -> Any:
        """kubectl explain reads this. The API server publishes it some time after it serves a CRD's objects."""
        schemas = w.api.request("GET", "/openapi/v3/apis/flinkoperator.k8s.io/v1beta1")["components"]["schemas"]
        return schemas.get("io.k8s.flinkoperator.v1beta1.FlinkCluster")

    schema = wait_for(published, "the FlinkCluster in the OpenAPI document")
    fields = list(own_fields(schema))
    check(len(fields) > 200 and "spec.job.fromSavepoint" in fields, f"{len(fields)} described fields: {fields}")
    check_equal([f for f in undescribed(schema) if f != ".metadata"], [], "fields that nothing is said of")
    text = w.cluster.kubectl("explain", "fc.spec.job")
    check("fromSavepoint" in text and "Savepoint that the job is started from at first" in text, text)


def test_kubectl_shows_the_columns(w: World) -> None:
    w.api.create(session(name="columns"), w.ns)
    w.api.patch_status("FlinkCluster", w.ns, "columns", {"state": "Running", "components": {}, "lastUpdateTime": ""})
    head, row = w.cluster.kubectl("get", "fcs", "columns", "-n", w.ns).splitlines()
    check_equal(head.split(), ["NAME", "VERSION", "STATUS", "AGE"], "the heads")
    check_equal(row.split()[:3], ["columns", "1.20", "Running"], "the row")
    head, row = w.cluster.kubectl("get", "fcs", "columns", "-n", w.ns, "-o", "wide").splitlines()
    check_equal((head.split()[-1], row.split()[-1]), ("IMAGE", "flink:1.20"), "the last column of more")


def test_status_and_spec_are_written_apart(w: World) -> None:
    made = w.api.create(session(name="apart") | {"status": {"state": "Running", "components": {}}}, w.ns)
    check("status" not in made, "a status is taken on creation")
    w.api.patch_status("FlinkCluster", w.ns, "apart", {"state": "Running", "components": {}})
    changed = w.api.patch("FlinkCluster", w.ns, "apart", {"spec": {"recreateOnUpdate": False}, "status": {"state": "Stopped"}})
    check_equal((changed["spec"]["recreateOnUpdate"], changed["status"]["state"]), (False, "Running"), "what was changed")
    w.api.request("PATCH", w.api.path("FlinkCluster", w.ns, "apart", "status"), {"spec": {"recreateOnUpdate": True}},
                  "application/merge-patch+json")
    check_equal(w.api.get("FlinkCluster", w.ns, "apart")["spec"]["recreateOnUpdate"], False, "the spec")


# ---- fields --------------------------------------------------------------------------------------------------

POD: Object = {
    "volumes": [{"name": "v", "emptyDir": {}}], "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    "initContainers": [{"name": "i", "image": "i:1"}], "nodeSelector": {"a": "b"}, "tolerations": [{"key": "t", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}},
    "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}, "securityContext": {"runAsUser": 9999},
    "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["h"]}],
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}, "claims": [{"name": "gpu"}]},
}
DAEMON: Object = POD | {
    "extraPorts": [{"name": "prom", "containerPort": 9249, "protocol": "TCP"}], "sidecars": [{"name": "s", "image": "s:1"}],
    "memoryProcessRatio": 70, "memoryOffHeapMin": "0",
    "volumeClaimTemplates": [{"metadata": {"name": "d", "labels": {"a": "b"}}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}],
    "livenessProbe": {"httpGet": {"path": "/", "port": 8081}, "periodSeconds": 7},
    "readinessProbe": {"exec": {"command": ["true"]}, "failureThreshold": 9},
}
EVERYTHING: Object = {
    "flinkVersion": "1.20", "image": {"name": "flink:1.20", "pullPolicy": "Never", "pullSecrets": [{"name": "s"}]},
    "serviceAccountName": "sa", "batchSchedulerName": "volcano",
    "batchScheduler": {"name": "volcano", "queue": "q", "priorityClassName": "high"},
    "podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": "10%", "selector": {"matchLabels": {"a": "b"}},
                            "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    "jobManager": DAEMON | {
        "replicas": 1, "accessScope": "NodePort", "ServiceAnnotations": {"a": "b"}, "ServiceLabels": {"a": "b"},
        "ports": {"rpc": 7001, "blob": 7002, "query": 7003, "ui": 7004},
        "ingress": {"hostFormat": "{{$clusterName}}.x", "annotations": {"a": "b"}, "useTls": True, "tlsSecretName": "tls"}},
    "taskManager": DAEMON | {
        "replicas": 2, "deploymentType": "Deployment", "ports": {"data": 7005, "rpc": 7006, "query": 7007},
        "horizontalPodAutoscaler": {"minReplicas": 1, "maxReplicas": 4, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}, "metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}},
    "job": POD | {
        "mode": "Blocking", "classPath": ["file:///a.jar"], "jarFile": "/x.jar", "className": "X", "pyFile": "x.py", "pyFiles": "y.py",
        "pyModule": "z", "args": ["--a", "b"], "fromSavepoint": "/s/1", "allowNonRestoredState": True, "savepointsDir": "/s",
        "savepointFormatType": "NATIVE", "takeSavepointOnUpdate": False, "maxStateAgeToRestoreSeconds": 60, "autoSavepointSeconds": 300,
        "savepointGeneration": 1, "parallelism": 3, "noLoggingToStdout": True, "restartPolicy": "FromSavepointOnFailure",
        "cleanupPolicy": {"afterJobSucceeds": "KeepCluster", "afterJobFails": "DeleteTaskManager", "afterJobCancelled": "KeepCluster"},
        "cancelRequested": False, "suspend": True, "restoreFrom": "LatestState", "savepointOnDeletion": True, "drainOnCancel": True,
        "savepointRetention": {"count": 3, "maxAgeSeconds": 3600}},
    "envVars": [{"name": "A", "value": "b"}], "envFrom": [{"configMapRef": {"name": "c"}}], "flinkProperties": {"a": "b"},
    "hadoopConfig": {"configMapName": "h", "mountPath": "/h"},
    "gcpConfig": {"serviceAccount": {"secretName": "s", "keyFile": "k", "mountPath": "/g"}}, "logConfig": {"log4j-console.properties": "x"},
    "revisionHistoryLimit": 3, "recreateOnUpdate": False, "updateStrategy": {"rollback": True, "progressDeadlineSeconds": 60},
}
# Of these only one can be there; the other is in the second object.
OTHERWISE = [("spec.job.autoSavepointSeconds", MISSING), ("spec.job.autoSavepointSchedule", "@daily"), ("spec.flinkVersion", "1.9")] + [
    (f"spec.{c}.{k}", v) for c in ("jobManager", "taskManager")
    for k, v in (("memoryProcessRatio", MISSING), ("memoryOffHeapRatio", 20), ("memoryOffHeapMin", "100M"))]


def own_fields(schema: Object, path: str = "") -> Iterator[str]:
    """Those of the FlinkCluster: they have a description. What Kubernetes' types have inside doesn't."""
    for name, field in schema.get("items", schema).get("properties", {}).items():
        if "description" in field:
            yield f"{path}.{name}".lstrip(".")
            yield from own_fields(field, f"{path}.{name}")


def has(value: Any, path: str) -> bool:
    for key in path.split("."):
        value = value[0] if isinstance(value, list) else value
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def test_every_field_is_stored_as_it_was_given(w: World) -> None:
    schema = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    first = session() | {"spec": EVERYTHING}
    second = edited(first, *OTHERWISE)
    lacking = [f for f in own_fields(schema) if not has(first["spec"], f) and not has(second["spec"], f)]
    check_equal(lacking, [], "fields that no object here has")
    for o in (first, second):
        stored = w.api.create(o, w.ns, dryRun="All")["spec"]
        expect_within(o["spec"], stored, "spec")


def expect_within(given: Any, stored: Any, path: str) -> None:
    """All that was given is there, beside defaults of Kubernetes' types."""
    if isinstance(given, dict) and isinstance(stored, dict):
        for key, value in given.items():
            check(key in stored, f"{path}.{key} is pruned")
            expect_within(value, stored[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(stored, list):
        check_equal(len(stored), len(given), f"items of {path}")
        for i, value in enumerate(given):
            expect_within(value, stored[i], f"{path}[{i}]")
    else:
        check_equal(stored, given, path)


def test_what_is_absent_has_its_default(w: World) -> None:
    resources = {"requests": {"cpu": "200m", "memory": "512Mi"}, "limits": {"cpu": 2, "memory": "2Gi"}}
    check_equal(w.api.create(session({"job": {"jarFile": "/x.jar"}}), w.ns, dryRun="All")["spec"], {
        "flinkVersion": "1.20", "image": {"name": "flink:1.20", "pullPolicy": "Always"}, "recreateOnUpdate": True,
        "jobManager": {"replicas": 1, "accessScope": "Cluster", "ports": {"rpc": 6123, "blob": 6124, "query": 6125, "ui": 8081},
                       "resources": resources},
        "taskManager": {"replicas": 3, "deploymentType": "StatefulSet", "ports": {"data": 6121, "rpc": 6122, "query": 6125},
                        "resources": resources},
        "job": {"jarFile": "/x.jar", "mode": "Detached", "allowNonRestoredState": False, "noLoggingToStdout": False,
                "restartPolicy": "Never", "resources": resources,
                "cleanupPolicy": {"afterJobSucceeds": "DeleteCluster", "afterJobFails": "KeepCluster", "afterJobCancelled": "DeleteCluster"}},
    }, "the spec of a minimal job cluster")
    o = session({"hadoopConfig": {"configMapName": "h"}, "jobManager": {"ingress": {}, "ports": {"ui": 80}}})
    spec = w.api.create(o, w.ns, dryRun="All")["spec"]
    check_equal((spec["hadoopConfig"]["mountPath"], spec["jobManager"]["ingress"]), ("/etc/hadoop/conf", {"useTls": False}), "of objects")
    check_equal(spec["jobManager"]["ports"], {"rpc": 6123, "blob": 6124, "query": 6125, "ui": 80}, "each port by itself")
    partial = session({"jobManager": {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}})
    check("requests" not in w.api.create(partial, w.ns, dryRun="All")["spec"]["jobManager"]["resources"], "resources that are there")


def ports() -> list[tuple[str, list[Any], list[Any]]]:
    names = {"jobManager": ("rpc", "blob", "query", "ui"), "taskManager": ("data", "rpc", "query")}
    return [(f"spec.{c}.ports.{p}", [0, -1, 65536, "80"], [1, 65535]) for c, of in names.items() for p in of]


def daemons(path: str, wrong: list[Any], right: list[Any]) -> list[tuple[str, list[Any], list[Any]]]:
    return [(f"spec.{c}.{path}", wrong, right) for c in ("jobManager", "taskManager")]


# path, what is refused, what is accepted
BOUNDS: list[tuple[str, list[Any], list[Any]]] = [
    ("spec", [MISSING], []), ("spec.flinkVersion", [MISSING, 1.2], ["", "1.14.0"]), ("spec.image", [MISSING, {}], []),
    ("spec.image.name", ["", 1], ["x"]), ("spec.image.pullPolicy", ["Sometimes"], ["Always", "Never", "IfNotPresent"]),
    ("spec.batchScheduler", [{}], [{"name": "volcano"}]), ("spec.hadoopConfig.configMapName", [""], ["x"]),
    ("spec.recreateOnUpdate", ["yes"], [True, False]), ("spec.revisionHistoryLimit", ["3"], [0, 3]),
    ("spec.jobManager.replicas", [0, 2], [1]), ("spec.taskManager.replicas", [0, -1], [1, 1000]),
    ("spec.jobManager.accessScope", ["Internet"], ["Cluster", "VPC", "External", "NodePort", "Headless"]),
    ("spec.taskManager.deploymentType", ["DaemonSet"], ["StatefulSet", "Deployment", ""]), *ports(),
    *daemons("extraPorts", [[{}], [{"containerPort": 0}], [{"containerPort": 65536}], [{"containerPort": 1, "protocol": "X"}]],
             [[{"containerPort": 1, "protocol": p}] for p in ("TCP", "UDP", "SCTP")]),
    *daemons("resources", [{"limits": {"memory": "lots", "cpu": "1"}}], []), *daemons("memoryProcessRatio", [-1, 101], [0, 100]),
    *daemons("podLabels", [{"a": "not a label"}], [{"a": "b"}]),
    ("spec.taskManager.horizontalPodAutoscaler", [{}, {"maxReplicas": "many"}], [{"maxReplicas": 1}]),
    ("spec.job.mode", ["Attached"], ["Detached", "Blocking", "Application"]),
    ("spec.job.restartPolicy", ["Always"], ["Never"]), ("spec.job.savepointFormatType", ["RAW"], ["CANONICAL", "NATIVE"]),
    ("spec.job.maxStateAgeToRestoreSeconds", [-1], [0]), ("spec.job.parallelism", [0, -3, "1"], [1]),
    *[(f"spec.job.cleanupPolicy.{p}", ["Never"], ["KeepCluster", "DeleteCluster", "DeleteTaskManager"])
      for p in ("afterJobSucceeds", "afterJobFails", "afterJobCancelled")],
    ("spec.job.args", ["x", [1]], [[], ["x"]]), ("spec.job.classPath", ["x"], [["x"]]), ("spec.flinkProperties", [{"a": 1}], [{"a": "1"}]),
    ("spec.logConfig", [{"a": 1}], [{"a": "1"}]), ("spec.job.restoreFrom", ["Nothing"], ["Savepoint", "LatestState"]),
    ("spec.job.savepointRetention.count", [0], [1]), ("spec.job.savepointRetention.maxAgeSeconds", [59], [60]),
    ("spec.updateStrategy.progressDeadlineSeconds", [29], [30]),
]


def test_values_out_of_bounds_are_refused_by_their_field(w: World) -> None:
    base = job(className="X")
    for path, wrong, right in BOUNDS:
        for value in wrong:
            why = refusal(w, edited(base, (path, value)))
            check(path.split(".")[-1] in why, f"{path} = {'missing' if value is MISSING else value}: {why or 'accepted'}")
        for value in right:
            check_equal(refusal(w, edited(base, (path, value))), "", f"{path} = {value}")


# ---- rules --------------------------------------------------------------------------------------------------------

LONG = "a23456789012345678901234567890123456789012345678"
GCP = {"secretName": "s", "keyFile": "k.json", "mountPath": "/g"}
OLD = ("spec.flinkVersion", "1.9")


def both(*edits: tuple[str, Any]) -> list[list[tuple[str, Any]]]:
    """% is the component."""
    return [[(p.replace("%", c), v) for p, v in edits] for c in ("jobManager", "taskManager")]


# Rule of deploy/crd/rules.yaml -> edits of a job cluster that break it and nothing else
CREATE: dict[str, list[list[tuple[str, Any]]]] = {
    "C1": [[("metadata.name", LONG + "9")]],
    "C1b": [[("metadata.name", n)] for n in ("1st", "a.b")],
    "C3": [[("spec.flinkVersion", v)] for v in ("latest", "1..2", "x1", "99999999999999999999")],
    "C4": [[("spec.gcpConfig.serviceAccount", {k: v for k, v in GCP.items() if k != missing})] for missing in GCP]
          + [[("spec.gcpConfig.serviceAccount", GCP | {"mountPath": "/g/k.json"})], [("spec.gcpConfig", {})]],
    "C4c": [[("spec.hadoopConfig", {"mountPath": "/h"})]],
    "C6/C15/C23": both(("spec.%.podLabels", {"a": "b c"})) + [[("spec.job.podLabels", {"a": "-"})]],
    "C7": [[("spec.jobManager.extraPorts", p)] for p in (
        [{"containerPort": 8081}], [{"containerPort": 9}, {"containerPort": 9}], [{"name": "ui", "containerPort": 9}],
        [{"name": "p", "containerPort": 9}, {"name": "p", "containerPort": 10}])] + [[("spec.jobManager.ports.rpc", 8081)]],
    "C16": [[("spec.taskManager.extraPorts", p)] for p in (
        [{"containerPort": 6121}], [{"containerPort": 9}, {"containerPort": 9}], [{"name": "data", "containerPort": 9}])]
           + [[("spec.taskManager.ports.rpc", 6121)]],
    "C8/C17": [e for r in ({}, {"limits": {"cpu": "1"}}, {"limits": {"memory": "2Gi"}}, {"limits": {"cpu": "0", "memory": "2Gi"}})
               for e in both(("spec.%.resources", r))],
    "C9/C18": both(OLD, ("spec.%.memoryProcessRatio", 50)),
    "C10/C19": [e for n in (-1, 101) for e in both(OLD, ("spec.%.memoryOffHeapRatio", n))],
    "C11/C20": both(OLD, ("spec.%.memoryOffHeapMin", "3Gi")),
    "C12/C21": both(("spec.%.memoryOffHeapRatio", 25)) + both(("spec.%.memoryOffHeapMin", "1M")),
    "C13/C22": both(("spec.%.memoryProcessRatio", 101)),
    "C24": [[("spec.job.jarFile", MISSING)]],
    "C24b": [[("spec.job.mode", "Application")], [("spec.job.mode", "Application"), ("spec.job.className", " ")]],
    "C25": [[("spec.job.parallelism", 0)]],
    "C26": [[("spec.job.restartPolicy", "FromSavepointOnFailure")]],
    "C28": [[("spec.job.takeSavepointOnUpdate", False)]],
    "C29": [[("spec.job.cancelRequested", True)]],
    "N1": [[("spec.job.autoSavepointSchedule", s)] for s in ("every day", "* * * *")],
    "N2": [[("spec.job.autoSavepointSchedule", "@daily"), ("spec.job.autoSavepointSeconds", 60)]],
    "N3": [[("spec.job.autoSavepointSchedule", "@daily"), ("spec.job.savepointsDir", MISSING)]],
    "N4": [[("spec.job.savepointOnDeletion", True), ("spec.job.savepointsDir", MISSING)]],
    "N5": [[("spec.job.drainOnCancel", True), ("spec.job.savepointsDir", MISSING)]],
    "N6": [[("spec.job.savepointRetention", {})]],
}
HA = {"high-availability": "kubernetes", "kubernetes.cluster-id": "x", "high-availability.storageDir": "/ha"}
# Rule -> (edits of the old job cluster, edits of that which make the new one)
CHANGE: dict[str, list[tuple[list[tuple[str, Any]], list[tuple[str, Any]]]]] = {
    "U-cancelRequested": [([], [("spec.job.cancelRequested", True)])],
    "U-savepointGeneration": [([], [("spec.job.savepointGeneration", 2)])],
    "U-deploymentType": [([], [("spec.taskManager.deploymentType", "Deployment")])],
    "J2": [([], [("spec.job", MISSING)])],
    "J3": [([("spec.job.savepointsDir", MISSING)], [e]) for e in (
        ("spec.job.jarFile", "/y.jar"), ("spec.image.name", "flink:2"), ("spec.job.args", ["a"]), ("spec.flinkProperties", {"a": "b"}))],
    "J4": [([], [("spec.job.savepointsDir", MISSING)])],
    "J5": [([], [("spec.flinkProperties", HA)]), ([("spec.flinkProperties", HA)], [("spec.flinkProperties", {})])],
}
# Rule -> words of its message
SAYS = {
    "C1": "cluster name size is 49", "C1b": "is not a DNS-1035 label", "C3": "malformed flinkVersion", "C4": "GCP service account",
    "C4c": "hadoopConfig without configMapName",
    "C6/C15/C23": "the value of a label", "C7": "in jobmanager, each port", "C16": "in taskmanager, each port",
    "C8/C17": "unspecified, set", "C9/C18": "MemoryProcessRatio cannot be used with flinkVersion < 1.10",
    "C10/C19": "memoryOffHeapRatio, it must be between 0 and 100", "C11/C20": "3221225472 bytes do not fit",
    "C12/C21": "cannot be used with flinkVersion >= 1.11 (or 1.10)", "C13/C22": "memoryProcessRatio, it must be between 0 and 100",
    "C24": "nothing to run", "C24b": "spec.job.className must be specified", "C25": "job parallelism must be >= 1",
    "C26": "when restartPolicy is FromSavepointOnFailure", "C28": "when takeSavepointOnUpdate is false", "C29": "must not be true for a new job",
    "N1": "is not a cron expression", "N2": "exclude each other", "N3": "autoSavepointSchedule needs savepointsDir",
    "N4": "savepointOnDeletion needs savepointsDir", "N5": "drainOnCancel needs savepointsDir", "N6": "needs count or maxAgeSeconds",
    "U-cancelRequested": "cancelRequested cannot be set to true", "U-savepointGeneration": "can only be updated to 1",
    "U-deploymentType": "updating deploymentType is not allowed", "J2": "between a session cluster", "J3": "this change restarts the job",
    "J4": "removing savepointsDir", "J5": "changing highAvailability settings",
}


def test_every_rule_has_a_case(w: World) -> None:
    rules = {r["id"] for r in load_yaml(ROOT / "deploy/crd/rules.yaml")["rules"]}
    check_equal(rules ^ (CREATE.keys() | CHANGE.keys()), set(), "rules without a case, or cases without a rule")


def test_what_breaks_a_rule_is_refused_on_creation(w: World) -> None:
    base = job()
    check_equal(refusal(w, base), "", "the object that is edited")
    check_equal(refusal(w, edited(base, ("metadata.name", LONG))), "", "the longest name")
    for rule, cases in CREATE.items():
        for edits in cases:
            told = json.dumps([[p, "missing" if v is MISSING else v] for p, v in edits])
            why = refusal(w, edited(base, *edits))
            check(SAYS[rule] in why, f"{rule}: {why or 'accepted'} with {told}")


def extra(*given: int | str) -> list[Object]:
    return [{"containerPort": 9000 + n, "name": p} if isinstance(p, str) else {"containerPort": p} for n, p in enumerate(given)]


# edits -> words of the message
TOLD: list[tuple[list[tuple[str, Any]], str]] = [
    ([("spec.jobManager.ports", {"rpc": 1, "blob": 2, "query": 2, "ui": 1})], "duplicate containerPort 2 in jobmanager"),
    ([("spec.jobManager.ports", {"rpc": 1, "blob": 1, "query": 2, "ui": 2})], "duplicate containerPort 1 in jobmanager"),
    ([("spec.taskManager.ports", {"rpc": 1, "data": 3, "query": 1})], "duplicate containerPort 1 in taskmanager"),
    *[(edits, f"duplicate containerPort 9001 in {edits[0][0].split('.')[1].lower()}")
      for edits in both(("spec.%.extraPorts", extra(9000, 9001, 9001, 9000)))],
    *[(edits, "duplicate containerPort 9 in") for edits in both(("spec.%.ports.rpc", 9), ("spec.%.extraPorts", extra(8, 9, 8)))],
    *[(edits, "duplicate port name b in") for edits in both(("spec.%.extraPorts", extra("a", "b", "b", "a")))],
    *[(edits, "duplicate port name query in") for edits in both(("spec.%.extraPorts", extra("a", "query", "a")))],
    *[(edits, "200000000 bytes do not fit into the memory of the container, 107374183 bytes") for edits in both(
        OLD, ("spec.%.memoryOffHeapMin", "200M"), ("spec.%.resources", {"limits": {"cpu": "1", "memory": "0.1Gi"}}))],
]


def test_a_refusal_names_what_the_webhook_names(w: World) -> None:
    for edits, words in TOLD:
        why = refusal(w, edited(job(), *edits))
        check(words in why, f"{edits!r}: {why or 'accepted'}")


def test_python_programs_in_the_arguments_need_no_class(w: World) -> None:
    for option in ("-py", "--python=/p.py", "-pym=m", "--pyModule"):
        o = edited(job(), ("spec.job.mode", "Application"), ("spec.job.args", ["a", option, "b"]))
        check_equal(refusal(w, o), "", option)


def test_what_breaks_a_rule_is_refused_on_change(w: World) -> None:
    n = 0
    for rule, cases in CHANGE.items():
        for was, edits in cases:
            n += 1
            old = w.api.create(edited(job(), ("metadata.name", f"change{n}"), *was), w.ns)
            why = refusal(w, edited(old, *edits), old)
            check(SAYS[rule] in why, f"{rule}: {why or 'accepted'} with {edits!r}")
            check_equal(refusal(w, edited(old, ("metadata.labels", {"a": "b"}), ("spec.taskManager.replicas", 9)), old), "",
                        f"{rule}: another change")


def test_an_object_from_before_the_rules_can_be_changed_elsewhere(w: World) -> None:
    w.api.install_crd(ROOT / "deploy/crd/flinkclusters.yaml", rules=False)
    try:
        def stored() -> Any:
            o = edited(job(), ("metadata.name", "before"), ("spec.jobManager.extraPorts", [{"containerPort": 8081}]))
            with contextlib.suppress(ApiError):
                return w.api.create(o, w.ns)
        old = testing.wait_for(stored, "the API server to do without the rules", 30)
    finally:
        w.api.install_crd(ROOT / "deploy/crd/flinkclusters.yaml")
    testing.wait_for(lambda: refusal(w, edited(job(), ("spec.job.parallelism", 0))), "the rules to be back", 30)
    check_equal(refusal(w, edited(old, ("spec.taskManager.replicas", 5)), old), "", "a change of something else")
    w.api.patch_status("FlinkCluster", w.ns, "before", {"state": "Running", "components": {}})


@contextlib.contextmanager
def environment() -> Iterator[World]:
    with Cluster() as cluster:
        yield World(cluster, cluster.api.namespace())


if __name__ == "__main__":
    testing.main(environment)
