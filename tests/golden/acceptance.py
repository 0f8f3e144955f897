"""What flinkd refuses although the reference operator accepts it, and the other way round, and what an update restarts: each
with its name and reason.

docs/compatibility.md, "What is refused" and "What an update restarts", lists them. As with differences.py, nothing else is
forgiven.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.golden.differences import Quirked, at, children_wait, goes_on, waits
from tests.lib.kube import CONTROL, Object, load_yaml

CRD = Path(__file__).parents[2] / "deploy/crd/flinkclusters.yaml"


@dataclass(frozen=True)
class Acceptance:
    name: str
    reason: str
    about: str  # what the denial speaks of, flinkd's or the reference operator's: a regular expression
    holds: Callable[[Object, Object], bool]  # (object that is stored, {} if none; object that is sent)


def blank(value: Any) -> bool:
    return not str(value or "").strip()


# ---- refused here ------------------------------------------------------------------------------------

PROGRAM = ("-py", "--python", "-pym", "--pyModule")
COUNTED = {"extraPorts": 64, "podLabels": 128}


def gcp_without_account(old: Object, new: Object) -> bool:
    return "gcpConfig" in new["spec"] and not at(new, "spec", "gcpConfig", "serviceAccount")


def hadoop_without_map(old: Object, new: Object) -> bool:
    return "hadoopConfig" in new["spec"] and blank(at(new, "spec", "hadoopConfig", "configMapName"))


def application_without_program(old: Object, new: Object) -> bool:
    job = at(new, "spec", "job")
    named = [a.split("=")[0] for a in job.get("args", [])]
    return job.get("mode") == "Application" and all(blank(job.get(k)) for k in ("className", "pyFile", "pyModule")) \
        and not set(named) & set(PROGRAM)


def unknown_deployment_type(old: Object, new: Object) -> bool:
    return at(new, "spec", "taskManager").get("deploymentType", "") not in ("", "StatefulSet", "Deployment")


def too_many(old: Object, new: Object) -> bool:
    spec, job = new["spec"], at(new, "spec", "job")
    parts = [at(spec, "jobManager"), at(spec, "taskManager"), job]
    return len(spec.get("flinkVersion", "")) > 128 \
        or any(len(job.get(key, [])) > 1024 for key in ("args", "classPath")) \
        or any(len(part.get(key, [])) > most for part in parts for key, most in COUNTED.items()) \
        or any(len(port.get("name", "")) > 63 for part in parts for port in part.get("extraPorts", []))


@functools.cache
def schema() -> Any:
    return load_yaml(CRD)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def lacks(node: Any, value: Any) -> bool:
    """Something mandatory isn't in it."""
    if isinstance(value, list):
        return any(lacks(node.get("items", {}), item) for item in value)
    if not isinstance(value, dict):
        return False
    properties = node.get("properties", {})
    return any(key not in value and "default" not in properties.get(key, {}) for key in node.get("required", [])) \
        or any(lacks(properties[key], item) for key, item in value.items() if key in properties)


def mandatory_missing(old: Object, new: Object) -> bool:
    return lacks(schema(), {"flinkVersion": ""} | new["spec"])


REFUSED = [
    Acceptance("gcp-without-account", "the reference operator crashes at it", "gcpConfig", gcp_without_account),
    Acceptance("hadoop-without-map", "no pod could be made", "hadoopConfig", hadoop_without_map),
    Acceptance("application-without-program", "the reference operator crashes at it", "className", application_without_program),
    Acceptance("unknown-deployment-type", "there would be no TaskManagers", "deploymentType", unknown_deployment_type),
    Acceptance("mandatory-missing", "an empty name or number is no name and no number", "Required value|required", mandatory_missing),
    Acceptance("too-many", "the API server checks the CRD's rules in bounded time only", "Too (many|long)", too_many),
]

# ---- accepted here -----------------------------------------------------------------------------------

# What is changed where it is, while the job goes on (docs/compatibility.md, "What an update restarts").
LEFT_ALONE = {
    ("revisionHistoryLimit",), ("recreateOnUpdate",), ("podDisruptionBudget",), ("batchScheduler", "queue"),
    ("jobManager", "accessScope"), ("jobManager", "ServiceAnnotations"), ("jobManager", "ServiceLabels"), ("jobManager", "ingress"),
    ("taskManager", "horizontalPodAutoscaler"), ("taskManager", "replicas"), ("job", "autoSavepointSeconds"),
    ("job", "savepointsDir"), ("job", "takeSavepointOnUpdate"), ("job", "maxStateAgeToRestoreSeconds"), ("job", "cleanupPolicy"),
    ("job", "restartPolicy"), ("job", "savepointFormatType"),
} | {("flinkProperties", key) for key in ("jobmanager.rpc.address", "jobmanager.rpc.port", "blob.server.port", "query.server.port",
                                          "rest.port")}
