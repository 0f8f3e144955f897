#!/usr/bin/env python3
"""The reconciler quite alone, on a copied journal: what it prints, does and leaves; and its own life."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.children import CHILDREN, children, delta, edit, everything, fresh, made, requests, session
from tests.integration.common import World, world
from tests.lib import testing
from tests.lib.daemons import Daemons, bin_dir
from tests.lib.testing import check, check_equal, hold, test, wait_for

# ---- alone -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def alone(w: World, journal: Path | None = None) -> Iterator[Daemons]:
    """A suite of its own on a copy of the journal, with no daemon running and no bus."""
    with Daemons(w.cluster, (), bus=False, name="alone") as d:
        if journal:
            copy_journal(journal, d.journal_path)
        yield d


def copy_journal(source: Path, to: Path) -> None:
    """As the documentation tells people to."""
    with contextlib.closing(sqlite3.connect(source, timeout=10)) as db:
        db.execute("VACUUM INTO ?", (str(to),))


def dump(journal: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        return list(db.iterdump())


@contextlib.contextmanager
def nobody_acts(w: World) -> Iterator[None]:
    """What is created meanwhile is watched, and not acted on."""
    w.daemons.stop("reconciler")
    try:
        yield
    finally:
        w.daemons.start("reconciler")
        w.daemons.wait_ready("reconciler")


@test(serial=True)
def test_alone_a_dry_run_prints_the_plans_and_writes_nothing(w: World) -> None:
    with nobody_acts(w):
        ns = w.namespace()
        w.api.create(session(), ns)
        w.add_cluster(ns)
        w.wait_stored("FlinkCluster", ns, "wc")
        with alone(w, w.daemons.journal_path) as d:
            before, requested = dump(d.journal_path), requests(w)
            # No API server is needed, so none is given.
            line = [str(bin_dir() / "flinkd-reconciler"), f"--journal={d.journal_path}", "--bus=", f"--namespace={ns}", "--dry-run"]
            done = w.cluster.run(*line, capture_output=True, text=True, timeout=30, env={"KUBECONFIG": "/nowhere"})
            check_equal(done.returncode, 0, done.stderr)
            plans = {p["cluster"]: p for p in map(json.loads, done.stdout.splitlines())}
            check_equal(sorted(plans), ["c", "wc"], "the clusters")
            check_equal({p["namespace"] for p in plans.values()}, {ns}, "the namespaces")
            acts = [(a["action"], a["kind"], a["name"]) for a in plans["c"]["actions"]]
            check(("apply", "StatefulSet", "c-taskmanager") in acts, str(acts))
            check(all(a["why"] for a in plans["c"]["actions"]), "each says why")
            check(any(a["action"] == "command" and a["manifest"]["kind"] == "submit" for a in plans["wc"]["actions"]), "the submission")
            check_equal(dump(d.journal_path), before, "the journal")
            check_equal(delta(requested, requests(w)), {}, "requests")
            check_equal(w.cluster.run(*line, capture_output=True, text=True, timeout=30).stdout, done.stdout, "the same again")


@test(serial=True)
def test_alone_once_works_off_what_is_due_and_then_finds_nothing_left(w: World) -> None:
    with nobody_acts(w):
        ns = w.namespace()
        w.api.create(everything(), ns)
        w.wait_stored("FlinkCluster", ns, "c")
        with alone(w, w.daemons.journal_path) as d:
            done = d.run_once("reconciler", "--once", f"--namespace={ns}")
            check_equal(done.returncode, 0, done.stderr[-800:])
            check_equal(set(children(w, ns)), CHILDREN, "the children")
        for kind, name in CHILDREN:
            w.wait_stored(kind, ns, name)
        before = requests(w)
        with alone(w, w.daemons.journal_path) as d:
            done = d.run_once("reconciler", "--once", f"--namespace={ns}")
            check_equal((done.returncode, delta(before, requests(w))), (0, {}), done.stderr[-800:])


@test(serial=True)
def test_alone_it_keeps_to_its_namespace(w: World) -> None:
    with nobody_acts(w):
        mine, other = w.namespace(), w.namespace()
        for ns in (mine, other):
            w.api.create(session(), ns)
            w.wait_stored("FlinkCluster", ns, "c")
        with alone(w, w.daemons.journal_path) as d:
            check_equal(d.run_once("reconciler", "--once", f"--namespace={mine}").returncode, 0, "the exit code")
        check(children(w, mine), "nothing was made in its namespace")
        check_equal(children(w, other), {}, "the other namespace")


@test(serial=True)
def test_alone_it_runs_on_a_copied_journal_and_repeats_nothing(w: World) -> None:
    with nobody_acts(w):
        ns = w.namespace()
        w.api.create(session(), ns)
        w.wait_stored("FlinkCluster", ns, "c")
        with alone(w, w.daemons.journal_path) as d:
            before = requests(w)
            d.start("reconciler", None, f"--namespace={ns}")
            d.wait_ready("reconciler")
            wait_for(lambda: len(children(w, ns)) == 5, "the children", 15)
            wait_for(lambda: requests(w)[""] - before[""] >= 6, "six requests", 10)
            # Nobody tells this journal that they are there; it knows what it wrote itself.
            hold(lambda: requests(w)[""] - before[""] == 6, "nothing is written twice", 4, 0.5)
            check_equal(d.stop("reconciler"), 0, "the exit code")


@test(serial=True)
def test_it_may_be_started_before_the_watcher(w: World) -> None:
    with nobody_acts(w), alone(w) as d:
        ns = w.namespace()
        w.api.create(session(), ns)
        d.start("reconciler", None, f"--namespace={ns}")
        d.wait_ready("reconciler")
        check_equal(children(w, ns), {}, "what it does while nobody knows anything")
        d.start("watcher")
        d.wait_ready("watcher")
        wait_for(lambda: len(children(w, ns)) == 5, "the children", 15)


@test(serial=True)
def test_while_somebody_else_leads_nothing_is_done(w: World) -> None:
    with nobody_acts(w):
        ns = w.namespace()
        w.api.create(session(), ns)
        w.wait_stored("FlinkCluster", ns, "c")
        with alone(w, w.daemons.journal_path) as d:
            with contextlib.closing(sqlite3.connect(d.journal_path)) as db:
                db.execute("UPDATE leader SET ours = 0, holder = 'somebody'")
                db.commit()
            d.start("reconciler", None, f"--namespace={ns}")
            d.wait_ready("reconciler")
            hold(lambda: not children(w, ns), "nothing is made", 3, 0.3)
            with contextlib.closing(sqlite3.connect(d.journal_path, timeout=10)) as db:
                db.execute("UPDATE leader SET ours = 1")
                db.commit()
            wait_for(lambda: len(children(w, ns)) == 5, "the children, once it leads", 15)


@test(serial=True)
def test_a_deletion_that_was_decided_on_an_old_journal_does_not_hit_what_has_the_name_now(w: World) -> None:
    ns = made(w, everything())
    with nobody_acts(w):
        edit(w, "FlinkCluster", ns, "c", {"spec": {"podDisruptionBudget": None}})
        w.wait_stored("FlinkCluster", ns, "c", lambda o: "podDisruptionBudget" not in o["spec"])
        with alone(w, w.daemons.journal_path) as d:
            old = w.api.get("PodDisruptionBudget", ns, "flink-c")
            w.api.delete("PodDisruptionBudget", ns, "flink-c")
            mine = {k: old[k] for k in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "flink-c"}}
            now = w.api.create(mine, ns)
            done = d.run_once("reconciler", "--dry-run", f"--namespace={ns}")
            check('"action":"delete","kind":"PodDisruptionBudget"' in done.stdout, "the copy is too old to know better: " + done.stdout)
            done = d.run_once("reconciler", "--once", f"--namespace={ns}")
            check_equal(done.returncode, 0, done.stderr[-500:])
            check_equal(w.api.get("PodDisruptionBudget", ns, "flink-c")["metadata"]["uid"], now["metadata"]["uid"], "what is there")


@test(serial=True)
def test_a_command_that_was_decided_on_an_old_row_is_dropped_and_decided_again(w: World) -> None:
    ns = w.namespace()
    uid = w.add_cluster(ns)
    wait_for(lambda: w.daemons.journal.commands(ns, "submit"), "the command")
    with nobody_acts(w), alone(w, w.daemons.journal_path) as d, contextlib.closing(
            sqlite3.connect(d.journal_path, timeout=10, isolation_level=None, check_same_thread=False)) as db:
        db.executescript("""PRAGMA synchronous = OFF; DELETE FROM command; DELETE FROM cursor;
            CREATE TABLE audit (decided INTEGER, row INTEGER);
            CREATE TRIGGER audited AFTER INSERT ON command BEGIN
                INSERT INTO audit SELECT new.decided_row, row FROM cluster_change WHERE cluster_uid = new.cluster_uid; END;""")

        def change() -> bool:
            """The cluster, again and again while the reconciler decides; what it wants is forgotten. Until it was too late once."""
            db.executescript(f"""BEGIN IMMEDIATE; DELETE FROM command; UPDATE counter SET row = row + 1;
                UPDATE cluster_change SET row = (SELECT row FROM counter) WHERE cluster_uid = '{uid}'; COMMIT""")
            wanted = sum('"submit/' in (r[0] or "") for r in db.execute("SELECT payload FROM event WHERE what = 'decided'"))
            return bool(wanted - db.execute("SELECT count(*) FROM audit").fetchone()[0] > 0)
        db.execute("DELETE FROM event")
        d.start("reconciler", None, f"--namespace={ns}")
        d.wait_ready("reconciler")
        wait_for(change, "a decision that came too late", 60, 0.003)
        [command] = wait_for(lambda: d.journal.commands(ns, "submit"), "the command", 10)
        check_equal(d.stop("reconciler"), 0, "the exit code")
        stale = db.execute("SELECT decided, row FROM audit WHERE decided < row").fetchall()
        check_equal(stale, [], "commands that were taken on and were decided on an older row")
        check(command["decided_row"] <= d.journal.last_row(), "it was decided on a row that there was")


# ---- its own life ------------------------------------------------------------------------------------------------


@test(serial=True)
def test_exit_codes_tell_usage_from_failure(w: World) -> None:
    def run(*args: str, **env: str) -> Any:
        return w.cluster.run(str(bin_dir() / "flinkd-reconciler"), *args, capture_output=True, text=True, timeout=30, env=env or None)
    check_equal(run("--help").returncode, 0, "--help")
    check("--dry-run" in run("--help").stdout, run("--help").stdout)
    check_equal(run("--version").returncode, 0, "--version")
    for wrong in (["--nope"], ["--log-level=loud"], ["--journal"], ["more"]):
        done = run(*wrong)
        check_equal(done.returncode, 2, f"{wrong}: {done.stderr}")
        check(wrong[0].split("=")[0].lstrip("-") in done.stderr, done.stderr)
    with alone(w) as d:
        for failing in (["--journal=/nowhere/journal.db"], [f"--journal={d.journal_path}", "--kubeconfig=/nowhere"],
                        [f"--journal={d.journal_path}", "--bus=/nowhere/at/all", "--health-addr=nonsense"]):
            done = run(*failing)
            check_equal(done.returncode, 1, f"{failing}: {done.stderr}")
            check("nowhere" in done.stderr or "nonsense" in done.stderr, done.stderr)


@test(serial=True)
def test_sigterm_ends_it_within_two_seconds_also_while_the_api_server_hangs(w: World) -> None:
    began = time.monotonic()
    check_equal(w.daemons.stop("reconciler"), 0, "the exit code")
    check(time.monotonic() - began < 2, f"at rest it took {time.monotonic() - began:.1f} s")
    ns = w.namespace()
    w.api.create(session(), ns)
    w.wait_stored("FlinkCluster", ns, "c")
    w.cluster.tool("signal", "kube-apiserver", "STOP")
    try:
        w.daemons.start("reconciler")
        wait_for(lambda: f"cluster={ns}/c action=write" in w.daemons.log("reconciler"), "its requests", 10)
        began = time.monotonic()
        check_equal(w.daemons.stop("reconciler"), 0, "the exit code")
        check(time.monotonic() - began < 2, f"with requests under way it took {time.monotonic() - began:.1f} s")
    finally:
        w.cluster.tool("signal", "kube-apiserver", "CONT")
        w.daemons.start("reconciler")
    w.daemons.wait_ready("reconciler")
    wait_for(lambda: len(children(w, ns)) == 5, "the children", 30)


@test(serial=True)
def test_a_journal_deleted_while_it_runs_costs_nothing(w: World) -> None:
    ns = made(w, everything())
    before = children(w, ns)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{w.daemons.journal_path}{suffix}").unlink(missing_ok=True)
    wait_for(w.daemons.journal_path.exists, "the new journal")
    w.wait_stored("StatefulSet", ns, "c-taskmanager")
    w.daemons.wait_idle(ns)
    check_equal({k: (o["metadata"]["uid"], o["metadata"].get("generation")) for k, o in children(w, ns).items()},
                {k: (o["metadata"]["uid"], o["metadata"].get("generation")) for k, o in before.items()}, "the children")
    w.api.delete("Service", ns, "c-jobmanager")
    fresh(w, "Service", ns, "c-jobmanager", lambda o: True, "to come back")


@test(serial=True)
def test_a_job_is_wanted_once_and_its_id_stays(w: World) -> None:
    ns = w.namespace()
    w.add_cluster(ns)
    [first] = wait_for(lambda: w.daemons.journal.commands(ns, "submit"), "the command")
    for i in range(3):
        w.api.annotate("FlinkCluster", ns, "wc", some=str(i))
    w.daemons.restart("reconciler")
    w.daemons.wait_ready("reconciler")
    w.api.annotate("FlinkCluster", ns, "wc", some="more")
    w.wait_stored("FlinkCluster", ns, "wc", lambda o: o["metadata"]["annotations"].get("some") == "more")
    wait_for(lambda: w.daemons.journal.cursor("reconciler") >= w.daemons.journal.last_row(), "it to be read")
    check_equal([c["key"] for c in w.daemons.journal.commands(ns, "submit")], [first["key"]], "the commands")
    check_equal(len(first["args"]["jobId"]), 32, "the job's id")
    check_equal(w.api.list("Job", ns), [], "the submitter is the jobsubmitter's to create")


if __name__ == "__main__":
    testing.main(lambda: world("watcher", "reconciler"))
