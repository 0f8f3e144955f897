"""Suites of daemons that may die, each for a namespace of its own: those that have died are started again, at once, as a
kubelet does without its pauses."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from tests.e2e.node import Node
from tests.lib.cluster import Cluster
from tests.lib.daemons import Daemons, fail_bin_dir


@contextlib.contextmanager
def node() -> Iterator[Node]:
    """With nothing of flinkd but admission."""
    with Cluster(node=True) as cluster:
        n = Node(cluster)
        with Daemons(cluster, ["webhook"], bin=fail_bin_dir(), name="admission") as admission:
            admission.install_webhooks()
            yield n


def suite_args(ns: str) -> dict[str, list[str]]:
    """Of a suite that works for one namespace."""
    return {"*": [f"--namespace={ns}"],
            "watcher": ["--leader-election", f"--leader-election-namespace={ns}", "--leader-election-id=lock", "--identity=me"]}


class Supervisor:
    """with Supervisor(daemons): … ; deaths: whom it has started again."""

    def __init__(self, daemons: Daemons) -> None:
        self.daemons = daemons
        self.deaths: list[str] = []
        self.wrong: list[str] = []  # ends that weren't SIGKILL
        self.lock = threading.Lock()
        self.over = threading.Event()

    def __enter__(self) -> Supervisor:
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.thread.join()

    def loop(self) -> None:
        while not self.over.wait(0.02):
            with self.lock:
                for daemon in self.daemons.which:
                    if not self.daemons.running(daemon):
                        self.revive(daemon)

    def revive(self, daemon: str) -> None:
        code = self.daemons.wait_exit(daemon)
        if code != -signal.SIGKILL:
            self.wrong.append(f"{daemon} ended with {code}: {self.daemons.tail(daemon)}")
        self.deaths.append(daemon)
        self.daemons.start(daemon)

    def kill(self, daemon: str) -> None:
        with self.lock:
            if self.daemons.running(daemon):
                self.daemons.signal(daemon, signal.SIGKILL)
                self.daemons.processes[daemon].wait()
                self.revive(daemon)
