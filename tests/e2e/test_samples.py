#!/usr/bin/env python3
"""The samples on a real node: what a user gets who applies them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import ROOT, Fc, Node, check, check_equal, node, sample, wait_for  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.kube import load_all_yaml  # noqa: E402
from tests.lib.testing import add_case, test  # noqa: E402


def words_of(fc: Fc) -> str:
    pods = fc.api.list("Pod", fc.ns, labelSelector="component=taskmanager")
    return "".join(fc.api.log(fc.ns, p["metadata"]["name"], "taskmanager") for p in pods)


@test(timeout=400)
def test_the_job_cluster_of_flink_1_20_succeeds_and_counts_words(n: Node) -> None:
    with Fc(n, sample("wordcount")) as fc:
        fc.wait_state("Succeeded", "Failed", "Lost")
        check_equal(fc.state, "Succeeded", "job")
        check_equal([j["state"] for j in fc.flink_jobs()], ["FINISHED"], "Flink's jobs")
        check("(flink," in words_of(fc).lower(), "no words were counted")
        check_equal(fc.condition("Ready")["status"], "True", "Ready")


@test(timeout=400)
def test_the_session_cluster_gets_ready_and_goes_when_it_is_deleted(n: Node) -> None:
    with Fc(n, sample("session")) as fc:
        n.cluster.kubectl("-n", fc.ns, "wait", "--for=condition=Ready", f"fc/{fc.name}", "--timeout=240s")
        check_equal(fc.status["state"], "Running", "cluster")
        check_equal(fc.flink_jobs(), [], "jobs")
        fc.api.delete("FlinkCluster", fc.ns, fc.name)
        wait_for(lambda: not fc.api.list("StatefulSet", fc.ns), "the workloads to go", 60)


# ---- the others: what each of them promises ---------------------------------------------------------


def succeeds(fc: Fc, *words: str) -> None:
    fc.wait_state("Succeeded", "Failed", "Lost", "DeployFailed")
    check_equal(fc.state, "Succeeded", f"job ({fc.job.get('failureReasons')})")
    for word in words:
        wait_for(lambda: word in words_of(fc).lower().replace("'", "").replace(" ", ""), f"{word} to be counted", 20)


def counts_words(fc: Fc) -> None:
    succeeds(fc, "(flink,")


def counts_hamlets_words(fc: Fc) -> None:
    succeeds(fc, "(be,2)")


def succeeds_and_is_cleaned_up(fc: Fc) -> None:
    succeeds(fc)
    fc.wait_cluster("Stopped", 120)
    wait_for(lambda: not fc.api.list("Pod", fc.ns), "the pods to go", 60)


def logs_as_configured(fc: Fc) -> None:
    fc.wait_cluster("Running")
    for pod in [*fc.pods("jobmanager"), *fc.pods("taskmanager")]:
        log = fc.api.log(fc.ns, pod, pod.removeprefix(f"{fc.name}-").removesuffix("-0"))
        check(re.search(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d) INFO +\w", log), f"{pod} logs: {log[-300:]}")


def shows_prometheus_its_metrics(fc: Fc) -> None:
    fc.wait_state("Running")
    for component, metric in (("jobmanager", "flink_jobmanager_numRunningJobs"), ("taskmanager", "flink_taskmanager_job_task_numRecordsOut")):
        [pod] = fc.api.list("Pod", fc.ns, labelSelector=f"app=flink,component={component}")
        port = next(p["containerPort"] for p in pod["spec"]["containers"][0]["ports"] if p["name"] == "prom")
        url = f"http://{pod['status']['podIP']}:{port}/metrics"
        wait_for(lambda: metric in fc.node.text(url), f"{metric} at {url}", 30)


def running(fc: Fc) -> str:
    """All of its tasks, too, so that a savepoint can be taken; the job's id."""
    fc.wait_state("Running")
    wait_for(lambda: any(0 < j["tasks"]["running"] == j["tasks"]["total"] for j in fc.flink_jobs()), "all tasks to run", 60,
             explain=fc.flink_jobs)
    return fc.job["id"]


def goes_on_as_its_next_version(fc: Fc) -> None:
    run, revision = running(fc), fc.revision()
    update = prepared(fc, "update-2")[-1]
    fc.patch(update["spec"])
    fc.wait_run(run)
    fc.wait_updated(revision)
    check_equal(fc.job["fromSavepoint"], fc.job["savepointLocation"], "fromSavepoint")
    check_equal(len(fc.pods("taskmanager")), 2, "TaskManagers")
    [job] = fc.running_jobs()
    check_equal(fc.node.get(f"{fc.flink}/jobs/{job}/config")["execution-config"]["job-parallelism"], 2, "parallelism")


PROMISES: dict[str, Callable[[Fc], None]] = {
    "application": counts_words,
    "logging": logs_as_configured,
    "prometheus": shows_prometheus_its_metrics,
    "python": counts_hamlets_words,
    "python-application": counts_hamlets_words,
    "python-module": counts_hamlets_words,
    "remote-jar": succeeds_and_is_cleaned_up,
    "update-1": goes_on_as_its_next_version,
}
OUTSIDE = {
    "beam": "the image of Beam's workers, from a registry",
    "volcano": "Volcano",
}
ELSEWHERE = {"savepoints"}  # what it shows is in test_savepoints.py and test_lifecycle.py, judged by numbers
ABOVE = {"wordcount", "wordcount-1.14", "session", "update-2"}  # update-2 is what update-1 becomes


def prepared(fc: Fc, name: str) -> list[dict[str, Any]]:
    """Its objects. State is kept in a folder of the test's instead of the node's /tmp; what would be downloaded comes from the image."""
    objects = load_all_yaml(ROOT / f"deploy/samples/{name}.yaml")
    spec = objects[-1]["spec"]
    for volume in spec.get("jobManager", {}).get("volumes", []) + spec["taskManager"].get("volumes", []):
        if volume.get("hostPath") == {"path": "/tmp"}:
            volume["hostPath"]["path"] = str(fc.control)
    for variable in spec.get("envVars", []):
        if variable["name"] == "JAR_URL":
            variable["value"] = "file:///opt/flink/examples/streaming/WordCount.jar"
    return objects


def kept(name: str, promise: Callable[[Fc], None]) -> Callable[[Node], None]:
    def case(n: Node) -> None:
        fc = Fc(n, load_all_yaml(ROOT / f"deploy/samples/{name}.yaml")[-1])
        *others, fc.manifest = prepared(fc, name)
        for o in others:
            n.api.create(o, fc.ns)
        with fc:
            promise(fc)
    return case


for sample_name, sample_promise in PROMISES.items():
    add_case(globals(), f"the_sample_{sample_name.replace('-', '_')}_{sample_promise.__name__}", kept(sample_name, sample_promise),
             timeout=500)


def test_every_sample_is_run_here_or_needs_something_from_outside() -> None:
    samples = {path.stem for path in (ROOT / "deploy/samples").glob("*.yaml")}
    check_equal(sorted(samples), sorted(ABOVE | ELSEWHERE | PROMISES.keys() | OUTSIDE.keys()), "samples")


if __name__ == "__main__":
    testing.main(lambda: node(["flink-python-1.20"]), threads=2)
