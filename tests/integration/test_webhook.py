#!/usr/bin/env python3
"""The webhook alone: what the API server makes of its answers, its certificate, and clients that mean no good."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import Object, World, world
from tests.lib import testing
from tests.lib.cluster import ROOT
from tests.lib.daemons import OPERATOR_NS, WEBHOOK_PORT, Daemons, bin_dir
from tests.lib.kube import ApiError, load_all_yaml
from tests.lib.testing import check, check_equal, fail, test, wait_for

HOST = f"flink-operator-webhook-service.{OPERATOR_NS}.svc"
MUTATE = "/mutate-flinkoperator-k8s-io-v1beta1-flinkcluster"
VALIDATE = "/validate-flinkoperator-k8s-io-v1beta1-flinkcluster"
CONTROL = "flinkclusters.flinkoperator.k8s.io/user-control"
CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
CHECKED_S = 30  # its files are looked at every 10 s
BODY_MAX = 3 << 20


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


def kubectl(w: World, *args: str, obj: Object | None = None) -> subprocess.CompletedProcess[str]:
    feed: dict[str, Any] = {"input": json.dumps(obj), "stdin": None} if obj else {}
    return w.cluster.tool("kubectl", *args, check=False, **feed)


# ---- through the API server ------------------------------------------------------------------------------


def test_defaults_are_stored(w: World) -> None:
    ns = w.namespace()
    o = session(flinkVersion="1.9", batchSchedulerName="volcano")
    o["spec"]["taskManager"] = {"ports": {"rpc": 7000}, "readinessProbe": {"httpGet": {"path": "/", "port": 1}}}
    done = kubectl(w, "apply", "-n", ns, "-f", "-", obj=o)
    check_equal(done.returncode, 0, done.stderr)
    spec = w.api.get("FlinkCluster", ns, "c")["spec"]
    check_equal(spec["batchScheduler"], {"name": "volcano"}, "the scheduler")
    check_equal((spec["jobManager"]["memoryOffHeapMin"], spec["jobManager"]["memoryOffHeapRatio"]), ("600M", 25), "memory before 1.10")
    check_equal(spec["jobManager"]["livenessProbe"], {"tcpSocket": {"port": 6123}, "initialDelaySeconds": 5, "timeoutSeconds": 10,
                                                      "periodSeconds": 60, "failureThreshold": 5}, "the default probe")
    check_equal(spec["taskManager"]["livenessProbe"]["tcpSocket"], {"port": 7000}, "the probed port")
    check_equal(sorted(spec["taskManager"]["readinessProbe"]),
                ["failureThreshold", "httpGet", "initialDelaySeconds", "periodSeconds", "timeoutSeconds"], "one handler only")
    check_equal(spec["taskManager"]["replicas"], 3, "the schema's own default")


def test_applying_the_same_again_changes_nothing(w: World) -> None:
    ns = w.namespace()
    for _ in range(2):
        done = kubectl(w, "apply", "-n", ns, "-f", "-", obj=job())
        check_equal(done.returncode, 0, done.stderr)
    check("unchanged" in done.stdout, done.stdout)
    check_equal(w.api.get("FlinkCluster", ns, "c")["metadata"]["generation"], 1, "the generation")


def test_several_errors_are_told_at_once_each_with_field_value_and_remedy(w: World) -> None:
    ns = w.namespace()
    o = job(parallelism=0, restartPolicy="FromSavepointOnFailure")
    o["metadata"]["name"] = "1st"
    o["spec"]["taskManager"]["podLabels"] = {"a": "not a label"}
    o["spec"]["jobManager"]["extraPorts"] = [{"containerPort": 8081}]
    done = kubectl(w, "apply", "-n", ns, "-f", "-", obj=o)
    check_equal(done.returncode, 1, done.stdout)
    for words in ("metadata.name: ", '"1st"', "spec.taskManager.podLabels: ", "not a label", "spec.jobManager.extraPorts[0]: ", "8081",
                  "spec.job.parallelism: 0: job parallelism must be >= 1; leave it out", "spec.job.maxStateAgeToRestoreSeconds: "):
        check(words in done.stderr, f"no '{words}' in: {done.stderr}")
    check_equal(w.api.list("FlinkCluster", ns), [], "what is stored")


def test_the_answer_has_the_reasons_of_the_reference(w: World) -> None:
    ns = w.namespace()
    e = refusal(lambda: w.api.create(job(parallelism=0), ns))
    check_equal((e.code, e.reason), (403, "Forbidden"), "a rule")
    w.api.create(job(), ns)
    e = refusal(lambda: w.api.annotate("FlinkCluster", ns, "c", **{CONTROL: "job-cancel"}))
    check_equal((e.code, e.reason), (410, "Expired"), "a job that can't be cancelled now")


def test_changes_are_judged_by_what_is_stored(w: World) -> None:
    ns = w.namespace()
    w.api.create(job(), ns)
    e = refusal(lambda: w.api.patch("FlinkCluster", ns, "c", {"spec": {"job": None}}))
    check("between session cluster and job cluster" in e.message, e.message)
    e = refusal(lambda: w.api.patch("FlinkCluster", ns, "c", {"spec": {"taskManager": {"deploymentType": "Deployment"}}}))
    check("updating deploymentType is not allowed" in e.message, e.message)
    w.api.patch_status("FlinkCluster", ns, "c", {"state": "Running", "lastUpdateTime": "", "components": {
        "job": {"id": "a", "state": "Running"}}})
    w.api.annotate("FlinkCluster", ns, "c", **{CONTROL: "savepoint"})
    w.api.patch("FlinkCluster", ns, "c", {"spec": {"job": {"args": ["new"]}}})
    e = refusal(lambda: w.api.annotate("FlinkCluster", ns, "c", **{CONTROL: "reboot"}))
    check("available values: savepoint, job-cancel" in e.message, e.message)


def test_scaling_status_and_deletion_are_not_held_up(w: World) -> None:
    ns = w.namespace()
    w.api.create(job(), ns)
    w.api.patch("FlinkCluster", ns, "c", {"spec": {"replicas": 5}}, "scale")
    check_equal(w.api.get("FlinkCluster", ns, "c")["spec"]["taskManager"]["replicas"], 5, "the TaskManagers")
    w.api.delete("FlinkCluster", ns, "c")
    check(not w.api.find("FlinkCluster", ns, "c"), "it is still there")


def test_warnings_are_shown_by_kubectl(w: World) -> None:
    ns = w.namespace()
    o = job(pyFile="/x.py", args=["--pyFiles", "y.py"])
    o["spec"]["flinkProperties"] = {"rest.port": "1"}
    o["spec"]["batchSchedulerName"] = "volcano"
    o["spec"]["taskManager"]["resources"] = {"limits": {"cpu": "1", "memory": "1Gi"}}
    done = kubectl(w, "apply", "-n", ns, "-f", "-", obj=o)
    check_equal(done.returncode, 0, done.stderr)
    for words in ("spec.batchSchedulerName is deprecated", "Flink will refuse taskManager's memory", "spec.flinkProperties rest.port is ignored",
                  '"--pyFiles" follows the Python program'):
        check(re.search(f"Warning: .*{re.escape(words)}", done.stderr), f"no '{words}' in: {done.stderr}")


def test_a_server_side_dry_run_is_answered_too(w: World) -> None:
    ns = w.namespace()
    done = kubectl(w, "apply", "--dry-run=server", "-n", ns, "-o", "json", "-f", "-", obj=session())
    check_equal(json.loads(done.stdout)["spec"]["jobManager"]["memoryProcessRatio"], 80, done.stderr)
    check_equal(w.api.list("FlinkCluster", ns), [], "what is stored")


def test_a_hundred_at_once_are_all_answered(w: World) -> None:
    ns = w.namespace()

    def one(i: int) -> None:
        o = session()
        o["metadata"]["name"] = f"c{i}"
        w.api.create(o, ns)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(one, range(100)))
    check_equal(len(w.api.list("FlinkCluster", ns)), 100, "what is stored")


def test_samples_of_all_families_are_accepted_without_a_warning(w: World) -> None:
    files = sorted((ROOT / "deploy/samples").glob("*.yaml"))
    families = {"session", "wordcount", "application", "python", "python-application", "python-module", "remote-jar", "volcano", "beam"}
    check(families <= {f.stem for f in files}, f"a family lacks: {families - {f.stem for f in files}}")
    for file in files:
        ns = w.namespace()
        done = kubectl(w, "apply", "--dry-run=server", "-n", ns, "-f", str(file))
        check_equal((done.returncode, done.stderr), (0, ""), file.name)
        check("flinkcluster.flinkoperator.k8s.io/" in done.stdout, f"{file.name}: {done.stdout}")


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


def test_its_own_certificate_is_verified_by_its_authority_and_for_its_service_only(w: World) -> None:
    context = trust(w.daemons.dir / "cert/ca.crt")
    with context.wrap_socket(connect(w, w.daemons), server_hostname=HOST) as s:
        check(s.version() in ("TLSv1.2", "TLSv1.3"), str(s.version()))
    for name, other in ((HOST, ssl.create_default_context()), ("elsewhere.example.com", context)):
        with contextlib.closing(connect(w, w.daemons)) as s:
            try:
                other.wrap_socket(s, server_hostname=name)
            except ssl.SSLCertVerificationError:
                continue
        fail(f"it is trusted as {name}")


def test_old_tls_and_plain_text_are_refused(w: World) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with contextlib.closing(connect(w, w.daemons)) as s:
        try:
            old.wrap_socket(s)
            fail("TLS 1.1 is accepted")
        except (ssl.SSLError, ConnectionError):
            pass
    with contextlib.closing(connect(w, w.daemons)) as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            check(b"200" not in s.recv(1000), "plain HTTP is answered")


def test_the_keys_of_its_certificate_are_its_own_to_read(w: World) -> None:
    modes = {p.name: p.stat().st_mode & 0o777 for p in (w.daemons.dir / "cert").iterdir()}
    check_equal(modes, {"ca.crt": 0o644, "ca.key": 0o600, "tls.crt": 0o644, "tls.key": 0o600}, "the files")


# ---- what isn't a review --------------------------------------------------------------------------------------


def test_garbage_is_answered_and_hurts_nobody(w: World) -> None:
    deep = b"[" * 100_000
    bodies = [b"", b"\0", b"garbage", b"{", b"[]", b"null", b'"x"', deep, b'{"request":' + deep, b'{"request": {"uid": "u"}}', b"{}" * 1000,
              b"\xff\xfe" * 1000, review(None), review([]), review(7), review({"spec": {"job": []}}), os.urandom(200_000),
              review({"spec": {"jobManager": {"resources": {"limits": {"memory": "x" * 100_000}}}}}), b"9" * 500_000]
    for path in (MUTATE, VALIDATE):
        for body in bodies:
            code, text = ask(w, w.daemons, "POST", path, body)
            check(code in (200, 400), f"{code} for {body[:40]!r}")
            if code == 200:
                check("response" in json.loads(text), text[:200].decode())
    for method, path, code in (("GET", VALIDATE, 405), ("DELETE", MUTATE, 405), ("POST", "/", 404), ("POST", "/../" + "x" * 5000, 404),
                               ("GET", "/metrics", 404)):
        check_equal(ask(w, w.daemons, method, path)[0], code, f"{method} {path[:40]}")
    check(answered(w, w.daemons), "no answer to a good call")


def test_a_huge_body_is_refused_and_not_kept(w: World) -> None:
    before = memory(w.daemons)
    context = trust(w.daemons.dir / "cert/ca.crt")
    with context.wrap_socket(connect(w, w.daemons), server_hostname=HOST) as s:
        s.sendall(f"POST {VALIDATE} HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_MAX + 1}\r\n\r\n".encode())
        check_equal(s.recv(100).split()[1], b"413", "a body that is only announced")
    check_equal(ask(w, w.daemons, "POST", VALIDATE, b" " * BODY_MAX)[0], 400, "the largest one")
    with context.wrap_socket(connect(w, w.daemons), server_hostname=HOST) as s:  # one that doesn't say how long it gets
        s.sendall(f"POST {VALIDATE} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        try:
            while sent < 64 << 20:
                s.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                sent += 0x10000
        except OSError:
            pass
        check(sent < 64 << 20, "64 MiB were taken")
    with context.wrap_socket(connect(w, w.daemons), server_hostname=HOST) as s:
        with contextlib.suppress(OSError):
            s.sendall(f"POST {VALIDATE} HTTP/1.1\r\nHost: x\r\nX: {'y' * 200_000}\r\n\r\n".encode())
            check(s.recv(100).split()[1] in (b"431", b"400", b"413"), "huge headers are answered otherwise")
    check(memory(w.daemons) - before < 40 << 20, f"it keeps {(memory(w.daemons) - before) >> 20} MiB")
    check(answered(w, w.daemons), "no answer to a good call")


def memory(d: Daemons) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{d.processes['webhook'].pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


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


@test(serial=True)
def test_slow_and_many_clients_do_not_keep_the_api_server_out(w: World) -> None:
    context = trust(w.daemons.dir / "cert/ca.crt")

    def silent(i: int) -> socket.socket:
        return connect(w, w.daemons, f"127.0.1.{i % 4 + 1}")

    def half_shaken(i: int) -> socket.socket:
        s = connect(w, w.daemons, f"127.0.2.{i % 4 + 1}")
        s.sendall(b"\x16\x03\x01\x02\x00")  # a record is announced and doesn't come
        return s

    def trickling(i: int) -> socket.socket:
        s = context.wrap_socket(connect(w, w.daemons, f"127.0.3.{i % 4 + 1}"), server_hostname=HOST)
        s.sendall(f"POST {VALIDATE} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{{".encode())
        return s
    ns = w.namespace()
    for make in (silent, half_shaken, trickling):
        with clients(make, 400) as made:
            check(made, "nobody got in at all")
            slowest = 0.0
            for i in range(20):
                o = session()
                o["metadata"]["name"] = f"{make.__name__.replace('_', '-')}-{i}"
                began = time.monotonic()
                w.api.create(o, ns)
                slowest = max(slowest, time.monotonic() - began)
                for s in made[:: len(made) // 10 + 1]:
                    with contextlib.suppress(OSError):
                        s.send(b" ")
            check(slowest < 3, f"with {len(made)} {make.__name__} clients a call took {slowest:.1f} s")
    check(answered(w, w.daemons), "no answer to a good call")


# ---- its certificate ---------------------------------------------------------------------------------------------


def openssl(*args: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    check_equal(done.returncode, 0, f"openssl {args[0]}: {done.stderr}")


def make_authority(to: Path) -> None:
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", to / "ca.key",
            "-out", to / "ca.crt", "-subj", "/CN=an authority", "-days", "100")


def make_certificate(to: Path, authority: Path, began_days: int, ends_days: int) -> None:
    """tls.crt and tls.key, valid from so many days ago for so many days from now."""
    def day(offset: int) -> str:
        return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + offset * 86400))
    scratch = to / "scratch"
    scratch.mkdir()
    (scratch / "index").touch()
    (scratch / "conf").write_text(
        f"[ca]\ndefault_ca=x\n[x]\ndatabase={scratch}/index\nnew_certs_dir={scratch}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
        f"x509_extensions=e\nunique_subject=no\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:{HOST}\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", to / "tls.key",
            "-out", scratch / "csr", "-subj", f"/CN={HOST[:60]}")
    openssl("ca", "-batch", "-notext", "-config", scratch / "conf", "-in", scratch / "csr", "-out", to / "tls.crt", "-keyfile",
            authority / "ca.key", "-cert", authority / "ca.crt", "-startdate", day(-began_days), "-enddate", day(ends_days))


def der(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


@contextlib.contextmanager
def spare(w: World, prepare: Callable[[Path], None] | None = None) -> Iterator[Daemons]:
    """Another webhook, with configurations of its own that the API server calls for nothing."""
    for configuration in load_all_yaml(ROOT / "deploy/manifests/webhooks.yaml"):
        configuration["metadata"]["name"] = "spare"
        for webhook in configuration["webhooks"]:
            webhook["rules"][0]["resources"] = ["nothing"]
        w.api.apply(configuration)
    args = {"webhook": ["--mutating-config=spare", "--validating-config=spare"]}
    with Daemons(w.cluster, (), name="spare", args=args) as d:
        if prepare:
            prepare(d.dir / "cert")
        d.start("webhook")
        d.wait_ready("webhook")
        yield d
    for kind in CONFIGURATIONS:
        w.api.delete(kind, None, "spare")


def bundles(w: World, name: str = "spare") -> list[str]:
    return [base64.b64decode(webhook["clientConfig"].get("caBundle") or "").decode()
            for kind in CONFIGURATIONS for webhook in w.api.get(kind, None, name)["webhooks"]]


@test(serial=True)
def test_it_writes_its_authority_into_both_configurations_and_again_after_a_restart_the_same(w: World) -> None:
    with spare(w) as d:
        ca = (d.dir / "cert/ca.crt").read_text()
        check_equal([b.count("BEGIN CERTIFICATE") for b in bundles(w)], [1, 1], "certificates in caBundle")
        check(all(ca.strip() in b for b in bundles(w)), "its authority is in there")
        first = served(w, d)
        d.restart("webhook")
        d.wait_ready("webhook")
        check_equal(served(w, d), first, "the certificate")
        for kind in CONFIGURATIONS:  # as somebody does who replaces the configuration by the manifest
            o = w.api.get(kind, None, "spare")
            for webhook in o["webhooks"]:
                del webhook["clientConfig"]["caBundle"]
            w.api.replace(o)
        d.restart("webhook")
        wait_for(lambda: all(ca.strip() in b for b in bundles(w)), "its authority to be back", 20)


@test(serial=True)
def test_the_authority_of_another_replica_stays(w: World) -> None:
    with spare(w) as one:
        other_ca = (one.dir / "cert/ca.crt").read_text().strip()
        args = {"webhook": ["--mutating-config=spare", "--validating-config=spare"]}
        with Daemons(w.cluster, ["webhook"], name="replica", args=args) as two:
            own = (two.dir / "cert/ca.crt").read_text().strip()
            wait_for(lambda: all(own in b and other_ca in b for b in bundles(w)), "both authorities", 20, explain=lambda: bundles(w))


@test(serial=True)
def test_a_certificate_that_is_due_is_renewed_while_it_serves_and_no_call_fails(w: World) -> None:
    d, ns = w.daemons, w.namespace()
    cert = d.dir / "cert"
    process, ca = d.processes["webhook"].pid, (cert / "ca.crt").read_text()
    calls = Calls(w, ns)
    with calls, tempdir() as old:
        make_certificate(old, cert, 90, 10)
        for name in ("tls.key", "tls.crt"):
            (old / name).rename(cert / name)
        due = der(cert / "tls.crt")
        wait_for(lambda: "is due, and was made anew" in d.log("webhook"), "the renewal", CHECKED_S)
        wait_for(lambda: served(w, d) == der(cert / "tls.crt") != due, "the new one to be served", 10)
        seen = calls.made
        wait_for(lambda: calls.made > seen + 20, "calls after it", 20)
    check_equal(calls.failed, [], "calls that failed")
    check_equal((d.processes["webhook"].pid, d.running("webhook")), (process, True), "the process")
    check_equal((cert / "ca.crt").read_text(), ca, "the authority that the API server knows")


class Calls:
    """One after the other, all the time."""

    def __init__(self, w: World, ns: str) -> None:
        self.w, self.ns, self.made, self.failed = w, ns, 0, []  # type: ignore[var-annotated]
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.loop)

    def loop(self) -> None:
        while not self.stopping.is_set():
            code, body = self.w.api.raw("POST", self.w.api.path("FlinkCluster", self.ns, dryRun="All"), session())
            self.made += 1
            if code != 201:
                self.failed.append(body.decode(errors="replace"))

    def __enter__(self) -> Calls:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self.thread.join()


@contextlib.contextmanager
def tempdir() -> Iterator[Path]:
    import tempfile
    with tempfile.TemporaryDirectory(prefix="flinkd-cert-") as path:
        yield Path(path)


def mount(volume: Path, version: Path) -> None:
    """As the kubelet does it: the files are links into ..data, which is replaced as a whole."""
    volume.mkdir(exist_ok=True)
    (volume / "..next").symlink_to(version)
    (volume / "..next").rename(volume / "..data")
    for name in ("ca.crt", "tls.crt", "tls.key"):
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")


@test(serial=True)
def test_a_mounted_secret_is_served_and_reloaded_without_a_restart(w: World) -> None:
    with tempdir() as secrets:
        for version in ("one", "two", "broken"):
            (secrets / version).mkdir()
            make_authority(secrets / version)
            make_certificate(secrets / version, secrets / version, 1, 50)
            (secrets / version / "ca.key").unlink()
        (secrets / "broken/tls.key").write_text((secrets / "one/tls.key").read_text())
        with spare(w, lambda cert: mount(cert, secrets / "one")) as d:
            process = d.processes["webhook"].pid
            check_equal(served(w, d), der(secrets / "one/tls.crt"), "the certificate of the Secret")
            check(all((secrets / "one/ca.crt").read_text().strip() in b for b in bundles(w)), "its authority is announced")
            mount(d.dir / "cert", secrets / "broken")
            wait_for(lambda: "going on with the one from before" in d.log("webhook"), "the complaint", CHECKED_S)
            check_equal(served(w, d), der(secrets / "one/tls.crt"), "the certificate while the files don't fit")
            mount(d.dir / "cert", secrets / "two")
            wait_for(lambda: served(w, d) == der(secrets / "two/tls.crt"), "the new one", CHECKED_S)
            check(all((secrets / "two/ca.crt").read_text().strip() in b for b in bundles(w)), "the new authority is announced")
            check_equal((d.processes["webhook"].pid, d.running("webhook")), (process, True), "the process")
            check(answered(w, d), "no answer to a good call")


# ---- without it ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def as_deployed(w: World) -> Iterator[None]:
    """failurePolicy as in the manifests; the tests' own is Fail."""
    def apply(policy: str | None) -> None:
        for configuration in load_all_yaml(ROOT / "deploy/manifests/webhooks.yaml"):
            for webhook in configuration["webhooks"]:
                webhook["failurePolicy"] = policy or webhook["failurePolicy"]
            w.api.apply(configuration)
    apply(None)
    try:
        yield
    finally:
        w.daemons.start("webhook")
        w.daemons.wait_ready("webhook")
        apply("Fail")
        wait_for(w.daemons.webhooks_called, "the API server to call both webhooks again", 30)


