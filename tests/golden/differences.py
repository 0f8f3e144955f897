"""Where flinkd differs from the reference operator on purpose, each with its name and reason.

tests/golden/run knows these and nothing else; docs/compatibility.md lists them. What flinkd adds must look as described
here: anything else in the same place is still a difference.

    ADDITIONS   what flinkd adds to children and status, or writes otherwise
    QUIRKS      recorded behaviour that is a defect of the reference operator, by the text of the case's `quirk`
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.golden.recorded import CONFIG_FILES, Recorded

JOB_ID = re.compile(r"<JOBID\d*>|[0-9a-f]{32}")


@dataclass(frozen=True)
class Difference:
    name: str
    reason: str
    forgive: Callable[[Recorded, Recorded], bool]  # (expected, actual): whether it was met; takes it out of `actual`


@dataclass(frozen=True)
class Quirk:
    name: str
    text: str  # part of the case's `quirk`
    reason: str
    step: str  # of the case: "", "after_status", "update"
    judge: Callable[[Quirked], list[str]]  # what is still wrong; may change expected and actual


@dataclass
class Quirked:
    expected: Recorded
    actual: Recorded
    fresh: Callable[[], Recorded]  # what a new FlinkCluster with the step's spec gives here
    before: Recorded  # what was recorded in the step before


# ---- additions --------------------------------------------------------------------------------------

ADDITIONS: list[Difference] = []


def difference(name: str, reason: str) -> Callable[[Callable[[Recorded, Recorded], bool]], None]:
    def add(forgive: Callable[[Recorded, Recorded], bool]) -> None:
        ADDITIONS.append(Difference(name, reason, forgive))
    return add


def drop(parent: Any, key: str, condition: Callable[[Any], bool], expected: Any = None) -> bool:
    """Takes parent[key] away when the reference has nothing there and it looks as it should."""
    if not isinstance(parent, dict) or key not in parent or key in (expected or {}) or not condition(parent[key]):
        return False
    del parent[key]
    return True


def each_child(expected: Recorded, actual: Recorded, *kinds: str) -> Iterator[tuple[Any, Any]]:
    """(expected, actual), each child of the kinds; expected is {} where there should be none."""
    for key, a in (actual.children or {}).items():
        if not kinds or key.split("/")[0] in kinds:
            yield (expected.children or {}).get(key, {}), a


def at(value: Any, *path: str) -> Any:
    for p in path:
        value = value.get(p, {}) if isinstance(value, dict) else {}
    return value


def any_of(results: Iterator[bool] | list[bool]) -> bool:
    """Of all of them, not up to the first."""
    return any(list(results))


@difference("status-conditions", "conditions say why a cluster isn't ready, and `kubectl wait` works with them")
def _(expected: Recorded, actual: Recorded) -> bool:
    return drop(actual.status, "conditions", lambda c: isinstance(c, list) and all(
        {"type", "status", "reason"} <= set(x) for x in c), expected.status)


@difference("status-observed-generation", "says which version of the spec the status is about")
def _(expected: Recorded, actual: Recorded) -> bool:
    return drop(actual.status, "observedGeneration", lambda n: isinstance(n, int), expected.status)


@difference("status-job-id-early", "the job's id is chosen and written down before the submission, so that a submission "
            "that may or may not have happened is never repeated blindly")
def _(expected: Recorded, actual: Recorded) -> bool:
    return drop(at(actual.status, "components", "job"), "id", lambda v: bool(JOB_ID.fullmatch(v)),
                at(expected.status, "components", "job"))


@difference("application-failure-reasons", "an Application says, too, how its JobManager ended")
def _(expected: Recorded, actual: Recorded) -> bool:
    job, wanted = at(actual.status, "components", "job"), at(expected.status, "components", "job")
    return job.get("submitterName", "").endswith("-jobmanager") and job.get("state") in ("Failed", "Lost") and drop(
        job, "failureReasons", lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v), wanted)


@difference("selector-beside-autoscaler", "an autoscaler counts the pods that the status's selector finds: it has the labels that "
            "podLabels gave them")
def _(expected: Recorded, actual: Recorded) -> bool:
    told, wanted = at(actual.status, "components", "taskManager"), at(expected.status, "components", "taskManager")
    for kind in ("StatefulSet", "Deployment"):
        for key, child in (actual.children or {}).items():
            labels = at(child, "spec", "selector", "matchLabels")
            own = ",".join(f"{label}={labels.get(label)}" for label in ("app", "cluster", "component"))
            if key.startswith(f"{kind}/") and key.endswith("-taskmanager") and wanted.get("selector") not in (None, own) \
                    and told.get("selector") == own and any(k.startswith("HorizontalPodAutoscaler/") for k in actual.children or {}):
                told["selector"] = wanted["selector"]
                return True
    return False


@difference("job-annotations", "the submitter's Job carries the job's id and the number of restarts before it, so that both "
            "survive the loss of the journal and of the status")
def _(expected: Recorded, actual: Recorded) -> bool:
    met = []
    for e, a in each_child(expected, actual, "Job"):
        notes, expected_notes = at(a, "metadata", "annotations"), at(e, "metadata", "annotations")
        met += [drop(notes, "flinkoperator.k8s.io/job-id", lambda v: bool(JOB_ID.fullmatch(v)), expected_notes),
                drop(notes, "flinkoperator.k8s.io/restart-count", str.isdigit, expected_notes)]
        drop(at(a, "metadata"), "annotations", lambda v: v == {}, at(e, "metadata"))
    return any_of(met)


@difference("submitter-env-job-id", "the submit script takes the job's id from the environment, whoever else gives one there")
def _(expected: Recorded, actual: Recorded) -> bool:
    met = []
    for e, a in each_child(expected, actual, "Job"):
        for wanted, c in zip(containers(e), containers(a)):
            env, given = c.get("env", []), wanted.get("env", [])
            if c.get("name") == "main" and env and env[-1]["name"] == "FLINK_JOB_ID" and JOB_ID.fullmatch(env[-1].get("value", "")):
                env.pop()
                given[:] = [x for x in given if x["name"] != "FLINK_JOB_ID"]
                met.append(True)
    return any_of(met)


@difference("pod-annotation-configured-by", "after an update in place, pods are restarted only if their Flink configuration "
            "changed: the template says which revision's they have, whatever the user's annotations say")
def _(expected: Recorded, actual: Recorded) -> bool:
    met = []
    for e, a in each_child(expected, actual, "StatefulSet", "Deployment"):
        if drop(at(a, *TEMPLATE_METADATA, "annotations"), CONFIGURED_BY, lambda v: isinstance(v, str)):
            drop(at(e, *TEMPLATE_METADATA, "annotations"), CONFIGURED_BY, lambda v: True)  # the user's own
            for child in (e, a):
                drop(at(child, *TEMPLATE_METADATA), "annotations", lambda v: v == {})
            met.append(True)
    return any_of(met)


@difference("service-publishes-unready", "TaskManagers and the submitter reach the JobManager as soon as it listens, not when its "
            "readiness probe has noticed")
def _(expected: Recorded, actual: Recorded) -> bool:
    return any_of([drop(at(a, "spec"), "publishNotReadyAddresses", lambda v: v is True, at(e, "spec"))
                   for e, a in each_child(expected, actual, "Service")
                   if at(a, "metadata").get("name", "").endswith("-jobmanager")])


@difference("budget-without-jobs-pods", "Kubernetes allows no eviction at all where a budget covers a pod of a Job, such as "
            "the submitter's")
def _(expected: Recorded, actual: Recorded) -> bool:
    return any_of([drop_jobs_pods(at(e, "spec", "selector"), at(a, "spec", "selector"))
                   for e, a in each_child(expected, actual, "PodDisruptionBudget")])


def drop_jobs_pods(expected: Any, actual: Any) -> bool:
    """Takes flinkd's expression away, which follows the user's own."""
    wanted, found = expected.get("matchExpressions", []), actual.get("matchExpressions", [])
    own = {"key": "component", "operator": "Exists"}, {"key": "component", "operator": "In", "values": ["taskmanager"]}
    if len(found) != len(wanted) + 1 or found[:-1] != wanted or found[-1] not in own:
        return False
    found.pop()
    if not found:
        del actual["matchExpressions"]
    return True


@difference("flink-config-data-port", "the TaskManager's data port is where its Service says it is")
def _(expected: Recorded, actual: Recorded) -> bool:
    ports = [port.get("port") for _e, a in each_child(expected, actual, "Service") for port in at(a, "spec").get("ports", [])
             if isinstance(port, dict) and port.get("name") == "data"] + [at(actual.defaulted_spec, "taskManager", "ports").get("data")]
    return any_of([drop_line(e, a, name, re.compile(f"taskmanager\\.data\\.port: {port}"))
                   for e, a in each_child(expected, actual, "ConfigMap") for name in CONFIG_FILES for port in ports])


@difference("flink-config-java-options", "Flink 1.19 and later on Java 17 needs its --add-opens list, which a configuration that "
            "is mounted over the image's would lose; the user's own options stay as they are")
def _(expected: Recorded, actual: Recorded) -> bool:
    return any_of([drop_line(e, a, name, re.compile(r"env\.java\.default-opts\.all: --add-exports=\S+( --add-\S+)+"))
                   for e, a in each_child(expected, actual, "ConfigMap") for name in CONFIG_FILES])


@difference("flink-config-queryable-state", "the port of queryable state is where the pod says it is")
def _(expected: Recorded, actual: Recorded) -> bool:
    return any_of([drop_line(e, a, name, re.compile(r"queryable-state\.server\.ports: \d+"))
                   for e, a in each_child(expected, actual, "ConfigMap") for name in CONFIG_FILES])


@difference("flink-config-1.18-java-options", "1.18 has no key for defaults: the --add-opens list follows the user's own options, "
            "also those under the old key, which Flink doesn't look at beside the new one")
def _(expected: Recorded, actual: Recorded) -> bool:
    def recorded(line: str, wanted: list[str]) -> list[str] | None:
        m = re.fullmatch(r"env\.java\.opts\.all:(.*?)( --add-(exports|opens)=\S+)+", line)
        found = [x for x in wanted if m and x.rstrip() == f"env.java.opts.all:{m[1]}"]
        return found if found or (m and m[1] == "") or (m and f"env.java.opts:{m[1]}" in wanted) else None
    return any_of([rewrite_lines(e, a, recorded) for e, a in each_child(expected, actual, "ConfigMap")])


@difference("flink-config-quotes", "config.yaml has quotes where YAML would read something else")
def _(expected: Recorded, actual: Recorded) -> bool:
    def recorded(line: str, wanted: list[str]) -> list[str] | None:
        try:
            (key, value), = yaml.safe_load(line).items()
        except (yaml.YAMLError, AttributeError, ValueError):
            return None
        lines = [x for x in f"{key}: {value}".split("\n") if x] if '"' in line else []
        found = [x for x in wanted if x.rstrip() in [one.rstrip() for one in lines]]
        return found if lines and len(found) == len(lines) else None
    return any_of([rewrite_lines(e, a, recorded) for e, a in each_child(expected, actual, "ConfigMap")])


@difference("flink-config-line-break", "a line break in a value would begin another property: it is a space")
def _(expected: Recorded, actual: Recorded) -> bool:
    def recorded(line: str, wanted: list[str]) -> list[str] | None:
        """The pieces in which the reference wrote it: a word or more each, the first with the key."""
        pieces, rest = [], line
        while rest and (piece := max((x for x in wanted if rest == x or rest.startswith(x + " ")), key=len, default="")):
            pieces.append(piece)
            rest = rest[len(piece):].lstrip(" ")
        return pieces if not rest and len(pieces) > 1 else None
    return any_of([rewrite_lines(e, a, recorded) for e, a in each_child(expected, actual, "ConfigMap")])


@difference("flink-config-blank-job-id", "an empty $internal.pipeline.job-id is said to flinkd: Flink would take it for an id")
def _(expected: Recorded, actual: Recorded) -> bool:
    return any_of([drop_line(a, e, name, re.compile(r"\$internal\.pipeline\.job-id: ?"))
                   for e, a in each_child(expected, actual, "ConfigMap") if e for name in CONFIG_FILES])


@difference("application-ha-backoff", "with high availability a JobManager that dies is replaced; only exit status 163, of a job that "
            "failed for good, fails the Job")
def _(expected: Recorded, actual: Recorded) -> bool:
    met = []
    for e, a in each_child(expected, actual, "Job"):
        wanted, spec = at(e, "spec"), at(a, "spec")
        codes = [rule.get("onExitCodes", {}) for rule in at(spec, "podFailurePolicy").get("rules", [])]
        if wanted.get("backoffLimit") == 0 and spec.get("backoffLimit") == 100 and [c.get("values") for c in codes] == [[163]]:
            spec["backoffLimit"] = 0
            del spec["podFailurePolicy"]
            if "podReplacementPolicy" in wanted:
                spec["podReplacementPolicy"] = wanted["podReplacementPolicy"]
            met.append(True)
    return any_of(met)


@difference("probe-follows-port", "the default probe asks the port that there is now, not the one before the update")
def _(expected: Recorded, actual: Recorded) -> bool:
    met = []
    for part, component in (("jobManager", "jobmanager"), ("taskManager", "taskmanager")):
        spec = at(actual.defaulted_spec, part)
        mains = [(wanted, c) for e, a in each_child(expected, actual) for wanted, c in zip(containers(e), containers(a))
                 if c["name"] == component]
        for name in ("livenessProbe", "readinessProbe"):
            for wanted, found in [(at(expected.defaulted_spec, part), spec), *mains]:
                was, now = at(wanted, name, "tcpSocket"), at(found, name, "tcpSocket")
                if was.get("port") != now.get("port") and now.get("port") == at(spec, "ports").get("rpc"):
                    was["port"] = now["port"]
                    met.append(True)
    return any_of(met)


@difference("given-twice", "the API server refuses a name that is twice in a list: the last value is in the first one's place; host "
            "names of one address are joined")
def _(expected: Recorded, actual: Recorded) -> bool:
    met = []
    for e, _a in each_child(expected, actual):
        template = at(e, "spec", "template", "spec")
        lists = [c["env"] for kind in ("containers", "initContainers") for c in template.get(kind, []) if "env" in c]
        for items in [*lists, template.get("imagePullSecrets", [])]:
            last = {item["name"]: item for item in items}
            if len(last) < len(items):
                items[:] = last.values()  # in the order in which the names came first
                met.append(True)
        aliases = template.get("hostAliases", [])
        names = {alias["ip"]: [name for x in aliases if x["ip"] == alias["ip"] for name in x.get("hostnames", [])] for alias in aliases}
        if len(names) < len(aliases):
            aliases[:] = [{"ip": ip, "hostnames": hosts} for ip, hosts in names.items()]
            met.append(True)
    return any_of(met)


@difference("blank-arguments", "a blank className, jarFile, pyFiles, … is absent, not an argument of flink run")
def _(expected: Recorded, actual: Recorded) -> bool:
    met = []
    job = at(expected.defaulted_spec, "job")
    for args in run_args(expected):
        own = len(job.get("args", []))
        for i in reversed(range(len(args) - 1 - own)):
            if args[i] in BLANK_OPTIONS and not args[i + 1].strip():
                del args[i:i + 2]
                met.append(True)
        jar = len(args) - 1 - own - sum(2 for key in ("pyFile", "pyFiles", "pyModule") if job.get(key, "").strip())
        if args[0] == "bash" and "jarFile" in job and not args[jar].strip():
            del args[jar]
            met.append(True)
    return any_of(met)


@difference("python-options-first", "Flink's Python options come before the program's arguments: what follows is the program's")
def _(expected: Recorded, actual: Recorded) -> bool:
    met = []
    job = at(expected.defaulted_spec, "job")
    given = job.get("args", [])
    ordered = python_options_first(job)
    for args in run_args(expected):
        if ordered != given and args[len(args) - len(given):] == given:
            args[len(args) - len(given):] = ordered
            met.append(True)
    return any_of(met)


def python_options_first(job: Any) -> list[str]:
    """job.args as flinkd sorts them."""
    given = list(job.get("args", []))
    named = bool(job.get("pyFile", "").strip() or job.get("pyModule", "").strip())
    words = given[:given.index("--")] if "--" in given else given
    options, rest, program = [], [], named
    while words:
        name, equals, value = words[0].partition("=")
        if name in PYTHON_OPTIONS and (equals or len(words) > 1) and not (named and name in PYTHON_PROGRAMS):
            options += [name, value if equals else words[1]]
            program = program or name in PYTHON_PROGRAMS
            words = words[1 if equals else 2:]
        else:
            rest.append(words[0])
            words = words[1:]
    other = job.get("className", "") if job.get("mode") == "Application" else job.get("jarFile", "")
    if not program or (other.strip() and other != PYTHON_DRIVER):
        return given
    return options + rest + given[given.index("--") if "--" in given else len(given):]


@difference("revision-label", "the label that says which revision a child is of is never the user's")
def _(expected: Recorded, actual: Recorded) -> bool:
    met = []
    for e, a in each_child(expected, actual):
        for path in (("metadata",), TEMPLATE_METADATA):
            wanted, labels = at(e, *path, "labels"), at(a, *path, "labels")
            if LABEL_REVISION in wanted and wanted[LABEL_REVISION] != labels.get(LABEL_REVISION) and re.fullmatch(
                    r".+-<HASH\d*>", labels.get(LABEL_REVISION, "")) and "<HASH" not in wanted[LABEL_REVISION]:
                wanted[LABEL_REVISION] = labels[LABEL_REVISION]
                met.append(True)
    return any_of(met)


BLANK_OPTIONS = ("--class", "--pyFiles", "--pyModule", "--python", "-C", "--job-classname")
PYTHON_PROGRAMS = ("-py", "--python", "-pym", "--pyModule")
PYTHON_OPTIONS = (*PYTHON_PROGRAMS, "-pyfs", "--pyFiles", "-pyarch", "--pyArchives", "-pyreq", "--pyRequirements", "-pyexec",
                  "--pyExecutable", "-pyclientexec", "--pyClientExecutable", "-pypath", "--pyPythonPath")
PYTHON_DRIVER = "org.apache.flink.client.python.PythonDriver"
LABEL_REVISION = "flinkoperator.k8s.io/revision-name"
CONFIGURED_BY = "flinkoperator.k8s.io/configured-by"
TEMPLATE_METADATA = ("spec", "template", "metadata")


def run_args(recorded: Recorded) -> list[list[str]]:
    """What `flink run`, or an Application's JobManager, is started with."""
    return [c["args"] for key, child in (recorded.children or {}).items() if key.startswith("Job/")
            for c in containers(child) if c["name"] in ("main", "jobmanager") and "args" in c]


