#!/usr/bin/env python3
"""The daemons run by hand: what --once and --dry-run do where they can't do it all, how they end, and with which code."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.children import children, requests, session
from tests.integration.common import World, world
from tests.lib import testing
from tests.lib.daemons import ALL, SUITE, Daemons, bin_dir
from tests.lib.testing import check, check_equal, test, wait_for

ACTORS = ("reconciler", "jobsubmitter", "statusreporter")
Ran = subprocess.CompletedProcess[str]


@contextlib.contextmanager
def copied(w: World, sql: str = "") -> Iterator[Daemons]:
    """A suite of its own, with no daemon running and no bus, on a copy of the journal that `sql` has changed."""
    with Daemons(w.cluster, (), bus=False, name="byhand") as d:
        with contextlib.closing(sqlite3.connect(w.daemons.journal_path, timeout=10)) as db:
            db.execute("VACUUM INTO ?", (str(d.journal_path),))
        with contextlib.closing(sqlite3.connect(d.journal_path)) as db:
            db.executescript(sql)
        yield d


def job_cluster(w: World) -> tuple[str, str]:
    """namespace, uid"""
    ns = w.namespace()
    uid = w.add_cluster(ns)
    w.wait_stored("FlinkCluster", ns, "wc")
    return ns, uid


def submission(w: World) -> str:
    """A namespace with a job cluster that everybody has something to do for."""
    ns, uid = job_cluster(w)
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "wc-job-submitter", "namespace": ns},
                "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "flink:1.20"}]}}}}
    w.add_command(ns, uid, "submit", "submit/1", {"manifest": manifest, "jobId": "1" * 32})
    return ns


def kubeconfig(w: World, server: str) -> str:
    """Of the same user, for another server; a file that stays as long as the cluster."""
    text = re.sub(r"server: .*", f"server: {server}", w.cluster.kubeconfig.read_text())
    with tempfile.NamedTemporaryFile("w", dir=w.cluster.dir, suffix=".kubeconfig", delete=False) as f:
        f.write(text)
    return f"--kubeconfig={f.name}"


@contextlib.contextmanager
def hanging_server(w: World) -> Iterator[tuple[str, socket.socket]]:
    """Takes connections and never answers."""
    with w.cluster.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(64)
        s.settimeout(20)
        yield kubeconfig(w, f"https://127.0.0.1:{s.getsockname()[1]}"), s


def says(done: Ran, *words: str) -> None:
    for word in words:
        check(word in done.stderr, f"{word!r} isn't in {done.stderr[-1500:]}")


# ---- --once: what can't be done is told by the exit code ------------------------------------------------------


def test_once_ends_with_1_when_the_api_server_cant_be_reached(w: World) -> None:
    ns = submission(w)
    told = {"reconciler": f"FlinkClusters for which something failed (see above): 1, as {ns}/wc",
            "jobsubmitter": "attempts that failed (see above): 1", "statusreporter": "what couldn't be written: 1 statuses"}
    for daemon in ACTORS:
        with copied(w, f"DELETE FROM command WHERE ns <> '{ns}'") as d:
            done = d.run_once(daemon, "--once", f"--namespace={ns}", kubeconfig(w, "https://127.0.0.1:1"))
            check_equal(done.returncode, 1, f"{daemon}: {done.stderr[-500:]}")
            says(done, told[daemon], "onnect")
            check_equal({c["state"] for c in d.journal.commands(ns)}, {"wanted"}, f"{daemon}: the commands")


def test_once_ends_with_0_when_all_was_done(w: World) -> None:
    ns, _ = job_cluster(w)
    with copied(w, f"DELETE FROM command WHERE ns <> '{ns}'") as d:
        for daemon in ACTORS:
            done = d.run_once(daemon, "--once", f"--namespace={ns}")
            check_equal(done.returncode, 0, f"{daemon}: {done.stderr[-500:]}")
    check(("StatefulSet", "wc-taskmanager") in children(w, ns), "the children")
    check(w.api.find("Job", ns, "wc-job-submitter"), "the submitter")
    check_equal(w.api.get("FlinkCluster", ns, "wc")["status"]["state"], "Creating", "the status")


def test_once_ends_with_1_when_a_status_is_refused_as_the_journal_is_out_of_date(w: World) -> None:
    ns = submission(w)
    with copied(w) as d:
        w.api.annotate("FlinkCluster", ns, "wc", some="thing")
        done = d.run_once("statusreporter", "--once", f"--namespace={ns}")
        check_equal(done.returncode, 1, done.stderr[-500:])
        says(done, "as the journal is out of date: 1; flinkd-watcher --once")


def test_once_on_a_copied_journal_says_why_it_does_nothing_and_how_to_go_on(w: World) -> None:
    ns = submission(w)
    before = requests(w)
    for sql, why in (("UPDATE leader SET until_ms = 1767323045000, holder = 'the-pod'",
                      "nothing is done: the-pod worked with this journal until 2026-01-02T03:04:05Z"),
                     ("UPDATE leader SET ours = 0, holder = 'somebody'", "nothing is done: somebody holds the Lease and works"),
                     ("DELETE FROM leader", "nothing is done: no watcher has listed anything here yet")):
        for daemon in ACTORS:
            with copied(w, sql) as d:
                done = d.run_once(daemon, "--once", f"--namespace={ns}")
                check_equal(done.returncode, 1, f"{daemon}: {done.stderr[-500:]}")
                says(done, why, "flinkd-watcher --once", "--dry-run")
                lines = [line for line in done.stderr.splitlines() if not re.search(r"Z (INFO|DEBUG) ", line)]
                check_equal(len(lines), 1, f"{daemon}: lines in {done.stderr}")
    check(not children(w, ns) and not w.api.get("FlinkCluster", ns, "wc").get("status"), "something was written")
    check_equal(requests(w)[""] - before[""], 0, "requests")


def test_once_ends_when_the_lease_runs_out_or_the_journal_goes_meanwhile(w: World) -> None:
    ns = submission(w)
    for daemon, goes in (*((daemon, False) for daemon in ACTORS), ("reconciler", True), ("jobsubmitter", True)):
        with copied(w, f"DELETE FROM command WHERE ns <> '{ns}'") as d, hanging_server(w) as (flag, server):
            d.start(daemon, None, "--once", f"--namespace={ns}", flag)
            with contextlib.closing(server.accept()[0]):  # a request is under way
                if goes:
                    for file in d.dir.glob("journal.db*"):
                        file.unlink()
                else:
                    with contextlib.closing(sqlite3.connect(d.journal_path, timeout=10)) as db:
                        db.execute("UPDATE leader SET until_ms = 1")
                        db.commit()
                check_equal(d.wait_exit(daemon, 20), 1, f"{daemon}, {'gone' if goes else 'lapsed'}: {d.tail(daemon)}")


def test_a_dry_run_on_a_copied_journal_needs_no_leader_and_no_api_server(w: World) -> None:
    ns = submission(w)
    with copied(w, "UPDATE leader SET until_ms = 1767323045000") as d:
        for daemon in ACTORS:
            done = d.run_once(daemon, "--once", "--dry-run", f"--namespace={ns}", "--kubeconfig=/nowhere")
            check_equal(done.returncode, 0, f"{daemon}: {done.stderr[-500:]}")
            check_equal([json.loads(line)["namespace"] for line in done.stdout.splitlines()], [ns], f"{daemon}: what it prints")


def test_a_watcher_brings_a_copied_journal_up_to_date_so_that_the_others_act(w: World) -> None:
    ns = w.namespace()
    w.api.create(session(), ns)
    w.wait_stored("FlinkCluster", ns, "c")
    with copied(w, "UPDATE leader SET until_ms = 1767323045000") as d:
        for daemon in ("watcher", "reconciler"):
            done = d.run_once(daemon, "--once", f"--namespace={ns}")
            check_equal(done.returncode, 0, f"{daemon}: {done.stderr[-500:]}")
    check(("StatefulSet", "c-taskmanager") in children(w, ns), "the children")


def test_each_keeps_to_its_namespace(w: World) -> None:
    (mine, _), other = job_cluster(w), submission(w)
    with copied(w) as d:
        for daemon in ACTORS:
            check_equal(d.run_once(daemon, "--once", f"--namespace={mine}").returncode, 0, daemon)
        check_equal({c["attempts"] for c in d.journal.commands(mine)}, {1}, "attempts in its namespace")
        check_equal({c["attempts"] for c in d.journal.commands(other)}, {0}, "attempts in the other")
    check(not children(w, other) and not w.api.list("Job", other), "something was made in the other namespace")
    check(not w.api.get("FlinkCluster", other, "wc").get("status"), "a status was written in the other namespace")


# ---- what is printed ---------------------------------------------------------------------------------------------


def into_full_disk(w: World, *command: str) -> Ran:
    with open("/dev/full", "wb") as full:
        return w.cluster.run(*command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)


def test_output_that_cant_be_written_is_a_failure(w: World) -> None:
    ns = submission(w)
    with copied(w, "DELETE FROM cursor") as d:
        lines = [d.command(daemon, "--once", "--dry-run", f"--namespace={ns}") for daemon in SUITE]
        lines += [[str(bin_dir() / "flinkctl"), *words, f"--journal={d.journal_path}"]
                  for words in (["timeline", f"{ns}/wc"], ["why", f"{ns}/wc"], ["snapshot", f"{ns}/wc"], ["replay"], ["journal"])]
        lines += [[str(bin_dir() / f"flinkd-{daemon}"), flag] for daemon in ALL for flag in ("--help", "--version")]
        lines += [[str(bin_dir() / "flinkctl"), *words] for words in (["--help"], ["--version"], ["why", "--help"])]
        for line in lines:
            said = w.cluster.run(*line, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            check(said.returncode == 0 and said.stdout, f"{line} on its own: {said.returncode}, {said.stderr.decode()[-500:]}")
            done = into_full_disk(w, *line)
            check_equal(done.returncode, 1, f"{line}: {done.stderr[-500:]}")


def test_help_tells_defaults_and_exit_codes(w: World) -> None:
    """And for each daemon only the flags that mean something to it."""
    told = {"watcher": ("; default: /var/lib/flinkd/journal.db [$FLINKD_JOURNAL]", "; default: /run/flinkd [$FLINKD_BUS]",
                        "; default: 7 [$FLINKD_HISTORY_DAYS]", "; default: flink-operator-lock ["),
            "reconciler": ("; default: info [$FLINKD_LOG_LEVEL]",), "jobsubmitter": ("; default: http://{name}-jobmanager.",),
            "statusreporter": ("; default: :8080 [$FLINKD_METRICS_ADDR]",),
            "webhook": ("; default: :9443 [", "; default: /tmp/k8s-webhook-server/serving-certs [", "; default: 365 [", "health; default: true [")}
    for daemon in ALL:
        help_text = w.cluster.run(bin_dir() / f"flinkd-{daemon}", "--help", capture_output=True, text=True, timeout=30).stdout
        for words in (*told[daemon], "\n  1  failed; ", "\n  2  wrong flag"):
            check(words in help_text, f"{daemon} doesn't tell {words!r}: {help_text}")
        of_the_journal = {flag for flag in ("--journal", "--bus", "--namespace") if f"  {flag} " in help_text}
        check_equal(len(of_the_journal), 0 if daemon == "webhook" else 3, f"{daemon}: {of_the_journal}")


# ---- exit codes --------------------------------------------------------------------------------------------------


def test_each_tells_usage_from_failure_by_its_exit_code(w: World) -> None:
    """Wrong usage is 2, whatever else there is; what can't be opened is 1. The line on stderr names it."""
    usage = [["--nope"], ["--log-level=loud"], ["--health-addr"], ["more"], ["--once=perhaps"]]
    of_one = {"watcher": ["--history-days=0"], "jobsubmitter": ["--flink-url-template=x"], "webhook": ["--cert-days=x"]}
    with copied(w) as d:
        journal, no_folder = [f"--journal={d.journal_path}", "--bus="], d.dir / "file"
        no_folder.touch()
        failing = [[*journal, "--kubeconfig=/nowhere"], [*journal, "--context=nowhere"], ["--journal=/nowhere/j.db", "--bus="],
                   [f"--journal={d.journal_path}", f"--bus={no_folder}/nowhere"], [*journal, "--health-addr=nowhere"]]
        cases = [(daemon, words, 2) for daemon in ALL for words in usage]
        cases += [(daemon, words, 2) for daemon, words in of_one.items()]
        cases += [(daemon, words, 1) for daemon in SUITE for words in failing]
        cases += [("webhook", [words], 1) for words in ("--kubeconfig=/nowhere", "--addr=nowhere", "--health-addr=nowhere")]
        for daemon, words, code in cases:
            config = [] if any("kubeconfig" in word for word in words) else [f"--kubeconfig={w.cluster.kubeconfig}"]
            if daemon == "webhook":
                config += [f"--cert-dir={d.dir}/cert"]
            done = w.cluster.run(bin_dir() / f"flinkd-{daemon}", *config, *words, stdin=subprocess.DEVNULL, capture_output=True,
                                 text=True, timeout=30)
            check_equal(done.returncode, code, f"{daemon} {words}: {done.stderr[-500:]}")
            check_equal(done.stdout, "", f"{daemon} {words}: what it prints")
            named = words[-1].split("=")[0].lstrip("-") if code == 2 else "nowhere"
            check(named in done.stderr, f"{daemon} {words}: {done.stderr[-500:]}")