def accepted(action: Callable[[], Any]) -> bool:
    with contextlib.suppress(ApiError):
        action()
        return True
    return False


@test(serial=True)
def test_with_it_down_clusters_are_created_and_changed_and_the_rules_in_the_crd_guard_them(w: World) -> None:
    ns = w.namespace()
    with as_deployed(w):
        w.daemons.kill("webhook")
        wait_for(lambda: accepted(lambda: w.api.create(job(), ns)), "the API server to go on without it", 30)
        w.api.patch("FlinkCluster", ns, "c", {"spec": {"job": {"args": ["new"]}}})
        w.api.annotate("FlinkCluster", ns, "c", **{CONTROL: "savepoint"})
        wrong = session()
        wrong["metadata"]["name"] = "x"
        wrong["spec"]["jobManager"]["extraPorts"] = [{"containerPort": 8081}]
        e = refusal(lambda: w.api.create(wrong, ns))
        check("duplicate containerPort 8081 in jobmanager" in e.message, e.message)
        e = refusal(lambda: w.api.patch("FlinkCluster", ns, "c", {"spec": {"job": None}}))
        check("cannot change between a session cluster" in e.message, e.message)
    check("memoryProcessRatio" not in w.api.get("FlinkCluster", ns, "c")["spec"]["jobManager"], "nobody filled in defaults")
    w.api.patch("FlinkCluster", ns, "c", {"spec": {"job": {"args": ["newer"]}}})
    check_equal(w.api.get("FlinkCluster", ns, "c")["spec"]["jobManager"]["memoryProcessRatio"], 80, "filled in with the next change")


