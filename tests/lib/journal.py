"""Reading flinkd's journal, from outside and read-only: what tests ask it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND_STATES = ("wanted", "claimed", "done", "failed", "dropped")


class Journal:
    """Opened anew for every question: a test may delete the file meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5)
        db.row_factory = sqlite3.Row
        try:
            yield db
        finally:
            db.close()

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self.open() as db:
            try:
                return db.execute(sql, values).fetchall()
            except sqlite3.OperationalError as e:
                if "no such table" in str(e):  # a daemon is just making the file
                    return []
                raise

    def value(self, sql: str, *values: Any) -> Any:
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    def last_row(self) -> int:
        return self.value("SELECT row FROM counter")

    def cursor(self, consumer: str) -> int:
        return self.value("SELECT row FROM cursor WHERE consumer = ?", consumer) or 0

    def object(self, kind: str, ns: str, name: str) -> dict[str, Any] | None:
        text = self.value("SELECT json FROM object WHERE (kind, ns, name) = (?, ?, ?) AND NOT deleted", kind, ns, name)
        return json.loads(text) if text else None

    def commands(self, ns: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
        """Oldest first; args and result decoded, state by name."""
        found = [dict(r) for r in self.rows("SELECT * FROM command ORDER BY id")]
        for c in found:
            c["state"] = COMMAND_STATES[c["state"]]
            c["args"], c["result"] = (json.loads(c[k]) if c[k] else None for k in ("args", "result"))
        return [c for c in found if ns in (None, c["ns"]) and kind in (None, c["kind"])]

    def events(self, cluster_uid: str, what: str | None = None) -> list[dict[str, Any]]:
        found = [dict(r) for r in self.rows("SELECT * FROM event WHERE cluster_uid = ? ORDER BY id", cluster_uid)]
        for e in found:
            e["payload"] = json.loads(e["payload"]) if e["payload"] else None
        return [e for e in found if what in (None, e["what"])]

    def observations(self, cluster_uid: str) -> dict[str, Any]:
        return {r["key"]: json.loads(r["json"])
                for r in self.rows("SELECT key, json FROM job_observation WHERE cluster_uid = ?", cluster_uid)}

    def snapshot(self) -> Snapshot:
        """All that says whether the daemons have something left to do, at one moment."""
        s = Snapshot()
        with self.open() as db:
            db.execute("BEGIN")
            for kind, ns, name, version in db.execute(
                    "SELECT kind, ns, name, resource_version FROM object WHERE NOT deleted"):
                s.objects.setdefault(ns, {})[kind, name] = version
            s.cursors = dict(db.execute("SELECT consumer, row FROM cursor").fetchall())
            for ns, row in db.execute("SELECT ns, max(row) FROM cluster_change GROUP BY ns"):
                s.newest[ns] = row
            for ns, kind, key, state, due in db.execute(
                    "SELECT ns, kind, key, state, due_ms FROM command WHERE state < 2"):
                s.open_commands.setdefault(ns, []).append((kind, key, state, due))
            s.history = dict(db.execute(
                "SELECT o.ns, max(e.id) FROM event e JOIN object o ON o.kind = 'FlinkCluster' AND o.uid = e.cluster_uid"
                " GROUP BY o.ns").fetchall())
        return s


@dataclass
class Snapshot:
    objects: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)  # ns -> (kind, name) -> version
    cursors: dict[str, int] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)  # ns -> newest row of its FlinkClusters
    open_commands: dict[str, list[tuple[str, str, int, int]]] = field(default_factory=dict)
    history: dict[str, int] = field(default_factory=dict)

    def namespaces(self) -> set[str]:
        return set(self.objects) | set(self.newest)

    def activity(self, ns: str) -> tuple[Any, ...]:
        """Changes whenever something happens for the namespace."""
        return self.newest.get(ns), self.history.get(ns), tuple(self.open_commands.get(ns, []))

    def unread(self, ns: str, readers: list[str]) -> str:
        row = self.newest.get(ns, 0)
        behind = [r for r in readers if self.cursors.get(r, 0) < row]
        return f"{' and '.join(behind)} hasn't read row {row}" if behind else ""

    def open_command(self, ns: str, soon_s: float) -> str:
        for kind, key, state, due_ms in self.open_commands.get(ns, []):
            if state == 1 or due_ms / 1000 <= time.time() + soon_s:
                return f"command {kind} {key} is {COMMAND_STATES[state]}"
        return ""
