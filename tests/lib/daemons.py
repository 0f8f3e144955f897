"""flinkd as local processes against a test's Kubernetes.

    with Daemons(cluster) as d:             # all five, ready
        d.kill("reconciler"); d.start("reconciler")
        d.wait_idle(namespace)

Each has its journal, bus and certificate in a directory of its own that goes away with it; logs stay, in
build/test-logs. The programs come from $FLINKD_BIN (default build/bin), so that the same tests run on a build with
sanitizers. What a sanitizer says, and a daemon that ends without being told to, is an error at the end.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.lib.cluster import NODE_IP, ROOT, Cluster
from tests.lib.journal import Journal
from tests.lib.kube import CHILD_KINDS, load_all_yaml
from tests.lib.testing import fail, wait_for

SUITE = ("watcher", "reconciler", "jobsubmitter", "statusreporter")
ALL = (*SUITE, "webhook")
OPERATOR_NS = "flink-operator-system"
WEBHOOK_PORT = 9443
METRICS_PORT = 8080
SANITIZER = re.compile(r"^==\d+==ERROR: |runtime error: |WARNING: ThreadSanitizer|^SUMMARY: \w+Sanitizer", re.M)

_number = itertools.count()


def bin_dir() -> Path:
    return ROOT / os.environ.get("FLINKD_BIN", "build/bin")


def is_sanitized() -> bool:
    """It needs more memory, and reports must be looked for."""
    return "-asan" in str(bin_dir()) or "-tsan" in str(bin_dir())


def fail_bin_dir() -> Path:
    """The same kind of build with failpoints in it."""
    own = bin_dir().parent
    return own.with_name(own.name.removesuffix("-fail") + "-fail") / "bin"


def log_dir() -> Path:
    default = ROOT / "build/test-logs" / Path(sys.argv[0]).stem
    path = Path(os.environ.get("FLINKD_TEST_LOGS", default))
    path.mkdir(parents=True, exist_ok=True)
    return path


class Daemons:
    def __init__(self, cluster: Cluster, which: Iterable[str] = ALL, *, bin: Path | None = None,
                 args: dict[str, list[str]] | None = None, env: dict[str, str] | None = None,
                 flink_url: str | None = None, bus: bool = True, name: str | None = None) -> None:
        """args: more arguments by daemon, "*" for all; env: for all of them; flink_url: --flink-url-template."""
        self.cluster, self.which, self.bin = cluster, tuple(which), bin or bin_dir()
        self.args, self.env, self.flink_url, self.use_bus = args or {}, dict(env or {}), flink_url, bus
        self.number = next(_number)
        self.name = name or f"suite{self.number}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.told: set[str] = set()  # those that were stopped or killed on purpose
        self.dir = Path()
        self.errors: list[str] = []
        self._idle: IdleWatch | None = None

    # ---- all of them ----

    def __enter__(self) -> Daemons:
        # Short: the path of a socket has at most 107 bytes.
        self.dir = Path(tempfile.mkdtemp(prefix="flinkd-"))
        for sub in ("bus", "cert"):
            (self.dir / sub).mkdir()
        try:
            for daemon in self.which:
                self.start(daemon)
            for daemon in self.which:
                self.wait_ready(daemon)
        except BaseException:
            with contextlib.suppress(Exception):
                self.stop_all()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        self.stop_all()
        if self.errors and kind is None:
            fail("\n".join(self.errors))

    def stop_all(self) -> None:
        if self._idle:
            self._idle.stop()
        for daemon in list(self.processes):
            self.check_alive(daemon)
        for daemon in list(self.processes):
            self.signal(daemon, signal.SIGTERM)
        for daemon in list(self.processes):
            self.finish(daemon)
        self.scan_logs()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- one of them ----

    @property
    def journal_path(self) -> Path:
        return self.dir / "journal.db"

    @property
    def journal(self) -> Journal:
        return Journal(self.journal_path)

    def health_port(self, daemon: str) -> int:
        return 18000 + 10 * self.number + ALL.index(daemon)

    def log_file(self, daemon: str) -> Path:
        return log_dir() / f"{self.name}-{daemon}.log"

    def command(self, daemon: str, *more: str) -> list[str]:
        """The command line, for a run on the side too: d.run_once()."""
        line = [str(self.bin / f"flinkd-{daemon}"), f"--kubeconfig={self.cluster.kubeconfig}", "--log-level=debug"]
        if daemon == "webhook":
            line += [f"--cert-dir={self.dir}/cert", f"--addr=:{WEBHOOK_PORT + 10 * self.number}"]
        else:
            line += [f"--journal={self.journal_path}", f"--bus={self.dir / 'bus' if self.use_bus else ''}"]
        if daemon in ("watcher", "jobsubmitter") and self.flink_url:
            line += [f"--flink-url-template={self.flink_url}"]
        if daemon == "statusreporter":
            line += [f"--metrics-addr=127.0.0.1:{METRICS_PORT + 100 * self.number}"]
        return line + self.args.get("*", []) + self.args.get(daemon, []) + list(more)

    def start(self, daemon: str, env: dict[str, str] | None = None, *more: str) -> None:
        """env: for this run only, for example {"FLINKD_FAILPOINT": name} with a build that has them."""
        health = f"--health-addr=127.0.0.1:{self.health_port(daemon)}"
        with open(self.log_file(daemon), "ab") as log:
            log.write(f"---- {daemon} {env or ''} {' '.join(more)}\n".encode())
            log.flush()
            self.processes[daemon] = self.cluster.popen(
                *self.command(daemon, health, *more), env=self.env | (env or {}),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.told.discard(daemon)

    def run_once(self, daemon: str, *more: str, env: dict[str, str] | None = None,
                 timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """One more process of that daemon, on the same journal, until it exits (for --once, --dry-run)."""
        return self.cluster.run(*self.command(daemon, *more), env=self.env | (env or {}), stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=timeout)

    def running(self, daemon: str) -> bool:
        p = self.processes.get(daemon)
        return p is not None and p.poll() is None

    def signal(self, daemon: str, number: int) -> None:
        self.told.add(daemon)
        with contextlib.suppress(ProcessLookupError):
            self.processes[daemon].send_signal(number)

    def kill(self, daemon: str) -> None:
        """SIGKILL, at once."""
        self.signal(daemon, signal.SIGKILL)
        self.processes.pop(daemon).wait()

    def stop(self, daemon: str) -> int:
        """SIGTERM; the exit code."""
        self.signal(daemon, signal.SIGTERM)
        return self.finish(daemon)

    def restart(self, daemon: str, env: dict[str, str] | None = None, *more: str) -> None:
        self.kill(daemon)
        self.start(daemon, env, *more)

    def wait_exit(self, daemon: str, deadline_s: float = 30) -> int:
        """Until it ends by itself (a failpoint): minus the signal, or the exit code."""
        self.told.add(daemon)
        try:
            return self.processes[daemon].wait(deadline_s)
        except subprocess.TimeoutExpired:
            fail(f"{daemon} still runs after {deadline_s:g} s")
        finally:
            if not self.running(daemon):
                self.processes.pop(daemon)

    def finish(self, daemon: str) -> int:
        """Reap one that got SIGTERM: 2 s are promised, a sanitizer's leak check takes some more."""
        p = self.processes.pop(daemon)
        try:
            code = p.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            self.errors.append(f"{daemon} didn't end within 20 s of SIGTERM")
            return -signal.SIGKILL
        if code not in (0, -signal.SIGKILL) and daemon in self.told:
            self.errors.append(f"{daemon} ended with {code} on SIGTERM: {self.tail(daemon)}")
        return code

    def check_alive(self, daemon: str) -> None:
        p = self.processes[daemon]
        if p.poll() is not None and daemon not in self.told:
            self.errors.append(f"{daemon} ended by itself with {p.returncode}: {self.tail(daemon)}")
            self.processes.pop(daemon)

    # ---- what they say ----

    def log(self, daemon: str) -> str:
        return self.log_file(daemon).read_text(errors="replace")

    def tail(self, daemon: str, lines: int = 8) -> str:
        return "\n".join(self.log(daemon).splitlines()[-lines:])

    def scan_logs(self) -> None:
        for daemon in ALL:
            if self.log_file(daemon).exists() and (m := SANITIZER.search(text := self.log(daemon))):
                self.errors.append(f"{daemon}: {text[m.start():m.start() + 3000]}")

    def http_get(self, port: int, path: str) -> tuple[int, str]:
        """From an address inside, where the daemons listen."""
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            c.sock = self.cluster.socket()
            c.sock.settimeout(5)
            c.sock.connect(("127.0.0.1", port))
            c.request("GET", path)
            r = c.getresponse()
            return r.status, r.read().decode(errors="replace")
        finally:
            c.close()

    def metrics(self) -> str:
        return self.http_get(METRICS_PORT + 100 * self.number, "/metrics")[1]

    def is_ready(self, daemon: str) -> bool:
        p = self.processes.get(daemon)  # whoever restarts it may be between the two
        if not p or p.poll() is not None:
            fail(f"{daemon} has ended with {p and p.returncode}: {self.tail(daemon)}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.http_get(self.health_port(daemon), "/readyz")[0] == 200
        return False

    def wait_ready(self, daemon: str, deadline_s: float = 30) -> None:
        end = time.monotonic() + deadline_s
        while not self.is_ready(daemon):
            if time.monotonic() > end:
                fail(f"{daemon} isn't ready after {deadline_s:g} s: {self.tail(daemon)}")
            time.sleep(0.03)

    # ---- idle ----

    def wait_idle(self, ns: str, deadline_s: float = 60, quiet_s: float = 0.6) -> None:
        """Nothing is left to do for the FlinkClusters of `ns`: see IdleWatch."""
        if not self._idle:
            self._idle = IdleWatch(self)
        self._idle.wait(ns, deadline_s, quiet_s)

    # ---- admission ----

    def install_webhooks(self) -> None:
        """The webhook configurations as deployed, with the daemon as the endpoint of their Service.

        The API server calls endpoints itself, so that no kube-proxy is needed.
        """
        api = self.cluster.api
        port = WEBHOOK_PORT + 10 * self.number
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPERATOR_NS}})
        service = "flink-operator-webhook-service"
        api.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": service},
                   "spec": {"ports": [{"port": 443, "targetPort": port}]}}, OPERATOR_NS)
        api.request("PATCH", f"/apis/discovery.k8s.io/v1/namespaces/{OPERATOR_NS}/endpointslices/{service}"
                    "?fieldManager=test&force=true",
                    {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                     "metadata": {"name": service, "labels": {"kubernetes.io/service-name": service}},
                     "ports": [{"port": port, "protocol": "TCP"}],
                     "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}]},
                    "application/apply-patch+yaml")
        for configuration in load_all_yaml(ROOT / "deploy/manifests/webhooks.yaml"):
            api.apply(without_failures(configuration))
        wait_for(self.webhooks_trusted, "the webhook's CA in the webhook configurations", 30)
        wait_for(self.webhooks_called, "the API server to call both webhooks", 30)

    def webhooks_trusted(self) -> bool:
        return all(w["clientConfig"].get("caBundle")
                   for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
                   for c in self.cluster.api.list(kind) for w in c["webhooks"])

    def webhooks_called(self) -> bool:
        """A cluster that only the validating webhook refuses is refused, and defaults are filled in."""
        probe = {"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster",
                 "metadata": {"name": "probe"},
                 "spec": {"flinkVersion": "1.20", "image": {"name": "flink:1.20"},
                          "jobManager": {}, "taskManager": {"podLabels": {"a": "not a label value"}}}}
        path = self.cluster.api.path("FlinkCluster", "default", dryRun="All")
        code, refused = self.cluster.api.raw("POST", path, probe)
        good = copy.deepcopy(probe)
        del good["spec"]["taskManager"]["podLabels"]
        code2, body = self.cluster.api.raw("POST", path, good)
        probed = json.loads(body).get("spec", {}).get("jobManager", {}).get("livenessProbe")
        return 400 <= code < 500 and b"podLabels" in refused and code2 == 201 and bool(probed)


def without_failures(configuration: dict[str, Any]) -> dict[str, Any]:
    """failurePolicy Fail: a webhook that can't be called must fail the test, not be passed over."""
    for webhook in configuration["webhooks"]:
        webhook["failurePolicy"] = "Fail"
    return configuration


# ---- idle ------------------------------------------------------------------------------------------

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class IdleWatch:
    """Says when the daemons have nothing left to do for a namespace, for many waiters with one look at everything.

    A namespace is at rest when the journal knows every FlinkCluster and child in the resourceVersion that the API
    server has, every reader of the journal has read the newest row of its FlinkClusters, and no command is due or being
    done. It is idle when it has been at rest, unchanged, for `quiet_s`: requests are under way between these states.
    """

    EVERY_S = 0.15
    SOON_S = 5.0  # a command that is to be tried again later than that isn't waited for

    def __init__(self, daemons: Daemons) -> None:
        self.daemons = daemons
        self.news = threading.Condition()
        self.looks = 0
        self.waiting = 0  # nobody waits: nothing is looked at, which costs the API server much
        self.trouble = ""
        self.state: dict[str, tuple[Any, str, float]] = {}  # ns -> what there is, why it isn't at rest, since when
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()

    def loop(self) -> None:
        while not self.stopping.wait(self.EVERY_S):
            if not self.waiting:
                continue
            try:
                self.look()
                self.trouble = ""
            except Exception as e:  # the API server or the journal is away just now: nothing is known, nothing is idle
                with self.news:
                    self.trouble, self.state = f"{type(e).__name__}: {e}", {}
                    self.news.notify_all()

    def versions(self) -> dict[str, dict[tuple[str, str], tuple[str, bool]]]:
        """ns -> (kind, name) -> resourceVersion, and whether it is a FlinkCluster's."""
        found: dict[str, dict[tuple[str, str], tuple[str, bool]]] = {}
        for kind in ("FlinkCluster", *CHILD_KINDS):
            for o in self.list(kind):
                meta = o["metadata"]
                owned = kind == "FlinkCluster" or any(r["kind"] == "FlinkCluster" for r in meta.get("ownerReferences") or [])
                found.setdefault(meta["namespace"], {})[kind, meta["name"]] = meta["resourceVersion"], owned
        return found

    def list(self, kind: str) -> list[dict[str, Any]]:
        api = self.daemons.cluster.api
        code, data = api.raw("GET", api.path(kind), accept=METADATA_ONLY)
        if code == 404:
            return []
        if code != 200:
            raise OSError(f"listing {kind}: {code}")
        return json.loads(data)["items"] or []

    def look(self) -> None:
        journal = self.daemons.journal.snapshot()
        # The journal first: what is newer than it in the API is seen as a difference.
        api = self.versions()
        now = time.monotonic()
        state = {}
        for ns in api.keys() | journal.namespaces():
            there = api.get(ns, {})
            why = self.unrest(ns, there, journal)
            look = (there, why, journal.activity(ns))
            old = self.state.get(ns)
            state[ns] = (look, why, old[2] if old and old[0] == look else now)
        with self.news:
            self.state = state
            self.looks += 1
            self.news.notify_all()

    def unrest(self, ns: str, there: dict[tuple[str, str], tuple[str, bool]], journal: Any) -> str:
        known = journal.objects.get(ns, {})
        for key, (version, owned) in there.items():
            if owned and known.get(key) != version:
                return f"the journal has {'/'.join(key)} in version {known.get(key)}, not {version}"
        for key in known.keys() - there.keys():
            if key[0] in ("FlinkCluster", *CHILD_KINDS):
                return f"the journal still has {'/'.join(key)}"
        readers = [d for d in ("reconciler", "statusreporter") if self.daemons.running(d)]
        return journal.unread(ns, readers) or journal.open_command(ns, self.SOON_S)

    def wait(self, ns: str, deadline_s: float, quiet_s: float) -> None:
        began = time.monotonic()
        end = began + deadline_s
        with self.news:
            look = self.looks + 1  # one that began after this call
            self.waiting += 1
            try:
                while True:
                    self.news.wait(max(0.05, end - time.monotonic()))
                    now = time.monotonic()
                    _, why, since = self.state.get(ns, (None, "not seen yet", now))
                    if self.looks > look and not why and now - max(since, began) >= quiet_s:
                        return
                    if now >= end:
                        fail(f"namespace {ns} isn't idle after {deadline_s:g} s: {self.trouble or why or 'it keeps changing'}")
            finally:
                self.waiting -= 1
