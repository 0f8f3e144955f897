#!/usr/bin/env python3
"""Each failpoint in each operation on a job, not at the first pass (test_crash_matrix.py has that, on a real Flink): the daemon
dies there, another takes over, and the act has happened once.

A real API server, a scripted Flink; each test is a suite of daemons for a namespace of its own, one of which is killed at
the test's failpoint in one operation after the other, at its second pass, then its third and so on to CRASH_PASSES (2).
"""

# timeout: 900
from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.fault.failpoints import ONLY, failpoints
from tests.fault.supervise import Supervisor, suite_args
from tests.lib import testing
from tests.lib.cluster import Cluster
from tests.lib.controllers import Controllers
from tests.lib.daemons import SUITE, Daemons, fail_bin_dir, log_dir
from tests.lib.fake_flink import FakeFlink, FlinkAt
from tests.lib.kube import CONTROL, ApiError, Kube, Object
from tests.lib.testing import add_case, check, check_equal, hold, skip, wait_for

PASSES = int(os.environ.get("CRASH_PASSES", 2))
WAIT_S = 60


class World:
    def __init__(self, cluster: Cluster, flink: FakeFlink) -> None:
        self.cluster, self.flink = cluster, flink


@contextlib.contextmanager
def world() -> Iterator[World]:
    with Cluster() as cluster, FakeFlink(cluster) as flink, Controllers(cluster.api, flink):
        with Daemons(cluster, ["webhook"], name="admission") as admission:
            admission.install_webhooks()
            yield World(cluster, flink)


# ---- one FlinkCluster ------------------------------------------------------------------------------


class Fc:
    def __init__(self, api: Kube, flink: FakeFlink, ns: str, name: str, **job: Any) -> None:
        self.api, self.ns, self.name = api, ns, name
        self.flink: FlinkAt = flink.cluster(ns, name)
        self.was: Object = {}
        job = {"jarFile": "/x.jar", "parallelism": 1, "savepointsDir": "/savepoints", "restartPolicy": "FromSavepointOnFailure",
               "maxStateAgeToRestoreSeconds": 3600} | job
        limits = {"limits": {"memory": "1Gi", "cpu": "100m"}}
        self.manifest = {"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster", "metadata": {"name": name},
                         "spec": {"flinkVersion": "1.20", "image": {"name": "flink:1.20"}, "jobManager": {"resources": limits},
                                  "taskManager": {"replicas": 1, "resources": {"limits": {"memory": "2Gi", "cpu": "100m"}}},
                                  "job": {k: v for k, v in job.items() if v is not None}}}

    @property
    def status(self) -> Object:
        found = self.api.find("FlinkCluster", self.ns, self.name)
        return found.get("status", {}) if found else {}

    @property
    def job(self) -> Object:
        return self.status.get("components", {}).get("job", {})

    def stops(self) -> int:
        return sum(s.stop for s in self.flink.made)

    def savepoints(self) -> int:
        return sum(not s.stop for s in self.flink.made)

    def wait_running(self, runs: int) -> None:
        def runs_now() -> Any:
            job = self.job
            return job.get("state") == "Running" and len(self.flink.submitted) >= runs and job["id"] == self.flink.submitted[-1][0]
        wait_for(runs_now, f"run {runs} to be Running", WAIT_S, explain=self.explain)

    def wait_state(self, state: str) -> None:
        wait_for(lambda: self.job.get("state") == state, f"job {state}", WAIT_S, explain=self.explain)

    def explain(self) -> Any:
        return {"status": self.status, "submitted": self.flink.submitted, "jobs": [(j.id, j.state) for j in self.flink.jobs.values()],
                "made": [(s.job_id, s.stop, s.location, s.failure) for s in self.flink.made], "writes": self.flink.writes()[-6:]}

    def request(self, what: str) -> None:
        self.was = self.status.get("control", {})
        self.api.annotate("FlinkCluster", self.ns, self.name, **{CONTROL: what})

    def wait_control(self) -> None:
        def ended() -> Any:
            control = self.status.get("control", {})
            return control if control.get("state") in ("Succeeded", "Failed") and control != self.was else None
        control = wait_for(ended, "the request to end", WAIT_S, explain=self.explain)
        check_equal(control["state"], "Succeeded", f"request: {control}")
        annotations = self.api.get("FlinkCluster", self.ns, self.name)["metadata"].get("annotations", {})
        check(CONTROL not in annotations, "the annotation is still there")


# ---- operations: begin(fc) while the daemon is down; end(fc) waits and checks -------------------------


class Operation:
    """What a user or fate does; `acts` says what Flink must have been made to do, once: runs, savepoints, stops."""

    def __init__(self, begin: Callable[[Fc], Any], end: Callable[[Fc], None], runs: int = 0, savepoints: int = 0, stops: int = 0) -> None:
        self.begin, self.end, self.acts = begin, end, (runs, savepoints, stops)