def containers(child: Any) -> list[Any]:
    found: list[Any] = at(child, "spec", "template", "spec").get("containers", [])
    return found


def rewrite_lines(expected: Any, actual: Any, recorded: Callable[[str, list[str]], list[str] | None]) -> bool:
    """Lines of a Flink configuration that the reference writes otherwise, as it writes them. recorded(line, the reference's
    lines): those that the line stands for; None: it is an ordinary one."""
    met = False
    for name in CONFIG_FILES:
        lines, wanted = at(actual, "data").get(name, []), at(expected, "data").get(name, [])
        for line in [x for x in lines if x not in wanted]:
            if (found := recorded(line, wanted)) is not None:
                lines.remove(line)
                lines.extend(found)
                met = True
        lines.sort()
    return met


def drop_line(expected: Any, actual: Any, name: str, pattern: re.Pattern[str]) -> bool:
    """Takes a line that the reference doesn't have out of a Flink configuration."""
    lines, wanted = at(actual, "data").get(name, []), at(expected, "data").get(name, [])
    kept = [x for x in lines if x in wanted or not pattern.fullmatch(x)]
    if kept == lines:
        return False
    actual["data"][name] = kept
    return True


@difference("denied-by-schema", "rules that CEL can say are in the CRD, so that they hold when no webhook runs: the refusal "
            "comes from the schema then, with another wording")
