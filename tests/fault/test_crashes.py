#!/usr/bin/env python3
"""A job on a real node and a real Flink while flinkd's daemons die, its journal goes, its messages get lost, the API
server is away: always one Flink job, always Succeeded.

The daemons are processes in the node's network, started again at once when they die; each job has a suite for its
namespace alone. The job is the sample WordCount with one TaskManager, or tests/jobs/CountingJob where it has to run for a
while. FAULT_RUNS: how many runs with a random death (20); FAULT_SEED: which ones.
"""

# timeout: 3000
from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.e2e.node import QUICK_JVM, Fc, Node, counting, sample, with_share
from tests.fault.supervise import Supervisor, node, suite_args
from tests.lib import testing
from tests.lib.daemons import SUITE, Daemons, fail_bin_dir
from tests.lib.kube import ApiError
from tests.lib.testing import add_case, check, check_equal, test, wait_for

RUNS = int(os.environ.get("FAULT_RUNS", 20))
SEED = int(os.environ.get("FAULT_SEED", time.time_ns() % 1_000_000))
START_S = 450  # JVMs on a busy machine
typical_s = [25.0]  # so long a run takes: deaths are spread over it


@contextlib.contextmanager
def seeded_node() -> Iterator[Node]:
    testing.say(f"FAULT_SEED={SEED}")
    with node() as n:
        yield n


# ---- one job ---------------------------------------------------------------------------------------


def wordcount() -> dict[str, Any]:
    manifest = sample("wordcount")
    manifest["metadata"]["name"] = "wc"
    small = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1400Mi"}}
    manifest["spec"]["envVars"] = QUICK_JVM
    manifest["spec"]["jobManager"] = {"resources": small}
    manifest["spec"]["taskManager"] |= {"replicas": 1, "resources": small}
    manifest["spec"]["job"] |= {"parallelism": 1, "resources": small}
    return manifest


def counts(n: Node, values: int = 150) -> dict[str, Any]:
    return with_share(n, counting("count", {"args": ["--pause", "50", "--limit", str(values)]}))


class Job:
    """A FlinkCluster with a suite of its own, and everything that its Flink ever listed."""

    def __init__(self, n: Node, fc: Fc, suite: Daemons, supervisor: Supervisor) -> None:
        self.n, self.fc, self.suite, self.supervisor = n, fc, suite, supervisor
        self.listed: dict[str, str] = {}  # Flink job id -> its last state
        self.submitters: set[str] = set()  # uids of the Kubernetes Jobs
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look_on, daemon=True)
        self.thread.start()

    def look(self) -> None:
        for o in self.fc.api.list("Job", self.fc.ns):
            self.submitters.add(o["metadata"]["uid"])
        for job in self.fc.flink_jobs():
            self.listed[job["jid"]] = job["state"]

    def look_on(self) -> None:
        while not self.over.wait(0.5):
            with contextlib.suppress(ApiError, OSError):  # the API server is away
                self.look()

    def stop_looking(self) -> None:
        self.over.set()
        self.thread.join()

    def state(self) -> str:
        with contextlib.suppress(ApiError, OSError):
            return self.fc.state
        return ""

    def wait_state(self, *states: str) -> None:
        wait_for(lambda: self.state() in states, f"job {' or '.join(states)}", START_S, explain=lambda: self.fc.status)

    def check_succeeded(self) -> None:
        self.wait_state("Succeeded", "Failed", "Lost", "Cancelled")
        self.stop_looking()
        self.look()
        status, job = self.fc.status, self.fc.job
        check_equal(job["state"], "Succeeded", "job")
        check_equal(self.listed, {job["id"]: "FINISHED"}, "all jobs that Flink ever listed")
        check_equal(len(self.submitters), 1, "submitter Jobs")
        check_equal((job.get("restartCount", 0), job.get("failureReasons")), (0, None), "restartCount, failureReasons")
        # The job can be through before the last pod has passed its readiness probe.
        self.fc.wait_cluster("Running", 60)
        check_equal(self.fc.condition("Ready").get("status"), "True", "Ready")
        check(not self.supervisor.wrong, "\n".join(self.supervisor.wrong))


