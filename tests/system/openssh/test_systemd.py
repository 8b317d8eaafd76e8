"""The unit under a real systemd, which is process 1 of a machine of its own: started, hardened, restarted, removed."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from real_server import DEADLINE_S, HELPER, REPOSITORY

SYSTEMD = Path("/lib/systemd/systemd")
HERE = Path(__file__).parent
MOVE_AND_RUN = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


def find_cgroups():
    """Where the host has its hierarchy of control groups, version 2, if it may be written."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options = line.split()[:4]
        if kind == "cgroup2" and "rw" in options.split(","):
            return Path(place)
    return None


def why_no_systemd():
    """Why it cannot be process 1 of a machine here; empty when it can."""
    if not SYSTEMD.exists():
        return "systemd is missing (package systemd)"
    if find_cgroups() is None:
        return "cannot run here: no writable control groups of version 2"
    if tuple(map(int, os.uname().release.split(".")[:2])) < (5, 12):
        return "cannot run here: a kernel of 5.12 is needed, to make mounts read-only with all below them"
    return ""


def remove_cgroups(top):
    for directory in sorted([top, *(each for each in top.rglob("*") if each.is_dir())], reverse=True):
        try:
            directory.rmdir()
        except OSError:
            return False  # a process is on its way out
    return True


@pytest.fixture
def machine(make_machine, wait_until):
    """A machine that systemd runs; nothing of the host can be written there."""
    reason = why_no_systemd()
    if reason:
        pytest.skip(reason)
    cgroup = find_cgroups() / f"thaniya-tests-{os.getpid()}"
    cgroup.mkdir(exist_ok=True)
    wrapper = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", MOVE_AND_RUN, str(cgroup)]
    wrapper += ["unshare", "--cgroup", "--uts", "--ipc"]
    ways = {"/tmp": str(REPOSITORY)} if REPOSITORY.is_relative_to("/tmp") else {}
    try:
        machine = make_machine(*wrapper, ways=ways, MACHINE_INIT=str(HERE / "systemd.sh"))
        try:
            wait_until(lambda: machine.run("systemctl", "is-active", "basic.target", check=False).returncode == 0)
            yield machine
        finally:
            machine.kill()
    finally:
        wait_until(lambda: remove_cgroups(cgroup))