def _(expected: Recorded, actual: Recorded) -> bool:
    return False  # only the fragments of a denial are compared


# ---- quirks -----------------------------------------------------------------------------------------

HANDLERS = ("tcpSocket", "httpGet", "exec", "grpc")


def may_be_refused(q: Quirked) -> list[str]:
    if q.actual.accepted is False:
        q.expected.accepted = False
        q.expected.defaulted_spec = q.expected.children = q.expected.status = None
    return []


def probes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        for k, v in value.items():
            if k.endswith("Probe") and isinstance(v, dict):
                yield v
            else:
                yield from probes(v)
    elif isinstance(value, list):
        for v in value:
            yield from probes(v)


def given_handler_replaces_the_default(q: Quirked) -> list[str]:
    """The cluster comes up: everything is there, and each probe has one handler, the user's where there is one."""
    wrong = []
    for wanted in probes(q.expected.defaulted_spec):
        if sum(h in wanted for h in HANDLERS) > 1:
            wanted.pop("tcpSocket", None)
    kinds = [key.split("/")[0] for key in q.actual.children or {}]
    if kinds.count("StatefulSet") + kinds.count("Deployment") < 2 or kinds.count("Service") < 2:
        wrong.append(f"not all components are there: {sorted(q.actual.children or {})}")
    given = [json.dumps(p[h], sort_keys=True) for p in probes(q.expected.defaulted_spec) for h in HANDLERS if h in p]
    for probe in probes(list((q.actual.children or {}).values())):
        handlers = [h for h in HANDLERS if h in probe]
        if len(handlers) != 1:
            wrong.append(f"a probe has the handlers {handlers}")
    if len(given) < 1:
        wrong.append("the case has no probe with two handlers")
    # The reference got no further than the ConfigMap.
    q.actual.children = {k: v for k, v in (q.actual.children or {}).items() if k in (q.expected.children or {})}
    q.expected.status = q.actual.status = None
    return wrong


