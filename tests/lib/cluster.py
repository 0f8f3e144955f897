"""A Kubernetes of its own for a test (tests/cluster), as a context manager.

    with Cluster() as c: ...                    # etcd and the API server
    with Cluster(node=True, images=["flink-1.14.0"]) as c: ...

It lives in a network namespace. This process stays outside: sockets are made inside (c.socket()), and other
programs are started inside (c.popen(), c.run()).
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.lib.kube import Kube

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tests/cluster/cluster"
INSTANCES = Path("/var/tmp/flinkd-cluster")
NODE_IP = "192.0.2.10"

_number = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def instance_prefix(pid: int) -> str:
    """Instances that process `pid` has started: tests/run removes what a killed program left."""
    return f"t{pid}-"


def enter_network(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def take_down(name: str) -> None:
    subprocess.run([TOOL, "down"], env=os.environ | {"CLUSTER_NAME": name}, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, text=True)


def prepare(node: bool = False) -> None:
    """What a program needs that somebody runs by hand is built when it isn't there; programs that are there stay."""
    commands = [["tests/cluster/build", "all"], ["tests/jobs/build"]] if node else [["tests/cluster/build", "control-plane"]]
    if "FLINKD_BIN" not in os.environ and not (ROOT / "build/bin/flinkd-watcher").exists():
        commands.insert(0, ["make", "--no-print-directory", f"-j{os.cpu_count() or 1}", "all"])
    for command in commands:
        if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode:
            sys.exit(f"{' '.join(command)} failed; packages that are missing are installed by `make deps`")


class Cluster:
    def __init__(self, node: bool = False, images: list[str] | tuple[str, ...] = (), crd: bool = True,
                 name: str | None = None, audit: str = "") -> None:
        """images: names in the cache or OCI archives; crd: the CRD is installed; audit: a namespace, see audited()."""
        self.name = name or f"{instance_prefix(os.getpid())}{next(_number)}"
        self.dir = INSTANCES / self.name
        self.node, self.images, self.crd, self.audit = node, list(images), crd, audit
        self.kubeconfig = self.dir / "admin.kubeconfig"

    # ---- up and down ----

    def __enter__(self) -> Cluster:
        atexit.register(self.down)
        command = ["up", *([] if self.node else ["--control-plane"])]
        for image in self.images:
            command += ["--image", str(image)]
        if self.audit:
            command += ["--audit", self.audit]
        try:
            done = self.tool(*command, check=False)
            if done.returncode:
                raise RuntimeError(f"cluster up: {done.stderr.strip()[-2000:]}")
            self.api = Kube(f"https://{NODE_IP}:6443", "admin-token", str(self.dir / "pki/apiserver.crt"), self.socket)
            if self.crd:
                self.api.install_crd(ROOT / "deploy/crd/flinkclusters.yaml")
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.down()

    def down(self) -> None:
        atexit.unregister(self.down)
        if "KEEP_CLUSTER" in os.environ:  # to look at it afterwards
            print(f"kept: CLUSTER_NAME={self.name} {TOOL} kubectl …", flush=True)
            return
        take_down(self.name)

    # ---- inside ----

    def tool(self, *args: str, check: bool = True, **kw: Any) -> subprocess.CompletedProcess[str]:
        """tests/cluster/cluster ARGS: stop, pause, restart-apiserver, kubectl, … on this instance."""
        kw.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run([TOOL, *args], env=os.environ | {"CLUSTER_NAME": self.name}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
        if check and done.returncode:
            raise RuntimeError(f"cluster {' '.join(args)}: {done.stderr.strip()[-2000:]}")
        return done

    def audited(self) -> list[dict[str, Any]]:
        """What the service accounts of `audit` have asked the API server: audit.k8s.io/v1 Events."""
        return [json.loads(line) for line in (self.dir / "log/audit.log").read_text().splitlines()]

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        feed = {"input": stdin, "stdin": None} if stdin is not None else {}
        return self.tool("kubectl", *args, **feed).stdout

    def inside(self, *command: str | Path) -> list[str]:
        """The command line that runs `command` in the instance's namespaces (same pid, exec all the way)."""
        return ["nsenter", f"--net={self.dir}/ns/net", f"--mount={self.dir}/ns/mnt", *map(str, command)]

    def popen(self, *command: str | Path, env: dict[str, str] | None = None, **kw: Any) -> subprocess.Popen[Any]:
        return subprocess.Popen(self.inside(*command), env=self.environment(env), **kw)

    def run(self, *command: str | Path, env: dict[str, str] | None = None, **kw: Any) -> subprocess.CompletedProcess[Any]:
        return subprocess.run(self.inside(*command), env=self.environment(env), **kw)

    def environment(self, more: dict[str, str] | None) -> dict[str, str]:
        """Without proxies: there is no way out of the namespace."""
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        return env | {"KUBECONFIG": str(self.kubeconfig)} | (more or {})

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile belong to the instance's network."""
        own = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        there = os.open(self.dir / "ns/net", os.O_RDONLY)
        try:
            enter_network(there)
            yield
        finally:
            enter_network(own)
            os.close(own)
            os.close(there)

    def socket(self) -> socket.socket:
        with self.network():
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
