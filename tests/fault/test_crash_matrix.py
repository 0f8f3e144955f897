#!/usr/bin/env python3
"""Each failpoint in each operation on a job, on a real node and a real Flink: the daemon dies there, another takes over, and
the act has happened exactly once.

A test is the life of one FlinkCluster: one operation after the other, in each of which a daemon is killed when it first gets
to a failpoint. What Flink, the submitters and the savepoints' folder have had is counted, and the numbers that
tests/jobs/CountingJob prints say which state each run went on from.
"""

# timeout: 1800
from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.e2e.node import CONTROL, START_S, Node, saved, start
from tests.fault.failpoints import OPERATIONS, failpoints, is_passed_in
from tests.fault.supervise import Supervisor, node, suite_args
from tests.lib import testing
from tests.lib.daemons import SUITE, Daemons, fail_bin_dir
from tests.lib.kube import CHILD_KINDS
from tests.lib.testing import add_case, check, check_equal, wait_for

DAEMON = dict(failpoints())
# What is done in a life: the operations, and what lets a cancelled job run again.
CHAIN = ("submit", "cancel", "go back", "savepoint", "restart", "update", "stop", "resume", "delete")
# A life has a point that all operations pass, or several that some do: of these each operation takes the first that it passes.
SOME = [("stop.before", "savepoint.before", "cancel.before"), ("stop.after", "savepoint.after", "cancel.after"),
        ("submit.before", "annotation.after"), ("submit.after",)]
LIVES = [*[(p,) for p in DAEMON if not any(p in points for points in SOME)], *SOME]


def steps_of(points: tuple[str, ...]) -> list[tuple[str, str]]:
    """(operation, where a daemon dies in it or ""), up to the last with a death."""
    steps = [(op, next((p for p in points if op in OPERATIONS and is_passed_in(p, op)), "")) for op in CHAIN]
    while not steps[-1][1]:
        steps.pop()
    return steps


# ---- a life ----------------------------------------------------------------------------------------


class Life:
    """A FlinkCluster, and what must have been done for it so far.

    It has no savepointsDir until its first run was cancelled, since that takes no savepoint then.
    """

    def __init__(self, n: Node) -> None:
        self.fc = start(n, "life", {"restartPolicy": "FromSavepointOnFailure", "maxStateAgeToRestoreSeconds": 3600})
        del self.fc.manifest["spec"]["job"]["savepointsDir"]
        self.folder = f"file:/share/{self.fc.ns}"
        self.runs: list[str] = []  # Flink job ids
        self.savepoints = 0
        self.saved_at = (0, 0)  # between which counts the newest savepoint was taken
        self.back: list[tuple[int, int]] = []  # between which counts runs began that went back
        self.pause = 50
        self.dying = ""  # the daemon that dies in this operation

    def printed(self) -> int:
        return self.fc.wait_counting()[0]

    def edit(self, **job: Any) -> None:
        """A change that restarts the job, and isn't seen in what it counts."""
        self.pause -= 1
        self.fc.patch({"job": {"args": ["--pause", str(self.pause), "--control", f"/share/{self.fc.ns}"], **job}})

    def submissions(self) -> int:
        """How many submitter pods there ever were."""
        return len([e for e in self.fc.api.list("Event", self.fc.ns)
                    if (e["involvedObject"]["kind"], e["reason"]) == ("Job", "SuccessfulCreate")])

    def check_acts(self) -> None:
        check_equal((self.submissions(), len(saved(self.fc))), (len(self.runs), self.savepoints), "submissions, savepoints")

    def wait_run(self) -> None:
        """The next run is Running, and is the only one; it counts, and has begun where it had to."""
        fc = self.fc
        fc.wait_run(self.runs[-1] if self.runs else "")
        self.runs.append(fc.job["id"])
        lines = len(fc.counts())
        wait_for(lambda: len(fc.counts()) >= lines + 3, "the run to count", 60)
        fc.wait_cluster("Running")
        self.check_running()
        check_equal(fc.counts()[0], (1, 0), "the first count")
        back = fc.went_back()
        check(len(back) == len(self.back) and all(low <= b <= high for b, (low, high) in zip(back, self.back)),
              f"runs went back to {back}, not to {self.back}")
        fc.check_nothing_lost()

    def check_running(self) -> None:
        self.check_jobs(self.runs[-1:])
        check_equal((self.fc.state, self.fc.job["id"]), ("Running", self.runs[-1]), "job")
        wait_for(lambda: self.fc.condition("Ready").get("status") == "True", "Ready", explain=lambda: self.fc.status)

    def check_jobs(self, running: list[str]) -> None:
        jobs = {j["jid"]: j["state"] for j in self.fc.flink_jobs()}
        check_equal(sorted(jobs), sorted(self.runs), "all jobs that Flink ever had")
        check_equal(self.fc.running_jobs(), running, f"running jobs of {jobs}")

    def wait_control(self) -> None:
        self.fc.wait_control("Succeeded")
        check(CONTROL not in self.fc.object["metadata"].get("annotations", {}), "the annotation is still there")

    def check_saved(self) -> str:
        """There is one savepoint more, and it is the one of the status."""
        self.savepoints += 1
        location = self.fc.job["savepointLocation"]
        check(location in saved(self.fc), f"no savepoint at {location}: {saved(self.fc)}")
        check_equal(self.fc.job["savepointGeneration"], self.savepoints, "savepointGeneration")
        return location

    def check_cancelled(self) -> None:
        self.wait_control()
        check_equal(self.fc.state, "Cancelled", "job")
        self.check_jobs([])