# ---- its own life -----------------------------------------------------------------------------------------------


def run(w: World, *args: str, text: bytes | None = None, **env: str) -> subprocess.CompletedProcess[bytes]:
    return w.cluster.run(bin_dir() / "flinkd-webhook", *args, capture_output=True, timeout=30, input=text or b"", env=env or None)


def test_once_it_answers_a_review_from_standard_input(w: World) -> None:
    o = job(parallelism=0)
    o["metadata"]["namespace"] = "default"
    for flag in ("--once", "--dry-run"):
        done = run(w, flag, text=review(o), KUBECONFIG="/nowhere")
        check_equal(done.returncode, 0, done.stderr.decode())
        mutated, validated = map(json.loads, done.stdout.splitlines())
        check_equal((mutated["response"]["uid"], validated["response"]["allowed"]), ("u1", False), "the answers")
        check("spec.job.parallelism" in validated["response"]["status"]["message"], done.stdout.decode())


def test_exit_codes_tell_usage_from_failure(w: World) -> None:
    check_equal(run(w, "--help").returncode, 0, "--help")
    check(b"--cert-dir" in run(w, "--help").stdout, "--help names its flags")
    for wrong in ("--nope", "--cert-days=0", "--cert-days=x", "--log-format=xml"):
        done = run(w, wrong)
        check_equal((done.returncode, wrong.split("=")[0].encode() in done.stderr), (2, True), done.stderr.decode())
    with tempdir() as files:
        (files / "tls.crt").write_text("no certificate")
        (files / "tls.key").write_text("no key")
        for failing in ([f"--cert-dir={files}"], ["--addr=nonsense"], [f"--cert-dir={files}/new", "--kubeconfig=/nowhere"]):
            done = run(w, *failing)
            check_equal(done.returncode, 1, f"{failing}: {done.stderr.decode()}")


@test(serial=True)
def test_switched_off_it_serves_health_only(w: World) -> None:
    with Daemons(w.cluster, ["webhook"], name="off", env={"FLINK_OPERATOR_ENABLE_WEBHOOKS": "false"}) as d:
        check_equal(d.http_get(d.health_port("webhook"), "/healthz")[0], 200, "its health")
        try:
            connect(w, d).close()
            fail("it listens")
        except ConnectionRefusedError:
            pass


@test(serial=True)
def test_sigterm_ends_it_within_two_seconds_whoever_is_connected(w: World) -> None:
    with spare(w) as d:
        check(answered(w, d), "no answer to a good call")
        with clients(lambda i: connect(w, d), 5):
            began = time.monotonic()
            check_equal(d.stop("webhook"), 0, "the exit code")
            check(time.monotonic() - began < 2, f"it took {time.monotonic() - began:.1f} s")
        d.start("webhook")
        d.wait_ready("webhook")


@contextlib.contextmanager
def environment() -> Iterator[World]:
    with world("webhook") as w:
        w.daemons.install_webhooks()
        yield w


if __name__ == "__main__":
    testing.main(environment, threads=4)