# ---- SIGTERM -----------------------------------------------------------------------------------------------------


def test_sigterm_ends_each_within_two_seconds_while_the_api_server_never_answers(w: World) -> None:
    for daemon in SUITE:
        ns = submission(w)
        with copied(w, f"DELETE FROM command WHERE ns <> '{ns}'") as d, hanging_server(w) as (flag, server):
            d.start(daemon, None, f"--namespace={ns}", flag)
            with contextlib.closing(server.accept()[0]):
                began = time.monotonic()
                check_equal(d.stop(daemon), 0, f"{daemon}: the exit code")
                check(time.monotonic() - began < 2, f"{daemon} took {time.monotonic() - began:.2f} s")


@test(serial=True)
def test_sigterm_ends_each_within_two_seconds_while_somebody_writes_the_journal(w: World) -> None:
    for daemon in SUITE:
        ns = submission(w)
        with copied(w, f"DELETE FROM command WHERE ns <> '{ns}'") as d, hanging_server(w) as (flag, server):
            d.start(daemon, None, f"--namespace={ns}", flag)
            with contextlib.closing(server.accept()[0]), contextlib.closing(
                    sqlite3.connect(d.journal_path, timeout=10, isolation_level=None)) as db:
                if daemon == "jobsubmitter":
                    wait_for(lambda: d.journal.commands(ns)[0]["state"] == "claimed", "the command to be claimed")
                db.execute("BEGIN IMMEDIATE")
                began = time.monotonic()
                d.signal(daemon, 15)
                d.processes.pop(daemon).wait(20)
                check(time.monotonic() - began < 2, f"{daemon} took {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    testing.main(lambda: world("watcher"))
