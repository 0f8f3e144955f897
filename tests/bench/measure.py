"""What benchmarks measure with, and how they say it."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lib.daemons import Daemons
from tests.lib.kube import Kube

TICKS = os.sysconf("SC_CLK_TCK")
QUIET = {"*": ["--log-level=warn"]}  # of daemons: what they log by default costs nothing, what tests want to read does


@dataclass
class Figure:
    """One line of the result. peer: what it is compared with; at_most: the aim, for the ratio or (no peer) the value."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    peer: float | None = None
    peer_name: str = ""
    note: str = ""

    @property
    def judged(self) -> float:
        return self.value / self.peer if self.peer else self.value

    @property
    def fine(self) -> bool:
        return self.at_most is None or self.judged <= self.at_most

    def line(self, bench: str) -> str:
        text = f"{bench:<16} {self.name:<44} {number(self.value):>8} {self.unit:<6}"
        text += f" {self.peer_name} {number(self.peer)} {self.unit}, ratio {self.judged:.2f}" if self.peer else ""
        if self.at_most is not None:
            text += f" aim <= {number(self.at_most)}{'' if self.peer else ' ' + self.unit}: {'yes' if self.fine else 'NO'}"
        return text + (f" ({self.note})" if self.note else "")


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


# ---- processes -----------------------------------------------------------------------------------


def cpu_of(pid: int) -> float:
    """CPU-seconds so far; its own name may have blanks and brackets."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_of(pid: int) -> float:
    """Megabytes: what is shared counts by its share."""
    return int(re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1]) / 1000  # type: ignore[index]


def cpu(daemons: Daemons) -> dict[str, float]:
    return {name: cpu_of(p.pid) for name, p in daemons.processes.items()}


def pss(daemons: Daemons) -> dict[str, float]:
    return {name: pss_of(p.pid) for name, p in daemons.processes.items()}


def since(before: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    return {k: now[k] - before.get(k, 0) for k in now}


def each(values: dict[str, float]) -> str:
    return ", ".join(f"{k} {v:.2f}" for k, v in values.items())


def wait_quiet(daemons: Daemons, window_s: float = 4, at_most: float = 0.06, deadline_s: float = 120) -> None:
    """Until they use next to no CPU."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        before = cpu(daemons)
        time.sleep(window_s)
        if sum(since(before, cpu(daemons)).values()) <= at_most * window_s:
            return


# ---- the API server ------------------------------------------------------------------------------

REQUESTS = re.compile(r"^apiserver_request_total\{([^}]*)\} (\S+)$", re.M)


def api_requests(api: Kube) -> dict[tuple[str, str], float]:
    """(verb, resource) -> requests so far, of everybody."""
    _, text = api.raw("GET", "/metrics")
    found: dict[tuple[str, str], float] = {}
    for labels, value in REQUESTS.findall(text.decode()):
        label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        resource = label["resource"] + (f"/{label['subresource']}" if label.get("subresource") else "")
        found[label["verb"], resource] = found.get((label["verb"], resource), 0) + float(value)
    return found


def count_of(api: Kube, kind: str) -> int:
    """How many there are, without fetching them."""
    answer: dict[str, Any] = api.request("GET", api.path(kind, limit=1))
    return len(answer["items"]) + int(answer["metadata"].get("remainingItemCount", 0))
