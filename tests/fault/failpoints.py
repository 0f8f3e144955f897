"""The failpoints that the sources have, and the operations on a job in which their daemons get there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.lib.cluster import ROOT
from tests.lib.daemons import SUITE

OPERATIONS = ("submit", "savepoint", "restart", "update", "stop", "cancel", "delete")
# Points that only some operations pass; all others are passed by all.
ONLY = {"submit": ("submit", "update", "restart"), "savepoint": ("savepoint",), "stop": ("stop", "update", "delete"),
        "cancel": ("cancel",), "annotation": ("savepoint", "stop", "cancel")}
# Where a daemon doesn't get there all the same, and why.
NOT_PASSED = {("plan.sent", "savepoint"): "nothing is asked of Kubernetes"}


def failpoints() -> Iterator[tuple[str, str]]:
    """(name, daemon), of the sources."""
    for daemon in SUITE:
        for source in sorted((ROOT / daemon).glob("*.c")):
            for name in re.findall(r'failpoint\("([^"]+)"\)', source.read_text()):
                yield name, daemon


def is_passed_in(point: str, operation: str) -> bool:
    return (point, operation) not in NOT_PASSED and operation in ONLY.get(point.split(".")[0], OPERATIONS)