SUBMITTERS = {("job", key) for key in (
    "affinity", "classPath", "hostAliases", "initContainers", "jarFile", "noLoggingToStdout", "nodeSelector", "podAnnotations",
    "podLabels", "pyFile", "pyFiles", "pyModule", "resources", "securityContext", "tolerations", "volumeMounts", "volumes")}


def changes(old: Any, new: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of what is different, at most two members deep."""
    if old == new:
        return []
    if len(path) == 2 or not isinstance(old or {}, dict) or not isinstance(new or {}, dict):
        return [path]
    if path in LEFT_ALONE:
        return [path]
    old, new = old or {}, new or {}
    return [c for key in sorted(old.keys() | new.keys()) for c in changes(old.get(key), new.get(key), (*path, key))]


def restarts_nothing(old: Object, new: Object) -> bool:
    changed = changes(old.get("spec"), new["spec"]) if old else []
    application = all(at(o, "spec", "job").get("mode") == "Application" for o in (old, new))
    left_alone = LEFT_ALONE | (SUBMITTERS if application else set())
    return bool(changed) and "job" in new["spec"] and all(c[:2] in left_alone or c[:1] in left_alone for c in changed)


def control_left_over(old: Object, new: Object) -> bool:
    kept = at(old, "metadata", "annotations").get(CONTROL)
    return kept is not None and kept == at(new, "metadata", "annotations").get(CONTROL)


def ha_by_its_newer_key(old: Object, new: Object) -> bool:
    def kind(o: Object) -> Any:
        properties = at(o, "spec", "flinkProperties")
        return properties.get("high-availability.type") or properties.get("high-availability")
    return bool(old) and kind(old) is not None and kind(old) == kind(new)


def defaults_made_anew(old: Object, new: Object) -> bool:
    return bool(old) and ("flinkVersion",) in changes(old["spec"], new["spec"])


ACCEPTED = [
    Acceptance("change-restarts-nothing", "what doesn't restart the job needs no savepoint",
               rf"(?!.*{re.escape(CONTROL)}).*(savepointsDir|maxStateAgeToRestoreSeconds)", restarts_nothing),
    Acceptance("control-left-over", "an annotation that stays is no new request", re.escape(CONTROL), control_left_over),
    Acceptance("ha-newer-key", "nothing is switched on or off", "highAvailability", ha_by_its_newer_key),
    Acceptance("defaults-made-anew", "defaults that the user didn't touch follow the version", "(?i)memory", defaults_made_anew),
]


def acceptance_of(wanted: bool, denial: str, old: Object, new: Object) -> Acceptance | None:
    """Why flinkd may do otherwise than `wanted`, which is what the reference operator does; None: it may not.
    denial: the words of the one that denies."""
    return next((a for a in (REFUSED if wanted else ACCEPTED) if re.search(a.about, denial) and a.holds(old, new)), None)


# ---- what an update restarts -------------------------------------------------------------------------


@dataclass(frozen=True)
class Update:
    name: str
    reason: str
    holds: Callable[[Object, Object], bool]  # (object that is stored, object that is sent)
    at_once: bool  # the reference operator brings the new revision out at once, or waits until the job runs
    judge: Callable[[Quirked], list[str]]


def scales_and_more(old: Object, new: Object) -> bool:
    changed = changes(old["spec"], new["spec"])
    return "job" in new["spec"] and ("taskManager", "replicas") in changed and all(c[0] == "taskManager" for c in changed) \
        and not restarts_nothing(old, new)


OPTIONAL = {("podDisruptionBudget",), ("batchScheduler",), ("batchSchedulerName",), ("jobManager", "ingress"),
            ("taskManager", "horizontalPodAutoscaler")}


def restarts_and_adds(old: Object, new: Object) -> bool:
    """… or takes away a child."""
    changed = changes(old["spec"], new["spec"])
    return "job" in new["spec"] and not restarts_nothing(old, new) and any(c[:2] in OPTIONAL or c[:1] in OPTIONAL for c in changed)


UPDATES = [
    Update("changed-in-place", "what doesn't restart the job needn't wait for it", restarts_nothing, False, goes_on),
    Update("scales-and-more", "replicas that change with what restarts pods are no scaling: the job is saved first",
           scales_and_more, True, waits),
    Update("children-wait", "until the job is down for its update, the children are those of its revision", restarts_and_adds, False,
           children_wait),
]


def update_of(status: Any, old: Object, new: Object) -> Update | None:
    """Why flinkd may carry an update out otherwise; status: what the reference operator makes of it."""
    revision = at(status, "revision")
    at_once = revision.get("currentRevision") == revision.get("nextRevision")
    return next((u for u in UPDATES if u.at_once == at_once and u.holds(old, new)), None)
