"""A Flink cluster and its job by hand: floor.yaml, and Flink's REST API."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
from pathlib import Path
from typing import Any

from tests.e2e.node import Node
from tests.lib.kube import load_all_yaml

HERE = Path(__file__).parent


class ByHand:
    def __init__(self, n: Node) -> None:
        self.n, self.api = n, n.api
        self.ns = n.api.namespace(prefix="floor")
        self.submissions = 0
        self.objects = json.loads(json.dumps(load_all_yaml(HERE / "floor.yaml")).replace("SHARE", str(n.share)))
        self.host = ""

    def __enter__(self) -> ByHand:
        return self

    def __exit__(self, *exc: object) -> None:
        self.api.delete("Namespace", None, self.ns)
        self.n.wait_no_pods(self.ns)

    def create(self) -> None:
        for o in self.objects:
            if o["kind"] != "Job":
                self.api.create(o, self.ns)
        self.host = self.api.get("Service", self.ns, "wc-jobmanager")["spec"]["clusterIP"]

    def submit(self, run: str) -> None:
        """Another submitter: it waits for the REST port and runs `flink run -d`."""
        self.submissions += 1
        job = json.loads(json.dumps(next(o for o in self.objects if o["kind"] == "Job")).replace("RUN", run))
        job["metadata"]["name"] += f"-{self.submissions}"
        self.api.create(job, self.ns)

    # ---- Flink ----

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """JSON; None when there is no answer."""
        c = http.client.HTTPConnection(self.host, 8081, timeout=2)
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError), contextlib.closing(c):
            c.sock = self.n.cluster.socket()
            c.sock.settimeout(2)
            c.sock.connect((self.host, 8081))
            c.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
            r = c.getresponse()
            answer = json.loads(r.read())
            return answer if r.status < 300 else None
        return None

    def jobs(self) -> dict[str, str]:
        return {j["jid"]: j["state"] for j in (self.ask("GET", "/jobs/overview") or {"jobs": []})["jobs"]}

    def states(self) -> list[str]:
        return list(self.jobs().values())

    def stop(self, job_id: str, directory: str) -> str:
        return self.ask("POST", f"/jobs/{job_id}/stop", {"targetDirectory": directory, "triggerId": secrets.token_hex(16)})["request-id"]

    def savepoint(self, job_id: str, trigger: str) -> str:
        answer = self.ask("GET", f"/jobs/{job_id}/savepoints/{trigger}")
        return (answer.get("operation") or {}).get("location", "") if answer else ""
