#!/usr/bin/env python3
"""Two reconcilers, or two jobsubmitters, on one journal: they share the work, and take over that of one that dies."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import World, world
from tests.lib import testing
from tests.lib.cluster import ROOT
from tests.lib.daemons import Daemons
from tests.lib.kube import load_yaml
from tests.lib.testing import check, check_equal, hold, test, wait_for

CLAIM_S = 15  # reconciler/work.c
SUITE = ("watcher", "reconciler", "jobsubmitter", "statusreporter")


class Beside(Daemons):
    """One more process of a daemon on the journal of another suite; without a bus, so it looks every two seconds."""

    def __init__(self, first: Daemons, daemon: str) -> None:
        super().__init__(first.cluster, (daemon,), flink_url=first.flink_url, bus=False, name=f"{first.name}-second")
        self.first = first

    def __enter__(self) -> Beside:
        self.dir = self.first.dir
        for daemon in self.which:
            self.start(daemon)
            self.wait_ready(daemon)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        self.dir = Path("/nonexistent")  # it goes with the first
        super().__exit__(kind, *exc)


def workloads(w: World, ns: str) -> int:
    return len(w.api.list("StatefulSet", ns))


def add_cluster(w: World, ns: str, name: str) -> str:
    sample = load_yaml(ROOT / "deploy/samples/wordcount.yaml")
    sample["metadata"] = {"name": name, "namespace": ns}
    return w.api.create(sample)["metadata"]["uid"]


def add_clusters(w: World, ns: str, n: int) -> list[str]:
    return [add_cluster(w, ns, f"c{i}") for i in range(n)]


def check_done_once(w: World, ns: str, uids: list[str]) -> None:
    """Every child was written once, and every job submitted once."""
    for uid in uids:
        actions = Counter((a["action"], a["kind"], a["name"]) for e in w.daemons.journal.events(uid, "decided")
                          for a in e["payload"]["actions"] if a["action"] in ("apply", "create"))
        again = {a: n for a, n in actions.items() if n > 1}
        check(not again, f"decided more than once: {again}")
    check_equal(Counter(c["cluster_name"] for c in w.daemons.journal.commands(ns, "submit")),
                Counter({f"c{i}": 1 for i in range(len(uids))}), "submissions")


@test(serial=True, timeout=180)
def test_two_reconcilers_do_nothing_twice(w: World) -> None:
    ns = w.namespace()
    with Beside(w.daemons, "reconciler"):
        uids = add_clusters(w, ns, 12)
        wait_for(lambda: workloads(w, ns) == 24, "all StatefulSets", 60)
        w.daemons.wait_idle(ns)
        check_done_once(w, ns, uids)


@test(serial=True, timeout=180)
def test_a_reconciler_does_not_act_on_what_another_has_claimed(w: World) -> None:
    ns = w.namespace()
    w.daemons.signal("reconciler", signal.SIGSTOP)
    try:
        uid = add_cluster(w, ns, "c0")
        w.wait_stored("FlinkCluster", ns, "c0")
        with contextlib.closing(sqlite3.connect(w.daemons.journal_path, timeout=10)) as db, db:
            db.execute("INSERT INTO claim VALUES (?, 'reconciler@elsewhere/0', ?)", (uid, int((time.time() + 4) * 1000)))
        end = time.time() + 4
    finally:
        w.daemons.signal("reconciler", signal.SIGCONT)
    hold(lambda: workloads(w, ns) == 0 or time.time() > end, "nothing is made while it is claimed", 3)
    wait_for(lambda: workloads(w, ns) == 2, "the claim ran out", 20)


@test(serial=True, timeout=180)
def test_the_work_of_a_reconciler_that_dies_is_taken_over(w: World) -> None:
    ns = w.namespace()
    with Beside(w.daemons, "reconciler"):
        uids = add_clusters(w, ns, 20)
        wait_for(lambda: workloads(w, ns) > 0, "the first StatefulSet", 30)
        w.daemons.kill("reconciler")
        try:
            wait_for(lambda: workloads(w, ns) == 40, "the other to go on", CLAIM_S + 45)
            wait_for(lambda: len(w.api.list("Job", ns)) == 20, "all submitters", 30)
        finally:
            w.daemons.start("reconciler")
            w.daemons.wait_ready("reconciler")
        w.daemons.wait_idle(ns)
        check_equal(len(w.daemons.journal.commands(ns, "submit")), len(uids), "submissions")


@test(serial=True, timeout=180)
def test_a_reconciler_that_is_started_again_finds_its_own_claims(w: World) -> None:
    ns = w.namespace()
    add_clusters(w, ns, 1)
    wait_for(lambda: workloads(w, ns) == 2, "both StatefulSets", 30)
    w.daemons.wait_idle(ns)
    w.daemons.restart("reconciler")
    begun = time.monotonic()
    w.api.delete("StatefulSet", ns, "c0-taskmanager")
    wait_for(lambda: workloads(w, ns) == 2, "it to come back", 30)
    check(time.monotonic() - begun < CLAIM_S - 5, "it didn't wait for its predecessor's claim")


@test(serial=True, timeout=180)
def test_a_reconciler_that_is_told_to_stop_gives_its_claims_back(w: World) -> None:
    ns = w.namespace()
    uids = add_clusters(w, ns, 1)
    wait_for(lambda: workloads(w, ns) == 2, "both StatefulSets", 30)
    w.daemons.wait_idle(ns)
    check(claims(w, uids[0]), "it has claimed it")
    w.daemons.stop("reconciler")
    try:
        check_equal(claims(w, uids[0]), [], "claims")
    finally:
        w.daemons.start("reconciler")
        w.daemons.wait_ready("reconciler")


def claims(w: World, uid: str) -> list[str]:
    return [r["who"] for r in w.daemons.journal.rows("SELECT who FROM claim WHERE what = ?", uid)]


@test(serial=True, timeout=180)
def test_two_jobsubmitters_share_the_commands_and_do_each_once(w: World) -> None:
    ns = w.namespace()
    with Beside(w.daemons, "jobsubmitter") as second:
        w.daemons.signal("jobsubmitter", signal.SIGSTOP)
        try:
            uids = add_clusters(w, ns, 3)
            wait_for(lambda: len(w.api.list("Job", ns)) == 3, "the second to submit what the first doesn't", 60)
        finally:
            w.daemons.signal("jobsubmitter", signal.SIGCONT)
        w.daemons.wait_idle(ns)
        check_equal({c["attempts"] for c in w.daemons.journal.commands(ns, "submit")}, {1}, "tries of each")
        check_done_once(w, ns, uids)
        check("/0" in identity(w.daemons) and "/1" in identity(second), "each has a name of its own")


def identity(daemons: Daemons) -> str:
    return next(line for line in reversed(daemons.log("jobsubmitter").splitlines()) if "identity=" in line)


if __name__ == "__main__":
    testing.main(lambda: world(*SUITE))
