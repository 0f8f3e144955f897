"""A scripted Flink REST endpoint for many FlinkClusters, inside a test's network.

    with FakeFlink(cluster) as flink, Daemons(cluster, flink_url=flink.url_template) as d:
        job = flink.add_job(ns, name)                   # a job that runs
        flink.cluster(ns, name).savepoint = "fail"      # what the next savepoints do

It does what flinkd asks of the real one: jobs, savepoints, stop, cancel, checkpoints, exceptions; and what the real one
does only when it is falling over: no connection, no answer, an answer that takes its time, 503.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.lib.cluster import Cluster

TERMINAL = ("FINISHED", "FAILED", "CANCELED")
Answer = tuple[int, Any]


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass
class Savepoint:
    job_id: str
    directory: str
    stop: bool
    done_at: float  # monotonic
    location: str = ""
    failure: str = ""
    begun_at: float = field(default_factory=time.monotonic)


@dataclass
class Job:
    id: str
    name: str = "job"
    state: str = "RUNNING"
    start_ms: int = field(default_factory=now_ms)
    end_ms: int = -1
    exceptions: list[str] = field(default_factory=list)
    checkpoint: str = ""  # path of the newest completed, retained one

    def end(self, state: str) -> None:
        self.state, self.end_ms = state, now_ms()


@dataclass
class FlinkAt:
    """The Flink of one FlinkCluster. `up`: "yes", "refuse" (connection closed), "hang", "503"."""

    up: str = "yes"
    delay_s: float = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    savepoints: dict[str, Savepoint] = field(default_factory=dict)
    savepoint: str = "ok"  # "ok", "fail", "never"; or "refuse" (400 at once)
    savepoint_s: float = 0.2
    is_old: bool = False  # before 1.15: a trigger id in a request is refused
    cancel_s: float = 0
    requests: list[tuple[str, str, Any]] = field(default_factory=list)  # method, path, body
    submitted: list[tuple[str, str]] = field(default_factory=list)  # id, savepoint: jobs that began, of every JobManager
    made: list[Savepoint] = field(default_factory=list)  # savepoints that were begun, of every JobManager
    wrong: list[str] = field(default_factory=list)  # what must never happen
    override: dict[str, Answer | Callable[[], Answer]] = field(default_factory=dict)  # "GET /jobs/overview" -> answer

    def writes(self) -> list[tuple[str, str, Any]]:
        return [r for r in self.requests if r[0] != "GET"]


class FakeFlink:
    def __init__(self, cluster: Cluster, port: int = 28081) -> None:
        self.network, self.port = cluster.network, port
        self.clusters: dict[tuple[str, str], FlinkAt] = {}
        self.lock = threading.RLock()
        self.closing = threading.Event()

    @property
    def url_template(self) -> str:
        return f"http://127.0.0.1:{self.port}/{{namespace}}/{{name}}"

    def __enter__(self) -> FakeFlink:
        flink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def handle_one(self) -> None:
                flink.handle(self)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_one

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *args: Any) -> None:
                pass  # the other side went away: daemons are killed in tests

        with self.network():
            self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    # ---- the script ----

    def cluster(self, ns: str, name: str) -> FlinkAt:
        with self.lock:
            return self.clusters.setdefault((ns, name), FlinkAt(up="refuse"))

    def add_job(self, ns: str, name: str, job_id: str | None = None, **about: Any) -> Job:
        at = self.cluster(ns, name)
        at.up = "yes"
        job = Job(job_id or secrets.token_hex(16), **about)
        at.jobs[job.id] = job
        return job

    # ---- a JobManager's process ----

    def start_process(self, ns: str, name: str) -> None:
        """A new one knows nothing of what another had."""
        with self.lock:
            at = self.cluster(ns, name)
            at.up, at.jobs, at.savepoints = "yes", {}, {}

    def stop_process(self, ns: str, name: str) -> None:
        self.cluster(ns, name).up = "refuse"

    def submit(self, ns: str, name: str, job_id: str, savepoint: str = "") -> bool:
        """As `flink run` does; False: no answer. An id that this JobManager has had begins no second job."""
        with self.lock:
            at = self.cluster(ns, name)
            if at.up != "yes":
                return False
            if job_id in at.jobs:
                return True
            for job in at.jobs.values():
                self.advance(at, job)
            if alive := [j.id for j in at.jobs.values() if j.state not in TERMINAL]:
                at.wrong.append(f"job {job_id} was submitted while {alive[0]} was alive")
            at.jobs[job_id] = Job(job_id)
            at.submitted.append((job_id, savepoint))
            return True

    # ---- HTTP ----

    def handle(self, request: Any) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        url = urlsplit(request.path)
        ns, name, *rest = url.path.strip("/").split("/")
        at = self.cluster(ns, name)
        path = "/" + "/".join(rest)
        if at.up == "refuse":
            request.close_connection = True
            return
        with self.lock:
            at.requests.append((request.command, path, json.loads(body) if body else None))
        if at.up == "hang":
            self.closing.wait(3600)
            request.close_connection = True
            return
        if at.delay_s:
            self.closing.wait(at.delay_s)
        with self.lock:
            code, answer = self.answer(at, request.command, path, json.loads(body) if body else {}, parse_qs(url.query))
        data = json.dumps(answer).encode()
        request.send_response(code)
        request.send_header("Content-Type", "application/json; charset=UTF-8")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def answer(self, at: FlinkAt, method: str, path: str, body: Any, query: Any) -> Answer:
        if at.up == "503":
            return 503, {"errors": ["Service temporarily unavailable due to an ongoing leader election."]}
        scripted = at.override.get(f"{method} {path}")
        if scripted:
            return scripted() if callable(scripted) else scripted
        if at.is_old and "triggerId" in body:
            return 400, {"errors": ["org.apache.flink.runtime.rest.handler.RestHandlerException: Request did not match expected"
                                    " format StopWithSavepointRequestBody."]}
        for job in at.jobs.values():
            self.advance(at, job)
        for pattern, function in self.ROUTES:
            m = re.fullmatch(pattern, f"{method} {path}")
            if m:
                return function(self, at, *m.groups(), **({"body": body} if body else {}))
        return 404, {"errors": ["Not found: " + path]}

    @staticmethod
    def advance(at: FlinkAt, job: Job) -> None:
        """A stop ends its job when its savepoint is made; cancelling takes a while."""
        for s in at.savepoints.values():
            if s.job_id == job.id and s.stop and not s.failure and time.monotonic() >= s.done_at and job.state not in TERMINAL:
                job.end("FINISHED")
        if job.state == "CANCELLING" and now_ms() >= job.end_ms:
            job.state = "CANCELED"

    # ---- what it answers ----

    def overview(self, at: FlinkAt) -> Answer:
        return 200, {"jobs": [
            {"jid": j.id, "name": j.name, "state": j.state, "start-time": j.start_ms,
             "end-time": j.end_ms if j.state in TERMINAL else -1, "duration": now_ms() - j.start_ms,
             "last-modification": now_ms(), "tasks": {"total": 1, "running": int(j.state == "RUNNING")}}
            for j in at.jobs.values()]}

    def no_job(self, job_id: str) -> Answer:
        return 404, {"errors": [f"org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job ({job_id})"]}

    def exceptions(self, at: FlinkAt, job_id: str) -> Answer:
        job = at.jobs.get(job_id)
        if not job:
            return self.no_job(job_id)
        return 200, {"exceptionHistory": {"truncated": False, "entries": [
            {"exceptionName": e.split(":")[0], "stacktrace": e, "timestamp": now_ms()} for e in job.exceptions]}}

    def checkpoints(self, at: FlinkAt, job_id: str) -> Answer:
        job = at.jobs.get(job_id)
        if not job:
            return self.no_job(job_id)
        latest: dict[str, Any] = {"completed": None, "savepoint": None, "failed": None, "restored": None}
        if job.checkpoint:
            latest["completed"] = {"@class": "completed", "id": 1, "status": "COMPLETED", "external_path": job.checkpoint,
                                   "discarded": False, "is_savepoint": False, "latest_ack_timestamp": now_ms(),
                                   "trigger_timestamp": now_ms()}
        return 200, {"counts": {}, "summary": {}, "latest": latest, "history": []}

    def trigger(self, at: FlinkAt, job_id: str, kind: str, body: Any = {}) -> Answer:
        job = at.jobs.get(job_id)
        trigger_id = body.get("triggerId") or secrets.token_hex(16)
        if trigger_id in at.savepoints:  # the same request again
            return 202, {"request-id": trigger_id}
        if not job or job.state in TERMINAL:
            return self.no_job(job_id)
        if at.savepoint == "refuse":
            return 400, {"errors": ["org.apache.flink.runtime.rest.handler.RestHandlerException: refused"]}
        directory = body.get("target-directory") or body.get("targetDirectory") or ""
        wait = float("inf") if at.savepoint == "never" else at.savepoint_s
        s = Savepoint(job_id, directory, kind == "stop", time.monotonic() + wait)
        if at.savepoint == "fail":
            s.failure = "java.util.concurrent.CompletionException: CheckpointException: Checkpoint Coordinator is suspending."
        else:
            s.location = f"{directory.rstrip('/')}/savepoint-{job_id[:6]}-{trigger_id[:12]}"
        at.savepoints[trigger_id] = s
        at.made.append(s)
        return 202, {"request-id": trigger_id}

    def savepoint_status(self, at: FlinkAt, job_id: str, trigger_id: str) -> Answer:
        s = at.savepoints.get(trigger_id)
        if not s or s.job_id != job_id:
            return 404, {"errors": [f"There is no savepoint operation with triggerId={trigger_id} for job {job_id}."]}
        if time.monotonic() < s.done_at:
            return 200, {"status": {"id": "IN_PROGRESS"}, "operation": None}
        if s.failure:
            operation: Any = {"failure-cause": {"class": "java.util.concurrent.CompletionException", "stack-trace": s.failure}}
        else:
            operation = {"location": s.location}
        return 200, {"status": {"id": "COMPLETED"}, "operation": operation}

    def cancel(self, at: FlinkAt, job_id: str) -> Answer:
        job = at.jobs.get(job_id)
        if not job:
            return self.no_job(job_id)
        if job.state not in TERMINAL:
            job.state, job.end_ms = "CANCELLING", now_ms() + int(at.cancel_s * 1000)
        return 202, {}

    def dispose(self, at: FlinkAt, body: Any = {}) -> Answer:
        return 202, {"request-id": body.get("triggerId") or secrets.token_hex(16)}

    def disposed(self, at: FlinkAt, trigger_id: str) -> Answer:
        return 200, {"status": {"id": "COMPLETED"}, "operation": {}}

    def config(self, at: FlinkAt) -> Answer:
        return 200, {"refresh-interval": 3000, "flink-version": "1.20.5", "features": {"web-submit": True}}

    ROUTES: list[tuple[str, Callable[..., Answer]]] = [
        (r"GET /config", config),
        (r"GET /jobs/overview", overview),
        (r"GET /jobs/(\w+)/exceptions", exceptions),
        (r"GET /jobs/(\w+)/checkpoints", checkpoints),
        (r"POST /jobs/(\w+)/(savepoints|stop)", trigger),
        (r"GET /jobs/(\w+)/savepoints/(\w+)", savepoint_status),
        (r"PATCH /jobs/(\w+)", cancel),
        (r"POST /savepoint-disposal", dispose),
        (r"GET /savepoint-disposal/(\w+)", disposed),
    ]
