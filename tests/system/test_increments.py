"""Increments made by a shell, the commands that show and remove them, and clients that are killed at any instant."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from thaniya_core.errors import ExitCode

CLIENT = """
import sys
from pathlib import Path
from thaniya_client import Directory, Incremental, ThaniyaServer
port, key, known_hosts, source, state = sys.argv[1:]
print("begun", flush=True)
with ThaniyaServer("127.0.0.1", port=int(port), key=key, known_hosts=known_hosts) as server:
    report = server.backup(
        Directory(source, incremental=Incremental(state_directory=state)), name="killed", host="web1"
    )
print(report.id, report.parent, flush=True)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree to back up."""
    root = tmp_path / "home"
    (root / "below").mkdir(parents=True)
    (root / "kept").write_text("kept")
    (root / "gone").write_text("gone")
    return root


def _same(one: Path, other: Path) -> bool:
    return subprocess.run(["diff", "-r", str(one), str(other)], check=False, capture_output=True).returncode == 0


def _pack(source: Path, work: Path) -> Path:
    archive = work / "home.tar.gz"
    command = f"tar -C {source} -c -g {work / 'snapshot'} . | gzip -1 > {archive}"
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    return archive


def test_shell_client_makes_an_increment(running_server, source, tmp_path):
    full = running_server.back_up(_pack(source, tmp_path))
    (source / "gone").unlink()
    (source / "below" / "new").write_text("new")
    archive = _pack(source, tmp_path)

    allocated = running_server.ssh("alice", f"allocate --host web1 --name nightly --parent {full}")
    assert allocated.facts["parent"] == full
    running_server.scp("alice", str(archive), f"{allocated.facts['slot']}@127.0.0.1:upload/")
    sums = subprocess.run(["sha256sum", str(archive)], check=True, capture_output=True).stdout
    increment = allocated.facts["upload"]
    done = running_server.ssh("alice", f"complete {increment} --sums --parent {full}", sums)
    assert (done.exit_code, done.stdout) == (0, "state=archived\n"), done.stderr

    restored = running_server.thaniya("backup", "restore", increment, str(tmp_path / "restored"))
    assert restored.exit_code == 0, restored.stderr
    assert _same(source, tmp_path / "restored")
    some = running_server.thaniya("backup", "restore", increment, str(tmp_path / "some"), "gone")
    assert some.exit_code == ExitCode.NOT_FOUND
    assert full in running_server.thaniya("backup", "show", increment).stdout

    refused = running_server.thaniya("backup", "remove", full, "--yes")
    assert refused.exit_code == 1
    assert f"needed by {increment}" in refused.stderr
    removed = running_server.thaniya("backup", "remove", full, "--with-increments", "--yes", "--json")
    assert removed.json["increments"] == [increment]
    assert running_server.thaniya("backup", "list", "--json").json == []


def test_parent_that_is_not_there_is_not_agreed(running_server):
    allocated = running_server.ssh("alice", "allocate --host web1 --name nightly --parent 20261123T211500Z-7f3a2c")
    assert allocated.facts["parent_refused"] == "20261123T211500Z-7f3a2c is not in the archive"
    assert "parent" not in allocated.facts


def test_increment_of_what_was_not_agreed_is_rejected(running_server, source, tmp_path):
    full = running_server.back_up(_pack(source, tmp_path))
    archive = _pack(source, tmp_path)
    allocated = running_server.allocate()
    running_server.put(allocated, archive)
    sums = subprocess.run(["sha256sum", str(archive)], check=True, capture_output=True).stdout
    done = running_server.ssh("alice", f"complete {allocated.upload} --sums --parent {full}", sums)
    assert done.exit_code == ExitCode.INTEGRITY
    assert "was not agreed" in done.stderr


def test_client_killed_at_any_instant_leaves_a_chain_that_goes_on(running_server, source, tmp_path):
    running_server.configure("slots", silence="2s")
    running_server.restart()
    given = [
        str(running_server.port),
        str(running_server.keys / "alice"),
        str(running_server.work / "known_hosts"),
        str(source),
        str(tmp_path / "state"),
    ]
    command = [sys.executable, "-c", CLIENT, *given]
    chance = random.Random(6)
    for number in range(8):
        (source / f"{number}").write_bytes(os.urandom(200_000))
        with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == b"begun\n"
            try:
                client.wait(chance.uniform(0, 1.0))
            except subprocess.TimeoutExpired:
                client.send_signal(signal.SIGKILL)
        (source / f"{number}").rename(source / f"renamed-{number}")
        done = running_server.run(*command)
        assert done.exit_code == 0, done.stderr
        backup_id, _ = done.stdout.splitlines()[-1].split()
        restored = tmp_path / f"restored-{number}"
        assert running_server.thaniya("backup", "restore", backup_id, str(restored)).exit_code == 0
        assert _same(source, restored)
