"""The archive's own work (ingest, sharing, catalog, retention) killed at random: the promise is read from the disk."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest

from thaniya_core.formats.names import Series
from thaniya_core.formats.volume import series_directory
from thaniya_core.initialise import initialise
from thaniya_core.model import UploadState
from thaniya_core.retention import parse_policy
from thaniya_core.server import open_server

pytestmark = pytest.mark.torture

KILLS = 300 if os.environ.get("THANIYA_TORTURE") == "1" else 8
KEPT = 5
SERIES = Series("alice", "web1", "nightly")
DEADLINE_S = 60.0

# Archives and prunes for ever, as the service, and says of each backup that a client was told `archived`.
WORK = """
import random, sys
from pathlib import Path
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.names import Series
from thaniya_core.server import open_server

server, seed = open_server(Path(sys.argv[1])), int(sys.argv[2])
numbers = random.Random(seed)
series = Series("alice", "web1", "nightly")
with server.as_service(30.0):
    server.recover()
    print("ready", flush=True)
    while True:
        server.close_slots()
        while server.worker.run_due():
            server.worker.drain()
        upload = server.allocator.allocate("alice", "web1", "nightly", 100_000, "", "alice")
        place = server.accounts.directory(upload.slot)
        (place / "always.bin").write_bytes(b"the same in each" * 1000)
        (place / "dump.sql").write_bytes(numbers.randbytes(200) * numbers.randrange(1, 100))
        server.uploads.complete(upload.id, None, "alice")
        server.close_slots()
        while server.worker.run_due():
            server.worker.drain()
        if server.uploads.get(upload.id).state == "archived":
            print("archived", upload.id, flush=True)
        if numbers.random() < 0.4:
            server.retention.apply(series, "test")
"""


@pytest.fixture
def config(tmp_path):
    initialise(tmp_path / "server", "test", slots=2)
    file = tmp_path / "server" / "thaniya.toml"
    file.write_text(file.read_text() + '\n[compression]\n"*.sql" = "gzip"\n')
    server = open_server(file)
    server.users.add("alice", [], "test", max_uploads=9)
    server.retention_settings.set("default", parse_policy(f"keep-last={KEPT}"), "test")
    return file


@pytest.mark.parametrize("seed", [1, 2])
def test_archive_is_whole_whenever_its_work_is_killed(config, seed):
    told: list[str] = []
    waits = random.Random(seed)
    longest_s = 6 * seconds_a_backup(config)
    for number in range(KILLS):
        with start_work(config, seed * 1000 + number) as worker:
            assert worker.stdout is not None and worker.stderr is not None
            try:
                worker.wait(waits.uniform(0.0, longest_s))
            except subprocess.TimeoutExpired:
                worker.kill()
            said = worker.stdout.read()
            assert "Traceback" not in worker.stderr.read()
        told += [line.split()[1] for line in said.splitlines() if line.startswith("archived ") and line.count("-")]
        look_at(config, told)
    assert len(told) > KILLS // 4


def start_work(config, seed):
    """Let it work; gives the process as soon as it has begun."""
    command = [sys.executable, "-c", WORK, str(config), str(seed)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert worker.stdout is not None and worker.stderr is not None
    assert worker.stdout.readline() == "ready\n", worker.stderr.read()
    return worker


def seconds_a_backup(config):
    """How long a backup takes on this machine now: kills are to come early and late in one, wherever this runs."""
    with start_work(config, 0) as worker:
        assert worker.stdout is not None
        begun = time.monotonic()
        for _ in range(3):
            worker.stdout.readline()
        worker.kill()
    return (time.monotonic() - begun) / 3


def look_at(config, told):
    """A new start carries on, and then the disk holds what was promised and nothing half done."""
    server = open_server(config)
    with server.as_service(DEADLINE_S):
        server.recover()
        for upload in server.uploads.list_on_their_way():
            if upload.state is UploadState.OPEN:
                server.abort_upload(upload.id, "its client died", "test")
        server.close_slots()
        while server.worker.run_due():
            assert server.worker.drain(DEADLINE_S)
    listed = [backup.id for backup in server.catalog.find()]
    volume = config.parent / "volume"
    assert len(set(listed)) == len(listed)
    assert sorted(listed) == sorted(path.name for path in series_directory(volume, SERIES).iterdir())
    assert [*(volume / ".incoming").glob("*"), *(volume / ".removing").glob("*")] == []
    for missing in set(told) - set(listed):
        # Retention took it: the policy keeps as many that are not older, by the second that ids tell.
        assert sum(each[:16] >= missing[:16] for each in listed) >= KEPT, [missing, listed]
    for backup in server.catalog.find():
        assert server.backups.verify(backup, "test").broken == ""
    assert list(server.uploads.list_on_their_way()) == []
