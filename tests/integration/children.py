"""What the tests of the reconciler share: FlinkClusters with all children there can be, and what became of them."""

from __future__ import annotations

import re
from typing import Any

from tests.integration.common import Object, World
from tests.lib.kube import CHILD_KINDS
from tests.lib.testing import check_equal, wait_for

# What `everything()` has, in its namespace.
CHILDREN = {("ConfigMap", "c-configmap"), ("Service", "c-jobmanager"), ("Service", "c-taskmanager"), ("StatefulSet", "c-jobmanager"),
            ("StatefulSet", "c-taskmanager"), ("Ingress", "c-jobmanager"), ("PodDisruptionBudget", "flink-c"),
            ("HorizontalPodAutoscaler", "flink-c")}


def session(**spec: Any) -> Object:
    return {"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster", "metadata": {"name": "c"},
            "spec": {"flinkVersion": "1.20", "image": {"name": "flink:1.20"}, "jobManager": {}, "taskManager": {"replicas": 1}} | spec}


def everything() -> Object:
    o = session(podDisruptionBudget={"maxUnavailable": 1})
    o["spec"]["jobManager"]["ingress"] = {"hostFormat": "{{$clusterName}}.example.com"}
    o["spec"]["taskManager"]["horizontalPodAutoscaler"] = {"maxReplicas": 3}
    return o


def children(w: World, ns: str) -> dict[tuple[str, str], Object]:
    """Of a FlinkCluster; without revisions."""
    return {(kind, o["metadata"]["name"]): o for kind in CHILD_KINDS if kind != "ControllerRevision"
            for o in w.api.list(kind, ns)
            if any(r["kind"] == "FlinkCluster" for r in o["metadata"].get("ownerReferences") or [])}


def made(w: World, obj: Object | None = None) -> str:
    """A namespace with a FlinkCluster that has its children."""
    ns = w.namespace()
    w.api.create(obj or session(), ns)
    w.daemons.wait_idle(ns)
    return ns


def fresh(w: World, kind: str, ns: str, name: str, want: Any, what: str) -> Object:
    """Until want(object)."""
    def there() -> Any:
        o = w.api.find(kind, ns, name)
        return o if o and want(o) else None
    return wait_for(there, f"{kind} {name} {what}", 15, 0.05, explain=lambda: w.api.find(kind, ns, name))


def edit(w: World, kind: str, ns: str, name: str, patch: Object) -> Object:
    """As kubectl does it."""
    return w.api.request("PATCH", w.api.path(kind, ns, name, fieldManager="kubectl-edit"), patch, "application/merge-patch+json")


# ---- problems in the status -----------------------------------------------------------------------------


def report(w: World) -> None:
    """What the status says is the statusreporter's to write: once, as nobody else does here."""
    done = w.daemons.run_once("statusreporter", "--once")
    check_equal(done.returncode, 0, done.stderr[-500:])


def degraded(w: World, ns: str) -> Object:
    report(w)
    status = w.api.get("FlinkCluster", ns, "c").get("status", {})
    return next((c for c in status.get("conditions", []) if c["type"] == "Degraded"), {})


def wait_problem(w: World, ns: str, reason: str, *words: str) -> str:
    def there() -> Any:
        c = degraded(w, ns)
        return c if c.get("reason") == reason and all(word in c["message"] for word in words) else None
    found: str = wait_for(there, f"{reason} in the status", 20, 0.2, explain=lambda: degraded(w, ns))["message"]
    return found


def wait_no_problem(w: World, ns: str) -> None:
    wait_for(lambda: degraded(w, ns).get("status") == "False", "no problem any more", 20, 0.2, explain=lambda: degraded(w, ns))


# ---- requests ---------------------------------------------------------------------------------------------

RESOURCES = {"configmaps", "services", "statefulsets", "deployments", "ingresses", "jobs", "poddisruptionbudgets",
             "horizontalpodautoscalers", "controllerrevisions", "podgroups"}


def requests(w: World, verbs: tuple[str, ...] = ("APPLY", "POST", "PUT", "PATCH", "DELETE", "DELETECOLLECTION")) -> dict[str, int]:
    """What the API server counted, of the kinds that a child may have; "" is the sum."""
    found: dict[str, int] = {"": 0}
    text = w.api.raw("GET", "/metrics")[1].decode()
    for labels, value in re.findall(r"^apiserver_request_total\{([^}]*)\} (\S+)$", text, re.M):
        about = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if about["verb"] in verbs and not about["subresource"] and about["resource"] in RESOURCES:
            key = f"{about['verb']} {about['resource']}"
            found[key] = found.get(key, 0) + int(float(value))
            found[""] += int(float(value))
    return found


def delta(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {k: n - before.get(k, 0) for k, n in after.items() if k and n != before.get(k, 0)}