@pytest.fixture
def server(machine, server_on, key_directory):
    """A server set up by the command, with sshd as a service of systemd."""
    server = server_on(machine)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server.port = probe.getsockname()[1]
    config = machine.path("/etc/ssh/sshd_config")
    config.write_text(f"{config.read_text()}Port {server.port}\nUsePAM yes\n")
    public = machine.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text()
    (server.work / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {public}")
    machine.run("systemctl", "start", "ssh")
    server.thaniya("setup", "openssh", "--slots", "2")
    server.thaniya("user", "add", "alice", "--key", (key_directory / "alice.pub").read_text())
    return server


def test_nothing_of_the_host_can_be_written(machine):
    for place in ("/", "/usr", "/home", "/var/cache", "/sys", "/proc/sys/kernel", REPOSITORY):
        done = machine.run("touch", f"{place}/written-by-a-test", check=False)
        assert done.returncode == 1, f"{place} can be written"
        assert not Path(place, "written-by-a-test").exists()
    for place in ("/tmp", "/var/tmp", "/run", "/dev"):
        machine.run("touch", f"{place}/written-by-a-test")
        assert not Path(place, "written-by-a-test").exists()


def properties(machine, *names):
    shown = machine.run("systemctl", "show", "thaniya", *(f"--property={name}" for name in names)).stdout
    return dict(line.split("=", 1) for line in shown.splitlines())


def journal(machine):
    return machine.run("journalctl", "--unit=thaniya", "--no-pager", "--output=cat").stdout


def upload_file(server, file):
    upload, slot = server.allocate()
    assert server.scp("alice", file, slot).returncode == 0
    return upload, slot


def complete(server, upload):
    done = server.ssh("alice", "complete", upload)
    assert (done.returncode, "state=archived" in done.stdout) == (0, True), done.stdout + done.stderr
    assert server.archived(upload).is_dir()


def test_service_runs_as_a_hardened_unit_until_it_is_removed(server, make_file, wait_until):
    machine = server.machine
    told = properties(machine, "ActiveState", "UnitFileState", "User", "NRestarts", "MainPID", "DevicePolicy")
    assert told | {"MainPID": ""} == {
        "ActiveState": "active",
        "UnitFileState": "enabled",
        "User": "thaniya",
        "NRestarts": "0",
        "MainPID": "",
        "DevicePolicy": "closed",
    }
    wait_until(lambda: "ready; sshd lets clients in" in journal(machine))

    # Closing a slot makes the service's root helper lock the account, end a session, collect and clean.
    upload, slot = upload_file(server, make_file("one.bin"))
    with subprocess.Popen(
        server.sftp_command("alice", slot), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as session:
        wait_until(lambda: machine.run("pgrep", "--uid", slot, check=False).returncode == 0)
        done = server.ssh("alice", "abort", upload)
        assert done.returncode == 0, done.stderr
        server.wait_until_ready(slot)
        session.communicate(b"ls upload\n", timeout=DEADLINE_S)
    assert session.returncode != 0
    upload, slot = upload_file(server, make_file("two.bin"))
    complete(server, upload)
    server.wait_until_ready(slot)
    assert server.sftp("alice", slot, "ls\n").returncode == 255

    # With an upload under way.
    upload, _ = upload_file(server, make_file("three.bin"))
    machine.run("systemctl", "restart", "thaniya")
    complete(server, upload)
    assert properties(machine, "MainPID")["MainPID"] != told["MainPID"]
    machine.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "thaniya")
    wait_until(lambda: properties(machine, "ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "1"})

    findings = {each["name"]: each for each in server.json("doctor")}
    assert {findings[name]["level"] for name in ("login", "locked slot", "service", "version of systemd's unit")} == {
        "ok"
    }
    assert [each for each in findings.values() if each["level"] == "fail"] == []
    assert "WARNING" not in journal(machine)

    assert "stop thaniya.service" in machine.run("thaniya", "setup", "remove", "--yes").stdout
    assert properties(machine, "LoadState", "ActiveState") == {"LoadState": "not-found", "ActiveState": "inactive"}
    assert not machine.path("/etc/systemd/system/thaniya.service").exists()
    assert "stopped" in journal(machine).lower()


def test_slots_can_be_made_and_removed_within_the_limits_of_the_unit(server):
    machine = server.machine
    unit = machine.path("/etc/systemd/system/thaniya.service").read_text().splitlines()
    kept = [line for line in unit if not line.startswith(("Type=", "ExecStart=", "Restart"))]
    at = kept.index("[Service]") + 1

    def run_within_limits(*words):
        command = " ".join(["/usr/bin/sudo", "--non-interactive", HELPER, *words])
        lines = [*kept[:at], "Type=oneshot", f"ExecStart={command}", *kept[at:], ""]
        machine.write("/etc/systemd/system/helper.service", "\n".join(lines))
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", "helper")

    run_within_limits("create", "thaniya_09")
    assert machine.run("stat", "--format=%U %a", "/srv/thaniya/slots/thaniya_09/upload").stdout == "thaniya 2770\n"
    run_within_limits("remove", "thaniya_09")
    assert "thaniya_09" not in machine.path("/etc/passwd").read_text()


def test_program_that_systemd_cannot_run_is_told_by_setup(server):
    unit_limits = "[Service]\nInaccessiblePaths=/opt\n"
    server.machine.path("/etc/systemd/system/thaniya.service.d").mkdir()
    server.machine.write("/etc/systemd/system/thaniya.service.d/hidden.conf", unit_limits)
    server.machine.path("/etc/systemd/system/thaniya.service").unlink()

    done = server.machine.run("thaniya", "setup", "openssh", "--slots", "2", check=False)

    assert (done.returncode, "systemctl restart thaniya.service" in done.stderr) == (1, True), done.stderr