# ---- operations: what begins them is done while the daemon is down -----------------------------------


def begin_submit(life: Life) -> None:
    life.fc.api.create(life.fc.manifest, life.fc.ns)


def begin_savepoint(life: Life) -> None:
    life.saved_at = life.printed() + 1, 0
    life.fc.request("savepoint")


def end_savepoint(life: Life) -> None:
    life.wait_control()
    life.saved_at = life.saved_at[0], life.printed() + 1
    life.check_saved()
    life.check_running()


def begin_restart(life: Life) -> None:
    life.back.append(life.saved_at)
    life.fc.wait_counting(life.saved_at[1] + 5)
    life.fc.tell("fail")


def end_restart(life: Life) -> None:
    life.wait_run()
    job = life.fc.job
    check_equal((job["restartCount"], job["fromSavepoint"]), (1, job["savepointLocation"]), "restartCount, fromSavepoint")


def end_update(life: Life) -> None:
    life.wait_run()
    location = life.check_saved()
    check_equal((life.fc.job.get("restartCount", 0), life.fc.job["fromSavepoint"]), (0, location), "restartCount, fromSavepoint")
    wait_for(lambda: life.fc.revision() == life.fc.revision("nextRevision"), "the update's end", explain=lambda: life.fc.status)


def end_stop(life: Life) -> None:
    life.check_cancelled()
    check_equal(life.fc.job["finalSavepoint"], True, "finalSavepoint")
    life.check_saved()
    life.saved_at = life.printed() + 1, life.printed() + 1


def begin_cancel(life: Life) -> None:
    """Not before there is a savepoint, of which flinkd doesn't know."""
    fc, after = life.fc, life.printed()
    fc.node.post(f"{fc.flink}/jobs/{life.runs[-1]}/savepoints", {"target-directory": f"{life.folder}/own"})
    wait_for(lambda: list(fc.control.glob("own/*/_metadata")), "a savepoint", 60)
    life.saved_at = after + 1, life.printed() + 1
    fc.wait_counting(life.saved_at[1] + 5)
    fc.request("job-cancel")


