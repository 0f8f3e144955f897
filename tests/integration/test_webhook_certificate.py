#!/usr/bin/env python3
"""The webhook alone: its certificate, made or mounted, renewed and announced; how things are without it; and its own life."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import World
from tests.integration.webhook_calls import CONTROL, HOST, answered, clients, connect, environment, job, refusal, review, served, session
from tests.lib import testing
from tests.lib.cluster import ROOT
from tests.lib.daemons import Daemons, bin_dir, without_failures
from tests.lib.kube import ApiError, load_all_yaml
from tests.lib.testing import check, check_equal, fail, test, wait_for

CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
DEPLOYED = ("flink-operator-mutating-webhook-configuration", "flink-operator-validating-webhook-configuration")
CHECKED_S = 30  # its files are looked at every 10 s


# ---- its certificate ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def tempdir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="flinkd-cert-") as path:
        yield Path(path)


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
            for kind in CONFIGURATIONS if (o := w.api.find(kind, None, name)) for webhook in o["webhooks"]]


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


@test(serial=True)
def test_who_applies_the_manifests_again_leaves_its_authority_and_no_call_fails(w: World) -> None:
    """As deploy/README.md tells to update flinkd: webhooks.yaml has no caBundle, so it takes none away."""
    ns, before = w.namespace(), {name: bundles(w, name) for name in DEPLOYED}
    check(all(b for found in before.values() for b in found), "the authority is there")
    for label in ("first", "second"):
        manifests = [without_failures(o) for o in load_all_yaml(ROOT / "deploy/manifests/webhooks.yaml")]
        for o in manifests:
            o["metadata"]["labels"]["update"] = label
        with Calls(w, ns) as calls:
            w.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin="\n---\n".join(map(json.dumps, manifests)))
            seen = calls.made
            wait_for(lambda: calls.made > seen + 10, "calls after it", 20)
        check_equal(calls.failed, [], "calls that failed")
        check_equal({name: bundles(w, name) for name in DEPLOYED}, before, f"the authorities after the {label} update")
        check_equal({w.api.get(o["kind"], None, o["metadata"]["name"])["metadata"]["labels"]["update"] for o in manifests}, {label},
                    "what was applied")
    check("podLabels" in refusal(lambda: w.api.create(session(taskManager={"podLabels": {"a": "no label value"}}), ns)).message,
          "the webhook is called")


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


def test_once_it_fails_when_there_is_no_review_to_answer(w: World) -> None:
    for text in (b"", b"garbage", b"{}"):
        done = run(w, "--once", text=text)
        check_equal((done.returncode, b"is no AdmissionReview" in done.stderr), (1, True), f"{text!r}: {done.stderr.decode()}")
        check(all(not json.loads(line)["response"]["allowed"] for line in done.stdout.splitlines()), f"{text!r}: {done.stdout.decode()}")


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


if __name__ == "__main__":
    testing.main(environment, threads=4)