def submitted_again_from_the_savepoint(q: Quirked) -> list[str]:
    """A new submitter Job with --fromSavepoint; all else as recorded, except that the job is being deployed."""
    jobs = {k: v for k, v in (q.actual.children or {}).items() if k.startswith("Job/")}
    if len(jobs) != 1:
        return [f"{len(jobs)} submitter Jobs"]
    (key, job), = jobs.items()
    del (q.actual.children or {})[key]
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    savepoint = q.expected.status["components"]["job"].get("fromSavepoint")
    if "--fromSavepoint" not in args or (savepoint and args[args.index("--fromSavepoint") + 1] != savepoint):
        return [f"the job isn't submitted from {savepoint}: {args}"]
    q.expected.status["components"]["job"] |= {"state": "Deploying", "submitterExitCode": -1}
    return []


def all_components_in_the_new_revision(q: Quirked) -> list[str]:
    """As a new FlinkCluster with the new spec, but for the revision."""
    fresh = q.fresh()
    name = str(at(q.expected.status, "revision").get("nextRevision", "")).split("-<")[0]
    q.expected.children = json.loads(json.dumps(fresh.children).replace("<HASH>", "<HASH2>"))
    revisions = {f"ControllerRevision/{name}-<HASH{'' if n == 1 else n}>": {"revision": n} for n in (1, 2)}
    q.expected.children |= revisions
    q.expected.status = copy.deepcopy(fresh.status)
    components = q.expected.status["components"]
    for key in q.before.status["components"].keys() - components.keys():  # the new spec has none
        components[key] = {"name": q.before.status["components"][key]["name"], "state": "Deleted"}
    q.expected.status["revision"] = {k: f"{name}-<HASH2>-2" for k in ("currentRevision", "nextRevision")}
    for addition in ADDITIONS:  # those of the fresh one are of no interest either
        addition.forgive(Recorded(children={}, status={}), Recorded(children=q.expected.children, status=q.expected.status))
    return []


