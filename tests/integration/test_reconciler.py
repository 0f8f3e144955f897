#!/usr/bin/env python3
"""The reconciler with a watcher that tells it what there is: children come and stay as specified.

Nobody runs pods or collects garbage here. tests/integration/test_reconciler_alone.py has it without the watcher.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.children import (CHILDREN, children, delta, edit, everything, fresh, made, requests, session, wait_no_problem,
                                        wait_problem)
from tests.integration.common import Object, World, world
from tests.lib import testing
from tests.lib.kube import APPLY_PATCH, PODGROUPS
from tests.lib.testing import check, check_equal, hold, test, wait_for

SIDECAR = {"name": "proxy", "image": "proxy:1", "env": [{"name": "A", "value": "b"}]}


def container(o: Object, name: str | None = None) -> Object:
    found: list[Object] = o["spec"]["template"]["spec"]["containers"]
    return found[0] if name is None else next((c for c in found if c["name"] == name), {})


# ---- requests ------------------------------------------------------------------------------------------------


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


def test_the_data_of_a_revision_has_the_bytes_that_the_reference_operator_compares(w: World) -> None:
    """Written by Go's encoding/json: sorted keys, no spaces, <, > and & escaped. Else it would update all on the way back."""
    ns = made(w, session(flinkProperties={"z": "1", "a": "<b> & é", "m": "2"}))

    def numbers() -> list[int]:
        return sorted(r["revision"] for r in w.api.list("ControllerRevision", ns))

    edit(w, "FlinkCluster", ns, "c", {"spec": {"flinkProperties": {"n": "3"}}})
    wait_for(lambda: numbers() == [1, 2], "the second revision")
    edit(w, "FlinkCluster", ns, "c", {"spec": {"flinkProperties": {"n": None}}})
    wait_for(lambda: numbers() == [2, 3], "the first revision to have a new number")
    for revision in w.api.list("ControllerRevision", ns):
        stored = w.cluster.kubectl("get", "--raw", w.api.path("ControllerRevision", ns, revision["metadata"]["name"]))
        data = json.dumps(revision["data"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for character in "<>&":
            data = data.replace(character, f"\\u{ord(character):04x}")
        check(f'"data":{data}' in stored, f"{data} isn't in {stored}")


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
