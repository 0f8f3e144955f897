#!/usr/bin/env python3
"""The reconciler with a watcher that tells it what there is: children and commands. And quite alone, on a copied journal.

Nobody runs pods or collects garbage here.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import Object, World, world
from tests.lib import testing
from tests.lib.daemons import Daemons, bin_dir
from tests.lib.kube import APPLY_PATCH, CHILD_KINDS, PODGROUPS
from tests.lib.testing import check, check_equal, hold, test, wait_for

# What `everything()` has, in its namespace.
CHILDREN = {("ConfigMap", "c-configmap"), ("Service", "c-jobmanager"), ("Service", "c-taskmanager"), ("StatefulSet", "c-jobmanager"),
            ("StatefulSet", "c-taskmanager"), ("Ingress", "c-jobmanager"), ("PodDisruptionBudget", "flink-c"),
            ("HorizontalPodAutoscaler", "flink-c")}
SIDECAR = {"name": "proxy", "image": "proxy:1", "env": [{"name": "A", "value": "b"}]}


def session(**spec: Any) -> Object:
    return {"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster", "metadata": {"name": "c"},
            "spec": {"flinkVersion": "1.20", "image": {"name": "flink:1.20"}, "jobManager": {}, "taskManager": {"replicas": 1}} | spec}


def everything() -> Object:
    o = session(podDisruptionBudget={"maxUnavailable": 1})
    o["spec"]["jobManager"]["ingress"] = {"hostFormat": "{{$clusterName}}.example.com"}
    o["spec"]["taskManager"]["horizontalPodAutoscaler"] = {"maxReplicas": 3}
    return o


def children(w: World, ns: str) -> dict[tuple[str, str], Object]:
    """Of a FlinkCluster; without revisions."""
    return {(kind, o["metadata"]["name"]): o for kind in CHILD_KINDS if kind != "ControllerRevision"
            for o in w.api.list(kind, ns)
            if any(r["kind"] == "FlinkCluster" for r in o["metadata"].get("ownerReferences") or [])}


def made(w: World, obj: Object | None = None) -> str:
    """A namespace with a FlinkCluster that has its children."""
    ns = w.namespace()
    w.api.create(obj or session(), ns)
    w.daemons.wait_idle(ns)
    return ns


def fresh(w: World, kind: str, ns: str, name: str, want: Any, what: str) -> Object:
    """Until want(object)."""
    def there() -> Any:
        o = w.api.find(kind, ns, name)
        return o if o and want(o) else None
    return wait_for(there, f"{kind} {name} {what}", 15, 0.05, explain=lambda: w.api.find(kind, ns, name))


def edit(w: World, kind: str, ns: str, name: str, patch: Object) -> Object:
    """As kubectl does it."""
    return w.api.request("PATCH", w.api.path(kind, ns, name, fieldManager="kubectl-edit"), patch, "application/merge-patch+json")


def container(o: Object, name: str | None = None) -> Object:
    found: list[Object] = o["spec"]["template"]["spec"]["containers"]
    return found[0] if name is None else next((c for c in found if c["name"] == name), {})


# ---- requests ------------------------------------------------------------------------------------------------


def requests(w: World, verbs: tuple[str, ...] = ("APPLY", "POST", "PUT", "PATCH", "DELETE", "DELETECOLLECTION")) -> dict[str, int]:
    """What the API server counted, of the kinds that a child may have; "" is the sum."""
    found: dict[str, int] = {"": 0}
    text = w.api.raw("GET", "/metrics")[1].decode()
    for labels, value in re.findall(r"^apiserver_request_total\{([^}]*)\} (\S+)$", text, re.M):
        about = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if about["verb"] in verbs and not about["subresource"] and about["resource"] in RESOURCES:
            key = f"{about['verb']} {about['resource']}"
            found[key] = found.get(key, 0) + int(float(value))
            found[""] += int(float(value))
    return found


RESOURCES = {"configmaps", "services", "statefulsets", "deployments", "ingresses", "jobs", "poddisruptionbudgets",
             "horizontalpodautoscalers", "controllerrevisions", "podgroups"}


def delta(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {k: n - before.get(k, 0) for k, n in after.items() if k and n != before.get(k, 0)}


@test(serial=True)  # and first, before there are clusters whose children are tried again and again
def test_a_child_that_did_not_change_is_not_written(w: World) -> None:
    before = requests(w)
    ns = made(w, everything())
    after = requests(w)
    check_equal(delta(before, after), {"APPLY configmaps": 1, "APPLY services": 2, "APPLY statefulsets": 2, "APPLY ingresses": 1,
                                       "APPLY poddisruptionbudgets": 1, "APPLY horizontalpodautoscalers": 1,
                                       "POST controllerrevisions": 1}, "requests to create it")
    row = w.daemons.journal.last_row()
    for name in ("c-jobmanager", "c-taskmanager"):  # these reach it as changes, and need nothing
        w.api.patch_status("StatefulSet", ns, name, {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1})
    w.api.annotate("FlinkCluster", ns, "c", some="thing")
    w.daemons.wait_idle(ns)
    w.daemons.restart("reconciler")  # it reads everything anew
    w.daemons.wait_ready("reconciler")
    w.daemons.wait_idle(ns)
    check(w.daemons.journal.last_row() > row, "something has changed")
    check_equal(delta(after, requests(w)), {}, "requests for nothing")
    edit(w, "Service", ns, "c-jobmanager", {"spec": {"selector": {"a": "b"}}})
    before = requests(w)
    fresh(w, "Service", ns, "c-jobmanager", lambda o: o["spec"]["selector"].get("cluster") == "c", "to be right")
    w.daemons.wait_idle(ns)
    check(delta(before, requests(w)) in ({"APPLY services": 1}, {}), f"one service needs one request: {delta(before, requests(w))}")


# ---- children ------------------------------------------------------------------------------------------


def test_all_that_is_specified_is_created_and_belongs_to_its_cluster(w: World) -> None:
    ns = made(w, everything())
    found = children(w, ns)
    check_equal(sorted(found), sorted(CHILDREN), "the children")
    uid = w.api.get("FlinkCluster", ns, "c")["metadata"]["uid"]
    for key, o in found.items():
        check_equal([(r["uid"], r.get("controller")) for r in o["metadata"]["ownerReferences"]], [(uid, True)], f"the owner of {key}")
        check_equal({m["manager"] for m in o["metadata"]["managedFields"]}, {"flinkd"}, f"who wrote {key}")


def test_each_deleted_child_comes_back_as_it_was(w: World) -> None:
    ns = made(w, everything())
    before = children(w, ns)
    for kind, name in sorted(CHILDREN):
        w.api.delete(kind, ns, name)
    for kind, name in sorted(CHILDREN):
        was = before[kind, name]
        o = fresh(w, kind, ns, name, lambda o: o["metadata"]["uid"] != was["metadata"]["uid"], "to come back")  # noqa: B023
        check_equal(o["metadata"]["labels"], was["metadata"]["labels"], f"labels of {kind} {name}")
        check_equal(without_addresses(o.get("spec")), without_addresses(was.get("spec")), f"spec of {kind} {name}")
        check_equal(o.get("data"), was.get("data"), f"data of {kind} {name}")


def without_addresses(spec: Object | None) -> Object:
    return {k: v for k, v in (spec or {}).items() if k not in ("clusterIP", "clusterIPs")}


def test_each_edited_child_is_put_right(w: World) -> None:
    ns = made(w, everything())
    edits: list[tuple[str, str, Object]] = [
        ("ConfigMap", "c-configmap", {"data": {"flink-conf.yaml": "rest.port: 1"}}),
        ("Service", "c-jobmanager", {"spec": {"ports": [{"name": "ui", "port": 80, "targetPort": "ui"}]}}),
        ("Service", "c-taskmanager", {"spec": {"selector": {"cluster": "another"}}}),
        ("StatefulSet", "c-jobmanager", {"spec": {"template": {"spec": {"serviceAccountName": None, "terminationGracePeriodSeconds": 1}}}}),
        ("StatefulSet", "c-taskmanager", {"spec": {"replicas": 7}}),
        ("Ingress", "c-jobmanager", {"spec": {"rules": [{"host": "wrong.example.com"}]}}),
        ("PodDisruptionBudget", "flink-c", {"spec": {"maxUnavailable": 9}}),
        ("HorizontalPodAutoscaler", "flink-c", {"spec": {"maxReplicas": 99}}),
    ]
    check_equal({(k, n) for k, n, _ in edits}, CHILDREN, "the table")
    before = children(w, ns)
    for kind, name, patch in edits:
        edited = edit(w, kind, ns, name, patch)
        was = before[kind, name]
        check(content(edited) != content(was), f"{kind} {name} isn't changed by its edit")
        fresh(w, kind, ns, name, lambda o: content(o) == content(was), "to be as before")  # noqa: B023


def content(o: Object) -> Any:
    return o.get("spec") or o.get("data")


def test_a_label_of_a_child_that_is_taken_away_comes_back(w: World) -> None:
    ns = made(w)
    edit(w, "Service", ns, "c-jobmanager", {"metadata": {"labels": {"flinkoperator.k8s.io/revision-name": None}}})
    fresh(w, "Service", ns, "c-jobmanager", lambda o: "flinkoperator.k8s.io/revision-name" in o["metadata"]["labels"], "to have its label")


def test_what_is_no_longer_specified_goes(w: World) -> None:
    ns = made(w, everything())
    edit(w, "FlinkCluster", ns, "c", {"spec": {"podDisruptionBudget": None, "jobManager": {"ingress": None},
                                               "taskManager": {"horizontalPodAutoscaler": None}}})
    w.daemons.wait_idle(ns)
    gone = {("PodDisruptionBudget", "flink-c"), ("Ingress", "c-jobmanager"), ("HorizontalPodAutoscaler", "flink-c")}
    check_equal(set(children(w, ns)), CHILDREN - gone, "what is left")


def test_what_others_add_to_a_child_is_left_alone(w: World) -> None:
    ns = made(w)
    name = "c-taskmanager"
    before = w.api.get("StatefulSet", ns, name)
    template = {"metadata": {"annotations": {"injected": "yes"}},
                "spec": {"containers": [SIDECAR, {"name": "taskmanager", "env": [{"name": "INJECTED", "value": "yes"}]}]}}
    w.api.request("PATCH", w.api.path("StatefulSet", ns, name, fieldManager="injector", force="true"),
                  {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "annotations": {"noted": "by others"}},
                   "spec": {"selector": before["spec"]["selector"], "serviceName": before["spec"]["serviceName"], "template": template}},
                  APPLY_PATCH)
    edit(w, "StatefulSet", ns, name, {"spec": {"replicas": 4}})  # so that it is written once more
    o = fresh(w, "StatefulSet", ns, name, lambda o: o["spec"]["replicas"] == 1, "to be scaled back")
    check_equal(container(o, "proxy").get("image"), "proxy:1", "the sidecar")
    check({"name": "INJECTED", "value": "yes"} in container(o, "taskmanager")["env"], "the variable is gone")
    check_equal(o["spec"]["template"]["metadata"]["annotations"]["injected"], "yes", "the annotation of the pods")
    check_equal(o["metadata"]["annotations"]["noted"], "by others", "the annotation")
    w.daemons.wait_idle(ns)
    check_equal(w.api.get("StatefulSet", ns, name)["metadata"]["resourceVersion"], o["metadata"]["resourceVersion"], "the version at rest")


def test_an_autoscaler_scales_the_cluster_and_only_the_taskmanagers_follow(w: World) -> None:
    ns = made(w, everything())
    before = children(w, ns)
    w.api.patch("FlinkCluster", ns, "c", {"spec": {"replicas": 3}}, "scale")  # what a HorizontalPodAutoscaler does
    fresh(w, "StatefulSet", ns, "c-taskmanager", lambda o: o["spec"]["replicas"] == 3, "to follow")
    w.daemons.wait_idle(ns)
    check_equal(w.api.get("FlinkCluster", ns, "c")["spec"]["taskManager"]["replicas"], 3, "what the autoscaler set")
    after = children(w, ns)
    for key in CHILDREN:
        check_equal(after[key]["metadata"]["uid"], before[key]["metadata"]["uid"], f"uid of {key}")
    check_equal(after["StatefulSet", "c-jobmanager"]["spec"]["template"], before["StatefulSet", "c-jobmanager"]["spec"]["template"],
                "the JobManager's pods")


def test_pods_of_a_recreated_workload_are_waited_for(w: World) -> None:
    ns = made(w)
    w.add_pod(ns, "c-taskmanager-0", "taskmanager", "c")
    w.wait_stored("Pod", ns, "c-taskmanager-0")
    w.api.delete("StatefulSet", ns, "c-taskmanager")
    hold(lambda: not w.api.find("StatefulSet", ns, "c-taskmanager"), "no new one meets the pod of the old one", 1.5)
    w.api.delete("Pod", ns, "c-taskmanager-0", gracePeriodSeconds=0)
    fresh(w, "StatefulSet", ns, "c-taskmanager", lambda o: True, "to come back")


def test_revisions_are_kept_up_to_their_limit(w: World) -> None:
    ns = made(w, session(revisionHistoryLimit=2))
    for i in range(5):
        edit(w, "FlinkCluster", ns, "c", {"spec": {"flinkProperties": {"n": str(i)}}})
        w.daemons.wait_idle(ns)
    found = sorted(o["revision"] for o in w.api.list("ControllerRevision", ns))
    check_equal(found[-1], 6, "the newest")
    check(len(found) <= 4, f"{found} are kept, current and next one beside 2 of the past")


# ---- what isn't its own -------------------------------------------------------------------------------------


def test_a_foreign_object_of_a_childs_name_is_not_touched_and_the_status_says_so(w: World) -> None:
    ns = w.namespace()
    foreign = w.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c-configmap"}, "data": {"mine": "1"}}, ns)
    labelled = w.api.create({"apiVersion": "v1", "kind": "Service",
                             "metadata": {"name": "c-jobmanager", "labels": {"flinkoperator.k8s.io/revision-name": "c-1", "cluster": "c"}},
                             "spec": {"ports": [{"port": 1}]}}, ns)
    w.api.create(session(), ns)
    told = wait_problem(w, ns, "NameTaken", "ConfigMap c-configmap", "Service c-jobmanager")
    check("another name" in told, told)
    for o in (foreign, labelled):
        now = w.api.get(o.get("kind", "ConfigMap"), ns, o["metadata"]["name"])
        check_equal((now["metadata"]["uid"], now["metadata"]["resourceVersion"]),
                    (o["metadata"]["uid"], o["metadata"]["resourceVersion"]), f"{o['metadata']['name']} is as it was")
    for o in (foreign, labelled):
        w.api.delete(o.get("kind", "ConfigMap"), ns, o["metadata"]["name"])
    fresh(w, "ConfigMap", ns, "c-configmap", lambda o: "flink-conf.yaml" in o["data"], "to be the cluster's now")
    fresh(w, "Service", ns, "c-jobmanager", lambda o: len(o["spec"]["ports"]) == 4, "to be the cluster's now")
    wait_no_problem(w, ns)


def report(w: World) -> None:
    """What the status says is the statusreporter's to write: once, as nobody else does here."""
    done = w.daemons.run_once("statusreporter", "--once")
    check_equal(done.returncode, 0, done.stderr[-500:])


