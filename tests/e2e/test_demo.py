#!/usr/bin/env python3
"""What `make demo` runs: a Kubernetes of its own, flinkd in it, and a job from apply to its words; and nothing is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lib import testing  # noqa: E402
from tests.lib.cluster import INSTANCES, TOOL, instance_prefix, take_down  # noqa: E402
from tests.lib.testing import ROOT, check, check_equal, test  # noqa: E402


class Demo:
    def __init__(self, copies: Path) -> None:
        self.name = f"{instance_prefix(os.getpid())}demo"
        self.dir = INSTANCES / self.name
        self.copies = copies

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=os.environ | {"CLUSTER_NAME": self.name}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def with_sample(self, old: str, new: str) -> Path:
        """The demo of somebody whose sample is another."""
        shutil.copytree(ROOT / "deploy", self.copies / "deploy")
        for folder in ("build", "tests"):
            (self.copies / folder).symlink_to(ROOT / folder)
        sample = self.copies / "deploy/samples/wordcount.yaml"
        text = sample.read_text()
        check(old in text, f"no {old} in the sample")
        sample.write_text(text.replace(old, new))
        return self.copies / "deploy/demo"

    def job(self) -> dict[str, Any]:
        done = self.run(TOOL, "kubectl", "-n", "default", "get", "fc", "wordcount", "-o", "json")
        check_equal(done.returncode, 0, done.stdout)
        return json.loads(done.stdout)["status"]["components"]["job"]


def traces(demo: Demo) -> list[str]:
    """Of an instance: processes, mounts, cgroups, files."""
    found = [str(p) for p in [demo.dir, *Path("/sys/fs/cgroup").glob(f"**/flinkd-{demo.name}")] if p.exists()]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(demo.dir) in line]
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [text] if str(demo.dir) in (text := command.read_text(errors="replace").replace("\0", " ")) else []
    return found


@test(timeout=300)
def test_up_shows_a_job_from_apply_to_the_words_it_counted(demo: Demo) -> None:
    done = demo.run(ROOT / "deploy/demo", "up")
    check_equal(done.returncode, 0, f"exit status ({done.stdout[-3000:]}); it")
    check(re.search(r"(?m)^\d+> \(\w+,\d+\)$", done.stdout), f"no words were counted: {done.stdout[-3000:]}")
    check_equal(demo.job()["state"], "Succeeded", "job")


@test(timeout=300)
def test_up_with_a_job_that_fails_fails_with_the_reason(demo: Demo) -> None:
    done = demo.run(demo.with_sample("wordcount.WordCount", "wordcount.NoSuchCount"), "up")
    check(done.returncode != 0, f"it succeeded: {done.stdout[-3000:]}")
    check(re.search(r"(?m)^ *JobFailed: .*NoSuchCount", done.stdout), f"no reason: {done.stdout[-3000:]}")
    check("Where to look next" not in done.stdout, "it went on as if the job had succeeded")


@test(timeout=120)
def test_down_leaves_nothing(demo: Demo) -> None:
    if not demo.dir.exists():  # the others weren't run
        check_equal(demo.run(TOOL, "up", "--control-plane").returncode, 0, "exit status of cluster up")
    check(traces(demo), "no trace of what is up: nothing could be missed")
    done = demo.run(ROOT / "deploy/demo", "down")
    check_equal(done.returncode, 0, f"exit status ({done.stdout[-3000:]}); it")
    check_equal(traces(demo), [], "what is left")


@contextlib.contextmanager
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory() as copies:
        d = Demo(Path(copies))
        try:
            yield d
        finally:
            take_down(d.name)


if __name__ == "__main__":
    testing.main(demo, threads=1)
