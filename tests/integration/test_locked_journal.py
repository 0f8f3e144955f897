#!/usr/bin/env python3
"""Daemons that start while another process holds the journal's file."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import World, world
from tests.lib import testing
from tests.lib.testing import check_equal, wait_for

SUITE = ("watcher", "reconciler", "jobsubmitter", "statusreporter")


@contextlib.contextmanager
def held(w: World, daemons: tuple[str, ...]) -> Iterator[None]:
    """These daemons, started while they can't open their new journal."""
    db = sqlite3.connect(w.daemons.journal_path, isolation_level=None)
    try:
        db.execute("BEGIN EXCLUSIVE")
        began = {daemon: len(w.daemons.log(daemon)) if w.daemons.log_file(daemon).exists() else 0 for daemon in daemons}
        for daemon in daemons:
            w.daemons.start(daemon)
        for daemon in daemons:
            wait_for(lambda d=daemon: "locked, retrying in" in (log := w.daemons.log(d)[began[d]:]) or "locked; retrying in" in log
                     or "held by another process" in log, f"{daemon} to say so", 60, explain=lambda d=daemon: w.daemons.tail(d))
        yield
    finally:
        db.close()


def test_they_wait_for_it_and_say_so(w: World) -> None:
    with held(w, SUITE):
        check_equal([d for d in SUITE if not w.daemons.running(d)], [], "that ended")
    for daemon in SUITE:
        w.daemons.wait_ready(daemon, 60)
        w.daemons.stop(daemon)


def test_they_end_when_they_are_told_to_meanwhile(w: World) -> None:
    for file in w.daemons.dir.glob("journal.db*"):
        file.unlink()
    with held(w, ("reconciler", "statusreporter")):
        for daemon in ("reconciler", "statusreporter"):
            check_equal(w.daemons.stop(daemon), 0, daemon)


if __name__ == "__main__":
    testing.main(world)
