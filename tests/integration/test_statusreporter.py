#!/usr/bin/env python3
"""The statusreporter with a watcher that tells it what there is: status, conditions, Events, metrics.

The children are made by hand, as no reconciler runs.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import Object, World, world
from tests.lib import testing
from tests.lib.cluster import ROOT
from tests.lib.daemons import fail_bin_dir
from tests.lib.kube import CONTROL
from tests.lib.testing import check, check_equal, hold, skip, test, wait_for



def session_spec() -> Object:
    """As the webhook leaves it."""
    case = json.loads((ROOT / "tests/golden/cases/session-minimal/expected.json").read_text())
    spec: Object = case["defaulted_spec"]
    return spec


def job_spec() -> Object:
    case = json.loads((ROOT / "tests/golden/cases/job-detached/expected.json").read_text())
    spec: Object = case["defaulted_spec"]
    return spec


def add(w: World, ns: str, spec: Object | None = None, annotations: Object | None = None) -> str:
    made = w.api.create({"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster",
                         "metadata": {"name": "c", "namespace": ns, "annotations": annotations or {}},
                         "spec": spec or session_spec()})
    uid: str = made["metadata"]["uid"]
    return uid


def child(w: World, ns: str, uid: str, kind: str, name: str, **rest: Any) -> None:
    version = "apps/v1" if kind == "StatefulSet" else "v1"
    owner = {"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster", "name": "c", "uid": uid, "controller": True}
    labels = {"app": "flink", "cluster": "c", "flinkoperator.k8s.io/revision-name": "c-1"}
    w.api.create({"apiVersion": version, "kind": kind,
                  "metadata": {"name": name, "namespace": ns, "labels": labels, "ownerReferences": [owner]}, **rest})


def workload(w: World, ns: str, uid: str, name: str) -> None:
    labels = {"app": "flink", "cluster": "c", "which": name}
    child(w, ns, uid, "StatefulSet", name, spec={
        "serviceName": name, "selector": {"matchLabels": labels}, "replicas": 1,
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "flink", "image": "flink:1.20"}]}}})


def ready(w: World, ns: str, name: str, count: int = 1) -> None:
    w.api.patch_status("StatefulSet", ns, name, {"replicas": 1, "readyReplicas": count, "availableReplicas": count})


def components(w: World, ns: str, uid: str) -> None:
    """Those of a session cluster that is ready."""
    child(w, ns, uid, "ConfigMap", "c-configmap", data={})
    child(w, ns, uid, "Service", "c-jobmanager", spec={"ports": [{"name": "ui", "port": 8081}]})
    for name in ("c-jobmanager", "c-taskmanager"):
        workload(w, ns, uid, name)
        ready(w, ns, name)


def status(w: World, ns: str) -> Object:
    found: Object = w.api.get("FlinkCluster", ns, "c").get("status", {})
    return found


def wait_state(w: World, ns: str, state: str) -> Object:
    return wait_for(lambda: (s := status(w, ns)).get("state") == state and s, f"state {state}", 15, 0.05,
                    explain=lambda: status(w, ns))


def condition(w: World, ns: str, kind: str) -> Object:
    return next((c for c in status(w, ns).get("conditions", []) if c["type"] == kind), {})


def wait_condition(w: World, ns: str, kind: str, value: str, reason: str) -> Object:
    def holds() -> Any:
        c = condition(w, ns, kind)
        return c if (c.get("status"), c.get("reason")) == (value, reason) else None
    return wait_for(holds, f"{kind}={value} {reason}", 15, 0.05, explain=lambda: status(w, ns).get("conditions"))


def events(w: World, ns: str, reason: str | None = None) -> list[Object]:
    return [e for e in w.api.list("Event", ns) if reason in (None, e["reason"])]


def messages(w: World, ns: str, reason: str | None = None) -> list[str]:
    return sorted(e["message"] for e in events(w, ns, reason))


def running(w: World) -> tuple[str, str]:
    ns = w.namespace()
    uid = add(w, ns)
    components(w, ns, uid)
    wait_state(w, ns, "Running")
    return ns, uid


# ---- status ------------------------------------------------------------------------------------------


def test_a_new_cluster_is_creating_and_says_so(w: World) -> None:
    ns = w.namespace()
    add(w, ns, job_spec())
    s = wait_state(w, ns, "Creating")
    check_equal(s["components"]["jobManagerService"], {"name": "", "state": ""}, "the Service")
    check_equal(s["components"]["job"]["state"], "Pending", "the job")
    check_equal(s["observedGeneration"], 1, "the generation")
    check_equal(s["revision"]["currentRevision"], s["revision"]["nextRevision"], "the revision")
    wait_condition(w, ns, "Ready", "False", "Creating")
    wait_for(lambda: messages(w, ns) == ["Cluster status changed:  -> Creating", "Job status: Pending"], "two Events", 10,
             explain=lambda: messages(w, ns))


def test_kubectl_waits_for_ready(w: World) -> None:
    ns, _ = running(w)
    w.cluster.kubectl("wait", "--for=condition=Ready", "fc/c", "-n", ns, "--timeout=10s")
    check("Running" in w.cluster.kubectl("get", "fc", "c", "-n", ns, "-o", "jsonpath={.status.state}"), "kubectl get")


def test_components_are_told_as_they_are(w: World) -> None:
    ns, _ = running(w)
    found = status(w, ns)["components"]
    check_equal(found["taskManager"], {"name": "c-taskmanager", "ready": "1/1", "readyReplicas": 1, "replicas": 1, "state": "Ready",
                                       "selector": "app=flink,cluster=c,component=taskmanager"}, "TaskManagers")
    ready(w, ns, "c-taskmanager", 0)
    wait_state(w, ns, "Reconciling")
    check("TaskManagers (0/1)" in condition(w, ns, "Ready")["message"], "what is waited for")
    ready(w, ns, "c-taskmanager")
    wait_state(w, ns, "Running")


def test_a_settled_status_is_left_alone(w: World) -> None:
    ns, _ = running(w)
    version = wait_for(lambda: condition(w, ns, "Ready").get("status") == "True" and
                       w.api.get("FlinkCluster", ns, "c")["metadata"]["resourceVersion"], "Ready")
    w.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": ns, "labels": {"cluster": "c"}}})
    hold(lambda: w.api.get("FlinkCluster", ns, "c")["metadata"]["resourceVersion"] == version, "the status isn't rewritten", 3)


def test_a_status_that_somebody_damaged_is_put_right(w: World) -> None:
    ns, _ = running(w)
    w.api.patch_status("FlinkCluster", ns, "c", {"state": "Stopped", "components": {"taskManager": None}})
    wait_for(lambda: status(w, ns)["state"] == "Running" and "taskManager" in status(w, ns)["components"], "the truth", 10)


# ---- pods ----------------------------------------------------------------------------------------------


def pod(w: World, ns: str, state: Object, is_ready: bool = False) -> None:
    w.api.patch_status("Pod", ns, "c-taskmanager-0", {"phase": "Pending", "containerStatuses": [
        {"name": "taskmanager", "image": "nope:1", "imageID": "", "ready": is_ready, "restartCount": 0, "state": state}]})


def test_a_pod_that_cant_start_is_a_condition_and_an_event(w: World) -> None:
    ns = w.namespace()
    uid = add(w, ns)
    components(w, ns, uid)
    ready(w, ns, "c-taskmanager", 0)
    w.add_pod(ns, "c-taskmanager-0", "taskmanager", "c")
    pod(w, ns, {"waiting": {"reason": "ErrImagePull", "message": "no such tag"}})
    c = wait_condition(w, ns, "Ready", "False", "ImagePullBackOff")
    check_equal(c["message"], 'pod c-taskmanager-0, container taskmanager: can\'t pull image "nope:1": no such tag', "the message")
    wait_for(lambda: [e["type"] for e in events(w, ns, "ImagePullBackOff")] == ["Warning"], "one Warning", 10,
             explain=lambda: messages(w, ns))
    pod(w, ns, {"running": {"startedAt": "2026-01-02T03:04:05Z"}}, True)
    ready(w, ns, "c-taskmanager")
    wait_condition(w, ns, "Ready", "True", "ClusterRunning")
    wait_condition(w, ns, "Degraded", "False", "AsExpected")


# ---- Events ----------------------------------------------------------------------------------------------


def test_an_event_is_about_the_flinkcluster(w: World) -> None:
    ns, uid = running(w)
    e = wait_for(lambda: next(iter(events(w, ns, "StatusUpdate")), None), "an Event", 10)
    check_equal((e["involvedObject"]["kind"], e["involvedObject"]["uid"], e["source"]["component"]),
                ("FlinkCluster", uid, "FlinkOperator"), "the Event")


def test_what_happens_again_counts_up(w: World) -> None:
    ns, _ = running(w)
    for count in (1, 2, 3):
        second = int(time.time())  # statuses know whole seconds: another one is another occasion
        wait_for(lambda: int(time.time()) > second, "the next second", 5, 0.01)
        ready(w, ns, "c-taskmanager", 0)
        wait_state(w, ns, "Reconciling")
        ready(w, ns, "c-taskmanager")
        wait_state(w, ns, "Running")
        found = wait_for(lambda: [e for e in events(w, ns) if e["message"].endswith("Running -> Reconciling")
                                  and e["count"] == count], f"count {count}", 10, explain=lambda: events(w, ns))
        check_equal(len(found), 1, "Events of that message")


def test_the_end_of_a_cluster_is_told_once(w: World) -> None:
    ns, _ = running(w)
    w.api.delete("FlinkCluster", ns, "c")
    wait_for(lambda: "Cluster status: Deleted" in messages(w, ns), "the Event", 10)


# ---- user control -------------------------------------------------------------------------------------


def test_a_request_that_cant_be_served_fails_and_its_annotation_goes(w: World) -> None:
    ns = w.namespace()
    add(w, ns, annotations={CONTROL: "savepoint"})
    s = wait_for(lambda: (s := status(w, ns)).get("control", {}).get("state") == "Failed" and s, "the end", 15,
                 explain=lambda: status(w, ns))
    check("session" in s["control"]["message"], s["control"]["message"])
    check(CONTROL not in w.api.get("FlinkCluster", ns, "c")["metadata"].get("annotations", {}), "the annotation is there")
    wait_for(lambda: [e["type"] for e in events(w, ns, "ControlFailed")] == ["Warning"], "a Warning", 10)


# ---- metrics, running it by hand -----------------------------------------------------------------------


def test_metrics_show_each_cluster(w: World) -> None:
    ns, _ = running(w)
    want = f'flinkd_cluster_state{{namespace="{ns}",name="c",state="Running"}} 1'
    wait_for(lambda: want in w.daemons.metrics(), "the metric", 10)


def test_each_savepoint_that_fails_is_counted_once(w: World) -> None:
    ns = w.namespace()
    add(w, ns, job_spec())
    wait_state(w, ns, "Creating")
    w.api.patch_status("FlinkCluster", ns, "c", {"components": {"job": {"id": "a" * 32, "state": "Running"}}})
    metric = f'flinkd_job_savepoint_failures_total{{namespace="{ns}",name="c"}} '
    wait_for(lambda: metric + "0\n" in w.daemons.metrics(), "the metric", 10)
    for n in (1, 2):
        savepoint = {"state": "Failed", "triggerReason": "scheduled", "message": "the disk is full",
                     "triggerID": "0" * 31 + str(n), "jobID": "a" * 32, "triggerTime": f"2026-01-01T00:0{n}:00Z",
                     "requestTime": f"2026-01-01T00:0{n}:00Z"}
        w.api.patch_status("FlinkCluster", ns, "c", {"savepoint": savepoint})
        wait_for(lambda: f"{metric}{n}\n" in w.daemons.metrics(), f"{n} failures", 10, explain=w.daemons.metrics)
        w.api.annotate("FlinkCluster", ns, "c", look=str(n))  # and no more for another look at it
        w.daemons.wait_idle(ns)
        check(f"{metric}{n}\n" in w.daemons.metrics(), w.daemons.metrics())


@test(serial=True)
def test_a_dry_run_prints_what_it_would_write_and_ends(w: World) -> None:
    ns, _ = running(w)
    w.daemons.stop("statusreporter")
    w.api.patch_status("FlinkCluster", ns, "c", {"state": "Stopped"})
    version = w.api.get("FlinkCluster", ns, "c")["metadata"]["resourceVersion"]
    w.wait_stored("FlinkCluster", ns, "c", lambda o: o["metadata"]["resourceVersion"] == version)
    ran = w.daemons.run_once("statusreporter", "--dry-run", f"--namespace={ns}")
    w.daemons.start("statusreporter")
    check_equal(ran.returncode, 0, ran.stderr)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    check_equal([line["namespace"] for line in lines], [ns], "the lines")
    check_equal(status(w, ns)["state"], "Stopped", "what is there")
    wait_state(w, ns, "Running")


@test(serial=True)
def test_without_a_leader_nothing_is_written(w: World) -> None:
    w.daemons.stop("statusreporter")
    w.daemons.stop("watcher")
    ns = w.namespace()
    add(w, ns)
    w.daemons.start("statusreporter")
    w.daemons.wait_ready("statusreporter")
    hold(lambda: not status(w, ns), "no status", 3)
    w.daemons.start("watcher")
    wait_state(w, ns, "Creating")


@test(serial=True)
def test_a_restart_says_nothing_twice(w: World) -> None:
    ns, _ = running(w)
    wait_for(lambda: condition(w, ns, "Ready").get("status") == "True", "Ready")
    w.daemons.wait_idle(ns)
    version, told = w.api.get("FlinkCluster", ns, "c")["metadata"]["resourceVersion"], events(w, ns)
    w.daemons.restart("statusreporter")
    w.daemons.wait_ready("statusreporter")
    hold(lambda: w.api.get("FlinkCluster", ns, "c")["metadata"]["resourceVersion"] == version and events(w, ns) == told,
         "status and Events", 3)


def is_stored(w: World, ns: str) -> bool:
    with contextlib.suppress(sqlite3.Error):  # not made yet
        return w.daemons.journal.object("FlinkCluster", ns, "c") is not None
    return False


@test(serial=True)
def test_a_lost_journal_says_nothing_twice(w: World) -> None:
    ns, _ = running(w)
    wait_for(lambda: condition(w, ns, "Ready").get("status") == "True", "Ready")
    w.daemons.wait_idle(ns)
    version, told = w.api.get("FlinkCluster", ns, "c")["metadata"]["resourceVersion"], events(w, ns)
    for file in w.daemons.dir.glob("journal.db*"):
        file.unlink()
    wait_for(lambda: is_stored(w, ns), "the relist in a new journal", 20)
    hold(lambda: w.api.get("FlinkCluster", ns, "c")["metadata"]["resourceVersion"] == version and events(w, ns) == told,
         "status and Events", 3)
    ready(w, ns, "c-taskmanager", 0)
    wait_state(w, ns, "Reconciling")


@test(serial=True, timeout=300)
def test_killed_at_each_failpoint_all_is_said_once(w: World) -> None:
    if not (fail_bin_dir() / "flinkd-statusreporter").exists():
        skip("no build with failpoints (make FAILPOINTS=1)")
    w.daemons.stop("statusreporter")
    for point in ("status.before", "status.after", "event.after", "annotation.after"):
        ns = w.namespace()
        uid = add(w, ns, annotations={CONTROL: "savepoint"})
        components(w, ns, uid)
        w.daemons.bin, normal = fail_bin_dir(), w.daemons.bin
        w.daemons.start("statusreporter", {"FLINKD_FAILPOINT": point})
        check_equal(w.daemons.wait_exit("statusreporter"), -9, f"{point}: the exit")
        w.daemons.bin = normal
        w.daemons.start("statusreporter")
        wait_for(lambda: (s := status(w, ns)).get("state") == "Running" and s["control"]["state"] == "Failed", f"{point}: the end", 20,
                 explain=lambda: status(w, ns))
        wait_for(lambda: "ControlFailed" in {e["reason"] for e in events(w, ns)}, f"{point}: the last Event", 10)
        w.daemons.wait_idle(ns)
        found = [(e["message"], e["count"]) for e in events(w, ns)]
        check_equal(sorted(c for m, c in found if m.startswith("Cluster status")), [1] * sum(m.startswith("Cluster") for m, _ in found),
                    f"{point}: {found}")
        w.daemons.stop("statusreporter")
    w.daemons.start("statusreporter")
    w.daemons.wait_ready("statusreporter")


if __name__ == "__main__":
    testing.main(lambda: world("watcher", "statusreporter"), threads=4)