def begin_going_back(life: Life) -> None:
    life.back.append(life.saved_at)
    own = next(life.fc.control.glob("own/*")).name
    life.fc.patch({"job": {"savepointsDir": f"{life.folder}/savepoints", "savepointOnDeletion": True}})
    life.edit(fromSavepoint=f"{life.folder}/own/{own}")


def begin_delete(life: Life) -> None:
    if life.dying == "statusreporter":  # nothing waits for the status here: Flink would be through before it has started
        life.fc.tell("hang")
    life.fc.api.delete("FlinkCluster", life.fc.ns, life.fc.name)


def end_delete(life: Life) -> None:
    fc = life.fc
    fc.untell("hang")
    life.savepoints += 1

    def left() -> list[str]:
        found = [(kind, o["metadata"]) for kind in ("FlinkCluster", "Pod", *CHILD_KINDS) if kind != "PodGroup"
                 for o in fc.api.list(kind, fc.ns)]
        return [f"{kind}/{meta['name']}" for kind, meta in found if meta["name"] != "kube-root-ca.crt"
                and not (kind == "Pod" and "deletionTimestamp" in meta)]  # half a minute, as their manifest says
    wait_for(lambda: not left(), "everything to be gone", START_S, explain=left)


DO: dict[str, tuple[Callable[[Life], None], Callable[[Life], None]]] = {
    "submit": (begin_submit, Life.wait_run),
    "cancel": (begin_cancel, Life.check_cancelled),
    "go back": (begin_going_back, Life.wait_run),
    "savepoint": (begin_savepoint, end_savepoint),
    "restart": (begin_restart, end_restart),
    "update": (Life.edit, end_update),
    "stop": (lambda life: life.fc.request("job-cancel"), end_stop),
    "resume": (Life.edit, Life.wait_run),
    "delete": (begin_delete, end_delete),
}


# ---- dying -----------------------------------------------------------------------------------------


def perform(life: Life, daemons: Daemons, operation: str, point: str) -> None:
    begin, end = DO[operation]
    dies = [DAEMON[point]] if point else []
    life.dying = "".join(dies)
    for daemon in dies:
        daemons.stop(daemon)
    begin(life)
    for daemon in dies:
        daemons.start(daemon, {"FLINKD_FAILPOINT": point})
    with Supervisor(daemons) as supervisor:
        wait_for(lambda: supervisor.deaths == dies, f"{life.dying} to die", START_S)
        end(life)
        daemons.wait_idle(life.fc.ns, quiet_s=0.3)
    life.check_acts()
    check_equal(supervisor.deaths, dies, "who died")
    check(not supervisor.wrong, "\n".join(supervisor.wrong))


def live(n: Node, points: tuple[str, ...]) -> None:
    life = Life(n)
    daemons = Daemons(n.cluster, SUITE, bin=fail_bin_dir(), args=suite_args(life.fc.ns), name="-".join(points))
    with daemons, contextlib.ExitStack() as stack:
        stack.push(life.fc)  # which `submit` creates
        took: list[str] = []
        for operation, point in steps_of(points):
            began = time.monotonic()
            try:
                perform(life, daemons, operation, point)
            except testing.Failed as e:
                testing.fail(f"{operation}, {DAEMON[point] + ' killed at ' + point if point else 'nobody killed'}: {e}")
            took.append(f"{operation} {time.monotonic() - began:.1f} s")
        testing.say(f"  {' '.join(points)}: {', '.join(took)}")


def test_every_failpoint_is_in_every_operation_that_passes_it() -> None:
    done = [(point, op) for points in LIVES for op, point in steps_of(points) if point]
    wanted = [(point, op) for point in DAEMON for op in OPERATIONS if is_passed_in(point, op)]
    check_equal(sorted(set(wanted) - set(done)), [], "missing")


for points_ in LIVES:
    add_case(globals(), f"killed_at_{'_'.join(points_)}_every_act_happens_once", lambda n, points=points_: live(n, points), timeout=900)

if __name__ == "__main__":
    testing.main(node, threads=3)