def end_submit(fc: Fc) -> None:
    fc.wait_running(1)


def end_savepoint(fc: Fc) -> None:
    fc.wait_control()
    job = fc.job
    check_equal((job["state"], job["savepointGeneration"]), ("Running", 1), "state, savepointGeneration")
    check_equal(job["savepointLocation"], fc.flink.made[-1].location, "savepointLocation")


def begin_failure(fc: Fc) -> None:
    job = fc.flink.jobs[fc.job["id"]]
    job.exceptions.append("java.lang.RuntimeException: told to fail")
    job.end("FAILED")


def end_restart(fc: Fc) -> None:
    fc.wait_running(2)
    job = fc.job
    check_equal((job["restartCount"], job["fromSavepoint"]), (1, fc.flink.made[-1].location), "restartCount, fromSavepoint")
    check_equal(fc.flink.submitted[-1][1], fc.flink.made[-1].location, "what the run was started from")


def begin_update(fc: Fc) -> None:
    fc.was = {"runs": len(fc.flink.submitted)}
    fc.api.patch("FlinkCluster", fc.ns, fc.name, {"spec": {"job": {"args": ["--new"]}}})


def end_update(fc: Fc) -> None:
    fc.wait_running(fc.was["runs"] + 1)
    check_equal(fc.flink.submitted[-1][1], fc.flink.made[-1].location, "what the new job was started from")
    wait_for(lambda: fc.status["revision"]["currentRevision"] == fc.status["revision"]["nextRevision"], "the update's end", WAIT_S,
             explain=fc.explain)
    check_equal(fc.job.get("restartCount", 0), 0, "restartCount")


def end_delete(fc: Fc) -> None:
    wait_for(lambda: not fc.api.find("FlinkCluster", fc.ns, fc.name), "the FlinkCluster to go", WAIT_S, explain=fc.explain)


def end_stop(fc: Fc) -> None:
    fc.wait_control()
    job = fc.job
    check_equal((job["state"], job["finalSavepoint"]), ("Cancelled", True), "state, finalSavepoint")
    check_equal(job["savepointLocation"], fc.flink.made[-1].location, "savepointLocation")


def end_cancel(fc: Fc) -> None:
    fc.wait_control()
    check_equal(fc.job["state"], "Cancelled", "state")
    check([r for r in fc.flink.writes() if r[0] == "PATCH"], "Flink was asked to cancel")


OPERATIONS = {
    "submit": Operation(lambda fc: fc.api.create(fc.manifest, fc.ns), end_submit, runs=1),
    "savepoint": Operation(lambda fc: fc.request("savepoint"), end_savepoint, savepoints=1),
    "restart": Operation(begin_failure, end_restart, runs=1),
    "update": Operation(begin_update, end_update, runs=1, stops=1),
    "delete": Operation(lambda fc: fc.api.delete("FlinkCluster", fc.ns, fc.name), end_delete, stops=1),
    "stop": Operation(lambda fc: fc.request("job-cancel"), end_stop, stops=1),
    "cancel": Operation(lambda fc: fc.request("job-cancel"), end_cancel),
}
# Lives of a FlinkCluster that contain each operation, with what its spec.job needs.
LIVES: list[tuple[list[str], Object]] = [
    (["submit", "savepoint", "restart", "update", "delete"], {"savepointOnDeletion": True}),
    (["submit", "stop"], {}),
    (["submit", "cancel"], {"savepointsDir": None}),
]


# ---- dying -----------------------------------------------------------------------------------------


