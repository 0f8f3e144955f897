"""What the tests of the webhook share: FlinkClusters, and HTTPS to the webhook without the API server between."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.integration.common import Object, World, world
from tests.lib.daemons import OPERATOR_NS, WEBHOOK_PORT, Daemons
from tests.lib.kube import CONTROL, ApiError
from tests.lib.testing import check_equal, fail

HOST = f"flink-operator-webhook-service.{OPERATOR_NS}.svc"
VALIDATE = "/validate-flinkoperator-k8s-io-v1beta1-flinkcluster"


def session(**spec: Any) -> Object:
    return {"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster", "metadata": {"name": "c"},
            "spec": {"flinkVersion": "1.20", "image": {"name": "flink:1.20"}, "jobManager": {}, "taskManager": {}} | spec}


def job(**job: Any) -> Object:
    return session(job={"jarFile": "/x.jar", "savepointsDir": "/savepoints"} | job)


def refusal(action: Callable[[], Any]) -> ApiError:
    try:
        made = action()
    except ApiError as e:
        return e
    fail(f"accepted: {json.dumps(made)[:500]}")


# ---- HTTPS -------------------------------------------------------------------------------------------------


def port_of(d: Daemons) -> int:
    return WEBHOOK_PORT + 10 * d.number


def connect(w: World, d: Daemons, source: str | None = None) -> socket.socket:
    s = w.cluster.socket()
    s.settimeout(3)
    if source:
        s.bind((source, 0))
    s.connect(("127.0.0.1", port_of(d)))
    return s


def trust(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file))


def ask(w: World, d: Daemons, method: str, path: str, body: bytes | None = None, context: ssl.SSLContext | None = None,
        headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    c = http.client.HTTPSConnection(HOST, timeout=10)
    with contextlib.closing(c):
        c.sock = (context or trust(d.dir / "cert/ca.crt")).wrap_socket(connect(w, d), server_hostname=HOST)
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        return r.status, r.read()


def review(obj: Any, uid: str = "u1") -> bytes:
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                       "request": {"uid": uid, "operation": "CREATE", "namespace": "default", "object": obj}}).encode()


def answered(w: World, d: Daemons) -> bool:
    """A good call is answered well."""
    o = session()
    o["metadata"]["namespace"] = "default"
    code, body = ask(w, d, "POST", VALIDATE, review(o))
    check_equal(code, 200, "HTTP status of a good call")
    return bool(json.loads(body)["response"]["uid"] == "u1")


def served(w: World, d: Daemons) -> bytes:
    """Its certificate, whoever made it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(connect(w, d), server_hostname=HOST) as s:
        der: bytes = s.getpeercert(binary_form=True) or b""
        return der


@contextlib.contextmanager
def clients(make: Callable[[int], socket.socket], count: int) -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    try:
        for i in range(count):
            with contextlib.suppress(OSError):
                made.append(make(i))
        yield made
    finally:
        for s in made:
            s.close()


@contextlib.contextmanager
def environment() -> Iterator[World]:
    with world("webhook") as w:
        w.daemons.install_webhooks()
        yield w
