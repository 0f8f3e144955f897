#!/usr/bin/env python3
"""The tests' own Kubernetes: what it leaves behind when it goes, however it ended, and that two don't meet."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.lib import testing
from tests.lib.cluster import INSTANCES, TOOL, Cluster, instance_prefix
from tests.lib.kube import ApiError
from tests.lib.testing import check, check_equal, say, test, wait_for

STARTED = {"etcd", "kube-apiserver"}


def instance(which: str) -> Cluster:
    return Cluster(crd=False, name=f"{instance_prefix(os.getpid())}{which}")


@contextlib.contextmanager
def taken_down(*clusters: Cluster) -> Iterator[None]:
    """Also when the test fails."""
    try:
        yield
    finally:
        for c in clusters:
            c.tool("down", check=False)


# ---- what there is -----------------------------------------------------------------------------------------------


def command_line(pid: int) -> str:
    """Empty: it has ended, whether or not its parent has noticed."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    return ""


def still_run(pids: dict[int, str]) -> list[str]:
    return [line for pid, line in pids.items() if command_line(pid) == line]


def processes(c: Cluster) -> dict[int, str]:
    """Whose command line has the instance's folder in it, or who is in its network."""
    network = c.dir / "ns/net"
    inode = network.stat().st_ino if network.exists() else -1
    found = {}
    for p in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = command_line(int(p.name))
            if line and (f"{c.dir}/" in line or (p / "ns/net").stat().st_ino == inode):
                found[int(p.name)] = line
    return found


def component(c: Cluster, name: str) -> int:
    """Its process."""
    return int((c.dir / f"run/{name}.pid").read_text().split()[0])


def mounts(c: Cluster) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {c.dir}" in line]


def links() -> set[str]:
    return {p.name for p in Path("/sys/class/net").iterdir()}


def cgroups(c: Cluster) -> list[str]:
    return [str(p) for p in Path("/sys/fs/cgroup").glob(f"**/flinkd-{c.name}")]


def expect_nothing_left(c: Cluster, pids: dict[int, str], links_before: set[str]) -> None:
    check_equal(processes(c), {}, "processes")
    check_equal(still_run(pids), [], "processes from before")
    check_equal(mounts(c), [], "mounts")
    check_equal(cgroups(c), [], "cgroups")
    check(not c.dir.exists(), f"{c.dir} is still there")
    check_equal(links() - links_before, set(), "network links")


def up(c: Cluster) -> None:
    began = time.monotonic()
    c.tool("up", "--control-plane")
    say(f"# up --control-plane took {time.monotonic() - began:.1f} s")
    check_equal(c.tool("kubectl", "get", "--raw", "/readyz").stdout, "ok", "the API server")
    running = {Path(line.split(" ")[0]).name for line in processes(c).values()}
    check(running >= STARTED, f"only {running} run")
    check(mounts(c), "it has its mounts")


# ---- the end -----------------------------------------------------------------------------------------------------


def ends(c: Cluster, trouble: Callable[[], None]) -> None:
    before = links()
    with taken_down(c):
        up(c)
        pids = processes(c)
        trouble()
        pids |= processes(c)
        c.tool("down")
        expect_nothing_left(c, pids, before)


@test(serial=True)
def test_down_leaves_nothing_behind() -> None:
    c = instance("plain")
    ends(c, lambda: None)
    c.tool("down")  # of what isn't there: nothing to do


@test(serial=True)
def test_down_leaves_nothing_behind_when_its_processes_were_killed() -> None:
    c = instance("killed")

    def kill() -> None:
        for name in STARTED:
            os.kill(component(c, name), signal.SIGKILL)
    ends(c, kill)


@test(serial=True)
def test_down_ends_what_was_started_inside_and_what_is_stopped() -> None:
    c = instance("stopped")

    def leave() -> None:
        c.popen("sleep", "1000", start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: any(line.startswith("sleep") for line in processes(c).values()), "a process inside")
        os.kill(component(c, "etcd"), signal.SIGSTOP)
    ends(c, leave)


@test(serial=True)
def test_an_up_that_is_killed_half_way_is_taken_down_and_started_over() -> None:
    c, before = instance("half"), links()
    with taken_down(c):
        for sign in (c.dir / "ns/net", c.dir / "run/etcd.pid", c.dir / "run/kube-apiserver.pid", c.dir / "pki/apiserver.crt"):
            p = subprocess.Popen([TOOL, "up", "--control-plane"], env=os.environ | {"CLUSTER_NAME": c.name},
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for(sign.exists, f"{sign.name}", 60, 0.005)
            p.kill()
            p.wait()
            pids = processes(c)
            c.tool("down")
            expect_nothing_left(c, pids, before)
        up(c)
        pids = processes(c)
        c.tool("up", "--control-plane")  # over what runs: afresh
        check_equal(still_run(pids), [], "processes of the first")


# ---- two of them -------------------------------------------------------------------------------------------------


@test(serial=True)
def test_two_side_by_side_share_nothing_and_one_may_go() -> None:
    one, two, before = instance("one"), instance("two"), links()
    with taken_down(one, two), one:
        with two:
            one.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}, "default")
            try:
                two.api.get("ConfigMap", "default", "mine")
            except ApiError as e:
                check_equal(e.code, 404, e.message)
            else:
                testing.fail("what one has is in the other")
            check_equal(set(processes(one)) & set(processes(two)), set(), "processes of both")
            pids = processes(two)
            survivors = processes(one)
        expect_nothing_left(two, pids, before)
        check_equal(set(processes(one)), set(survivors), "the other's processes")
        check(one.api.get("ConfigMap", "default", "mine"), "its object")
        one.tool("restart-apiserver")
        check(one.api.get("ConfigMap", "default", "mine"), "its object")
        check(INSTANCES.exists(), "its folder")


if __name__ == "__main__":
    testing.main()
