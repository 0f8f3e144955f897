"""What a golden case's objects look like once everything that differs from run to run is taken out (see README.md)."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.lib.kube import CHILD_KINDS, Kube, Object

UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
LABEL_JOB_ID = "flinkoperator.k8s.io/job-id"
VOLATILE = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "namespace")
CONFIG_FILES = ("flink-conf.yaml", "config.yaml")
UNORDERED = ("ports", "volumes", "volumeMounts")


@dataclass
class Recorded:
    """One step of a case: what the API server answered, and what there was once it had settled."""

    accepted: bool | None = None
    message: str = ""  # why it was denied
    defaulted_spec: Any = None
    children: dict[str, Any] | None = None
    status: Any = None


@dataclass
class Names:
    """Placeholders for names that are the implementation's business, kept over the steps of a case."""

    ns: str
    cluster: str
    job_ids: list[str] = field(default_factory=list)

    def replace(self, value: Any, revisions: list[str]) -> Any:
        text = UUID.sub("<UID>", json.dumps(value))
        for i, hash_ in enumerate(revisions):
            text = text.replace(f"{self.cluster}-{hash_}", f"{self.cluster}-<HASH{number(i)}>")
        for i, job_id in enumerate(self.job_ids):
            text = text.replace(job_id, f"<JOBID{number(i)}>")
        return json.loads(text.replace(self.ns, "<NAMESPACE>"))


def number(i: int) -> str:
    return "" if i == 0 else str(i + 1)


def record(api: Kube, names: Names) -> tuple[dict[str, Any], Any]:
    """The children and the status, normalized."""
    objects = [o for kind in CHILD_KINDS for o in api.list(kind, names.ns)]
    revisions = revision_hashes(objects, names.cluster)
    for o in objects:
        job_id = o["metadata"].get("labels", {}).get(LABEL_JOB_ID)
        if job_id and job_id not in names.job_ids:
            names.job_ids.append(job_id)
    children = {f"{o['kind']}/{o['metadata']['name']}": child(o) for o in objects}
    cluster = api.find("FlinkCluster", names.ns, names.cluster) or {}
    status = status_of(cluster.get("status", {}))
    return names.replace(children, revisions), names.replace(status, revisions)


def revision_hashes(objects: list[Object], cluster: str) -> list[str]:
    revisions = [o for o in objects if o["kind"] == "ControllerRevision"]
    revisions.sort(key=lambda o: o["revision"])
    return [o["metadata"]["name"].removeprefix(cluster + "-") for o in revisions]


def child(o: Object) -> Object:
    if o["kind"] == "ControllerRevision":
        return {"revision": o["revision"]}
    o = {k: v for k, v in copy.deepcopy(o).items() if k != "status"}
    o["metadata"] = {k: v for k, v in o["metadata"].items() if k not in VOLATILE}
    if o["kind"] == "ConfigMap":
        data = o.get("data", {})
        for name in CONFIG_FILES:
            if name in data:
                data[name] = sorted(line for line in data[name].split("\n") if line)
    if o["kind"] == "Service":
        without_addresses(o["spec"])
    return o


def without_addresses(spec: Object) -> None:
    """Cluster IPs and node ports are given by the API server; that there is none is the operator's."""
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    spec.pop("healthCheckNodePort", None)
    for port in spec.get("ports", []):
        port.pop("nodePort", None)


def status_of(status: Any) -> Any:
    if isinstance(status, dict):
        return {k: "<NODEPORT>" if k == "nodePort" else status_of(v)
                for k, v in status.items() if not k.endswith("Time")}
    if isinstance(status, list):
        return [status_of(v) for v in status]
    return status


# ---- comparing -------------------------------------------------------------------------------------


def sorted_where_order_says_nothing(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {k: sorted_where_order_says_nothing(v, k) for k, v in value.items()}
    if isinstance(value, list):
        items = [sorted_where_order_says_nothing(v) for v in value]
        return sorted(items, key=lambda v: json.dumps(v, sort_keys=True)) if key in UNORDERED else items
    return value


def take_own_texts(expected: Any, actual: Any) -> Any:
    """`actual` with <TEXT> where <TEXT> is expected and there is some text."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {k: take_own_texts(expected.get(k), v) for k, v in actual.items()}
    if expected == "<TEXT>" and isinstance(actual, str) and actual.strip():
        return "<TEXT>"
    return actual


def comparable(expected: Any, actual: Any) -> tuple[Any, Any]:
    return (sorted_where_order_says_nothing(expected),
            sorted_where_order_says_nothing(take_own_texts(expected, actual)))
