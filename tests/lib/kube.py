"""A small Kubernetes client for tests: any kind, JSON in and out, one kept connection a thread."""

from __future__ import annotations

import copy
import http.client
import json
import re
import secrets
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

CONTROL = "flinkclusters.flinkoperator.k8s.io/user-control"  # what a user asks for by annotation

# kind -> (API path, plural)
KINDS: dict[str, tuple[str, str]] = {
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Event": ("/api/v1", "events"),
    "PersistentVolume": ("/api/v1", "persistentvolumes"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "Pod": ("/api/v1", "pods"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "ControllerRevision": ("/apis/apps/v1", "controllerrevisions"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "Job": ("/apis/batch/v1", "jobs"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "FlinkCluster": ("/apis/flinkoperator.k8s.io/v1beta1", "flinkclusters"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "PodGroup": ("/apis/scheduling.volcano.sh/v1beta1", "podgroups"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "MutatingWebhookConfiguration": ("/apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations"),
    "ValidatingWebhookConfiguration": ("/apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"),
}
# Kinds a FlinkCluster's child may have.
CHILD_KINDS = ("ConfigMap", "Service", "StatefulSet", "Deployment", "Ingress", "Job", "PodDisruptionBudget",
               "HorizontalPodAutoscaler", "ControllerRevision", "PodGroup")

# Stands in for Volcano: its CRD, and nobody behind it.
PODGROUPS = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "podgroups.scheduling.volcano.sh"},
    "spec": {"group": "scheduling.volcano.sh", "scope": "Namespaced",
             "names": {"kind": "PodGroup", "plural": "podgroups", "singular": "podgroup", "listKind": "PodGroupList"},
             "versions": [{"name": "v1beta1", "served": True, "storage": True, "subresources": {"status": {}},
                           "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]},
}

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class ApiError(Exception):
    """What the API server answered instead: code, reason, message."""

    def __init__(self, what: str, code: int, status: Object) -> None:
        self.code = code
        self.status = status
        self.reason = status.get("reason", "")
        self.message = status.get("message", "")
        super().__init__(f"{what}: {code} {self.reason}: {self.message}")


class _Connection(http.client.HTTPSConnection):
    """make_socket: a socket in the right network, not connected yet."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, make_socket: Callable[[], socket.socket],
                 timeout: float) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self.make_socket, self.tls = make_socket, context

    def connect(self) -> None:
        s = self.make_socket()
        s.settimeout(self.timeout)
        s.connect((self.host, self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.tls.wrap_socket(s, server_hostname=self.host)


class Kube:
    def __init__(self, url: str, token: str, ca_file: str, make_socket: Callable[[], socket.socket]) -> None:
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = str(parts.hostname), parts.port or 443
        self.token, self.make_socket = token, make_socket
        self.tls = ssl.create_default_context(cafile=ca_file)
        self.local = threading.local()

    def as_user(self, token: str) -> Kube:
        other = copy.copy(self)
        other.token, other.local = token, threading.local()
        return other

    # ---- requests ----

    def connection(self, timeout: float) -> _Connection:
        return _Connection(self.host, self.port, self.tls, self.make_socket, timeout)

    def raw(self, method: str, path: str, body: Any = None, content_type: str = "application/json",
            timeout: float = 30, accept: str = "application/json") -> tuple[int, bytes]:
        """One retry, when the server had closed the kept connection meanwhile."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": accept}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        kept = getattr(self.local, "connection", None)
        for c in [kept, self.connection(timeout)] if kept else [self.connection(timeout)]:
            self.local.connection = None
            try:
                c.request(method, path, data, headers)
                r = c.getresponse()
                answer = r.status, r.read()
                self.local.connection = c
                return answer
            except (http.client.HTTPException, OSError):
                c.close()
                if c is not kept:
                    raise
        raise AssertionError

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json",
                timeout: float = 30) -> Any:
        code, data = self.raw(method, path, body, content_type, timeout)
        try:
            answer = json.loads(data) if data else {}
        except ValueError:
            answer = {"message": data.decode(errors="replace")}
        if code >= 300:
            raise ApiError(f"{method} {path}", code, answer if isinstance(answer, dict) else {})
        return answer

    @staticmethod
    def path(kind: str, ns: str | None = None, name: str | None = None, sub: str = "", **query: Any) -> str:
        base, plural = KINDS[kind]
        path = base + (f"/namespaces/{ns}" if ns and kind != "Namespace" else "") + f"/{plural}"
        path += (f"/{name}" if name else "") + (f"/{sub}" if sub else "")
        return path + ("?" + urllib.parse.urlencode(query) if query else "")

    # ---- objects ----

    def get(self, kind: str, ns: str | None, name: str) -> Object:
        return self.request("GET", self.path(kind, ns, name))

    def find(self, kind: str, ns: str | None, name: str) -> Object | None:
        """The object, or None when there is none."""
        try:
            return self.get(kind, ns, name)
        except ApiError as e:
            if e.code == 404:
                return None
            raise

    def list(self, kind: str, ns: str | None = None, **query: Any) -> list[Object]:
        try:
            answer = self.request("GET", self.path(kind, ns, **query))
        except ApiError as e:
            if e.code == 404:  # the kind's CRD isn't installed
                return []
            raise
        version = answer["apiVersion"]
        return [{"apiVersion": version, "kind": kind} | o for o in answer["items"]]

    def create(self, obj: Object, ns: str | None = None, **query: Any) -> Object:
        ns = ns or obj["metadata"].get("namespace")
        return self.request("POST", self.path(obj["kind"], ns, **query), obj)

    def replace(self, obj: Object, ns: str | None = None, **query: Any) -> Object:
        ns = ns or obj["metadata"].get("namespace")
        return self.request("PUT", self.path(obj["kind"], ns, obj["metadata"]["name"], **query), obj)

    def apply(self, obj: Object, ns: str | None = None, manager: str = "test") -> Object:
        ns = ns or obj["metadata"].get("namespace")
        path = self.path(obj["kind"], ns, obj["metadata"]["name"], fieldManager=manager, force="true")
        return self.request("PATCH", path, obj, APPLY_PATCH)

    def patch(self, kind: str, ns: str | None, name: str, patch: Object, sub: str = "") -> Object:
        return self.request("PATCH", self.path(kind, ns, name, sub), patch, MERGE_PATCH)

    def patch_status(self, kind: str, ns: str | None, name: str, status: Object) -> Object:
        return self.patch(kind, ns, name, {"status": status}, "status")

    def annotate(self, kind: str, ns: str | None, name: str, **annotations: str | None) -> Object:
        return self.patch(kind, ns, name, {"metadata": {"annotations": annotations}})

    def delete(self, kind: str, ns: str | None, name: str, propagation: str = "Background", **options: Any) -> None:
        """Gone is gone: no error when it wasn't there."""
        try:
            self.request("DELETE", self.path(kind, ns, name), {"propagationPolicy": propagation} | options)
        except ApiError as e:
            if e.code != 404:
                raise

    def log(self, ns: str, pod: str, container: str | None = None, **query: Any) -> str:
        query |= {"container": container} if container else {}
        code, data = self.raw("GET", self.path("Pod", ns, pod, "log", **query))
        if code >= 300:
            raise ApiError(f"log of pod {pod}", code, json.loads(data))
        return data.decode(errors="replace")

    def watch(self, kind: str, ns: str | None, resource_version: str, timeout: float) -> Iterator[tuple[str, Object]]:
        """(type, object) as they come, for at most `timeout` seconds, on a connection of its own."""
        c = self.connection(timeout + 5)
        query = {"watch": "true", "resourceVersion": resource_version, "timeoutSeconds": int(timeout) or 1}
        try:
            c.request("GET", self.path(kind, ns, **query), headers={"Authorization": f"Bearer {self.token}"})
            r = c.getresponse()
            while line := r.readline():
                e = json.loads(line)
                yield e["type"], e["object"]
        finally:
            c.close()

    # ---- a cluster's furniture ----

    def namespace(self, name: str | None = None, prefix: str = "test", labels: dict[str, str] | None = None) -> str:
        name = name or f"{prefix}-{secrets.token_hex(3)}"
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})
        return name

    def install_crd(self, file: Path, rules: bool = True) -> None:
        """Server-side apply, and wait until it is served. rules=False: without the rules of admission in it."""
        crd = load_yaml(file)
        if not rules:
            crd = without_rules(crd)
        self.install_crd_object(crd)

    def install_crd_object(self, crd: Object) -> None:
        name = crd["metadata"]["name"]
        self.apply(crd)
        end = time.monotonic() + 30
        while not self.crd_served(name, crd["spec"]["names"]["kind"]):
            if time.monotonic() > end:
                raise TimeoutError(f"CRD {name} isn't served after 30 s")
            time.sleep(0.05)

    def crd_served(self, name: str, kind: str) -> bool:
        conditions = self.get("CustomResourceDefinition", None, name).get("status", {}).get("conditions") or []
        if not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return False
        base, plural = KINDS[kind]
        return self.raw("GET", f"{base}/{plural}?limit=1")[0] == 200


class YamlLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as kubectl reads it: `n` is false, a time and 1:30 are text."""


YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:bool")]
    for first, resolvers in YamlLoader.yaml_implicit_resolvers.items()}
YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9][0-9_]*|0[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)$"), list("-+0123456789"))
YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool",
    re.compile(r"(y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"), list("yYnNtTfFoO"))


def construct_bool(loader: Any, node: Any) -> bool:
    return loader.construct_scalar(node).lower() in ("y", "yes", "true", "on")


YamlLoader.add_constructor("tag:yaml.org,2002:bool", construct_bool)


def with_text_keys(value: Any) -> Any:
    """JSON has no other keys: {n: 1} is {"false": 1}."""
    if isinstance(value, dict):
        return {str(k).lower() if isinstance(k, bool) else str(k): with_text_keys(v) for k, v in value.items()}
    return [with_text_keys(v) for v in value] if isinstance(value, list) else value


def load_yaml(file: Path | str) -> Any:
    with open(file, encoding="utf-8") as f:
        return with_text_keys(yaml.load(f, YamlLoader))


def load_all_yaml(file: Path | str) -> list[Any]:
    with open(file, encoding="utf-8") as f:
        return [with_text_keys(o) for o in yaml.load_all(f, YamlLoader) if o]


def without_rules(node: Any) -> Any:
    """A CRD as the reference operator has it: its schema, but no x-kubernetes-validations."""
    if isinstance(node, dict):
        return {k: without_rules(v) for k, v in node.items() if k != "x-kubernetes-validations"}
    if isinstance(node, list):
        return [without_rules(v) for v in node]
    return node
