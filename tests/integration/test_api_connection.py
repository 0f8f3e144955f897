#!/usr/bin/env python3
"""The daemons' way to a real API server: who they are by a client certificate, whom they trust, one connection for all."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.common import World, world
from tests.lib import testing
from tests.lib.cluster import NODE_IP
from tests.lib.testing import check, check_equal, test, wait_for

API_PORT = 6443


def base64_of(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def openssl(*args: str | Path) -> None:
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


def certificate(w: World, name: str, authority: str = "client-ca") -> tuple[Path, Path]:
    """Certificate and key of a user in the group of admins, signed by one of the cluster's authorities."""
    pki, to = w.cluster.dir / "pki", w.daemons.dir
    key, request, made = to / f"{name}.key", to / f"{name}.csr", to / f"{name}.crt"
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
            f"/O=system:masters/CN={name}", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", pki / f"{authority}.crt", "-CAkey", pki / f"{authority}.key",
            "-days", "1", "-out", made)
    return made, key


def another_authority(w: World) -> tuple[Path, Path]:
    made, key = w.daemons.dir / "other.crt", w.daemons.dir / "other.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
            "-subj", "/O=system:masters/CN=other", "-keyout", key, "-out", made)
    return made, key


def kubeconfig(w: World, name: str, user: dict[str, Any], ca: Path | None = None) -> Path:
    path = w.daemons.dir / f"{name}.kubeconfig"
    server = {"server": f"https://{NODE_IP}:{API_PORT}",
              "certificate-authority-data": base64_of(ca or w.cluster.dir / "pki/apiserver.crt")}
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": server}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": user}]}))
    return path


def visit(w: World, config: Path) -> list[str]:
    """A watcher with that kubeconfig which prints what it sees."""
    line = [a for a in w.daemons.command("watcher", "--dry-run") if not a.startswith("--kubeconfig=")]
    return [*line, f"--kubeconfig={config}"]


def expect_lists(w: World, config: Path) -> None:
    done = w.cluster.run(*visit(w, config), capture_output=True, text=True, timeout=30)
    rows = map(json.loads, done.stdout.splitlines())
    check("wc" in [r.get("name") for r in rows], done.stderr[-800:])


def expect_refused(w: World, config: Path, why: str) -> None:
    log = config.with_suffix(".log")
    with log.open("w") as out, w.cluster.popen(*visit(w, config), stdout=subprocess.PIPE, stderr=out, text=True) as p:
        try:
            wait_for(lambda: why in log.read_text(), f"{why!r} in its log", 15, explain=log.read_text)
        finally:
            p.terminate()
            seen, _ = p.communicate(timeout=20)
    check_equal(seen, "", "what it sees")


# ---- client certificates -------------------------------------------------------------------------


def test_a_client_certificate_in_the_kubeconfig_is_who_it_is(w: World) -> None:
    w.add_cluster(w.namespace())
    crt, key = certificate(w, "inline")
    expect_lists(w, kubeconfig(w, "inline", {
        "client-certificate-data": base64_of(crt), "client-key-data": base64_of(key)}))


def test_a_client_certificate_in_files_is_who_it_is(w: World) -> None:
    w.add_cluster(w.namespace())
    crt, key = certificate(w, "files")
    expect_lists(w, kubeconfig(w, "files", {"client-certificate": str(crt), "client-key": key.name}))


def test_an_exec_plugin_may_give_a_client_certificate(w: World) -> None:
    w.add_cluster(w.namespace())
    crt, key = certificate(w, "plugin")
    answer = w.daemons.dir / "answer.json"
    answer.write_text(json.dumps({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"clientCertificateData": crt.read_text(), "clientKeyData": key.read_text()}}))
    expect_lists(w, kubeconfig(w, "plugin", {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [str(answer)], "interactiveMode": "Never"}}))


def test_who_has_no_certificate_or_that_of_a_stranger_is_refused(w: World) -> None:
    w.add_cluster(w.namespace())
    expect_refused(w, kubeconfig(w, "nobody", {}), "system:anonymous")
    crt, key = another_authority(w)
    expect_refused(w, kubeconfig(w, "stranger", {
        "client-certificate-data": base64_of(crt), "client-key-data": base64_of(key)}), "Unauthorized")


def test_a_server_of_another_authority_is_not_talked_to(w: World) -> None:
    w.add_cluster(w.namespace())
    crt, _ = another_authority(w)
    expect_refused(w, kubeconfig(w, "wrong-ca", {"token": "admin-token"}, ca=crt), "SSL certificate problem")


# ---- one connection ------------------------------------------------------------------------------


def connections(pid: int) -> int:
    """Established connections of a process to the API server."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        target = str(fd.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    there = f":{API_PORT:04X}"
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for r in rows if r[9] in inodes and r[2].endswith(there) and r[3] == "01")


def watches(w: World) -> int:
    """Those that the API server has open for the watcher: it has no other clients."""
    _, text = w.api.raw("GET", "/metrics")
    rows = [r for r in text.decode().splitlines() if r.startswith("apiserver_longrunning_requests{") and 'verb="WATCH"' in r]
    return sum(int(float(r.rsplit(" ", 1)[1])) for r in rows)


@test(serial=True)
def test_all_watches_and_requests_of_a_daemon_share_one_connection(w: World) -> None:
    before = watches(w)
    w.daemons.stop("watcher")
    wait_for(lambda: watches(w) < before, "the watches to end", explain=lambda: watches(w))
    alone = watches(w)
    w.daemons.start("watcher")
    w.daemons.wait_ready("watcher")
    pid = w.daemons.processes["watcher"].pid
    wait_for(lambda: watches(w) - alone >= 10, "many watches", explain=lambda: watches(w) - alone)
    wait_for(lambda: connections(pid) == 1, "one connection", 10, explain=lambda: connections(pid))
    ns = w.namespace()
    w.add_cluster(ns)
    for i in range(20):
        w.child("ConfigMap", ns, f"wc-{i}")
    w.wait_stored("ConfigMap", ns, "wc-19")
    check_equal(connections(pid), 1, "connections")


if __name__ == "__main__":
    testing.main(lambda: world("watcher"))