@contextlib.contextmanager
def job(n: Node, name: str, manifest: dict[str, Any], env: dict[str, str] | None = None) -> Iterator[Job]:
    """env: of all daemons."""
    fc = Fc(n, manifest)
    with Daemons(n.cluster, SUITE, bin=fail_bin_dir(), args=suite_args(fc.ns), env=env, name=name) as suite:
        with fc, Supervisor(suite) as supervisor:
            j = Job(n, fc, suite, supervisor)
            try:
                yield j
            finally:
                j.stop_looking()


# ---- deaths ----------------------------------------------------------------------------------------


def dies_at_random(n: Node, number: int) -> None:
    """Each daemon in turn, in an order by chance."""
    daemon = random.Random(SEED).sample(SUITE, len(SUITE))[number % len(SUITE)]
    share = random.Random(f"{SEED}/{number}").random()
    with job(n, f"random{number}", wordcount()) as j:
        began, after_s = time.monotonic(), share * typical_s[-1]
        time.sleep(after_s)
        state = j.state()
        j.supervisor.kill(daemon)
        j.check_succeeded()
        typical_s.append(time.monotonic() - began)
    testing.say(f"  run {number}: {daemon} died after {after_s:.1f} s, job {state or 'new'}")


for i in range(1, RUNS + 1):
    add_case(globals(), f"run_{i}_with_a_random_death_has_one_job_that_succeeds", lambda n, i=i: dies_at_random(n, i), timeout=700)


@test(timeout=700)
def test_all_daemons_die_every_few_seconds_and_there_is_one_job_that_succeeds(n: Node) -> None:
    rng = random.Random(f"{SEED}/all")
    with job(n, "often", counts(n)) as j:
        while j.state() not in ("Succeeded", "Failed", "Lost", "Cancelled") and len(j.supervisor.deaths) < 100:
            time.sleep(rng.uniform(0, 2))
            j.supervisor.kill(rng.choice(SUITE))
        j.check_succeeded()
        testing.say(f"  {len(j.supervisor.deaths)} deaths")


# ---- the journal, the bus --------------------------------------------------------------------------


def delete_journal(j: Job) -> None:
    for file in j.suite.dir.glob("journal.db*"):
        file.unlink()


@test(timeout=700)
def test_the_journal_is_deleted_while_the_job_deploys(n: Node) -> None:
    with job(n, "journal-deploying", wordcount()) as j:
        j.wait_state("Deploying", "Running", "Succeeded")
        check_equal(j.state(), "Deploying", "job at that moment")
        delete_journal(j)
        j.check_succeeded()


@test(timeout=700)
def test_the_journal_is_deleted_while_the_job_runs(n: Node) -> None:
    with job(n, "journal-running", counts(n)) as j:
        j.wait_state("Running", "Succeeded")
        check_equal(j.state(), "Running", "job at that moment")
        delete_journal(j)
        j.check_succeeded()


@test(timeout=700)
def test_the_journal_is_deleted_and_all_daemons_die_while_the_job_deploys(n: Node) -> None:
    with job(n, "journal-deaths", wordcount()) as j:
        j.wait_state("Deploying", "Running", "Succeeded")
        delete_journal(j)
        for daemon in SUITE:
            j.supervisor.kill(daemon)
        j.check_succeeded()


@test(timeout=700)
def test_every_message_is_lost(n: Node) -> None:
    with job(n, "no-bus", wordcount(), env={"FLINKD_BUS_DROP": "1"}) as j:
        j.check_succeeded()


# ---- Kubernetes ------------------------------------------------------------------------------------


def while_it_deploys_and_runs(n: Node, name: str, trouble: Callable[[], Any]) -> None:
    with job(n, name, counts(n)) as j:
        j.wait_state("Deploying")
        trouble()
        j.wait_state("Running", "Succeeded")
        trouble()
        j.check_succeeded()


@test(serial=True, timeout=900)
def test_the_api_server_is_restarted_while_the_job_deploys_and_runs(n: Node) -> None:
    while_it_deploys_and_runs(n, "apiserver", lambda: n.cluster.tool("restart-apiserver"))


@test(serial=True, timeout=900)
def test_etcd_pauses_for_10_s_while_the_job_deploys_and_runs(n: Node) -> None:
    while_it_deploys_and_runs(n, "etcd", lambda: n.cluster.tool("pause", "etcd", "10"))


if __name__ == "__main__":
    testing.main(seeded_node, threads=2)
