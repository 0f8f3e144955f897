#!/usr/bin/env python3
"""flinkctl beside a watcher and a statusreporter: what it tells, and what it asks for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import World, world
from tests.lib import testing
from tests.lib.cluster import ROOT
from tests.lib.kube import CONTROL, load_all_yaml
from tests.lib.testing import check, check_equal, wait_for



def run(w: World, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return w.cluster.run(str(w.daemons.bin / "flinkctl"), args[0], f"--kubeconfig={w.cluster.kubeconfig}",
                         f"--journal={w.daemons.journal_path}", *args[1:], input=stdin, capture_output=True, text=True, timeout=60)


def add(w: World, case: str, job_state: str = "") -> str:
    ns = w.namespace()
    spec = json.loads((ROOT / f"tests/golden/cases/{case}/expected.json").read_text())["defaulted_spec"]
    w.api.create({"apiVersion": "flinkoperator.k8s.io/v1beta1", "kind": "FlinkCluster", "metadata": {"name": "c", "namespace": ns},
                  "spec": spec})
    if job_state:
        w.set_status(ns, "c", {"components": {"job": {"state": job_state, "id": "0123456789abcdef0123456789abcdef"}}})
    wait_for(lambda: w.api.get("FlinkCluster", ns, "c").get("status", {}).get("conditions"), "a status", 15)
    w.daemons.wait_idle(ns)
    return ns


def test_the_timeline_tells_what_was_seen_and_said(w: World) -> None:
    ns = add(w, "session-minimal")
    told = run(w, "timeline", f"{ns}/c").stdout
    check("watcher" in told and "FlinkCluster c" in told, told)
    check("cluster Creating" in told, told)


def test_the_timeline_of_a_cluster_that_is_gone_stays(w: World) -> None:
    ns = add(w, "session-minimal")
    w.api.delete("FlinkCluster", ns, "c")
    wait_for(lambda: not w.daemons.journal.object("FlinkCluster", ns, "c"), "its end", 10)
    check("cluster Creating" in run(w, "timeline", f"{ns}/c").stdout, "the history is there")
    check_equal(run(w, "why", f"{ns}/c").returncode, 1, "why of nothing")


def test_why_tells_conditions_and_the_next_step(w: World) -> None:
    ns = add(w, "session-minimal")
    told = run(w, "why", f"{ns}/c").stdout
    check("state: Creating" in told and "Ready=False" in told, told)
    check("apply StatefulSet c-taskmanager: it doesn't exist" in told, told)


def test_why_tells_the_same_as_json(w: World) -> None:
    ns = add(w, "session-minimal")
    told = json.loads(run(w, "why", f"{ns}/c", "--json").stdout)
    check_equal((told["namespace"], told["name"], told["status"]["state"], told["pods"], told["commands"]),
                (ns, "c", "Creating", [], []), "what is known")
    check(any(a["kind"] == "StatefulSet" and a["why"] == "it doesn't exist" for a in told["plan"]["actions"]), str(told["plan"]))


def test_a_snapshot_is_decided_on_as_the_journal_is(w: World) -> None:
    ns = add(w, "session-minimal")
    snapshot = run(w, "snapshot", f"{ns}/c").stdout
    from_file = run(w, "replay", "--file=-", "--now=1790000000000", stdin=snapshot).stdout
    from_journal = run(w, "replay", f"{ns}/c", "--now=1790000000000").stdout
    check(json.loads(from_file)["actions"], "there is something to do, as no reconciler runs")
    check_equal(json.loads(from_file), json.loads(from_journal), "the plans")


def test_a_copy_of_the_journal_decides_as_the_journal_does(w: World) -> None:
    ns = add(w, "session-minimal")
    copied = w.cluster.run(str(w.daemons.bin / "flinkctl"), "journal", f"--journal={w.daemons.journal_path}", capture_output=True,
                           timeout=60)
    check_equal(copied.stderr, b"", "flinkctl journal")
    copy = w.daemons.dir / "copy.db"
    copy.write_bytes(copied.stdout)
    from_copy = run(w, "replay", f"{ns}/c", "--now=1790000000000", f"--journal={copy}").stdout
    from_journal = run(w, "replay", f"{ns}/c", "--now=1790000000000").stdout
    check(json.loads(from_copy)["actions"], "there is something to do, as no reconciler runs")
    check_equal(from_copy, from_journal, "the plans")
    check_equal(list(w.daemons.dir.glob("journal.db.copy*")), [], "left behind")


def test_a_savepoint_of_a_finished_job_is_refused_with_the_reason(w: World) -> None:
    ns = add(w, "job-detached", "Succeeded")
    done = run(w, "savepoint", f"{ns}/c", "--timeout=30")
    check_equal(done.returncode, 1, done.stdout + done.stderr)
    check("savepoint: Failed" in done.stdout, done.stdout + done.stderr)
    check(CONTROL not in w.api.get("FlinkCluster", ns, "c")["metadata"].get("annotations", {}), "the annotation is there")


def test_a_session_cluster_has_no_job_to_cancel(w: World) -> None:
    ns = add(w, "session-minimal")
    done = run(w, "cancel", f"{ns}/c")
    check_equal((done.returncode, "no job" in done.stderr), (1, True), done.stderr)


def test_the_doctor_finds_what_is_there_and_what_lacks(w: World) -> None:
    healths = ",".join(f"127.0.0.1:{w.daemons.health_port(d)}" for d in ("watcher", "statusreporter"))
    done = run(w, "doctor", f"--daemons={healths},127.0.0.1:1")
    for line in ("ok     API server", "ok     CRD flinkclusters", "ok     permissions", "ok     journal",
                 f"ok     daemon at 127.0.0.1:{w.daemons.health_port('watcher')} is ready", "WRONG  daemon at 127.0.0.1:1:"):
        check(line in done.stdout, f"no '{line}' in {done.stdout}")
    check_equal(done.returncode, 1, "a daemon lacks")


def rules() -> set[str]:
    """What the manifests allow, as the doctor names it."""
    found = set()
    for file in ("rbac.yaml", "rbac-leader-election.yaml", "rbac-webhook.yaml"):
        for role in load_all_yaml(ROOT / "deploy/manifests" / file):
            for rule in role.get("rules", []):
                found |= {f"{verb} {resource}{'.' if group else ''}{group}" for verb in rule["verbs"]
                          for resource in rule["resources"] for group in rule["apiGroups"]}
    return found


def test_the_doctor_asks_for_every_permission_of_the_manifests_and_no_other(w: World) -> None:
    """A user who may nothing is told all of them; one with the manifests' own roles lacks none."""
    ns = "flink-operator-system"
    w.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "flink-operator-controller-manager"}}
    w.api.apply(account, ns)
    asked = w.api.request("POST", w.api.path("ServiceAccount", ns, "flink-operator-controller-manager") + "/token",
                          {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    text = re.sub(r"token: .*", f"token: {asked['status']['token']}", w.cluster.kubeconfig.read_text())
    config = w.daemons.dir / "account.kubeconfig"
    config.write_text(text)
    done = run(w, "doctor", "--daemons=", f"--kubeconfig={config}")
    told = re.findall(r"^(WRONG|warn )  permission: (\w+ \S+): not allowed", done.stdout, re.M)
    check_equal(sorted(what for _, what in told), sorted(rules()), "permissions that are asked for")
    check({what.split(".")[0] for kind, what in told if kind == "warn "} >= {"create podgroups"},
          "what flinkd can do without is no error: " + done.stdout)
    for file in ("rbac.yaml", "rbac-leader-election.yaml", "rbac-webhook.yaml"):
        for o in load_all_yaml(ROOT / "deploy/manifests" / file):
            w.api.apply(o, o["metadata"].get("namespace"))
    done = run(w, "doctor", "--daemons=", f"--kubeconfig={config}")
    check("ok     permissions of this user: all that flinkd needs" in done.stdout, done.stdout)


def test_wrong_usage_is_2(w: World) -> None:
    for args in (["nope"], ["why", "a", "b"], ["why", "--nope"], ["doctor", "--json"], ["cancel", "c", "--json"]):
        check_equal(run(w, *args).returncode, 2, str(args))
    check_equal(run(w, "why", "--help").returncode, 0, "help")


if __name__ == "__main__":
    testing.main(lambda: world("watcher", "statusreporter"), threads=4)
