#!/usr/bin/env python3
"""All daemons on a journal whose disk is full, or that is damaged while they run: they say so, wait, and go on."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.children import children, session
from tests.integration.common import World
from tests.lib import testing
from tests.lib.cluster import Cluster
from tests.lib.daemons import SUITE, Daemons
from tests.lib.fake_flink import FakeFlink
from tests.lib.testing import check, check_equal, hold, test, wait_for

DISK_MB = 32


class OnSmallDisk(Daemons):
    """Daemons with their journal on a small disk."""

    there = Path()

    @property
    def journal_path(self) -> Path:
        return self.there / "journal.db"

    def fill(self) -> None:
        with contextlib.suppress(OSError), open(self.there / "ballast", "wb", buffering=0) as f:
            while True:
                f.write(bytes(4096))

    def empty_wal(self) -> None:
        """Each commit needs new room on the disk then."""
        def emptied() -> bool:
            with contextlib.closing(sqlite3.connect(self.journal_path, timeout=10)) as db:
                return bool(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
        wait_for(emptied, "an empty WAL")

    def free(self) -> None:
        (self.there / "ballast").unlink()

    def since(self, daemon: str, at: int) -> str:
        return self.log(daemon)[at:]


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="flinkd-disk-") as path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", path], check=True)
        try:
            yield Path(path)
        finally:
            subprocess.run(["umount", "-l", path], check=True)


@contextlib.contextmanager
def environment() -> Iterator[World]:
    # Mounted before the cluster's namespace is made, it is there too.
    with small_disk() as disk, Cluster() as cluster, FakeFlink(cluster) as flink:
        daemons = OnSmallDisk(cluster, SUITE, flink_url=flink.url_template)
        daemons.there = disk
        with daemons:
            yield World(cluster, flink, daemons)


def suite(w: World) -> OnSmallDisk:
    assert isinstance(w.daemons, OnSmallDisk)
    return w.daemons


# ---- a full disk -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def full_disk(w: World) -> Iterator[None]:
    d = suite(w)
    d.fill()
    try:
        yield
    finally:
        d.free()


def all_run(w: World) -> bool:
    return all(w.daemons.running(daemon) for daemon in SUITE)


def all_well_again(w: World) -> None:
    for daemon in SUITE:
        w.daemons.wait_ready(daemon)
    ns = w.namespace()
    w.add_cluster(ns)
    wait_for(lambda: [c["state"] for c in w.daemons.journal.commands(ns, "submit")] == ["done"], "a new cluster's submission")
    wait_for(lambda: w.api.get("FlinkCluster", ns, "wc").get("status"), "its status")


def waits(w: World, daemon: str, work: Callable[[str], None], is_stored: Callable[[str], bool],
          is_done: Callable[[str], bool], restart: bool) -> None:
    """The work is in the journal; then the disk is full, and only then the daemon gets to it."""
    d, ns = suite(w), w.namespace()
    d.empty_wal()
    if restart:
        d.kill(daemon)
    else:
        d.processes[daemon].send_signal(signal.SIGSTOP)
    work(ns)
    wait_for(lambda: is_stored(ns), "the work in the journal")
    at = len(d.log(daemon))
    with full_disk(w):
        if restart:
            d.start(daemon)
        else:
            d.processes[daemon].send_signal(signal.SIGCONT)
        wait_for(lambda: "disk is full" in d.since(daemon, at) or "disk I/O error" in d.since(daemon, at),
                 "a word about the disk", 20, explain=lambda: d.since(daemon, at))
        hold(lambda: all_run(w), "all run", 1)
    wait_for(lambda: is_done(ns), "the work, now that there is room", 30, explain=lambda: d.since(daemon, at))
    all_well_again(w)


def is_known(w: World, ns: str, name: str) -> bool:
    return w.daemons.journal.object("FlinkCluster", ns, name) is not None


def for_the_reconciler(w: World, restart: bool) -> None:
    waits(w, "reconciler", lambda ns: void(w.api.create(session(), ns)), lambda ns: is_known(w, ns, "c"),
          lambda ns: len(children(w, ns)) == 5, restart)


def for_the_jobsubmitter(w: World, restart: bool) -> None:
    waits(w, "jobsubmitter", lambda ns: void(w.add_cluster(ns)), lambda ns: bool(w.daemons.journal.commands(ns, "submit")),
          lambda ns: w.api.find("Job", ns, "wc-job-submitter") is not None, restart)


def for_the_statusreporter(w: World, restart: bool) -> None:
    def is_told(ns: str) -> bool:
        status = w.api.get("FlinkCluster", ns, "c").get("status", {})
        row = w.daemons.journal.value("SELECT max(row) FROM cluster_change WHERE ns = ?", ns)
        return "state" in status and w.daemons.journal.cursor("statusreporter") >= row
    waits(w, "statusreporter", lambda ns: void(w.api.create(session(), ns)), lambda ns: len(children(w, ns)) == 5, is_told, restart)


def void(_: object) -> None:
    return None


@test(serial=True)
def test_a_reconciler_whose_disk_gets_full_decides_later(w: World) -> None:
    for_the_reconciler(w, restart=False)


@test(serial=True)
def test_a_reconciler_that_starts_on_a_full_disk_waits(w: World) -> None:
    for_the_reconciler(w, restart=True)


@test(serial=True)
def test_a_jobsubmitter_whose_disk_gets_full_acts_later(w: World) -> None:
    for_the_jobsubmitter(w, restart=False)


@test(serial=True)
def test_a_jobsubmitter_that_starts_on_a_full_disk_waits(w: World) -> None:
    for_the_jobsubmitter(w, restart=True)


@test(serial=True)
def test_a_statusreporter_whose_disk_gets_full_goes_on(w: World) -> None:
    for_the_statusreporter(w, restart=False)


@test(serial=True)
def test_a_statusreporter_that_starts_on_a_full_disk_waits(w: World) -> None:
    for_the_statusreporter(w, restart=True)


@test(serial=True)
def test_a_disk_on_which_no_journal_fits_is_waited_out_by_all(w: World) -> None:
    d = suite(w)
    for daemon in SUITE:
        d.kill(daemon)
    for file in d.there.glob("journal.db*"):
        file.unlink()
    at = {daemon: len(d.log(daemon)) for daemon in SUITE}
    with full_disk(w):
        for daemon in SUITE:
            d.start(daemon)
        for daemon in SUITE:
            wait_for(lambda daemon=daemon: "retrying in" in d.since(daemon, at[daemon]), f"a word of the {daemon}", 20,  # type: ignore[misc]
                     explain=lambda daemon=daemon: d.since(daemon, at[daemon]))
        hold(lambda: all_run(w), "all run", 1)
        check(not any(d.is_ready(daemon) for daemon in SUITE), "nobody is ready")
    all_well_again(w)


# ---- damage ----------------------------------------------------------------------------------------------------


@test(serial=True)
def test_a_journal_that_is_damaged_under_them_is_put_aside_and_made_anew(w: World) -> None:
    d, ns = suite(w), w.namespace()
    w.api.create(session(), ns)
    d.wait_idle(ns)
    before = {key: o["metadata"]["resourceVersion"] for key, o in children(w, ns).items()}
    at = {daemon: len(d.log(daemon)) for daemon in SUITE}
    d.empty_wal()
    with open(d.journal_path, "r+b") as f:
        f.write(b"this is no database " * (d.journal_path.stat().st_size // 20))
    later = w.namespace()
    w.add_cluster(later)
    wait_for(lambda: list(d.there.glob("journal.db.corrupt-*")), "the damaged file", 30)
    wait_for(lambda: is_known(w, ns, "c") and is_known(w, later, "wc"), "what is known", 30)
    aside = min(d.there.glob("journal.db.corrupt-*"), key=lambda f: len(f.name))
    wait_for(lambda: any(f"put aside as {aside}" in d.since(daemon, at[daemon]) for daemon in SUITE), "a line that says so", 5,
             explain=lambda: {daemon: d.since(daemon, at[daemon])[:800] for daemon in SUITE})
    d.wait_idle(ns)
    wait_for(lambda: [c["state"] for c in d.journal.commands(later, "submit")] == ["done"], "the submission", 30)
    check_equal({key: o["metadata"]["resourceVersion"] for key, o in children(w, ns).items()}, before, "what was there")
    files = {f.name.removesuffix("-wal").removesuffix("-shm") for f in d.there.glob("journal.db.corrupt-*")}
    check_equal(len(files), 1, f"put aside: {sorted(files)}")
    check(all_run(w), "all run")
    all_well_again(w)


if __name__ == "__main__":
    testing.main(environment)