class Suite:
    """Daemons for one namespace; `daemon` is the one that dies."""

    def __init__(self, w: World, daemons: Daemons, ns: str, point: str, daemon: str) -> None:
        self.w, self.daemons, self.ns, self.point, self.daemon = w, daemons, ns, point, daemon
        self.lives = 0
        self.deaths: list[str] = []

    def is_through(self) -> bool:
        """Not before what it wrote last: that is seen while it still waits for the answer, and dies of it."""
        readers = [self.daemon] if self.daemon == "statusreporter" else []
        return self.daemons.is_ready(self.daemon) and not self.daemons.journal.snapshot().unread(self.ns, readers)

    def perform(self, fc: Fc, name: str, passes: int) -> None:
        """It dies when it gets to the failpoint that often."""
        operation = OPERATIONS[name]
        before = len(fc.flink.submitted), fc.savepoints(), fc.stops()
        self.daemons.stop(self.daemon)
        operation.begin(fc)
        self.daemons.start(self.daemon, {"FLINKD_FAILPOINT": f"{self.point}:{passes}"})
        with Supervisor(self.daemons) as supervisor:
            operation.end(fc)
            wait_for(self.is_through, f"{self.daemon} to be ready, and through with the journal", WAIT_S)
        check(not supervisor.wrong, "\n".join(supervisor.wrong))
        check(len(supervisor.deaths) <= 1, f"deaths: {supervisor.deaths}")
        self.deaths += [f"{name}:{passes}"] * len(supervisor.deaths)
        if not supervisor.deaths:
            self.daemons.restart(self.daemon)  # else it dies when nobody expects it
            self.daemons.wait_ready(self.daemon)
        after = len(fc.flink.submitted), fc.savepoints(), fc.stops()
        check_equal(tuple(a - b for a, b in zip(after, before)), operation.acts, "acts (runs, savepoints, stops)")
        check_equal(fc.flink.wrong, [], "what must never happen")

    def live(self, operations: list[str], job: Object, passes: int) -> Iterator[str]:
        """What went wrong. After that the rest is done by another FlinkCluster, none of it twice."""
        self.lives += 1
        fc = Fc(self.w.cluster.api, self.w.flink, self.ns, f"c{self.lives}", **job)
        for name in operations:
            try:
                self.perform(fc, name, passes)
            except testing.Failed as e:
                self.tell(fc, f"{name}-{passes}")
                yield f"{name}, pass {passes}: {e}"
                break
        self.clear(fc)

    def clear(self, fc: Fc) -> None:
        api = self.w.cluster.api
        with contextlib.suppress(ApiError):
            api.patch("FlinkCluster", self.ns, fc.name, {"metadata": {"finalizers": None}})
        api.delete("FlinkCluster", self.ns, fc.name)
        for kind in ("Job", "StatefulSet"):
            for o in api.list(kind, self.ns):
                api.delete(kind, self.ns, o["metadata"]["name"])

    def tell(self, fc: Fc, what: str) -> None:
        """Everything about a failure, beside the daemons' logs."""
        uid = (fc.api.find("FlinkCluster", self.ns, fc.name) or {"metadata": {"uid": ""}})["metadata"]["uid"]
        lines = [fc.api.find("FlinkCluster", self.ns, fc.name), fc.explain(), *fc.flink.writes(),
                 *[c | {"args": {k: v for k, v in (c["args"] or {}).items() if k != "manifest"}}
                   for c in self.daemons.journal.commands() if c["cluster_uid"] == uid],
                 self.daemons.journal.observations(uid), *self.daemons.journal.events(uid)]
        text = "\n".join(json.dumps(line, default=str) for line in lines)
        (log_dir() / f"{self.point}-{what}-story.log").write_text(text + "\n")


def new_namespace(w: World) -> str:
    ns = w.cluster.api.namespace(prefix="crash")
    w.cluster.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, ns)
    return ns


def killed_at(w: World, point: str, daemon: str) -> None:
    if not (fail_bin_dir() / f"flinkd-{daemon}").exists():
        skip("no build with failpoints (make FAILPOINTS=1)")
    ns = new_namespace(w)
    args = suite_args(ns)
    with Daemons(w.cluster, SUITE, bin=fail_bin_dir(), args=args, flink_url=w.flink.url_template, name=point) as daemons:
        suite = Suite(w, daemons, ns, point, daemon)
        wrong = [f for passes in range(2, PASSES + 1) for life, job in LIVES for f in suite.live(life, job, passes)]
        check(not wrong, "\n".join(wrong))
        check(suite.deaths, f"{daemon} never got to {point} again")
        testing.say(f"  {point}: died in {' '.join(suite.deaths)}")


def test_a_request_that_is_recorded_late_leads_to_one_savepoint(w: World) -> None:
    ns = new_namespace(w)
    with Daemons(w.cluster, SUITE, bin=fail_bin_dir(), args=suite_args(ns), flink_url=w.flink.url_template, name="late") as daemons:
        fc = Fc(w.cluster.api, w.flink, ns, "late")
        fc.api.create(fc.manifest, ns)
        fc.wait_running(1)
        daemons.kill("statusreporter")
        fc.request("savepoint")
        hold(lambda: fc.savepoints() <= 1, "no second savepoint", 2.5)  # times in the status are seconds
        daemons.start("statusreporter")
        end_savepoint(fc)
        hold(lambda: fc.savepoints() == 1, "one savepoint", 2)


for point_, daemon_ in [(p, d) for p, d in failpoints() if p.split(".")[0] not in ONLY]:  # an act's own are passed once
    add_case(globals(), f"killed_at_{point_}_every_act_happens_once",
             lambda w, point=point_, daemon=daemon_: killed_at(w, point, daemon), timeout=600)

if __name__ == "__main__":
    testing.main(world, threads=6)
