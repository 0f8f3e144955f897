"""A node with flinkd in its pod, as a user installs it, and FlinkClusters to follow on it."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lib.cluster import Cluster  # noqa: E402
from tests.lib.daemons import ALL, SANITIZER, bin_dir, is_sanitized  # noqa: E402
from tests.lib.kube import CONTROL, ApiError, Kube, load_yaml  # noqa: E402
from tests.lib.testing import check, check_equal, fail, wait_for  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "flink-operator-system"
# Most of what a test costs is JVMs that start: what they would gain by compiling better they don't live to see.
QUICK_JVM = [{"name": "JAVA_TOOL_OPTIONS", "value": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData"}]
START_S = 240  # JVMs on a busy machine: how long a cluster may take to run its job


class Node:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.api = cluster, cluster.api
        # Beside the cluster's own data: removed with it. Flink's user writes there.
        self.share = cluster.dir / "share"
        self.share.mkdir()
        self.share.chmod(0o777)
        for job in [ROOT / "build/jobs/counting.jar", ROOT / "tests/jobs/word_count.py"]:
            shutil.copy(job, self.share)

    def deploy(self, image: Path) -> None:
        self.cluster.tool("load", str(image))
        manifests = self.cluster.kubectl("kustomize", str(ROOT / "deploy"))
        if is_sanitized():
            manifests = manifests.replace("memory: 128Mi", "memory: 1Gi")
        self.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=manifests)
        self.wait_operator()

    def operator_pod(self) -> dict[str, Any]:
        pods = self.api.list("Pod", SYSTEM, labelSelector="control-plane=controller-manager")
        return next((p for p in pods if "deletionTimestamp" not in p["metadata"]), {})

    def wait_operator(self) -> None:
        def ready() -> bool:
            statuses = self.operator_pod().get("status", {}).get("containerStatuses", [])
            return len(statuses) == 5 and all(s["ready"] for s in statuses)
        wait_for(ready, "flinkd's pod to be ready", 120, explain=lambda: self.operator_pod().get("status"))

    def operator_leads(self) -> bool:
        """Does it say of itself that it works?"""
        url = f"http://flink-operator-controller-manager-metrics-service.{SYSTEM}.svc.cluster.local:8080/metrics"
        done = self.cluster.run("curl", "-sf", "-m", "3", url, stdout=subprocess.PIPE, text=True, check=True)
        return "\nflinkd_leader 1" in "\n" + done.stdout

    def operator_logs(self, lines: int = 15) -> list[str]:
        pod = self.operator_pod()
        if not pod:
            return ["no pod of flinkd"]
        out: list[str] = []
        for c in pod["spec"]["containers"]:
            with contextlib.suppress(Exception):
                text = self.api.log(SYSTEM, pod["metadata"]["name"], c["name"], tailLines=lines)
                out += [f"[{c['name']}] {line}" for line in text.splitlines()]
        return out

    def end_daemons(self) -> None:
        """Each is told to end; no sanitizer may have reported anything then (leaks at the end)."""
        pod = self.operator_pod()
        name = pod["metadata"]["name"]
        ran = {s["name"]: s["containerID"] for s in pod["status"]["containerStatuses"]}
        for daemon in ALL:
            os.kill(self.process_of(daemon), signal.SIGTERM)

        def ends() -> dict[str, int]:
            statuses = self.api.get("Pod", SYSTEM, name)["status"]["containerStatuses"]
            last = [(s["name"], s[which].get("terminated", {})) for s in statuses for which in ("state", "lastState")]
            return {container: end["exitCode"] for container, end in last if end.get("containerID") == ran[container]}
        codes = wait_for(lambda: len(ends()) == len(ran) and ends(), "the daemons to end", 60, explain=ends)
        logs = {c: self.logs_of(name, c) for c in codes}
        reports = [f"{c}: {text[m.start():m.start() + 3000]}" for c, text in logs.items() if (m := SANITIZER.search(text))]
        check(not reports, "\n".join(reports))
        check_equal(codes, dict.fromkeys(codes, 0), "exit codes")

    def logs_of(self, pod: str, container: str) -> str:
        """Of what runs there and what ran before it."""
        text = ""
        for previous in ("true", "false"):
            with contextlib.suppress(Exception):  # nothing has run before, or it isn't kept
                text += self.api.log(SYSTEM, pod, container, previous=previous)
        return text

    def check_permissions(self) -> None:
        """flinkd asked for nothing that its role doesn't allow."""
        refused: set[str] = set()
        for event in self.cluster.audited():
            if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid":
                what = event["objectRef"]
                refused.add(" ".join([event["verb"], what.get("apiGroup", ""), what["resource"], what.get("subresource", "")]))
        check_equal(sorted(refused), [], "requests of flinkd that are forbidden to it")

    def process_of(self, daemon: str) -> int:
        return self.process_in(self.operator_pod(), f"^/usr/local/bin/flinkd-{daemon} ")

    def process_in(self, pod: dict[str, Any], command: str) -> int:
        """A pod's process on this machine (containers are processes of it)."""
        uid = pod["metadata"]["uid"]
        found = subprocess.run(["pgrep", "-f", command], stdout=subprocess.PIPE, text=True, check=False)
        for pid in map(int, found.stdout.split()):
            with contextlib.suppress(OSError):
                if uid in Path(f"/proc/{pid}/cgroup").read_text() or uid in Path(f"/proc/{pid}/mountinfo").read_text():
                    return pid
        fail(f"no process '{command}' in pod {pod['metadata']['name']}")

    def wait_no_pods(self, ns: str) -> None:
        """For the next one to have the machine to itself."""
        wait_for(lambda: not self.api.list("Pod", ns), f"the pods of {ns} to go", 120)

    def text(self, url: str) -> str:
        """From an address in the cluster; "" when it doesn't answer."""
        done = self.cluster.run("curl", "-sf", "-m", "3", url, stdout=subprocess.PIPE, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def post(self, url: str, body: dict[str, Any]) -> None:
        self.cluster.run("curl", "-sSf", "-m", "10", "--json", json.dumps(body), url, stdout=subprocess.DEVNULL, check=True)

    def get(self, url: str) -> Any:
        """The same in JSON; None when it doesn't answer."""
        try:
            return json.loads(self.text(url))
        except ValueError:
            return None

    def etcd(self, call: str, request: dict[str, Any]) -> Any:
        done = self.cluster.run("curl", "-sf", f"http://127.0.0.1:2379/v3/kv/{call}", "-d", json.dumps(request),
                                stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)


class Fc:
    """One FlinkCluster, in a namespace of its own."""

    def __init__(self, node: Node, manifest: dict[str, Any]) -> None:
        self.node, self.api = node, node.api
        self.name = manifest["metadata"]["name"]
        self.ns = node.api.namespace(prefix=self.name)
        self.manifest = manifest
        self.control = node.share / self.ns
        self.control.mkdir()
        self.control.chmod(0o777)
        self.over = threading.Event()

    def hurried(self) -> Fc:
        """Its pods don't wait out the 30 s that they stay after they were deleted."""
        def hurry() -> None:
            while not self.over.wait(0.5):
                with contextlib.suppress(ApiError, OSError):
                    for pod in self.api.list("Pod", self.ns):
                        if pod["metadata"].get("deletionGracePeriodSeconds", 0) > 1:
                            self.api.delete("Pod", self.ns, pod["metadata"]["name"], gracePeriodSeconds=1)
        threading.Thread(target=hurry, daemon=True).start()
        return self

    def __enter__(self) -> Fc:
        self.api.create(self.manifest, self.ns)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is not None:
            for line in self.story():
                print(f"  | {line}", flush=True)
        self.over.set()
        self.api.delete("Namespace", None, self.ns)

    def story(self) -> list[str]:
        with contextlib.suppress(Exception):
            status = self.status
            events = self.api.list("Event", self.ns)
            pods = [(p["metadata"]["name"], p["status"].get("phase")) for p in self.api.list("Pod", self.ns)]
            return [f"status: {json.dumps(status)[:3000]}", f"pods: {pods}",
                    *[f"event: {e['reason']}: {e['message'][:200]}" for e in events if e["involvedObject"]["kind"] == "FlinkCluster"],
                    *self.node.operator_logs()]
        return ["the cluster can't be asked"]

    # ---- what it says ----

    @property
    def object(self) -> dict[str, Any]:
        return self.api.get("FlinkCluster", self.ns, self.name)

    @property
    def status(self) -> dict[str, Any]:
        return self.object.get("status", {})

    @property
    def job(self) -> dict[str, Any]:
        return self.status.get("components", {}).get("job", {})

    @property
    def state(self) -> str:
        return self.job.get("state", "")

    def condition(self, kind: str) -> dict[str, Any]:
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def events(self) -> set[str]:
        """The reasons of its Events."""
        return {e["reason"] for e in self.api.list("Event", self.ns) if e["involvedObject"]["kind"] == "FlinkCluster"}

    def wait_wrong(self, words: str, deadline_s: float = START_S) -> None:
        """For the status to say so."""
        wait_for(lambda: words in self.condition("Degraded").get("message", ""), f"'{words}' in the status", deadline_s,
                 explain=lambda: self.status.get("conditions"))

    def wait_state(self, *states: str, deadline_s: float = START_S) -> str:
        return wait_for(lambda: self.state in states and self.state, f"job {' or '.join(states)}", deadline_s,
                        explain=lambda: self.job)

    def wait_cluster(self, state: str, deadline_s: float = START_S) -> None:
        wait_for(lambda: self.status.get("state") == state, f"cluster {state}", deadline_s, explain=lambda: self.status)

    # ---- what a user does ----

    def store(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """A change of the object that no admission would let pass: as it may be stored from before there was one."""
        key = base64.b64encode(f"/registry/flinkoperator.k8s.io/flinkclusters/{self.ns}/{self.name}".encode()).decode()

        def stored() -> Any:
            [kept] = self.node.etcd("range", {"key": key})["kvs"]
            o = json.loads(base64.b64decode(kept["value"]))
            change(o)
            value = base64.b64encode(json.dumps(o).encode()).decode()
            return self.node.etcd("txn", {
                "compare": [{"key": key, "target": "MOD", "mod_revision": kept["mod_revision"]}],
                "success": [{"request_put": {"key": key, "value": value}}]}).get("succeeded")
        wait_for(stored, "the change to be stored", 10)

    def patch(self, spec: dict[str, Any]) -> None:
        self.api.patch("FlinkCluster", self.ns, self.name, {"spec": spec})

    def request(self, what: str) -> None:
        self.before_request = self.status.get("control")
        self.api.annotate("FlinkCluster", self.ns, self.name, **{CONTROL: what})

    def wait_control(self, state: str, deadline_s: float = 120) -> dict[str, Any]:
        def done() -> Any:
            control = self.status.get("control", {})
            ended = control.get("state") in ("Succeeded", "Failed")
            return control if ended and control != self.before_request else None
        control = wait_for(done, "the request to end", deadline_s, explain=lambda: self.status)
        check_equal(control["state"], state, f"request ({control.get('message')})")
        return control

    def tell(self, command: str) -> None:
        (self.control / command).touch()

    def untell(self, command: str) -> None:
        (self.control / command).unlink(missing_ok=True)

    # ---- what Flink says ----

    @property
    def flink(self) -> str:
        service = self.api.find("Service", self.ns, f"{self.name}-jobmanager")
        return f"http://{self.name}-jobmanager.{self.ns}.svc.cluster.local:8081" if service else ""

    def flink_jobs(self) -> list[dict[str, Any]]:
        answer = self.node.get(f"{self.flink}/jobs/overview")
        return answer["jobs"] if answer else []

    def running_jobs(self) -> list[str]:
        return [j["jid"] for j in self.flink_jobs() if j["state"] not in ("FINISHED", "FAILED", "CANCELED")]

    def counts(self) -> list[tuple[int, int]]:
        """(count, value) that the counting job printed, of the TaskManager pods that there are now."""
        found: list[tuple[int, int]] = []
        for pod in self.api.list("Pod", self.ns, labelSelector="component=taskmanager"):
            with contextlib.suppress(Exception):
                text = self.api.log(self.ns, pod["metadata"]["name"], "taskmanager")
                found += [(int(n), int(v)) for n, v in re.findall(r"count=(\d+) value=(\d+)", text)]
        return found

    def wait_counting(self, at_least: int = 1, deadline_s: float = 120) -> tuple[int, int]:
        return wait_for(lambda: next((c for c in reversed(self.counts()) if c[0] >= at_least), None),
                        f"a count of {at_least}", deadline_s)

    def check_nothing_lost(self) -> None:
        """Count and position are both state: they agree exactly as long as no state was lost."""
        for count, value in self.counts():
            check_equal(count, value + 1, f"count at value {value}")

    def wait_counted_on(self, beyond: int, new_from: int | None = None) -> None:
        """The run that is Running by now counts, past `beyond`, with its state. The TaskManagers stayed and printed every number
        once, as with a stop with savepoint; or they are new and printed nothing below `new_from`."""
        printed = max((count for count, _ in self.counts()), default=0)  # of the run before too, if they stayed
        self.wait_counting(max(beyond, printed) + 5)
        self.check_nothing_lost()
        counts = [count for count, _ in self.counts()]
        if new_from is None:
            check_equal(counts, list(range(1, len(counts) + 1)), "all counts")
        else:
            check(min(counts) >= new_from, f"{self.name} began at {min(counts)}, not at {new_from} or later")

    def wait_counted_on_from(self, after: int, until: int) -> None:
        """The TaskManagers stayed, and the next run counts on from a savepoint that was taken between these counts."""
        wait_for(self.went_back, "the next run to count", 120)
        self.check_nothing_lost()
        back = self.went_back()
        check(len(back) == 1 and after < back[0] <= until + 1, f"it went on at {back}, saved between {after} and {until}")

    def went_back(self) -> list[int]:
        """Where a job of a TaskManager that stayed went on, each time that it didn't go on from the number before."""
        counts = [count for count, _ in self.counts()]
        return [after for before, after in itertools.pairwise(counts) if after != before + 1]

    # ---- its objects ----

    def pods(self, component: str) -> dict[str, str]:
        """Name and uid of those that are to stay."""
        pods = self.api.list("Pod", self.ns, labelSelector=f"component={component}")
        return {p["metadata"]["name"]: p["metadata"]["uid"] for p in pods if "deletionTimestamp" not in p["metadata"]}

    def wait_gone(self, *kinds: str) -> None:
        """For nothing of these kinds to be left of it."""
        def left() -> list[str]:
            return [f"{kind} {o['metadata']['name']}" for kind in kinds for o in self.api.list(kind, self.ns)
                    if o["metadata"]["name"].startswith(self.name)]
        wait_for(lambda: not left(), f"each {', '.join(kinds)} to go", 60, explain=left)

    @property
    def submitter(self) -> dict[str, Any]:
        return self.api.find("Job", self.ns, f"{self.name}-job-submitter") or {}

    def submitted(self) -> list[str]:
        """The submitter's arguments."""
        submitter = self.submitter
        return submitter["spec"]["template"]["spec"]["containers"][0]["args"] if submitter else []

    def wait_run(self, other_than: str, deadline_s: float = START_S) -> None:
        wait_for(lambda: self.job.get("id") != other_than and self.state == "Running", "another run to be running",
                 deadline_s, explain=lambda: self.status)

    def revision(self, which: str = "currentRevision") -> str:
        return self.status["revision"][which]

    def wait_updated(self, from_revision: str, deadline_s: float = START_S) -> None:
        wait_for(lambda: self.revision() == self.revision("nextRevision") != from_revision, "the update to be finished",
                 deadline_s, explain=lambda: self.status)


def counting(name: str, job: dict[str, Any] | None = None, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """A FlinkCluster that runs tests/jobs/CountingJob: small, one slot; $CONTROL becomes its folder."""
    manifest: dict[str, Any] = {
        "apiVersion": "flinkoperator.k8s.io/v1beta1",
        "kind": "FlinkCluster",
        "metadata": {"name": name},
        "spec": {
            "flinkVersion": "1.20",
            "image": {"name": "flink:1.20", "pullPolicy": "IfNotPresent"},
            "envVars": QUICK_JVM,
            "jobManager": {"resources": {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"cpu": "50m", "memory": "256Mi"}}},
            "taskManager": {"replicas": 1, "resources": {"limits": {"memory": "1200Mi", "cpu": "1"},
                                                         "requests": {"cpu": "50m", "memory": "256Mi"}}},
            "job": {
                "jarFile": "/share/counting.jar",
                "args": ["--pause", "50"],
                "parallelism": 1,
                "savepointsDir": "file:///share/savepoints",
                "cleanupPolicy": {"afterJobCancelled": "KeepCluster", "afterJobSucceeds": "KeepCluster"},
                "resources": {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"cpu": "50m", "memory": "128Mi"}},
            },
            "flinkProperties": {"taskmanager.numberOfTaskSlots": "1", "taskmanager.memory.managed.size": "16m",
                                "heartbeat.timeout": "20000", "restart-strategy.type": "none"},
        },
    }
    manifest["spec"]["job"] |= job or {}
    for key, value in (spec or {}).items():
        if isinstance(value, dict):
            manifest["spec"].setdefault(key, {}).update(value)
        else:
            manifest["spec"][key] = value
    return manifest


def session(name: str, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """The same without a job."""
    manifest = counting(name, spec=spec)
    del manifest["spec"]["job"]
    return manifest


def with_share(node: Node, manifest: dict[str, Any]) -> dict[str, Any]:
    """The node's shared folder at /share in every pod."""
    volume = [{"name": "share", "hostPath": {"path": str(node.share)}}]
    mount = [{"name": "share", "mountPath": "/share"}]
    for part in ("jobManager", "taskManager", "job"):
        if part in manifest["spec"]:
            manifest["spec"][part] |= {"volumes": volume, "volumeMounts": mount}
    return manifest


def start(node: Node, name: str, job: dict[str, Any] | None = None, spec: dict[str, Any] | None = None) -> Fc:
    """A counting job whose control folder is the FlinkCluster's own."""
    fc = Fc(node, with_share(node, counting(name, job, spec)))
    args = fc.manifest["spec"]["job"].get("args", [])
    fc.manifest["spec"]["job"]["args"] = [*args, "--control", f"/share/{fc.ns}"]
    return fc


def saved(fc: Fc) -> set[str]:
    """The complete savepoints in its folder, $CONTROL/savepoints."""
    return {f"file:/share/{fc.ns}/savepoints/{f.parent.name}" for f in (fc.control / "savepoints").glob("savepoint-*/_metadata")}


def sample(name: str) -> dict[str, Any]:
    return load_yaml(ROOT / f"deploy/samples/{name}.yaml")


@contextlib.contextmanager
def node(images: list[str] | None = None) -> Iterator[Node]:
    subprocess.run([ROOT / "tests/jobs/build"], check=True)
    with Cluster(node=True, images=images or [], crd=False, audit=SYSTEM) as cluster:
        image = cluster.dir / "flinkd.oci.tar"
        subprocess.run([ROOT / "deploy/image", bin_dir(), image], check=True, stderr=subprocess.DEVNULL)
        n = Node(cluster)
        n.deploy(image)
        yield n
        if is_sanitized():
            n.end_daemons()
        n.check_permissions()


__all__ = ["QUICK_JVM", "ROOT", "Fc", "Kube", "Node", "check", "check_equal", "counting", "node", "sample", "saved", "session", "start", "wait_for", "with_share"]