def degraded(w: World, ns: str) -> Object:
    report(w)
    status = w.api.get("FlinkCluster", ns, "c").get("status", {})
    return next((c for c in status.get("conditions", []) if c["type"] == "Degraded"), {})


def wait_problem(w: World, ns: str, reason: str, *words: str) -> str:
    def there() -> Any:
        c = degraded(w, ns)
        return c if c.get("reason") == reason and all(word in c["message"] for word in words) else None
    found: str = wait_for(there, f"{reason} in the status", 20, 0.2, explain=lambda: degraded(w, ns))["message"]
    return found


def wait_no_problem(w: World, ns: str) -> None:
    wait_for(lambda: degraded(w, ns).get("status") == "False", "no problem any more", 20, 0.2, explain=lambda: degraded(w, ns))


def test_a_cluster_that_slipped_in_while_the_webhook_was_off_is_refused_with_the_reason(w: World) -> None:
    ns = w.namespace()
    o = session()
    o["spec"]["jobManager"]["podAnnotations"] = {"not a key": "x"}  # the rules in the CRD can't see it
    w.api.create(o, ns)
    told = wait_problem(w, ns, "InvalidSpec", "spec.jobManager.podAnnotations", "not a key")
    check_equal((children(w, ns), w.api.list("ControllerRevision", ns)), ({}, []), f"nothing is made: {told}")
    edit(w, "FlinkCluster", ns, "c", {"spec": {"jobManager": {"podAnnotations": None}}})
    fresh(w, "StatefulSet", ns, "c-jobmanager", lambda o: True, "to be made now")
    wait_no_problem(w, ns)


