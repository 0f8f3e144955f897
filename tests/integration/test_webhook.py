#!/usr/bin/env python3
"""The webhook alone: what the API server makes of its answers, and clients that mean no good."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import Object, World
from tests.integration.webhook_calls import (CONTROL, HOST, VALIDATE, answered, ask, clients, connect, environment, job, refusal, review,
                                             session, trust)
from tests.lib import testing
from tests.lib.cluster import ROOT
from tests.lib.daemons import Daemons, is_sanitized
from tests.lib.testing import check, check_equal, fail, test

MUTATE = "/mutate-flinkoperator-k8s-io-v1beta1-flinkcluster"
BODY_MAX = 3 << 20


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
    o = job(pyFile="/x.py", args=["--parallelism", "2"])
    del o["spec"]["job"]["jarFile"]
    o["spec"]["flinkProperties"] = {"rest.port": "1"}
    o["spec"]["batchSchedulerName"] = "volcano"
    o["spec"]["taskManager"]["resources"] = {"limits": {"cpu": "1", "memory": "1Gi"}}
    done = kubectl(w, "apply", "-n", ns, "-f", "-", obj=o)
    check_equal(done.returncode, 0, done.stderr)
    for words in ("spec.batchSchedulerName is deprecated", "Flink will refuse taskManager's memory", "spec.flinkProperties rest.port is ignored",
                  '"--parallelism" follows the Python program'):
        check(re.search(f"Warning: .*{re.escape(words)}", done.stderr), f"no '{words}' in: {done.stderr}")


def test_a_server_side_dry_run_is_answered_too(w: World) -> None:
    ns = w.namespace()
    done = kubectl(w, "apply", "--dry-run=server", "-n", ns, "-o", "json", "-f", "-", obj=session())
    check_equal(json.loads(done.stdout)["spec"]["jobManager"]["memoryProcessRatio"], 80, done.stderr)
    check_equal(w.api.list("FlinkCluster", ns), [], "what is stored")


def test_as_many_at_once_as_an_api_server_has_under_way_are_all_answered(w: World) -> None:
    ns = w.namespace()

    def one(i: int) -> None:
        o = session()
        o["metadata"]["name"] = f"c{i}"
        w.api.create(o, ns)
    with ThreadPoolExecutor(200) as pool:
        list(pool.map(one, range(400)))
    check_equal(len(w.api.list("FlinkCluster", ns)), 400, "what is stored")


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
    if not is_sanitized():  # that keeps what is freed, for a while
        check(memory(w.daemons) - before < 40 << 20, f"it keeps {(memory(w.daemons) - before) >> 20} MiB")
    check(answered(w, w.daemons), "no answer to a good call")


def memory(d: Daemons) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{d.processes['webhook'].pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


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
        with clients(make, 600) as made:
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


if __name__ == "__main__":
    testing.main(environment, threads=4)
