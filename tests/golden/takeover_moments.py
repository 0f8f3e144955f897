"""Moments of the reference operator's doings that weren't recorded: edits of recordings, by what it is known to write.

The moments are those around a submission: `restart` (the JobManager stays, and lists the failed run), `redeploy` (the same a
moment later: the status says Deploying, and still has the failed run's id) and `update` (all components are at the next
revision). The submitter is `active`, or `done`: then it has told its run's id, Flink runs that, and the status doesn't know.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, Callable

Files = dict[str, str]

NEW_ID = "d" * 32
NOW, A_MOMENT_AGO = "2026-11-22T19:30:00Z", "2026-11-22T19:29:30Z"
SAVEPOINT = "file:/savepoints/savepoint-final"
SLOW_S = 4


class Moment:
    def __init__(self, files: Files) -> None:
        self.cluster = json.loads(files["flinkcluster.json"])
        children = json.loads(files["children.json"])
        self.children = children.get("items", children) if isinstance(children, dict) else children
        self.jobs = json.loads(files["flink-jobs-overview.json"])["jobs"]
        self.run = deepcopy(self.jobs[0])
        self.status = self.cluster["status"]
        self.job = self.status["components"]["job"]

    def files(self) -> Files:
        return {"flinkcluster.json": json.dumps(self.cluster), "children.json": json.dumps(self.children),
                "flink-jobs-overview.json": json.dumps({"jobs": self.jobs})}

    def children_of(self, kind: str, part: str = "") -> list[Any]:
        return [o for o in self.children if o["kind"] == kind and part in o["metadata"]["name"]]

    def submits(self, state: str) -> None:
        """Decided a moment ago; the submitter is there already."""
        self.job.update(state=state, deployTime=A_MOMENT_AGO, startTime="", fromSavepoint=self.job["savepointLocation"])
        for job in self.children_of("Job"):
            args = job["spec"]["template"]["spec"]["containers"][0]["args"]
            args[0:0] = ["--fromSavepoint", self.job["savepointLocation"]]

    def specs(self) -> list[Any]:
        """What the revision is made of too."""
        return [self.cluster["spec"]] + [o["data"]["spec"] for o in self.children_of("ControllerRevision")
                                         if "job" in o.get("data", {}).get("spec", {})]

    def fails(self) -> None:
        for spec in self.specs():
            spec["job"].pop("autoSavepointSeconds", None)  # none falls due meanwhile
        self.jobs[0]["state"] = "FAILED"
        self.job.update(failureReasons=["boom"], savepointTime="2026-11-22T19:29:00Z")

    def moves_on(self) -> None:
        """To the next revision, with a savepoint, and with all that a cluster has."""
        name = self.cluster["metadata"]["name"] + "-66666"
        current = self.status["revision"]["currentRevision"].rpartition("-")[0]
        revision = deepcopy(next(o for o in self.children_of("ControllerRevision") if o["metadata"]["name"] == current))
        revision["metadata"].update(name=name, uid=name + "-uid")
        revision["metadata"]["labels"]["flinkoperator.k8s.io/hash"] = "66666"
        revision["revision"] = 2
        for spec in (self.cluster["spec"], revision["data"]["spec"]):
            spec["job"]["args"] = ["--next"]
        for o in self.children:
            if "flinkoperator.k8s.io/revision-name" in o["metadata"].get("labels", {}):
                o["metadata"]["labels"]["flinkoperator.k8s.io/revision-name"] = name
        self.children.append(revision)
        self.status.update(state="Updating", savepoint={
            "jobID": self.job["id"], "requestTime": A_MOMENT_AGO, "state": "Succeeded", "triggerID": "c" * 32,
            "triggerReason": "update", "triggerTime": A_MOMENT_AGO})
        self.status["revision"]["nextRevision"] = name + "-2"
        self.job.update(savepointGeneration=1, savepointLocation=SAVEPOINT, savepointTime=NOW, finalSavepoint=True)
        self.jobs = []

    def has_submitted(self) -> None:
        for pod in self.children_of("Pod", "submitter"):
            self.children[self.children.index(pod)] = json.loads(json.dumps(pod).replace(self.job["id"], NEW_ID))
        self.runs_at_flink()

    def is_submitting(self) -> None:
        self.children_of("Job")[0]["status"] = {"active": 1, "ready": 1, "startTime": NOW}
        running = {"name": "main", "image": "x", "imageID": "x", "ready": True, "restartCount": 0,
                   "state": {"running": {"startedAt": NOW}}}
        for pod in self.children_of("Pod", "submitter"):
            pod["status"] = {"phase": "Running", "startTime": NOW, "containerStatuses": [running]}
        self.job["submitterExitCode"] = -1

    def runs_at_flink(self) -> None:
        self.jobs.append(self.run | {"jid": NEW_ID, "state": "RUNNING"})


def restart(m: Moment) -> None:
    m.fails()
    m.submits("Failed")


def redeploy(m: Moment) -> None:
    m.fails()
    m.submits("Deploying")


def update(m: Moment) -> None:
    m.moves_on()
    m.submits("Updating")


# name, recording, edits, seconds that Flink takes for an answer
TABLE: tuple[tuple[str, str, tuple[Callable[[Moment], None], ...], float], ...] = (
    ("restart-active", "savepoints", (restart, Moment.is_submitting), 0),
    ("restart-done", "savepoints", (restart, Moment.has_submitted), 0),
    ("restart-done-slow", "savepoints", (restart, Moment.has_submitted), SLOW_S),
    ("redeploy-active", "savepoints", (redeploy, Moment.is_submitting), 0),
    ("redeploy-active-runs", "savepoints", (redeploy, Moment.is_submitting, Moment.runs_at_flink), 0),
    ("redeploy-done", "savepoints", (redeploy, Moment.has_submitted), 0),
    ("update-active", "running", (update, Moment.is_submitting), 0),
    ("update-done", "running", (update, Moment.has_submitted), 0),
    ("update-done-slow", "running", (update, Moment.has_submitted), SLOW_S),
)


def edited(folder: Path, edits: tuple[Callable[[Moment], None], ...]) -> Files:
    m = Moment({f.name: f.read_text() for f in (folder / "settled").glob("*.json")})
    for edit in edits:
        edit(m)
    return m.files()