def test_a_change_that_slipped_in_leaves_what_runs_alone(w: World) -> None:
    ns = made(w)
    before = children(w, ns)
    edit(w, "FlinkCluster", ns, "c", {"spec": {"taskManager": {"replicas": 5, "podAnnotations": {"not a key": "x"}}}})
    wait_problem(w, ns, "InvalidSpec", "spec.taskManager.podAnnotations")
    w.api.delete("Service", ns, "c-taskmanager")
    w.daemons.wait_idle(ns)
    check_equal({k: o["metadata"]["uid"] for k, o in children(w, ns).items()},
                {k: o["metadata"]["uid"] for k, o in before.items() if k != ("Service", "c-taskmanager")}, "the children")


def test_without_volcano_the_rest_is_made_and_the_status_says_what_lacks(w: World) -> None:
    ns = made(w, session(batchScheduler={"name": "volcano"}))
    wait_problem(w, ns, "VolcanoMissing", "podgroups.scheduling.volcano.sh", "isn't installed")
    check({("StatefulSet", "c-jobmanager"), ("StatefulSet", "c-taskmanager")} <= set(children(w, ns)), "the workloads")


def test_what_kubernetes_refuses_is_told_and_tried_again(w: World) -> None:
    ns = w.namespace()
    o = session()
    o["spec"]["jobManager"]["volumeMounts"] = [{"name": "nothing", "mountPath": "/x"}]  # no such volume
    w.api.create(o, ns)
    wait_problem(w, ns, "FailedCreate", "StatefulSet/c-jobmanager", "volumeMounts[0].name: Not found")
    check(("StatefulSet", "c-taskmanager") in children(w, ns), "the TaskManagers")
    edit(w, "FlinkCluster", ns, "c", {"spec": {"jobManager": {"volumeMounts": None}}})
    fresh(w, "StatefulSet", ns, "c-jobmanager", lambda o: True, "to be made now")
    wait_no_problem(w, ns)


# ---- the job -----------------------------------------------------------------------------------------------


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
def test_once_volcano_is_installed_its_group_is_made(w: World) -> None:
    ns = made(w, session(batchScheduler={"name": "volcano", "queue": "q"}))
    wait_problem(w, ns, "VolcanoMissing")
    w.api.install_crd_object(copy.deepcopy(PODGROUPS))
    w.daemons.restart("watcher")  # else it looks again within a minute
    w.api.annotate("FlinkCluster", ns, "c", installed="now")
    group = wait_for(lambda: w.api.find("PodGroup", ns, "flink-c"), "the PodGroup", 60)
    check_equal((group["spec"]["queue"], group["spec"]["minMember"]), ("q", 2), "its spec")
    wait_for(lambda: w.daemons.journal.object("PodGroup", ns, "flink-c"), "the watcher to see it", 30)
    wait_no_problem(w, ns)


if __name__ == "__main__":
    testing.main(lambda: world("watcher", "reconciler"), threads=4)
