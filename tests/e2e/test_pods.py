#!/usr/bin/env python3
"""What only a real kubelet can judge: the fields of pods, and the reasons for pods that don't start."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.node import Fc, Node, check, check_equal, counting, node, session, wait_for, with_share  # noqa: E402
from tests.lib import testing  # noqa: E402
from tests.lib.cluster import NODE_IP  # noqa: E402
from tests.lib.testing import test  # noqa: E402

IMAGE = {"image": "flink:1.20", "imagePullPolicy": "IfNotPresent"}


def wait_reason(fc: Fc, reason: str, *words: str) -> None:
    def named() -> Any:
        ready = fc.condition("Ready")
        return (ready.get("status") == "False" and ready.get("reason") == reason and
                all(word in ready["message"] for word in words))  # a log is read a moment after the crash
    wait_for(named, f"Ready=False with reason {reason} and {words}", 240, explain=lambda: fc.status.get("conditions"))
    wait_for(lambda: [e for e in fc.api.list("Event", fc.ns) if e["reason"] == reason and e["type"] == "Warning" and
                      e["involvedObject"]["kind"] == "FlinkCluster"], f"an Event {reason}", 30)


@test(timeout=500)
def test_pods_carry_probes_users_sidecars_init_containers_and_claims(n: Node) -> None:
    manifest = session("full")
    n.api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "full-data"},
                  "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "byhand",
                           "hostPath": {"path": str(n.share)}, "persistentVolumeReclaimPolicy": "Delete"}})
    manifest["spec"]["taskManager"] |= {
        "securityContext": {"runAsUser": 9999, "runAsNonRoot": True, "fsGroup": 9999},
        "livenessProbe": {"exec": {"command": ["true"]}},
        "readinessProbe": {"tcpSocket": {"port": "rpc"}, "periodSeconds": 1},
        "initContainers": [{"name": "fetch", "command": ["sh", "-c", "echo fetched >/data/it"],
                            "volumeMounts": [{"name": "data", "mountPath": "/data"}]} | IMAGE],
        "sidecars": [{"name": "side", "command": ["sleep", "100000"]} | IMAGE],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "volumeClaimTemplates": [{"metadata": {"name": "data"},
                                  "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "byhand",
                                           "resources": {"requests": {"storage": "1Gi"}}}}],
    }
    manifest["spec"]["jobManager"] |= {"accessScope": "NodePort", "securityContext": {"runAsUser": 9999, "runAsNonRoot": True}}
    with Fc(n, manifest) as fc:
        fc.wait_cluster("Running", 300)
        pod = fc.api.get("Pod", fc.ns, "full-taskmanager-0")
        check_equal([c["name"] for c in pod["spec"]["containers"]], ["taskmanager", "side"], "containers")
        who = n.cluster.kubectl("-n", fc.ns, "exec", "full-taskmanager-0", "-c", "taskmanager", "--", "sh", "-c",
                                "id -u; cat /data/it").split()
        check_equal(who, ["9999", "fetched"], "user and what the init container left")
        port = next(p["nodePort"] for p in fc.api.get("Service", fc.ns, "full-jobmanager")["spec"]["ports"] if p["name"] == "ui")
        wait_for(lambda: n.get(f"http://{NODE_IP}:{port}/overview"), "Flink's REST API at the node's own port", 30)
        claim = fc.api.get("PersistentVolumeClaim", fc.ns, "data-full-taskmanager-0")
        check_equal(claim["metadata"]["ownerReferences"][0]["kind"], "FlinkCluster", "owner of the claim")


@test(timeout=400)
def test_a_headless_jobmanager_is_reachable(n: Node) -> None:
    manifest = session("headless")
    manifest["spec"]["jobManager"]["accessScope"] = "Headless"
    with Fc(n, manifest) as fc:
        fc.wait_cluster("Running", 300)
        check_equal(fc.api.get("Service", fc.ns, "headless-jobmanager")["spec"]["clusterIP"], "None", "clusterIP")
        wait_for(lambda: n.get(f"{fc.flink}/overview"), "Flink's REST API", 30)


@test(timeout=400)
def test_an_image_that_cannot_be_pulled_is_named_in_the_status(n: Node) -> None:
    manifest = session("noimage")
    manifest["spec"]["image"] = {"name": "nowhere.invalid/flink:9", "pullPolicy": "IfNotPresent"}
    with Fc(n, manifest) as fc:
        wait_for(lambda: fc.condition("Ready").get("reason") in ("ImagePullBackOff", "ErrImagePull"), "the reason", 240,
                 explain=lambda: fc.status.get("conditions"))
        check("nowhere.invalid/flink:9" in fc.condition("Ready")["message"], str(fc.condition("Ready")))


@test(timeout=400)
def test_a_container_that_crashes_is_named_with_its_last_words(n: Node) -> None:
    manifest = session("crashes")
    manifest["spec"]["taskManager"]["sidecars"] = [
        {"name": "side", "command": ["sh", "-c", "echo 'the cupboard is bare'; exit 3"]} | IMAGE]
    with Fc(n, manifest) as fc:
        wait_reason(fc, "CrashLoopBackOff", "the cupboard is bare")


@test(timeout=400)
def test_a_container_that_uses_more_memory_than_its_limit_is_named_with_the_limit(n: Node) -> None:
    manifest = session("greedy")
    manifest["spec"]["taskManager"]["sidecars"] = [
        {"name": "side", "command": ["sh", "-c", "head -c 200m /dev/zero | tail"],
         "resources": {"limits": {"memory": "32Mi"}}} | IMAGE]
    with Fc(n, manifest) as fc:
        wait_reason(fc, "OOMKilled", "greedy-taskmanager-0", "side", "32Mi")
        check_equal(fc.condition("Degraded")["reason"], "OOMKilled", "Degraded")


@test(timeout=400)
def test_a_pod_that_fits_on_no_node_is_named(n: Node) -> None:
    manifest = session("huge")
    manifest["spec"]["taskManager"]["nodeSelector"] = {"no": "such"}
    with Fc(n, manifest) as fc:
        wait_reason(fc, "Unschedulable")


@test(timeout=400)
def test_memory_that_flink_will_refuse_is_said_with_the_numbers(n: Node) -> None:
    manifest = session("small")
    manifest["spec"]["taskManager"]["resources"]["limits"]["memory"] = "500Mi"
    with Fc(n, manifest) as fc:
        wait_for(lambda: fc.condition("Ready").get("reason") == "InvalidMemory", "the reason", 60,
                 explain=lambda: fc.status.get("conditions"))
        check("taskManager" in fc.condition("Ready")["message"] or "TaskManager" in fc.condition("Ready")["message"],
              str(fc.condition("Ready")))


@test(timeout=400)
def test_a_submitter_whose_program_is_wrong_fails_with_flinks_words(n: Node) -> None:
    with Fc(n, with_share(n, counting("wrong", {"jarFile": "/share/nosuch.jar"}))) as fc:
        fc.wait_state("Failed", "DeployFailed")
        wait_for(lambda: "nosuch.jar" in " ".join(fc.job.get("failureReasons", [])), "the reason", 60, explain=lambda: fc.job)


if __name__ == "__main__":
    testing.main(node, threads=3)