# ---- how a job ended that Flink isn't asked about ---------------------------------------------------


def is_end_guessed(expected: Recorded, actual: Recorded) -> bool:
    """The reference operator takes the submitter's end for the job's, though the JobManager that may have it doesn't answer."""
    wanted, job = at(expected.status, "components", "job"), at(actual.status, "components", "job")
    up = at(actual.status, "components", "jobManager").get("state") == "Ready"
    return wanted.get("submitterName", "").endswith("-submitter") and (
        (wanted.get("state") == "Succeeded" and job.get("state") in ("Deploying", "Lost"))
        or (wanted.get("state") == "Failed" and job.get("state") == "Deploying" and up))


def nothing_is_taken_down(q: Quirked) -> list[str]:
    q.expected.children = q.before.children
    q.expected.status = q.actual.status = None
    return []


END_NOT_GUESSED = Quirk("end-not-guessed", "", "whether a job runs, and how it ended, is Flink's to say: nothing is submitted again, or "
                        "cleaned up, before it does", "after_status", nothing_is_taken_down)

# ---- updates of a job cluster whose job doesn't run yet ---------------------------------------------


def goes_on(q: Quirked) -> list[str]:
    """All children are those of the new spec, and the job is the one that there was, under its own revision."""
    jobs = {k: v for k, v in q.expected.children.items() if k.startswith("Job/")}
    job = q.expected.status["components"]["job"]
    wrong = all_components_in_the_new_revision(q)
    q.expected.children = {k: v for k, v in q.expected.children.items() if not k.startswith("Job/")} | jobs
    components = q.expected.status["components"]
    components["job"] = job
    components |= {key: q.before.status["components"][key] for key in ("jobManager", "taskManager") if key in components}
    if q.before.status["state"] == "Running" and components["jobManagerService"]["state"] == "Ready":
        q.expected.status["state"] = "Running"
    return wrong


def waits(q: Quirked) -> list[str]:
    """Nothing is changed but that the new revision is known."""
    name = str(at(q.expected.status, "revision").get("nextRevision", "")).split("-<")[0]
    q.expected.children = q.before.children | {f"ControllerRevision/{name}-<HASH2>": {"revision": 2}}
    q.expected.status = copy.deepcopy(q.before.status)
    q.expected.status["revision"]["nextRevision"] = f"{name}-<HASH2>-2"
    return []


def children_wait(q: Quirked) -> list[str]:
    """None is there or gone before its time."""
    revisions = {k: v for k, v in q.expected.children.items() if k.startswith("ControllerRevision/")}
    q.expected.children = {k: q.expected.children.get(k, v) for k, v in q.before.children.items()} | revisions
    return []


QUIRKS = [
    Quirk("may-refuse", "An implementation may refuse it", "a required field that is missing is refused by the CRD", "",
          may_be_refused),
    Quirk("probe-handler-replaced", "let the given handler replace the default one",
          "a probe with two handlers is refused by Kubernetes: the user's replaces the default one", "",
          given_handler_replaces_the_default),
    Quirk("job-submitted-after-update", "should submit the new job (with --fromSavepoint)",
          "an updated job whose predecessor failed is submitted instead of being lost", "update",
          submitted_again_from_the_savepoint),
    Quirk("session-updated", "should bring all components to the new revision",
          "an update of a session cluster is carried out", "update", all_components_in_the_new_revision),
]


def quirk_of(text: str, step: str) -> Quirk | None:
    return next((q for q in QUIRKS if q.text in text and q.step == step), None)
